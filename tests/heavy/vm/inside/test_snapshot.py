"""`rdma-dp snapshot` on a live kernel: the verbs show the same with it as on the node."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.daemon import DEADLINE, RDMA_DP
from tests.heavy.vm.inside.fabric import FABRIC_A, HCAS

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")


@pytest.fixture(autouse=True)
def altname() -> Iterator[None]:
    """Facts that are in no file."""
    fabric.run("ip", "link", "property", "add", "dev", FABRIC_A.netdev, "altname", "fabric-left")
    yield
    fabric.run("ip", "link", "property", "del", "dev", FABRIC_A.netdev, "altname", "fabric-left")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Every user may write a snapshot there."""
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o777)
    return tmp_path


@pytest.mark.parametrize(
    ("user", "raw"), [((), ("--raw",)), (NOBODY, ())], ids=["root-raw", "nobody-pseudonyms"]
)
def test_it_replays_to_the_same_document_when_the_hcas_are_gone(
    user: tuple[str, ...], raw: tuple[str, ...], directory: Path
) -> None:
    file = directory / "node.tar.gz"
    live = document(*user, RDMA_DP, "discover", "-o", "json")
    fabric.run(*user, str(RDMA_DP), "snapshot", *raw, str(file))
    for hca in HCAS:
        fabric.unplug(hca)
    try:
        gone = document(RDMA_DP, "discover", "-o", "json")
        replayed = document(RDMA_DP, "discover", "-o", "json", "--root", file)
    finally:
        fabric.plug_all()
    assert gone["hcas"] == []
    assert replayed == live
    [left] = [hca for hca in replayed["hcas"] if hca["name"] == FABRIC_A.name]
    assert left["altNames"] == ["fabric-left"]
    assert left["protocol"] == "roce"


def test_no_address_of_the_node_is_in_it(directory: Path) -> None:
    file = directory / "node.tar.gz"
    fabric.run(str(RDMA_DP), "snapshot", str(file))
    text = fabric.run("tar", "xzOf", str(file))
    addresses = [Path("/sys/class/net", hca.netdev, "address").read_text() for hca in HCAS]
    assert all(address.strip() not in text for address in addresses)


def document(*command: str | Path) -> Any:
    """The output of a command, with any exit code."""
    return json.loads(subprocess.check_output(command, text=True, timeout=DEADLINE))

"""Runtimes make containers from our specs with the granted nodes only, and without errors."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from rdma_dp.config import CdiMode, Config, Resource
from rdma_dp.discovery import scan
from rdma_dp.host.files import Host
from rdma_dp.sharing.allocation import Grant, example, grant
from rdma_dp.sharing.pool import Pool, make_pool
from rdma_dp.sharing.selection import select
from rdma_dp.specs import cdi
from rdma_dp.specs.publisher import SpecFiles
from simulator.host import sample_names
from tests.conftest import Fresh
from tests.heavy.cdi.runtimes import DIRECTORY, Answer, Container, Made, ask
from tests.makers import hca, per_hca, pool, resource

LIBRARIES = ("oldest", "newest")
WITH_CDI = (CdiMode.CRI, CdiMode.ANNOTATIONS, CdiMode.BOTH)
GPU = """\
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
- {name: all, containerEdits: {env: [A=1]}}
"""

both_libraries = pytest.mark.parametrize("library", LIBRARIES)
both_modes = pytest.mark.parametrize("of", [resource(), per_hca()], ids=["resource", "hca"])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / DIRECTORY).mkdir(parents=True)
    (tmp_path / DIRECTORY / "nvidia.com-gpu.yaml").write_text(GPU)
    return tmp_path


def with_specs(root: Path, *pools: Pool) -> Path:
    """Let the daemon's own code write the specs."""
    assert SpecFiles(root / DIRECTORY, root / "devinfo").follow(pools) == {}
    return root


def on_host(root: Path, of: Resource) -> Pool:
    inventory = scan(Host(root))
    return make_pool(select(inventory, of), inventory.system, config=Config(cdi=CdiMode.BOTH))


def asked(what: Grant, mode: CdiMode) -> Container:
    delivery = cdi.delivered(what, mode)
    assert delivery.devices == ()
    return Container(delivery.cdi_devices, dict(delivery.annotations))


def assert_just(made: Made, what: Grant, root: Path) -> None:
    """The container has the granted nodes, with the host's numbers, and may use them."""
    assert made.refused == ""
    assert sorted(node.path for node in made.nodes) == sorted(what.devices)
    for node in made.nodes:
        number = (root / node.path.lstrip("/")).stat().st_rdev
        assert (node.type, node.major, node.minor) == ("c", os.major(number), os.minor(number))
    allowed = {(rule.allow, rule.type, rule.major, rule.minor, rule.access) for rule in made.rules}
    assert allowed == {(True, "c", node.major, node.minor, "rwm") for node in made.nodes}


@both_libraries
@both_modes
@pytest.mark.parametrize("name", sample_names())
def test_containers_on_every_sample_host_get_what_was_granted(
    library: str, of: Resource, name: str, fresh: Fresh
) -> None:
    root = fresh(name, dev=True).root
    full = on_host(root, of)
    (root / DIRECTORY).mkdir(parents=True)
    grants = [grant(full), example(full)] if full.hcas else []
    answer = ask(
        library,
        with_specs(root, full),
        *(asked(each, mode) for mode in WITH_CDI for each in grants),
    )
    assert answer.complaints == {}
    assert answer.devices == sorted(cdi.names(grant(full)))
    for made, each in zip(answer.made, grants * len(WITH_CDI), strict=True):
        assert_just(made, each, root)


@both_libraries
def test_an_hca_in_two_resources_beside_another_vendors_gpu_is_no_conflict(
    library: str, fresh: Fresh
) -> None:
    root = fresh("seed", dev=True).root
    pools = [on_host(root, resource(name=name)) for name in ("one", "other")]
    (root / DIRECTORY).mkdir(parents=True)
    (root / DIRECTORY / "nvidia.com-gpu.yaml").write_text(GPU)
    names = [name for each in pools for name in cdi.names(grant(each))]
    answer = ask(library, with_specs(root, *pools), Container([*names, "nvidia.com/gpu=all"]))
    assert answer.complaints == {}
    assert (answer.made[0].refused, {node.path for node in answer.made[0].nodes}) == (
        "",
        {*grant(pools[0]).devices},
    )


@both_libraries
def test_virtual_hcas_can_be_called_anything(library: str, root: Path) -> None:
    names = ["a", "7", "ü", "rxe 0", "-rxe", "rxe-", "rdma_cm", "x" * 63]
    hcas = [hca(number, name=name, functions=()) for number, name in enumerate(names)]
    full = pool(*hcas, of=per_hca())
    answer = ask(library, _written(root, full))
    assert answer.complaints == {}
    assert {*cdi.names(grant(full))} < {*answer.devices}


@both_libraries
@pytest.mark.parametrize("name", ["a", "9", "a.b", "a-0123456789", "Z" * 63])
@pytest.mark.parametrize("prefix", ["rdma", "3com", "a.b.c", "x" * 60])
def test_resources_can_be_called_anything(library: str, root: Path, prefix: str, name: str) -> None:
    of = replace(resource(name=name), resource_prefix=prefix)
    full = pool(hca(), of=of)
    answer = ask(library, _written(root, full))
    assert answer.complaints == {}
    assert {*cdi.names(grant(full))} < {*answer.devices}


@both_libraries
def test_a_container_whose_hca_is_gone_is_refused_by_the_name_of_the_device(
    library: str, fresh: Fresh
) -> None:
    root = fresh("dgx-h100", dev=True).root
    before = on_host(root, per_hca())
    lost, *left = before.hcas
    handed_out = [name for name in cdi.names(grant(before)) if lost.stable_key in name]
    after = pool(*left, of=before.resource, before=before)
    answer = ask(library, _written(root, after), Container(handed_out))
    assert "unresolvable" in answer.made[0].refused
    assert handed_out[0] in answer.made[0].refused


# --- the Go plugin's names ----------------------------------------------------------------------

ITS_OWN = """\
---
cdiVersion: 0.5.0
containerEdits: {{}}
devices:
- containerEdits: {{deviceNodes: [{{path: /dev/infiniband/rdma_cm, permissions: rw}}]}}
  name: {address}
kind: nvidia.com/net-rdma
"""


def of_the_go_plugin(*addresses: str) -> Container:
    """A container that it started: kubelet keeps its annotation."""
    names = ",".join(f"nvidia.com/net-rdma={address}" for address in addresses)
    return Container(annotations={"cdi.k8s.io/nvidia.com_net-rdma": names})


@both_libraries
@pytest.mark.parametrize("name", sample_names())
def test_a_container_of_the_go_plugin_restarts_on_every_sample_host(
    library: str, name: str, fresh: Fresh
) -> None:
    root = fresh(name, dev=True).root
    inventory = scan(Host(root))
    wanted: dict[str, set[str]] = {}
    for each in inventory.hcas:
        # The Go plugin knows neither SFs nor nodes of drivers (hfi1_0).
        given = {d.path for d in (each.uverbs, *each.management_nodes) if d and d.usable}
        if given and each.function and not each.subfunction:
            wanted.setdefault(each.function.address, set()).update(given)
    (root / DIRECTORY).mkdir(parents=True)
    files = SpecFiles(root / DIRECTORY, root / "devinfo")
    assert files.follow([on_host(root, resource())], inventory) == {}
    answer = ask(library, root, *map(of_the_go_plugin, wanted))
    assert answer.complaints == {}
    for made, nodes in zip(answer.made, wanted.values(), strict=True):
        assert made.refused == ""
        assert {node.path for node in made.nodes} - {"/dev/infiniband/rdma_cm"} == nodes


@both_libraries
def test_the_go_plugins_own_file_beside_ours_is_no_conflict(library: str, fresh: Fresh) -> None:
    """And without one, ours would be: see the last lines."""
    root = fresh("dgx-h100", dev=True).root
    inventory = scan(Host(root))
    first, second = (each.function.address for each in inventory.hcas[:2] if each.function)
    (root / DIRECTORY).mkdir(parents=True)
    files = SpecFiles(root / DIRECTORY, root / "devinfo")
    pools = [on_host(root, resource())]
    own = root / DIRECTORY / "nvidia.com_rdma_shared_device_a.yaml"
    own.write_text(ITS_OWN.format(address=first))
    files.follow(pools, inventory)
    assert ask(library, root, of_the_go_plugin(first, second)).made[0].refused == ""
    own.unlink()
    files.follow(pools, inventory)
    assert ask(library, root, of_the_go_plugin(first, second)).made[0].refused == ""
    own.write_text(ITS_OWN.format(address=first))
    assert "unresolvable" in ask(library, root, of_the_go_plugin(first)).made[0].refused


# --- the check can fail -------------------------------------------------------------------------

NODES = '"containerEdits": {"deviceNodes": [{"path": "/dev/infiniband/rdma_cm"}]}'
GOOD = f'{{"cdiVersion": "0.5.0", "kind": "rdma-dp/aa", "devices": [{{"name": "0a", {NODES}}}]}}'


def test_the_spec_that_the_broken_ones_are_made_of_is_good(root: Path) -> None:
    assert _judged("oldest", root, GOOD) == _judged("newest", root, GOOD) == {}


@both_libraries
@pytest.mark.parametrize(
    "broken",
    [
        GOOD.replace("0.5.0", "0.4.0"),  # needs 0.5.0: the device's name begins with a digit
        GOOD.replace("0.5.0", "7.0.0"),
        GOOD.replace('"0a"', '"a b"'),
        GOOD.replace('"0a"', '"rxe-"'),
        GOOD.replace("rdma-dp/aa", "rdma-dp/9a"),
        GOOD.replace("deviceNodes", "deviceKnots"),
        GOOD.replace('"path": "/dev/infiniband/rdma_cm"', ""),
        GOOD.replace(NODES, '"containerEdits": {}'),
        GOOD[:-1],
    ],
)
def test_broken_specs_are_refused(library: str, root: Path, broken: str) -> None:
    assert _judged(library, root, broken).keys() == {"rdma-dp-aa.json"}


def test_a_spec_without_devices_is_refused_by_newer_runtimes(root: Path) -> None:
    """This is why a pool without an HCA has no file."""
    empty = json.dumps({"cdiVersion": "0.5.0", "kind": "rdma-dp/aa", "devices": []})
    assert _judged("newest", root, empty).keys() == {"rdma-dp-aa.json"}


def test_the_schema_is_asked_too(root: Path) -> None:
    without_kind = GOOD.replace('"kind": "rdma-dp/aa", ', "")
    (complaints,) = _judged("oldest", root, without_kind).values()
    assert any(complaint.startswith("schema: ") for complaint in complaints)


def _judged(library: str, root: Path, text: str) -> dict[str, list[str]]:
    (root / DIRECTORY / "rdma-dp-aa.json").write_text(text)
    answer: Answer = ask(library, root)
    return answer.complaints


def _written(root: Path, full: Pool) -> Path:
    (root / DIRECTORY).mkdir(parents=True, exist_ok=True)
    document = cdi.spec(full)
    assert document is not None
    (root / DIRECTORY / cdi.file_name(full.resource.full_name)).write_text(cdi.text(document))
    return root

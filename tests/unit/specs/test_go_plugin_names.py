"""The spec that defines the Go plugin's CDI names, for containers that were started under it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rdma_dp.config import CdiMode, Config
from rdma_dp.inventory.hardware import CharDevice, Hca, Inventory, Subfunction
from rdma_dp.sharing.pool import Pool, make_pool
from rdma_dp.specs.publisher import SpecFiles
from tests import cdi_model
from tests.makers import SYSTEM, hca, resource, selection

FILE = "nvidia.com_rdma-dp.json"
ITS_OWN = "nvidia.com_rdma_shared_device_a.yaml"


def its_spec(*addresses: str) -> str:
    """What the Go plugin writes."""
    devices = "".join(
        "- containerEdits:\n    deviceNodes:\n    - hostPath: /dev/infiniband/uverbs0\n"
        f"      path: /dev/infiniband/uverbs0\n      permissions: rw\n  name: {address}\n"
        for address in addresses
    )
    begin = "---\ncdiVersion: 0.5.0\ncontainerEdits: {}\ndevices:\n"
    return f"{begin}{devices}kind: nvidia.com/net-rdma\n"


def name(address: str) -> str:
    return f"nvidia.com/net-rdma={address}"


FIRST, SECOND = "0000:00:00.0", "0000:01:00.0"


class Node:
    def __init__(self, root: Path) -> None:
        self.directory = root / "cdi"
        self.device_info = root / "devinfo"
        self.restart()

    def restart(self) -> None:
        self.daemon = SpecFiles(self.directory, self.device_info)

    def follow(
        self,
        *hcas: Hca,
        shared: Sequence[Hca] | None = None,
        mode: CdiMode = CdiMode.CRI,
        wanted: bool = True,
    ) -> dict[str, str]:
        inventory = Inventory(hcas, (), SYSTEM)
        pool = _pool(hcas if shared is None else shared, mode)
        troubles = dict(self.daemon.follow([pool], inventory if wanted else None))
        self.daemon.tidy()
        return troubles

    def resolved(self, *addresses: str) -> set[str]:
        texts = [path.read_text() for path in self.directory.glob("*.json")]
        return cdi_model.resolved([name(address) for address in addresses], texts)

    @property
    def file(self) -> Path:
        return self.directory / FILE


def _pool(hcas: Sequence[Hca], mode: CdiMode) -> Pool:
    return make_pool(selection(*hcas, of=resource(1)), SYSTEM, config=Config(cdi=mode))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_each_hca_has_the_name_and_the_nodes_that_the_go_plugin_gave_it(node: Node) -> None:
    assert node.follow(hca(0), hca(1)) == {}
    one = {"/dev/infiniband/rdma_cm", "/dev/infiniband/umad0", "/dev/infiniband/uverbs0"}
    other = {path.replace("0", "1") for path in one}
    assert node.resolved(FIRST) == one
    assert node.resolved(FIRST, SECOND) == one | other


def test_an_hca_that_no_resource_takes_has_its_name(node: Node) -> None:
    """The Go plugin's config gave the names, and it may have taken more HCAs."""
    node.follow(hca(0), hca(1, unshareable="a switch"), shared=[hca(0)])
    assert "/dev/infiniband/uverbs1" in node.resolved(SECOND)


def test_hcas_on_one_function_share_its_name(node: Node) -> None:
    node.follow(hca(0), hca(1, functions=hca(0).functions))
    nodes = {"/dev/infiniband/uverbs0", "/dev/infiniband/uverbs1"}
    assert nodes < node.resolved(FIRST)


@pytest.mark.parametrize(
    "unknown",
    [
        hca(1, functions=()),
        hca(1, subfunction=Subfunction("mlx5_core.sf.4", 1)),
        hca(1, uverbs=None, umads=()),
        hca(1, uverbs=CharDevice("uverbs1", None, True, "is missing"), umads=()),
    ],
    ids=["virtual", "subfunction", "no-nodes", "no-usable-node"],
)
def test_what_the_go_plugin_cannot_give_has_no_name(node: Node, unknown: Hca) -> None:
    node.follow(hca(0), unknown)
    with pytest.raises(cdi_model.UnresolvableError):
        node.resolved(SECOND)
    node.follow(unknown)
    assert not node.file.exists()


def test_it_follows_the_hardware(node: Node) -> None:
    node.follow(hca(0), hca(1))
    node.follow(hca(0, uverbs=CharDevice("uverbs7", None)))
    assert "/dev/infiniband/uverbs7" in node.resolved(FIRST)
    with pytest.raises(cdi_model.UnresolvableError):
        node.resolved(SECOND)


def test_without_cdi_none_is_made_and_one_that_exists_is_kept_current(node: Node) -> None:
    node.follow(hca(0), mode=CdiMode.OFF)
    assert not node.directory.exists()
    node.follow(hca(0))
    node.restart()
    node.follow(hca(0, uverbs=CharDevice("uverbs7", None)), mode=CdiMode.OFF)
    assert "/dev/infiniband/uverbs7" in node.resolved(FIRST)


def test_it_can_be_left_out(node: Node) -> None:
    node.follow(hca(0), wanted=False)
    assert not node.file.exists()
    node.follow(hca(0))
    node.restart()
    node.follow(hca(0), wanted=False)
    assert not node.file.exists()


def test_its_name_is_one_that_the_go_plugin_removes_when_it_starts(node: Node) -> None:
    """Otherwise both files would define the names after the way back, and neither would count."""
    node.follow(hca(0))
    (removed,) = node.directory.glob("nvidia.com*")
    assert removed == node.file


# --- beside the Go plugin's own file ------------------------------------------------------------


def test_a_name_that_the_go_plugins_own_file_defines_is_left_out(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    """A runtime resolves no name that two files of one directory define."""
    node.directory.mkdir()
    (node.directory / ITS_OWN).write_text(its_spec(FIRST))
    node.follow(hca(0), hca(1))
    with pytest.raises(cdi_model.UnresolvableError):
        node.resolved(FIRST)
    assert "/dev/infiniband/uverbs1" in node.resolved(SECOND)
    assert f"{ITS_OWN} in {node.directory} define CDI names of the Go plugin" in caplog.text
    node.follow(hca(0))
    assert not node.file.exists()
    assert (node.directory / ITS_OWN).read_text() == its_spec(FIRST)
    assert caplog.text.count(ITS_OWN) == 1


def test_the_name_is_defined_when_the_go_plugin_has_removed_its_file(node: Node) -> None:
    node.directory.mkdir()
    own = node.directory / ITS_OWN
    own.write_text(its_spec(FIRST))
    node.follow(hca(0))
    assert node.daemon.intact()
    own.unlink()
    assert not node.daemon.intact()
    node.follow(hca(0))
    assert node.resolved(FIRST)
    own.write_text(its_spec(FIRST))
    assert not node.daemon.intact()


def test_files_of_other_programs_do_not_count_and_stay(node: Node) -> None:
    node.directory.mkdir()
    others = {
        "nvidia.com_gpu.yaml": f"cdiVersion: 0.5.0\nkind: nvidia.com/gpu\nname: {FIRST}\n",
        "nvidia.com_net-pci.json": f'{{"kind": "nvidia.com/net-pci", "name": "{FIRST}"}}',
        "nvidia.com_note.txt": its_spec(FIRST),
        "other.yaml": "kind: nvidia.com/net-rdma\n",
    }
    for other, text in others.items():
        (node.directory / other).write_text(text)
    (node.directory / "nvidia.com_folder.yaml").mkdir()
    (node.directory / "nvidia.com_dangling.yaml").symlink_to("nothing")
    node.follow(hca(0))
    assert FILE in {path.name for path in node.directory.iterdir()}
    node.follow(wanted=False)
    left = {path.name: path.read_text() for path in node.directory.iterdir() if path.is_file()}
    assert left == others


@pytest.mark.parametrize("text", ["kind: nvidia.com/gpu", '{"kind": "nvidia.com/gpu"}', "["])
def test_a_foreign_file_with_our_name_stays_and_no_slot_is_withheld(
    node: Node, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    node.directory.mkdir()
    node.file.write_text(text)
    assert node.follow(hca(0)) == {}
    assert "may fail to restart" in caplog.text
    node.follow(hca(0), wanted=False)
    assert node.file.read_text() == text

"""A recorded tree answers as the tree did, with its failures and links."""

import errno
import gzip
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdma_dp.errors import RdmaDpError
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.tree import DiskTree, Tree
from rdma_dp.node.snapshot import archive_reading, archive_writing, limits
from rdma_dp.node.snapshot.model import Snapshot
from rdma_dp.node.snapshot.recorded import RecordedTree
from rdma_dp.node.snapshot.recording import RecordingTree

LAYOUT = {
    "sys/class/infiniband/mlx5_0": "../../devices/pci0/infiniband/mlx5_0",
    "sys/class/absolute": "/sys/devices/pci0",
    "sys/class/dangling": "../devices/gone",
    "sys/class/loop": "loop",
    "proc/self": "1",
    "proc/1/root": "/",
    "proc/1/ns/net": "net:[4026531840]",
}
FILES = {
    "sys/devices/pci0/infiniband/mlx5_0/node_desc": b"one\n",
    "sys/devices/pci0/vendor": b"0x15b3\n",
    "sys/devices/pci0/infiniband/mlx5_0/long": b"x" * 5000,
    "proc/1/comm": b"init\n",
}
PATHS = [
    *LAYOUT,
    *FILES,
    "",
    "sys",
    "sys/class",
    "sys/class/infiniband/mlx5_0/node_desc",
    "sys/class/infiniband/mlx5_0/../../vendor",
    "sys/class/infiniband/./mlx5_0//node_desc",
    "sys/class/infiniband/mlx5_0/none/at/all",
    "sys/class/absolute/infiniband",
    "sys/class/dangling/x",
    "sys/devices/pci0/vendor/x",
    "proc/self/comm",
    "proc/self/ns/net",
    "proc/1",
]
ASKED: dict[str, Callable[[Tree, str], object]] = {
    "names": lambda tree, path: sorted(tree.names(path)),
    "target": lambda tree, path: tree.target(path),
    "read": lambda tree, path: tree.read(path, 4096),
    "a little": lambda tree, path: tree.read(path, 3),
    "mode": lambda tree, path: tree.status(path).st_mode >> 12,
}
Ask = tuple[str, str]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    for path, content in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    for path, target in LAYOUT.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(target)
    return root


def answer(tree: Tree, ask: Ask) -> object:
    operation, path = ask
    try:
        return ASKED[operation](tree, path)
    except OSError as error:
        return error.errno


def replayed(recording: RecordingTree, directory: Path) -> RecordedTree:
    """The recorded tree, after it was written to a file and read."""
    file = directory / "it.tar.gz"
    packed = archive_writing.pack(Snapshot(recording.contents()))
    archive_writing.write(packed, file, replace=True)
    return RecordedTree(archive_reading.read(file).contents)


asks = st.lists(st.tuples(st.sampled_from(sorted(ASKED)), st.sampled_from(PATHS)), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asks=asks)
def test_every_question_has_the_same_answer(asks: list[Ask], disk: Path, tmp_path: Path) -> None:
    recording = RecordingTree(DiskTree(disk))
    wanted = [answer(recording, ask) for ask in asks]
    again = replayed(recording, tmp_path)
    assert [answer(again, ask) for ask in asks] == wanted


@pytest.mark.parametrize("path", [p for p in PATHS if "absolute" not in p])
@pytest.mark.parametrize("operation", sorted(ASKED))
def test_the_answer_is_the_kernels(operation: str, path: str, disk: Path) -> None:
    if path in ("proc/1/ns/net", "proc/self/ns/net", "proc/1/root") and operation != "target":
        return  # a magic link: here on a disk it leads nowhere, and in /proc to an object
    ask = (operation, path)
    assert answer(RecordingTree(DiskTree(disk)), ask) == answer(DiskTree(disk), ask)


def test_an_absolute_link_leads_to_the_root_of_the_tree(disk: Path) -> None:
    host = Host(RecordingTree(DiskTree(disk)))
    assert host.entries("sys/class/absolute") == ("infiniband", "vendor")


class Broken(DiskTree):
    """Every operation on one path fails."""

    def __init__(self, root: Path, bad: str, code: int) -> None:
        super().__init__(root)
        self._bad, self._code = bad, code

    def names(self, path: str) -> list[str]:
        self._check(path)
        return super().names(path)

    def read(self, path: str, limit: int) -> bytes:
        self._check(path)
        return super().read(path, limit)

    def status(self, path: str) -> os.stat_result:
        self._check(path)
        return super().status(path)

    def _check(self, path: str) -> None:
        if path == self._bad:
            raise OSError(self._code, os.strerror(self._code))


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EIO, errno.EINVAL, errno.ENODEV])
@pytest.mark.parametrize("operation", ["names", "read", "mode"])
@pytest.mark.parametrize("listed", [True, False])
def test_a_failure_is_replayed(
    code: int, operation: str, listed: bool, disk: Path, tmp_path: Path
) -> None:
    bad = "sys/devices/pci0/infiniband/mlx5_0"
    recording = RecordingTree(Broken(disk, bad, code))
    if listed:
        recording.names("sys/devices/pci0/infiniband")
    ask = (operation, "sys/class/infiniband/mlx5_0")
    assert answer(recording, ask) == code
    assert answer(replayed(recording, tmp_path), ask) == code


def test_a_permission_error_is_replayed_with_its_hint(disk: Path, tmp_path: Path) -> None:
    bad = "sys/devices/pci0/vendor"
    recording = RecordingTree(Broken(disk, bad, errno.EACCES))
    wanted = "cannot read /sys/devices/pci0/vendor: Permission denied (run as root)"
    with pytest.raises(HostError) as error:
        Host(recording).read(bad)
    assert str(error.value) == wanted
    with pytest.raises(HostError) as error:
        Host(replayed(recording, tmp_path)).read(bad)
    assert str(error.value) == wanted


def test_a_listed_file_that_was_not_read_is_an_error(disk: Path, tmp_path: Path) -> None:
    recording = RecordingTree(DiskTree(disk))
    recording.names("sys/devices/pci0")
    host = Host(replayed(recording, tmp_path))
    assert host.entries("sys/devices/pci0") == ("infiniband", "vendor")
    for read in (host.entries, host.read):
        with pytest.raises(HostError, match="the snapshot does not hold it"):
            read("sys/devices/pci0/infiniband/mlx5_0")
    with pytest.raises(HostError, match="the snapshot does not hold it"):
        host.entries("sys")
    assert host.read("sys/devices/pci0/none") is None


def test_a_second_read_returns_what_the_first_returned(disk: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("4: ACTIVE\n")
    recording = RecordingTree(DiskTree(tmp_path))
    before = recording.read("state", 4096)
    (tmp_path / "state").write_text("1: DOWN\n")
    assert recording.read("state", 4096) == before
    assert recording.read("state", 2) == b"4:"


def test_a_longer_read_returns_more(disk: Path, tmp_path: Path) -> None:
    path = "sys/devices/pci0/infiniband/mlx5_0/long"
    recording = RecordingTree(DiskTree(disk))
    assert len(recording.read(path, 10)) == 10
    assert len(recording.read(path, 4096)) == 4096
    assert len(replayed(recording, tmp_path).read(path, 8192)) == 4096


def test_a_link_that_leads_out_of_the_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    (tmp_path / "sys/out").symlink_to("../../secret")
    (tmp_path.parent / "secret").write_text("of another user")
    recording = RecordingTree(DiskTree(tmp_path))
    with pytest.raises(OSError, match="No such file"):
        recording.read("sys/out", 100)
    with pytest.raises(RdmaDpError, match="/sys/out is a link that leads out of the root"):
        recording.contents()


def test_recording_stops_after_its_deadline(disk: Path) -> None:
    times = itertools.chain([0.0, limits.SECONDS - 1], itertools.repeat(limits.SECONDS + 1))
    recording = RecordingTree(DiskTree(disk), clock=lambda: next(times))
    recording.names("")
    with pytest.raises(RdmaDpError, match="not complete after 60 seconds, at /sys"):
        recording.names("sys/devices")


@pytest.mark.parametrize(
    ("limit", "value"), [("MEMBERS", 3), ("BYTES", 6), ("FILE_BYTES", 3)], ids=str
)
def test_recording_stops_at_its_size_limits(
    limit: str, value: int, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, limit, value)
    recording = RecordingTree(DiskTree(disk))

    def read_all() -> None:
        for path in FILES:
            recording.read(path, 4096)

    with pytest.raises(RdmaDpError, match="too large"):
        read_all()


@given(st.text(max_size=30), st.sampled_from(sorted(ASKED)))
def test_any_path_has_an_answer_or_an_oserror(disk: Path, path: str, operation: str) -> None:
    try:
        answer(RecordingTree(DiskTree(disk)), (operation, path))
    except ValueError:  # as DiskTree: no file has such a name
        assert "\0" in path or any("\ud800" <= character <= "\udfff" for character in path)


SYMBOLS = "".join(f"0 t f{number}\n" for number in range(200_000)) + "0 t wanted [mlx5_ib]\n"
WORDS = ("wanted", "f77 ", "f77\n")


@pytest.mark.parametrize("packed", [False, True])
def test_a_snapshot_keeps_the_lines_that_were_asked_for(packed: bool, tmp_path: Path) -> None:
    """H13: /proc/kallsyms is too long for a snapshot, and /proc/config.gz is packed."""
    text = SYMBOLS.encode()
    assert len(text) > limits.FILE_BYTES
    (tmp_path / "long").write_bytes(gzip.compress(text) if packed else text)
    recording = RecordingTree(DiskTree(tmp_path))
    wanted = ("0 t f77", "0 t wanted [mlx5_ib]")
    assert Host(recording).lines_with("long", WORDS) == wanted
    assert Host(recording).lines_with("long", ("f5\n",)) == ("0 t f5",)
    assert Host(recording).lines_with("none", WORDS) is None
    again = Host(replayed(recording, tmp_path))
    assert again.lines_with("long", WORDS) == wanted
    assert again.lines_with("long", ("f5\n",)) == ("0 t f5",)
    assert again.lines_with("none", WORDS) is None


def test_a_failed_search_is_replayed(disk: Path, tmp_path: Path) -> None:
    recording = RecordingTree(DiskTree(disk))
    for path in ("sys/class", "sys/class/loop"):
        with pytest.raises(HostError) as first:
            Host(recording).lines_with(path, WORDS)
        with pytest.raises(HostError) as second:
            Host(replayed(recording, tmp_path)).lines_with(path, WORDS)
        assert str(second.value) == str(first.value)

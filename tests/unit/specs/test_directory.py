import errno
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rdma_dp.host.files import ExhaustedError
from rdma_dp.specs.directory import OwnFiles
from rdma_dp.specs.file_errors import FileError, UnreadError

Fail = Callable[[str, int], None]


def is_ours(name: str, read: Callable[[], bytes]) -> bool:
    return name.startswith("our-") and read().startswith(b"our ")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "run" / "cdi"


@pytest.fixture
def files(directory: Path) -> OwnFiles:
    return OwnFiles(directory)


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Makes a function of `os` fail from this call on."""

    return lambda name, code: monkeypatch.setattr(os, name, _raises(code))


def _raises(code: int) -> Callable[..., None]:
    def failing(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    return failing


def keep(files: OwnFiles, **wanted: str) -> Mapping[str, FileError]:
    named = {f"our-{name}.json": f"our {text}" for name, text in wanted.items()}
    return {**files.write(named, is_ours), **files.clear(named, is_ours)}


def texts(directory: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in directory.iterdir() if each.is_file()}


def states(directory: Path) -> dict[str, tuple[int, int]]:
    found = {each.name: each.stat() for each in directory.iterdir()}
    return {name: (status.st_ino, status.st_mtime_ns) for name, status in found.items()}


# --- wanted files -------------------------------------------------------------------------------


def test_the_directory_is_created_with_the_wanted_files(files: OwnFiles, directory: Path) -> None:
    assert keep(files, a="1", b="2") == {}
    assert texts(directory) == {"our-a.json": "our 1", "our-b.json": "our 2"}


def test_everyone_can_read_the_files_and_only_the_owner_can_write_them(
    files: OwnFiles, directory: Path
) -> None:
    before = os.umask(0o077)
    try:
        keep(files, a="1")
    finally:
        os.umask(before)
    assert stat.S_IMODE((directory / "our-a.json").stat().st_mode) == 0o644


def test_an_unchanged_file_is_not_written_again(files: OwnFiles, directory: Path) -> None:
    keep(files, a="1", b="2")
    before = states(directory)
    keep(files, a="1", b="3")
    after = states(directory)
    assert after["our-a.json"] == before["our-a.json"]
    assert after["our-b.json"] != before["our-b.json"]


def test_the_next_process_does_not_write_an_unchanged_file_again(directory: Path) -> None:
    keep(OwnFiles(directory), a="1")
    before = states(directory)
    keep(OwnFiles(directory), a="1")
    assert states(directory) == before


def test_a_file_with_a_known_state_is_not_read_again(files: OwnFiles, fail: Fail) -> None:
    keep(files, a="1")
    fail("fdopen", errno.EIO)
    assert keep(files, a="1") == {}


@pytest.mark.parametrize("text", ["our 2", "our longer text"])
def test_a_file_that_was_changed_is_restored(files: OwnFiles, directory: Path, text: str) -> None:
    keep(files, a="1")
    (directory / "our-a.json").write_text(text)
    os.utime(directory / "our-a.json", ns=(1, 1))
    keep(files, a="1")
    assert texts(directory) == {"our-a.json": "our 1"}


def test_a_file_that_was_removed_is_restored(files: OwnFiles, directory: Path) -> None:
    keep(files, a="1")
    (directory / "our-a.json").unlink()
    keep(files, a="1")
    assert texts(directory) == {"our-a.json": "our 1"}


def test_a_directory_that_was_removed_is_restored(files: OwnFiles, directory: Path) -> None:
    keep(files, a="1")
    (directory / "our-a.json").unlink()
    directory.rmdir()
    keep(files, a="1")
    assert texts(directory) == {"our-a.json": "our 1"}


# --- files that are not wanted ------------------------------------------------------------------


def test_our_files_that_are_not_wanted_are_removed(files: OwnFiles, directory: Path) -> None:
    keep(files, a="1", b="2")
    keep(files, b="2")
    assert texts(directory) == {"our-b.json": "our 2"}
    keep(OwnFiles(directory))
    assert texts(directory) == {}


def test_the_directory_is_not_created_without_files(files: OwnFiles, directory: Path) -> None:
    assert keep(files) == {}
    assert not directory.exists()


def test_old_temporary_files_are_removed_and_new_ones_stay(
    files: OwnFiles, directory: Path
) -> None:
    directory.mkdir(parents=True)
    left, fresh = (directory / f".rdma-dp-{digits * 8}.tmp" for digits in ("01", "23"))
    for path in (left, fresh):
        path.write_text("our ha")
    os.utime(left, (0, 0))
    keep(files, a="1")
    assert texts(directory) == {"our-a.json": "our 1", fresh.name: "our ha"}


def test_a_foreign_file_that_disappears_during_the_scan_causes_no_error(
    files: OwnFiles, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(files, a="1")
    (directory / "nvidia.com-gpu.json.tmp").write_text("")
    really = os.scandir

    def scan(path: int) -> Any:
        found = really(path)
        (directory / "nvidia.com-gpu.json.tmp").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(os, "scandir", scan)
    assert keep(files, a="2") == {}
    assert texts(directory) == {"our-a.json": "our 2"}


def test_intact_detects_a_changed_and_a_removed_file(files: OwnFiles, directory: Path) -> None:
    keep(files, a="1")
    assert files.intact()
    (directory / "our-a.json").write_text("our 2")
    assert not files.intact()
    keep(files, a="1")
    assert files.intact()
    (directory / "our-a.json").unlink()
    assert not files.intact()


def test_files_in_if_there_are_updated_and_not_created(files: OwnFiles, directory: Path) -> None:
    assert files.write({"our-a.json": "our 1"}, is_ours, if_there={"our-a.json"}) == {}
    assert not directory.exists()
    keep(files, a="1", b="1")
    (directory / "our-b.json").unlink()
    wanted = {"our-a.json": "our 2", "our-b.json": "our 2"}
    assert files.write(wanted, is_ours, if_there=wanted) == {}
    assert texts(directory) == {"our-a.json": "our 2"}


# --- files of other programs --------------------------------------------------------------------


def test_foreign_files_are_never_changed(files: OwnFiles, directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / "nvidia.com-gpu.yaml").write_text("kind: nvidia.com/gpu")
    (directory / "our-x.json").write_text("foreign content under a name like ours")
    (directory / "another-x.json").write_text("our content under a foreign name")
    (directory / ".rdma-dp-notes").write_text("mine")
    (directory / "our-directory.json").mkdir()
    (directory / "our-link.json").symlink_to("another-x.json")
    before = states(directory)
    keep(files, a="1")
    keep(files)
    assert states(directory) == before


def test_a_foreign_file_under_our_name_is_not_overwritten(files: OwnFiles, directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / "our-a.json").write_text("another's")
    failures = keep(files, a="1", b="2")
    assert texts(directory) == {"our-a.json": "another's", "our-b.json": "our 2"}
    assert str(failures["our-a.json"]) == (
        f"cannot write {directory}/our-a.json: its content is not rdma-dp's (remove it)"
    )
    (directory / "our-a.json").unlink()
    assert keep(files, a="1", b="2") == {}


def test_a_link_with_our_name_is_replaced_and_its_target_stays(
    files: OwnFiles, directory: Path, tmp_path: Path
) -> None:
    target = tmp_path / "precious"
    target.write_text("our precious")
    directory.mkdir(parents=True)
    (directory / "our-a.json").symlink_to(target)
    keep(files, a="1")
    assert not (directory / "our-a.json").is_symlink()
    assert (texts(directory), target.read_text()) == ({"our-a.json": "our 1"}, "our precious")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_directory_or_fifo_with_our_name_is_reported(
    files: OwnFiles, directory: Path, make: Callable[[Path], None]
) -> None:
    directory.mkdir(parents=True)
    make(directory / "our-a.json")
    failures = keep(files, a="1", b="2")
    assert "our-a.json: it is not a regular file (remove it)" in str(failures["our-a.json"])
    assert texts(directory) == {"our-b.json": "our 2"}


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("rename", errno.EIO),
        ("fsync", errno.EIO),
        ("fsync", errno.ENOSPC),
        ("fchmod", errno.EPERM),
    ],
)
def test_an_outdated_file_that_cannot_be_written_is_removed(
    files: OwnFiles, directory: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    keep(files, a="1")
    with monkeypatch.context() as broken:
        broken.setattr(os, call, _raises(code))
        failures = keep(files, a="2")
    assert os.strerror(code) in str(failures["our-a.json"])
    assert texts(directory) == {}
    assert keep(files, a="2") == {}
    assert texts(directory) == {"our-a.json": "our 2"}


@pytest.mark.parametrize("call", ["rename", "fsync"])
def test_a_process_that_is_interrupted_leaves_the_old_file_and_no_other(
    files: OwnFiles, directory: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def end(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    keep(files, a="1")
    with monkeypatch.context() as ended:
        ended.setattr(os, call, end)
        with pytest.raises(KeyboardInterrupt):
            keep(files, a="2")
    assert texts(directory) == {"our-a.json": "our 1"}


def test_an_error_of_one_file_does_not_stop_the_others(files: OwnFiles, directory: Path) -> None:
    failures = keep(files, a="1", **{"x" * 300: "2"}, z="3")
    assert texts(directory) == {"our-a.json": "our 1", "our-z.json": "our 3"}
    (failure,) = failures.values()
    assert failure.hint == "choose a shorter resourceName or resourcePrefix"


def test_a_full_disk_is_reported_with_a_hint(files: OwnFiles, directory: Path, fail: Fail) -> None:
    fail("fsync", errno.ENOSPC)
    assert str(keep(files, a="1")["our-a.json"]) == (
        f"cannot write {directory}/our-a.json: No space left on device"
        " (the disk is full: make room)"
    )


def test_a_read_only_mount_is_reported_with_a_hint(
    files: OwnFiles, directory: Path, fail: Fail
) -> None:
    fail("mkdir", errno.EROFS)
    with pytest.raises(FileError, match=r"run/cdi: Read-only file system \(mount the directory"):
        keep(files, a="1")


def test_a_file_with_the_directorys_name_is_reported(files: OwnFiles, directory: Path) -> None:
    directory.parent.mkdir()
    directory.write_text("")
    for wanted in ({}, {"a": "1"}):
        with pytest.raises(FileError, match="something in this path is not a directory"):
            keep(files, **wanted)
    assert directory.read_text() == ""


def test_a_directory_that_cannot_be_synced_is_reported(
    files: OwnFiles, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def only_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    assert "Input/output error" in str(keep(files, a="1")["our-a.json"])
    assert texts(directory) == {"our-a.json": "our 1"}


# --- A1 and A12 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0, 0o027, 0o777])
def test_modes_are_set_and_not_inherited(tmp_path: Path, umask: int) -> None:
    """A12: with umask 0, any user could write."""
    directory = tmp_path / "made" / "as" / "well"
    before = os.umask(umask)
    try:
        keep(OwnFiles(directory), a="text")
    finally:
        os.umask(before)
    modes = [
        stat.S_IMODE(p.stat().st_mode)
        for p in (directory, directory.parent, directory / "our-a.json")
    ]
    assert modes == [0o755, 0o755, 0o644]


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
@pytest.mark.parametrize("call", ["open", "scandir"])
def test_without_descriptors_or_memory_nothing_is_known_and_nothing_removed(
    files: OwnFiles,
    directory: Path,
    fail: Fail,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    code: int,
) -> None:
    """A1: the slots of the resource were withheld, and the outdated file was removed."""
    keep(files, a="old")
    fail(call, code)
    with pytest.raises(ExhaustedError):
        files.write({"our-a.json": "our new"}, is_ours)
    monkeypatch.undo()
    assert texts(directory) == {"our-a.json": "our old"}
    assert files.has_written({"our-a.json": "our old"})


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES])
def test_a_directory_that_cannot_be_read_says_nothing_about_its_files(
    files: OwnFiles, fail: Fail, code: int
) -> None:
    """A1: files that were written are taken as unchanged."""
    keep(files, a="text")
    fail("scandir", code)
    with pytest.raises(UnreadError, match="cannot read"):
        files.write({"our-a.json": "our text"}, is_ours)
    assert files.has_written({"our-a.json": "our text"})
    assert not files.has_written({"our-a.json": "our other text"})

import errno
import gzip
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from rdma_dp.host.files import ExhaustedError, Host, HostError
from rdma_dp.host.root import RootKind, root_kind


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "sys/a").mkdir(parents=True)
    (tmp_path / "sys/a/number").write_text("42\n")
    (tmp_path / "sys/a/hex").write_text("0x1f\n")
    (tmp_path / "sys/a/bytes").write_bytes(b"node\xff\0\0")
    (tmp_path / "sys/link").symlink_to("a")
    (tmp_path / "sys/dangling").symlink_to("b")
    (tmp_path / "sys/out").symlink_to("../../elsewhere")
    (tmp_path / "sys/absolute").symlink_to("/sys/a")
    return Host(tmp_path)


def test_what_is_not_there_is_none_or_empty(host: Host) -> None:
    assert host.read("sys/none") is None
    assert host.read("sys/a/number/below-a-file") is None
    assert host.read_int("sys/none") is None
    assert host.read_bytes("sys/none", 10) is None
    assert host.read_unchanging("sys/none", 10) is None
    assert host.entries("sys/none") == ()
    assert host.follow("sys/none") is None
    assert host.link_name("sys/none") is None
    assert not host.is_directory("sys/none")


def test_attributes_come_without_white_space_and_nul(host: Host) -> None:
    assert host.read("sys/a/number") == "42"
    assert host.read("sys/a/bytes") == "node�"


def test_numbers_are_read_in_their_base(host: Host) -> None:
    assert host.read_int("sys/a/number") == 42
    assert host.read_int("sys/a/hex", 16) == 31
    assert host.read_int("sys/a/hex") is None


def test_entries_are_sorted(host: Host) -> None:
    assert host.entries("sys/a") == ("bytes", "hex", "number")


def test_a_link_leads_to_a_path_below_the_root(host: Host) -> None:
    assert host.follow("sys/link") == "sys/a"
    assert host.follow("sys/absolute") == "sys/a"
    assert host.follow("sys/a") == "sys/a"
    assert host.follow("sys/dangling") == "sys/b"
    assert host.link_name("sys/link") == "a"


def test_a_link_out_of_the_root_leads_nowhere(host: Host) -> None:
    assert host.follow("sys/out") is None


def test_no_more_is_read_than_asked_for(host: Host) -> None:
    assert host.read_bytes("sys/a/number", 1) == b"4"


def test_a_pipe_in_a_captured_tree_does_not_block(host: Host, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "sys/a/pipe")
    assert host.read("sys/a/pipe") == ""


def test_what_never_changes_is_read_once_per_file(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "sys/a/vpd"
    path.write_bytes(b"one")
    assert host.read_unchanging("sys/a/vpd", 10) == b"one"
    path.write_bytes(b"two")  # the same file
    assert host.read_unchanging("sys/a/vpd", 10) == b"one"
    fresh = tmp_path / "sys/a/fresh"
    fresh.write_bytes(b"three")  # created before the old one is removed, so its inode differs
    fresh.replace(path)
    assert host.read_unchanging("sys/a/vpd", 10) == b"three"


def test_any_other_failure_is_an_error_that_names_the_path(host: Host, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot read /sys/a: Is a directory"):
        host.read("sys/a")


def test_without_permission_the_hint_says_what_to_do(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refused)  # root is refused nothing
    with pytest.raises(HostError, match=r"Permission denied \(run as root\)"):
        host.read("sys/a/number")


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_status_that_cannot_be_read_for_a_lack_of_our_own_is_no_missing_file(
    code: int, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "stat", refused)
    with pytest.raises(ExhaustedError):
        host.status("sys/a")
    with pytest.raises(ExhaustedError):
        host.is_directory("sys/a")


def test_only_the_machines_own_root_is_live(host: Host) -> None:
    assert Host("/").live
    assert Host().live
    assert not host.live


def test_a_relative_root_is_the_same_after_a_change_of_directory(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = Host(".")
    monkeypatch.chdir("/")
    assert relative.read("sys/a/number") == "42"


CONFIG = b"CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m"


@pytest.mark.parametrize("content", [CONFIG, gzip.compress(CONFIG, mtime=0)])
def test_the_lines_with_a_word(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(content)
    host = Host(tmp_path)
    assert host.lines_with("config", ("_B", "_C")) == ("# CONFIG_B is not set", "CONFIG_C=m")
    assert host.lines_with("config", ("_D",)) == ()
    assert host.lines_with("none", ("_A",)) is None
    assert host.lines_with("config/none", ("_A",)) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:20],
        lambda data: data[:2] + b"\xff" * 30,
        lambda data: data[:-9] + b"x" * 9,
    ],
)
def test_a_damaged_file_has_no_lines(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "config.gz").write_bytes(damage(gzip.compress(CONFIG * 100, mtime=0)))
    with pytest.raises(HostError, match="not a complete gzip file"):
        Host(tmp_path).lines_with("config.gz", ("CONFIG",))


# --- A3: links that lead out of the root ----------------------------------------------------------


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file and a directory beside the root, with names that the root has as well."""
    outside = tmp_path / "outside"
    (outside / "directory").mkdir(parents=True)
    (outside / "file").write_text("outside")
    (outside / "directory" / "file").write_text("outside")
    return outside


@pytest.mark.parametrize("scan", [False, True])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("relative", [False, True])
def test_no_link_leads_out_of_the_root(
    tmp_path: Path, secret: Path, relative: bool, inside: bool, scan: bool
) -> None:
    """A3: a link to an absolute path, or above the root, is followed below the root."""
    root = tmp_path / "root"
    (root / "sys" / "deep").mkdir(parents=True)
    up = "../" * 20 if relative else "/"
    (root / "sys" / "deep" / "file").symlink_to(f"{up}{str(secret)[1:]}/file")
    (root / "sys" / "deep" / "directory").symlink_to(f"{up}{str(secret)[1:]}/directory")
    (root / "sys" / "chain").symlink_to("deep/directory")
    if inside:
        copy = root / str(secret)[1:]
        (copy / "directory").mkdir(parents=True)
        (copy / "file").write_text("inside")
        (copy / "directory" / "file").write_text("inside")
    host, found = Host(root), "inside" if inside else None
    with host.at_one_moment() if scan else nullcontext():
        for path in ("sys/deep/file", "sys/deep/directory/file", "sys/chain/file"):
            assert host.read(path) == found
            assert host.lines_with(path, ("side",)) == ((found,) if found else None)
        assert host.entries("sys/chain") == (("file",) if inside else ())
        assert host.is_directory("sys/deep/directory") is inside
        assert (host.status("sys/deep/file") is not None) is inside
        assert host.link_name("sys/deep/file") == "file"


def test_a_link_that_changed_after_a_scan_is_followed_anew(tmp_path: Path, secret: Path) -> None:
    """A3: what one scan knows of the links ends with it."""
    root = tmp_path / "root"
    (root / "sys" / "mine").mkdir(parents=True)
    (root / "sys" / "mine" / "file").write_text("mine")
    host, link = Host(root), root / "sys" / "link"
    for target, found in (("mine", "mine"), (str(secret), None), ("mine", "mine")):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        with host.at_one_moment():
            assert host.read("sys/link/file") == found


def test_a_root_without_sys_of_its_own_is_none(tmp_path: Path) -> None:
    """A3: a link to this machine's /sys is no directory sys."""
    (tmp_path / "sys").symlink_to("/sys")
    assert root_kind(tmp_path) is RootKind.OTHER


def test_a_process_of_another_hosts_tree_has_that_hosts_root(tmp_path: Path) -> None:
    """A3: proc/PID/root is a link to "/"."""
    (tmp_path / "proc" / "1").mkdir(parents=True)
    (tmp_path / "proc" / "1" / "root").symlink_to("/")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "hostname").write_text("other")
    assert Host(tmp_path).read("proc/1/root/etc/hostname") == "other"


def test_a_link_over_another_link_does_not_lead_out(tmp_path: Path, secret: Path) -> None:
    """A3: x/../.. is above the root if x is a link to the root."""
    root = tmp_path / "root"
    (root / "sys").mkdir(parents=True)
    (root / "sys" / "x").symlink_to("..")
    (root / "sys" / "file").symlink_to("x/../outside/file")
    assert (root / "sys" / "file").read_text() == "outside"
    assert Host(root).read("sys/file") is None


@pytest.mark.parametrize("scan", [False, True])
def test_a_link_like_a_kernel_object_leads_nowhere_else(
    tmp_path: Path, secret: Path, scan: bool
) -> None:
    """A3: links in /proc name objects as net:[4026531840]. A file can have such a name too."""
    root = tmp_path / "root"
    (root / "sys").mkdir(parents=True)
    (root / "sys" / "net:[1]").symlink_to(secret)
    (root / "sys" / "directory").symlink_to("net:[1]")
    host = Host(root)
    with host.at_one_moment() if scan else nullcontext():
        assert host.read("sys/directory/file") is None

"""The parts of the VM suite's harness that need no VM."""

import gzip
import logging
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.heavy import debian
from tests.heavy.suite import CannotRunError
from tests.heavy.vm import __main__ as suite
from tests.heavy.vm.initramfs import MODULES, build, load_order
from tests.heavy.vm.machine import WITHIN


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A kernel's modules: rxe needs two others, one of which is built in."""
    contents = {"rdma-rxe": "ib_core,ipv6", "ib_core": ""}
    for name, depends in contents.items():
        (tmp_path / f"{name}.ko").write_bytes(f"elf\0depends={depends}\0name=x\0".encode())
    (tmp_path / "modules.builtin").write_text("kernel/net/ipv6/ipv6.ko\n")
    return tmp_path


def test_a_module_is_loaded_behind_what_it_depends_on(modules: Path) -> None:
    assert [name for name, _ in load_order(modules, ["rdma_rxe", "ib_core"])] == [
        "ib_core",
        "rdma_rxe",
    ]


def test_a_module_that_the_kernel_lacks_is_named(modules: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no module siw"):
        list(load_order(modules, ["siw"]))


def test_siw_is_there_for_the_tests_and_not_loaded(modules: Path) -> None:
    for name in (*MODULES, "siw"):
        (modules / f"{name}.ko").write_bytes(b"elf\0depends=\0")
    archive = gzip.decompress(build(modules / "modules.builtin", modules / "siw.ko", modules))
    assert b"modules/siw.ko" in archive
    assert b"rdma_rxe.ko\n" in archive
    assert b"siw.ko\n" not in archive


def can_mount() -> bool:
    """Not for other users than root, and not for root in a usual container."""
    unshare = ("unshare", "--mount", "--propagation", "private", "true")
    return subprocess.run(unshare, check=False, stderr=subprocess.DEVNULL).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="mounting needs CAP_SYS_ADMIN")
def test_a_directory_of_one_run_does_not_stay_in_the_root_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        Path(place, "job").touch()
        within = ("unshare", "--mount", "--propagation", "private", "sh", "-c", WITHIN, "within")
        command = (*within, str(tmp_path), place, "--", "ls", f"{tmp_path}{place}")
        assert subprocess.check_output(command, text=True) == "job\n"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_release_that_is_not_tested_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        suite.main(["--kernel", "14"])
    assert "'14' is no Debian release to test: write 12 or 13" in capsys.readouterr().err


@pytest.mark.parametrize(("in_ci", "verdict", "code"), [("", "skipped", 0), ("true", "failed", 1)])
def test_where_there_can_be_no_vm_only_ci_fails(
    in_ci: str,
    verdict: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse() -> None:
        raise CannotRunError("it needs Debian")

    monkeypatch.setattr(debian, "check_host", refuse)
    monkeypatch.setenv("CI", in_ci)

    assert suite.main([]) == code
    assert caplog.record_tuples == [("test-vm", logging.ERROR, f"{verdict}: it needs Debian")]

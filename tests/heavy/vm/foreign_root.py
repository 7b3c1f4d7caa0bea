"""The files of a machine for arm64: Debian's packages, and a virtual environment for the tests."""

import hashlib
import logging
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.heavy import arm64
from tests.heavy.suite import CannotRunError
from tests.paths import REPO

log = logging.getLogger(__name__)

PYTHON = "/opt/tests/bin/python"
RELEASE, VERSION = "bookworm", "3.11"  # of Debian, and of its Python

_PACKAGES = (
    *("python3", "libstdc++6", "libudev1"),
    *("ibverbs-utils", "ibverbs-providers", "iproute2", "kmod", "mount"),
    *("podman", "crun", "prometheus"),
)
_LOCKS = (REPO / "requirements.lock", REPO / "requirements-dev.lock")
_WITHOUT_WHEEL = "argparse-manpage"  # no test in the machine needs it
_PIP = (
    *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"),
    *("--require-hashes", "--only-binary=:all:", "--python-version", VERSION),
    *(f"--platform=manylinux{name}_aarch64" for name in ("2014", "_2_17", "_2_28")),
)
# The tree of the repository is on PYTHONPATH.
_SCRIPT = f"""\
#!{PYTHON}
import sys
from rdma_dp.cli.main import main
sys.exit(main())
"""


def made(cache: Path) -> Path:
    """The root. It is made once for each version of the lock files and of the code that makes it.

    Raises CannotRunError.
    """
    parts = (*_LOCKS, Path(__file__), Path(arm64.__file__))
    recipe = [part.read_bytes() for part in parts]
    place = cache / f"root-arm64-{hashlib.sha256(b''.join(recipe)).hexdigest()[:12]}"
    if not place.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="unfinished-") as directory:
            root = Path(directory, "root")
            arm64.root(RELEASE, _PACKAGES, root)
            (root / "etc/hosts").write_text("127.0.0.1 localhost\n")  # no package has it
            _install(root)
            root.rename(place)
    return place


def _install(root: Path) -> None:
    """Add the virtual environment. pip of this machine fetches the wheels of the other one."""
    log.info("fetching and compiling the wheels for arm64")
    environment = root / "opt" / "tests"
    packages = environment / "lib" / f"python{VERSION}" / "site-packages"
    (environment / "bin").mkdir(parents=True)
    (root / PYTHON[1:]).symlink_to(f"/usr/bin/python{VERSION}")
    (environment / "pyvenv.cfg").write_text(
        "home = /usr/bin\ninclude-system-site-packages = false\n"
    )
    script = (root / PYTHON[1:]).with_name("rdma-dp")
    script.write_text(_SCRIPT)
    script.chmod(0o755)
    with tempfile.TemporaryDirectory() as directory:
        locks = [Path(directory, lock.name) for lock in _LOCKS]
        for lock, whole in zip(locks, _LOCKS, strict=True):
            lock.write_text(_with_wheels(whole.read_text()))
        files = [f"--requirement={lock}" for lock in locks]
        command = [*_PIP, "--target", str(packages), *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotRunError(f"pip cannot fetch the wheels for arm64: {done.stderr[-500:]}")
    shutil.rmtree(packages / "bin", ignore_errors=True)  # scripts for this machine's Python
    subprocess.run(
        ["chroot", root, PYTHON, "-m", "compileall", "-q", "-j", "2", "/opt/tests"],
        check=False,  # some packages have sources that are wrong on purpose
        stdout=subprocess.DEVNULL,
    )


def _with_wheels(lock: str) -> str:
    """The lock without the packages that have no wheel: an entry, and its indented lines."""
    return re.sub(rf"^{_WITHOUT_WHEEL}==.*\n(?:\s+.*\n)*", "", lock, flags=re.MULTILINE)

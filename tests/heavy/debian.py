"""Parts from Debian: packages that are installed, and packages that are only unpacked."""

import logging
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from tests.heavy import suite
from tests.heavy.suite import CannotRunError

log = logging.getLogger(__name__)

APT_GET = ("apt-get", "-qq", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=300")
ATTEMPTS = 3

# A mirror can be older than its lists allow. They are signed all the same.
_APT = 'Acquire::Check-Valid-Until "false"'


def check_host() -> None:
    """Refuse hosts on which Debian's parts do not run."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise CannotRunError("it needs Debian's apt-get: run it on Debian or in a Debian container")
    if run("dpkg", "--print-architecture").strip() != "amd64":
        raise CannotRunError("it needs an amd64 host, whose programs they are")


def install(packages: tuple[str, ...]) -> None:
    """Install missing packages. Only root can."""
    missing = [package for package in packages if not _installed(package)]
    if not missing:
        return
    if os.geteuid() != 0:
        raise CannotRunError(f"packages are missing: sudo apt-get install {' '.join(missing)}")
    log.info("installing %s", " ".join(missing))
    _apt_get("install", "--yes", "--no-install-recommends", *missing)


def archive_name(package: str) -> str:
    """The file name of the package's newest archive. It contains the version."""
    _uri, name, *_size_and_hash = _apt_get("download", "--print-uris", package).split()
    return name


def unpack(packages: tuple[str, ...], directory: Path) -> None:
    """Download the packages and unpack them below `directory`. Nothing is installed."""
    _apt_get("download", *packages, cwd=directory)
    for archive in directory.glob("*.deb"):
        run("dpkg-deb", "--extract", str(archive), str(directory))


def unpacked(packages: tuple[str, ...], cache: Path) -> Path:
    """A directory with the unpacked packages. It is made once for each version."""
    archives = [archive_name(package) for package in packages]
    place = cache / "+".join(archive.removesuffix(".deb") for archive in archives)
    if not place.exists():
        log.info("fetching %s", " and ".join(archives))
        with suite.unfinished(place) as made:
            unpack(packages, made)
    return place


def bootstrap(
    release: str,
    packages: str,
    root: Path,
    variant: str = "minbase",
    options: tuple[str, ...] = (),
) -> None:
    """Make `root`, an empty directory, a tree of this Debian release with these packages.

    mmdebstrap must be installed. With the variant "extract" the packages are only unpacked.
    `options` are further ones of mmdebstrap.
    """
    command = ["mmdebstrap", f"--variant={variant}", f"--aptopt={_APT}", *options]
    command.append(f"--include={packages}")
    for attempt in range(1, ATTEMPTS + 1):
        shutil.rmtree(root)
        done = subprocess.run(
            [*command, release, str(root)], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            root.chmod(0o755)
            return
        log.info("attempt %d: %s", attempt, " ".join(done.stderr.split()[-40:]))
    raise CannotRunError(f"mmdebstrap cannot make Debian {release}")


def release() -> str:
    """The number of this machine's Debian, as 12. Empty for one without a number, such as sid."""
    return platform.freedesktop_os_release().get("VERSION_ID", "")


def codename() -> str:
    """The name of this machine's Debian, as bookworm."""
    return platform.freedesktop_os_release()["VERSION_CODENAME"]


def run(*command: str, cwd: Path | None = None, ok: tuple[int, ...] = (0,)) -> str:
    """The output of a command. Raises CannotRunError for an exit code that is not `ok`."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode not in ok:
        complaint = " ".join((done.stdout + done.stderr).split())
        raise CannotRunError(f"`{' '.join(command)}` failed: {complaint}")
    return done.stdout


def dependency(package: str, pattern: str) -> str:
    """The first dependency of a (meta) package that matches `pattern`."""
    for _attempt in range(2):
        found = re.search(
            rf"Depends: ({pattern})", run("apt-cache", "depends", package, ok=(0, 100))
        )
        if found:
            return found[1]
        _update()
    raise CannotRunError(f"apt does not know {package} here: run it on Debian")


def _installed(package: str) -> bool:
    query = ("dpkg-query", "--show", "--showformat=${db:Status-Status}", package)
    return run(*query, ok=(0, 1)) == "installed"


def _apt_get(*arguments: str, cwd: Path | None = None) -> str:
    """Run apt-get. After a failure, update the lists and try again: they may be old, or the network
    may have failed.
    """
    for _attempt in range(ATTEMPTS - 1):
        try:
            return run(*APT_GET, *arguments, cwd=cwd)
        except CannotRunError as error:
            log.info("trying again: %s", error)
            _update()
    return run(*APT_GET, *arguments, cwd=cwd)


def _update() -> None:
    if os.geteuid() == 0:
        run(*APT_GET, "update", ok=(0, 100))

"""A Debian release's kernel with an initramfs, made once and kept in a cache."""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.heavy import arm64, debian
from tests.heavy.vm import initramfs, siw

log = logging.getLogger(__name__)

RELEASES = {"12": "bookworm", "13": "trixie"}
META_PACKAGE = "linux-image-amd64"
# Nodes with Grace run kernels with pages above 4 KiB. Debian 12 has none of those.
FOREIGN_PACKAGES = {"12": "linux-image-arm64", "13": "linux-image-arm64-16k"}
INIT = Path(__file__).with_name("init")


@dataclass(frozen=True, slots=True)
class Kernel:
    """The files that a machine boots."""

    image: Path
    initramfs: Path
    architecture: str = arm64.NATIVE


def newest_kernel(cache: Path) -> Kernel:
    """The kernel that apt offers today. It is downloaded unless `cache` has it."""
    packages = (debian.dependency(META_PACKAGE, r"linux-image-\S+"), "busybox-static")
    archives = [debian.archive_name(package) for package in packages]

    def unpack(directory: Path) -> None:
        log.info("fetching %s", " and ".join(archives))
        debian.unpack(packages, directory)

    return _made(cache / f"{archives[0].removesuffix('.deb')}-{_digest(*archives)}", unpack)


def kernel_of(release: str, cache: Path, *, with_siw: bool = False) -> Kernel:
    """The kernel of a release in RELEASES. That of another release than this machine's is fetched
    once, and then kept. `with_siw` adds the module siw, which Debian does not build.
    """
    if release == debian.release() and not with_siw:
        return newest_kernel(cache)
    debian.install(("mmdebstrap",))
    packages, name = f"{META_PACKAGE},busybox-static", RELEASES[release]

    def unpack(directory: Path) -> None:
        log.info("fetching the kernel of Debian %s", name)
        debian.bootstrap(name, packages, directory, variant="extract")
        if with_siw:
            log.info("building siw for it")
            siw.build(name, next(directory.glob("usr/lib/modules/*")), directory / "build")

    kind, recipe = (f"{name}-siw", Path(siw.__file__).read_text()) if with_siw else (name, "")
    return _made(cache / f"{kind}-{_digest(packages, recipe)}", unpack)


def foreign_kernel(release: str, cache: Path) -> Kernel:
    """As `kernel_of`, for arm64. Debian 13's has pages of 16 KiB."""
    package, name = FOREIGN_PACKAGES[release], RELEASES[release]

    def unpack(directory: Path) -> None:
        directory.rmdir()
        arm64.root(name, (package, "busybox-static"), directory)

    made = _made(cache / f"{name}-{package}-{_digest()}", unpack)
    return replace(made, architecture=arm64.FOREIGN)


def _digest(*texts: str) -> str:
    """Changes with the texts and with the code that prepares a kernel."""
    recipe = INIT.read_bytes() + Path(initramfs.__file__).read_bytes()
    return hashlib.sha256(recipe + "\n".join(texts).encode()).hexdigest()[:12]


def _made(place: Path, unpack: Callable[[Path], None]) -> Kernel:
    if not place.exists():
        _make(place, unpack)
    return Kernel(image=place / "vmlinuz", initramfs=place / "initramfs")


def _make(place: Path, unpack: Callable[[Path], None]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="unfinished-") as directory:
        unpacked, made = Path(directory, "unpacked"), Path(directory, "made")
        unpacked.mkdir()
        made.mkdir()
        unpack(unpacked)
        shutil.copy(next(unpacked.glob("boot/vmlinuz-*")), made / "vmlinuz")
        archive = initramfs.build(
            init=INIT,
            busybox=next(unpacked.glob("**/bin/busybox")),
            modules=next(unpacked.glob("**/lib/modules/*")),
        )
        (made / "initramfs").write_bytes(archive)
        made.rename(place)

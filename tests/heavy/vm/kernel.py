"""Debian's kernel with an initramfs, made once and kept in a cache."""

import hashlib
import logging
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.heavy import debian
from tests.heavy.vm import initramfs

log = logging.getLogger(__name__)

META_PACKAGE = "linux-image-amd64"
INIT = Path(__file__).with_name("init")


@dataclass(frozen=True, slots=True)
class Kernel:
    """The files that a machine boots."""

    image: Path
    initramfs: Path


def newest_kernel(cache: Path) -> Kernel:
    """The kernel that apt offers today. It is downloaded unless `cache` has it."""
    packages = (debian.dependency(META_PACKAGE, r"linux-image-\S+"), "busybox-static")
    archives = [debian.archive_name(package) for package in packages]
    place = cache / _key(*archives)
    if not place.exists():
        log.info("fetching %s", " and ".join(archives))
        _make(packages, place)
    return Kernel(image=place / "vmlinuz", initramfs=place / "initramfs")


def _key(*archives: str) -> str:
    """A name that changes with the packages and with the code that prepares them."""
    recipe = INIT.read_bytes() + Path(initramfs.__file__).read_bytes()
    digest = hashlib.sha256(recipe + "\n".join(archives).encode()).hexdigest()
    return f"{archives[0].removesuffix('.deb')}-{digest[:12]}"


def _make(packages: tuple[str, ...], place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="unfinished-") as directory:
        unpacked, made = Path(directory, "unpacked"), Path(directory, "made")
        unpacked.mkdir()
        made.mkdir()
        debian.unpack(packages, unpacked)
        shutil.copy(next(unpacked.glob("boot/vmlinuz-*")), made / "vmlinuz")
        archive = initramfs.build(
            init=INIT,
            busybox=next(unpacked.glob("**/bin/busybox")),
            modules=next(unpacked.glob("**/lib/modules/*")),
        )
        (made / "initramfs").write_bytes(archive)
        made.rename(place)

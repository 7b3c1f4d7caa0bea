"""Debian for arm64 on an amd64 machine: roots of unpacked packages, and qemu-user to run them."""

import logging
from collections.abc import Iterable
from pathlib import Path

from tests.heavy import debian, suite
from tests.heavy.suite import CannotRunError

log = logging.getLogger(__name__)

# As Debian and buildah call them.
NATIVE, FOREIGN = "amd64", "arm64"
ARCHITECTURES = (NATIVE, FOREIGN)

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
# What systemd writes at boot. Flag F: the kernel opens the emulator now, so that a program in
# another root needs no file of this one.
_RULE = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")

# Beside what is unpacked: the links /bin and /lib, and the files that base-passwd copies when it is
# configured.
_OPTIONS = (
    "--architectures=arm64",
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
    *(
        f'--customize-hook=cp "$1/usr/share/base-passwd/{name}.master" "$1/etc/{name}"'
        for name in ("passwd", "group")
    ),
    "--include=?essential",
)

# What else packages do when they are configured, and what Python needs: the cache of libraries, in
# which pyudev searches for its own, and compiled modules, without which each start takes a minute.
_CONFIGURE = """
ldconfig
if command -v python3 > /dev/null; then
    python3 -m compileall -q -j 2 /usr/lib/python3.* > /dev/null || :
fi
"""


def emulate() -> None:
    """Make the kernel run arm64 programs with qemu-user. It stays so until the next boot.

    Raises CannotRunError.
    """
    debian.install(("arch-test", "qemu-user-static"))
    if not (_BINFMT / "status").exists():
        debian.run("mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT))
    if not (_BINFMT / _RULE.stem).exists():
        try:
            (_BINFMT / "register").write_text(_RULE.read_text())
        except OSError as error:
            raise CannotRunError(f"the kernel refuses the emulator for arm64: {error}") from error
    debian.run("arch-test", FOREIGN)


def root(release: str, packages: Iterable[str], place: Path) -> None:
    """Make the directory `place` from packages, what they depend on, and the essential ones.

    They are unpacked, and only what Python needs is configured: qemu-user would take minutes for
    the rest. Raises CannotRunError.
    """
    debian.install(("mmdebstrap",))
    emulate()
    log.info("making a root of Debian %s for arm64", release)
    with suite.unfinished(place) as made:
        debian.bootstrap(release, ",".join(packages), made, "extract", _OPTIONS)
        debian.run("chroot", str(made), "sh", "-ec", _CONFIGURE)

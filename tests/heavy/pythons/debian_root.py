"""A Python of another Debian release, in a directory that a process changes its root to."""

import hashlib
import logging
from pathlib import Path

from tests.heavy import debian, suite
from tests.heavy.suite import CannotRunError

log = logging.getLogger(__name__)

# The releases of Debian that have a Python which Debian 12 lacks.
RELEASES = {"3.13": "trixie", "3.14": "sid"}

_PACKAGES = "python{0},python{0}-venv,ca-certificates,git,libudev1"

# The tree has the same path inside. The network's settings and the certificates are the machine's.
_ENTER = """
set -e
root=$1 tree=$2; shift 2
mkdir -p "$root$tree"; touch "$root/etc/resolv.conf"
mount --bind "$tree" "$root$tree"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
mount --bind /etc/ssl/certs "$root/etc/ssl/certs"
test ! -d /usr/local/share/ca-certificates || {
    mkdir -p "$root/usr/local/share/ca-certificates"
    mount --bind /usr/local/share/ca-certificates "$root/usr/local/share/ca-certificates"
}
exec chroot "$root" /usr/bin/env -C "$tree" "$@"
"""


def made(version: str) -> Path:
    """The root with this Python. It is made once. Raises CannotRunError with the reason."""
    release = RELEASES.get(version)
    if release is None:
        raise CannotRunError("this machine has none, and no release of Debian above 12 has it")
    debian.check_host()
    suite.need_root(f"this machine has none, and running that of Debian {release}")
    debian.install(("mmdebstrap",))
    packages = _PACKAGES.format(version)
    digest = hashlib.sha256(packages.encode()).hexdigest()[:8]
    place = suite.cache("pythons") / f"debian-{release}-{version}-{digest}"
    if not place.exists():
        log.info("making a root with python%s of Debian %s", version, release)
        with suite.unfinished(place) as root:
            debian.bootstrap(release, packages, root)
    return place


def entering(root: Path, tree: Path) -> tuple[str, ...]:
    """The start of a command line: what follows runs in the root, in the directory of the tree."""
    unshare = ("unshare", "--mount", "--propagation", "private")
    return (*unshare, "sh", "-c", _ENTER, "enter", str(root), str(tree))

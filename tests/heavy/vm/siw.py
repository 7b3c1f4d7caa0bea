"""Soft-iWARP, the kernel module siw. Debian's kernels are built without it.

It is built with the headers, the source and the compiler of the kernel's own release.
"""

import shutil
import subprocess
from pathlib import Path

from tests.heavy import debian, suite
from tests.heavy.suite import CannotRunError

# For the root in which it is built. The headers have the version of the kernel.
_PACKAGES = "gcc,make,libc6-dev,xz-utils,linux-source,linux-headers-{0}"

_BUILD = """
set -e
mount -t proc proc "$1/proc"
exec chroot "$1" /bin/sh -ec '
    mkdir /siw
    tar -xf /usr/src/linux-source-*.tar.xz -C /siw --strip-components=5 \\
        --wildcards "*/drivers/infiniband/sw/siw"
    make -C "/usr/src/linux-headers-$1" M=/siw CONFIG_RDMA_SIW=m modules
    strip --strip-debug /siw/siw.ko
' sh "$2"
"""


def build(release: str, modules: Path, root: Path) -> None:
    """Add it to a kernel's directory in lib/modules. The release is a name, as "trixie".

    `root` is a directory to make, and is removed at the end.
    """
    suite.need_root("building siw with the compiler of another release")
    version = modules.name
    root.mkdir()
    debian.bootstrap(release, _PACKAGES.format(version), root)
    command = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _BUILD, "build")
    done = subprocess.run(
        (*command, str(root), version), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        complaint = " ".join(done.stderr.split()[-60:])
        raise CannotRunError(f"siw cannot be built for {version}: {complaint}")
    shutil.copy(root / "siw" / "siw.ko", modules)
    shutil.rmtree(root)

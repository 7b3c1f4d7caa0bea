"""`python -m tests.heavy.vm.node.unpacked TAR ARCHIVE...`: containerd's directory with images.

The same containerd unpacks them outside the VM. In the VM this took two minutes: Go's SHA-256 and
sockets are slow in software emulation.
"""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.heavy.node import private
from tests.heavy.node.containerd import Containerd, ctr

ROOT = Path("/var/lib/containerd")
# Overlays use them to mark files that a layer removes.
_ATTRIBUTES = ("--xattrs", "--xattrs-include=*")


def make(tar: Path, archives: Iterable[Path], environment: Mapping[str, str]) -> None:
    """Write the tar, on a private node. `environment` is as for `private.run`."""
    command = (sys.executable, "-m", "tests.heavy.vm.node.unpacked", str(tar), *map(str, archives))
    code = private.run(command, environment)
    assert code == 0, f"{' '.join(command)} ended with {code}"


def take(tar: Path) -> None:
    """Fill the machine's directory, before containerd starts."""
    subprocess.run(("tar", *_ATTRIBUTES, "-xf", str(tar), "-C", str(ROOT)), check=True)


if __name__ == "__main__":
    containerd = Containerd()
    for archive in sys.argv[2:]:
        ctr("images", "import", archive)
    ctr("content", "prune", "references")  # of unpacked layers
    containerd.end()
    subprocess.run(("tar", *_ATTRIBUTES, "-cf", sys.argv[1], "-C", str(ROOT), "."), check=True)

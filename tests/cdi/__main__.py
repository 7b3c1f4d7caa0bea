"""`python -m tests.cdi [PYTEST ARGUMENT...]`: let CDI's own library read our specs.

Needs root, for device nodes, and Go, which it gets on Debian if there is none. Exits with pytest's
code.
"""

import logging
import os
import subprocess
import sys
from pathlib import Path

from tests.cdi import golang
from tests.vm.debian import CannotRunError

log = logging.getLogger("test-cdi")

SOURCES = Path(__file__).parent / "runtime"


def main() -> int:
    """Build the stand-ins for runtimes and test; where that is not possible, say why."""
    try:
        _check_root()
        built = golang.build(SOURCES, _cache())
    except CannotRunError as error:
        in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
        log.error("%s: %s", "failed" if in_ci else "skipped", error)
        return 1 if in_ci else 0
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/cdi")
    environment = os.environ | {"RDMA_DP_TEST_CDI": str(built)}
    return subprocess.run((*pytest, *sys.argv[1:]), env=environment, check=False).returncode


def _check_root() -> None:
    if os.geteuid() != 0:
        raise CannotRunError("device nodes and chroot need root: use sudo")


def _cache() -> Path:
    own = os.environ.get("RDMA_DP_CACHE")
    return (Path(own) if own else Path.home() / ".cache" / "rdma-dp").absolute() / "cdi"


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-cdi: %(message)s")
    sys.exit(main())

"""`python -m tests.heavy.cdi [PYTEST ARGUMENT...]`: let CDI's own library read our specs.

Needs root, for device nodes, and Go, which it gets on Debian if there is none. Exits with pytest's
code.
"""

import logging
import os
import subprocess
import sys
from pathlib import Path

from tests.heavy import suite
from tests.heavy.cdi import programs
from tests.heavy.suite import CannotRunError

log = logging.getLogger("test-cdi")

SOURCES = Path(__file__).parent / "runtime"


def main() -> int:
    """Build the stand-ins for runtimes and test; where that is not possible, say why."""
    try:
        suite.need_root("a chroot with device nodes")
        built = programs.build(SOURCES, suite.cache("cdi"))
    except CannotRunError as error:
        return suite.not_run(log, error)
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/heavy/cdi")
    environment = os.environ | {"RDMA_DP_TEST_CDI": str(built)}
    return subprocess.run((*pytest, *sys.argv[1:]), env=environment, check=False).returncode


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-cdi: %(message)s")
    sys.exit(main())

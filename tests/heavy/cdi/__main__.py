"""`python -m tests.heavy.cdi [PYTEST ARGUMENT...]`: read our specs with CDI's own library.

Needs root, for device nodes, and Go, which it installs on Debian. Exits with pytest's code.
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
    """Build the simulated runtimes and run the tests. If that is not possible, print the reason."""
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

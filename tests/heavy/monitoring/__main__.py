"""`python -m tests.heavy.monitoring [PYTEST ARGUMENT...]`: rules, metrics and the dashboard.

Debian's Prometheus and promtool read them. Needs Debian on amd64; both are unpacked, not installed.
Exits with pytest's code.
"""

import logging
import os
import subprocess
import sys

from tests.heavy import debian, suite
from tests.heavy.suite import CannotRunError

log = logging.getLogger("test-monitoring")


def main() -> int:
    """Get Prometheus and test. Logs why that is not possible."""
    try:
        debian.check_host()
        unpacked = debian.unpacked(("prometheus",), suite.cache("monitoring"))
    except CannotRunError as error:
        return suite.not_run(log, error)
    programs = unpacked / "usr" / "bin"
    environment = os.environ | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "RDMA_DP_TEST_MONITORING": "1",
    }
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/heavy/monitoring")
    return subprocess.run((*pytest, *sys.argv[1:]), env=environment, check=False).returncode


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-monitoring: %(message)s")
    sys.exit(main())

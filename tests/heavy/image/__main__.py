"""`python -m tests.heavy.image [PYTEST ARGUMENT...]`: build the image and test it.

Needs Debian and root; installs buildah and mmdebstrap. Exits with pytest's code.
"""

import logging
import os
import subprocess
import sys

from tests.heavy import debian, suite
from tests.heavy.suite import CannotRunError

log = logging.getLogger("test-image")

PACKAGES = ("buildah", "mmdebstrap")


def main() -> int:
    """Get the tools and run the tests. If that is not possible, print the reason."""
    try:
        debian.check_host()
        suite.need_root("building without a container daemon")
        debian.install(PACKAGES)
    except CannotRunError as error:
        return suite.not_run(log, error)
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/heavy/image")
    environment = os.environ | {"RDMA_DP_TEST_IMAGE": "1"}
    return subprocess.run((*pytest, *sys.argv[1:]), env=environment, check=False).returncode


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-image: %(message)s")
    sys.exit(main())

"""`python -m tests.heavy.image [--arch amd64|arm64] [PYTEST ARGUMENT...]`

Builds the image and tests it. Needs Debian and root; installs buildah and mmdebstrap. qemu-user
runs the image for arm64. Exits with pytest's code.
"""

import argparse
import logging
import os
import subprocess
import sys

from tests.heavy import arm64, debian, suite
from tests.heavy.suite import CannotRunError

log = logging.getLogger("test-image")

PACKAGES = ("buildah", "mmdebstrap")


def main() -> int:
    """Get the tools and run the tests. If that is not possible, print the reason."""
    parser = argparse.ArgumentParser(prog="tests.heavy.image", allow_abbrev=False)
    parser.add_argument("--arch", choices=arm64.ARCHITECTURES, default=arm64.NATIVE)
    asked, more = parser.parse_known_args()
    try:
        debian.check_host()
        suite.need_root("building without a container daemon")
        debian.install(PACKAGES)
        if asked.arch == arm64.FOREIGN:
            arm64.emulate()
    except CannotRunError as error:
        return suite.not_run(log, error)
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/heavy/image")
    # The first test waits for the image. Under qemu-user that takes minutes.
    arguments = ("--timeout=1500", *more)
    environment = os.environ | {"RDMA_DP_TEST_IMAGE": asked.arch}
    return subprocess.run((*pytest, *arguments), env=environment, check=False).returncode


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-image: %(message)s")
    sys.exit(main())

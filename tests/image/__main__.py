"""`python -m tests.image [PYTEST ARGUMENT...]`: build the image and test it.

Needs Debian and root; installs buildah and mmdebstrap. Exits with pytest's code.
"""

import logging
import os
import subprocess
import sys

from tests.vm import debian

log = logging.getLogger("test-image")

PACKAGES = ("buildah", "mmdebstrap")


def main() -> int:
    """Get the tools and test; where that is not possible, say why."""
    try:
        debian.check_host()
        _check_root()
        debian.install(PACKAGES)
    except debian.CannotRunError as error:
        in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
        log.error("%s: %s", "failed" if in_ci else "skipped", error)
        return 1 if in_ci else 0
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/image")
    environment = os.environ | {"RDMA_DP_TEST_IMAGE": "1"}
    return subprocess.run((*pytest, *sys.argv[1:]), env=environment, check=False).returncode


def _check_root() -> None:
    if os.geteuid() != 0:
        raise debian.CannotRunError("building without a container daemon needs root: use sudo")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-image: %(message)s")
    sys.exit(main())

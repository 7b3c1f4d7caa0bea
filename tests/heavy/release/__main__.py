"""`python -m tests.heavy.release [PYTEST ARGUMENT...]`: make a release and inspect it.

Needs Debian, root and Go; installs buildah, mmdebstrap and qemu-user. Exits with pytest's code.
"""

import logging
import os
import subprocess
import sys

from tests.heavy import arm64, debian, suite
from tests.heavy.deploy import tools
from tests.heavy.image.__main__ import PACKAGES
from tests.heavy.suite import CannotRunError

log = logging.getLogger("test-release")


def main() -> int:
    """Get the tools and run the tests. If that is not possible, print the reason."""
    try:
        debian.check_host()
        suite.need_root("building without a container daemon")
        debian.install(PACKAGES)
        programs = tools.Go(suite.cache("deploy")).programs("helm", "kustomize")
    except CannotRunError as error:
        return suite.not_run(log, error)
    architectures = [arm64.NATIVE]
    try:
        arm64.emulate()
        architectures.append(arm64.FOREIGN)
    except CannotRunError as error:
        if suite.not_run(log, CannotRunError(f"the image for arm64: {error}")):
            return 1
    environment = os.environ | {
        "PATH": os.pathsep.join((str(programs), os.environ.get("PATH", os.defpath))),
        "RDMA_DP_TEST_RELEASE": " ".join(architectures),
    }
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/heavy/release")
    # The first test waits for the whole release: two images and two virtual environments.
    arguments = ("--timeout=1500", *sys.argv[1:])
    return subprocess.run((*pytest, *arguments), env=environment, check=False).returncode


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-release: %(message)s")
    sys.exit(main())

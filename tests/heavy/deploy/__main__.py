"""`python -m tests.heavy.deploy [PYTEST ARGUMENT...]`: render deploy/ and check it.

Needs Go, which it installs on Debian. helm, kustomize and kubeconform are built once. Exits with
pytest's code.
"""

import logging
import os
import subprocess
import sys

from tests.heavy import suite
from tests.heavy.deploy import schemas, tools
from tests.heavy.suite import CannotRunError

log = logging.getLogger("test-deploy")


def main() -> int:
    """Get the tools and the schemas and run the tests, or print why that is not possible."""
    try:
        go = tools.Go(suite.cache("deploy"))
        programs = go.programs()
        made = schemas.make(go, suite.cache("deploy"))
    except CannotRunError as error:
        return suite.not_run(log, error)
    environment = os.environ | {
        "PATH": os.pathsep.join((str(programs), os.environ.get("PATH", os.defpath))),
        "RDMA_DP_TEST_DEPLOY": str(made),
    }
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/heavy/deploy")
    return subprocess.run((*pytest, *sys.argv[1:]), env=environment, check=False).returncode


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-deploy: %(message)s")
    sys.exit(main())

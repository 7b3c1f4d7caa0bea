"""`python -m tests.deploy [PYTEST ARGUMENT...]`: render deploy/ and check it.

Needs Go, which it gets on Debian if there is none; helm, kustomize and kubeconform are built once.
Exits with pytest's code.
"""

import logging
import os
import subprocess
import sys
from pathlib import Path

from tests.deploy import schemas, tools
from tests.vm.debian import CannotRunError

log = logging.getLogger("test-deploy")


def main() -> int:
    """Get the tools and the schemas and test; where that is not possible, say why."""
    try:
        go = tools.Go(_cache())
        programs = go.programs()
        made = schemas.make(go, _cache())
    except CannotRunError as error:
        in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
        log.error("%s: %s", "failed" if in_ci else "skipped", error)
        return 1 if in_ci else 0
    environment = os.environ | {
        "PATH": os.pathsep.join((str(programs), os.environ.get("PATH", os.defpath))),
        "RDMA_DP_TEST_DEPLOY": str(made),
    }
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/deploy")
    return subprocess.run((*pytest, *sys.argv[1:]), env=environment, check=False).returncode


def _cache() -> Path:
    own = os.environ.get("RDMA_DP_CACHE")
    return (Path(own) if own else Path.home() / ".cache" / "rdma-dp").absolute() / "deploy"


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-deploy: %(message)s")
    sys.exit(main())

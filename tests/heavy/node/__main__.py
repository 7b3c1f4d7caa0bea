"""`python -m tests.heavy.node [PYTEST ARGUMENT...]`: the daemon with a real kubelet.

Needs Debian on amd64, root and Go, which it installs if it can. kubelet and containerd are built
once. Everything runs in its own namespaces (see private.py). Exits with pytest's code.
"""

import logging
import os
import shutil
import signal
import sys
from pathlib import Path

from tests.heavy import debian, suite
from tests.heavy.deploy import tools
from tests.heavy.image.builder import BuildError, archive
from tests.heavy.node import private, programs
from tests.heavy.node.cluster.cluster import ARCHIVE
from tests.heavy.suite import CannotRunError
from tests.paths import REPO

log = logging.getLogger("test-node")

PACKAGES = ("runc", "busybox-static", "iproute2", "openssl", "buildah", "mmdebstrap")
UNPACKED = ("etcd-server", "containernetworking-plugins")  # Debian would start an installed etcd
SOURCES = (
    programs.KUBELET,
    programs.CONTROL_PLANE,
    programs.CONTAINERD,
    programs.GO_PLUGIN,
)


def main(tests: str = "tests/heavy/node") -> int:
    """Get the parts and run the tests. If that is not possible, print the reason."""
    try:
        debian.check_host()
        _check_machine()
        debian.install(PACKAGES)
        unpacked = debian.unpacked(UNPACKED, suite.cache("node"))
        helm = tools.Go(suite.cache("deploy")).programs("helm")
        built = {programs.build(source, suite.cache("node")) for source in SOURCES}
        image = archive(REPO)
    except CannotRunError as error:
        return suite.not_run(log, error)
    except BuildError as error:
        log.error("the image: %s", error)
        return 1
    parts = (helm, unpacked / "usr" / "bin", unpacked / "usr" / "lib" / "cni")
    environment = os.environ | {
        "PATH": os.pathsep.join([*map(str, built), *map(str, parts), *private.PATH]),
        ARCHIVE: str(image),
        "RDMA_DP_TEST_NODE": str(_logs()),
        "PYTHONUNBUFFERED": "1",
    }
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", tests)
    return private.run((*pytest, *sys.argv[1:]), environment)


def _check_machine() -> None:
    suite.need_root("a kubelet")
    if not private.can_tell_numa_nodes():
        raise CannotRunError("it needs two CPUs and a kernel with NUMA, to tell two NUMA nodes")


def _logs() -> Path:
    """The programs' output is kept until the next run. A run that is still going has its own."""
    logs = suite.cache("node") / "logs" / str(os.getpid())
    logs.mkdir(parents=True, exist_ok=True)
    for old in logs.parent.iterdir():
        if old != logs and not Path("/proc", old.name).exists():
            shutil.rmtree(old, ignore_errors=True)
    log.info("logs are in %s", logs)
    return logs


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-node: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())

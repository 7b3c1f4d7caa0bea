"""`python -m tests.heavy.node [PYTEST ARGUMENT...]`: the daemon with a real kubelet.

Needs Debian on amd64, root and Go, which it installs if it can. kubelet and containerd are built
once. Everything runs in its own namespaces (see private.py). Exits with pytest's code.
"""

import logging
import signal
import sys
from pathlib import Path

from tests.heavy import debian, suite
from tests.heavy.deploy import tools
from tests.heavy.image.builder import BuildError, archive
from tests.heavy.node import programs, running
from tests.heavy.node.cluster.cluster import ARCHIVE
from tests.heavy.suite import CannotRunError
from tests.paths import REPO

PACKAGES = ("openssl", "buildah", "mmdebstrap")
UNPACKED = ("etcd-server", "containernetworking-plugins")  # Debian would start an installed etcd
SOURCES = (programs.KUBELET, programs.CONTROL_PLANE, programs.CONTAINERD)


def of_a_cluster() -> list[Path]:
    """The directories of the programs of a node and its control plane, made once."""
    unpacked = debian.unpacked(UNPACKED, suite.cache("node")) / "usr"
    built = [programs.build(source, suite.cache("node")) for source in SOURCES]
    return [*built, unpacked / "bin", unpacked / "lib" / "cni"]


def main(tests: str = "tests/heavy/node", packages: tuple[str, ...] = ()) -> int:
    """Get the parts and run the tests. If that is not possible, print the reason."""
    try:
        running.prepare_machine((*PACKAGES, *packages))
        helm = tools.Go(suite.cache("deploy")).programs("helm")
        parts = (*of_a_cluster(), programs.build(programs.GO_PLUGIN, suite.cache("node")), helm)
        image = archive(REPO)
    except CannotRunError as error:
        return suite.not_run(running.log, error)
    except BuildError as error:
        running.log.error("the image: %s", error)
        return 1
    return running.tests(parts, (tests, *sys.argv[1:]), {ARCHIVE: str(image)})


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-node: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())

"""`python -m tests.heavy.vm.node [PYTEST ARGUMENT...]`: our image on a real node that has HCAs.

Needs Debian on amd64, root and Go, which it installs if it can. The image and the programs are made
outside the VM, where the VM sees them. Exits with pytest's code.
"""

import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.heavy import debian, suite
from tests.heavy.deploy import tools
from tests.heavy.image.builder import BuildError
from tests.heavy.node import private, programs
from tests.heavy.suite import CannotRunError
from tests.heavy.vm import suite as in_vm
from tests.heavy.vm.kernel import newest_kernel
from tests.heavy.vm.node import parts, second_network

log = logging.getLogger("test-vm-node")

PACKAGES = (
    *("qemu-system-x86", "ibverbs-utils", "ibverbs-providers", "perftest", "iproute2", "kmod"),
    *("buildah", "mmdebstrap", "runc", "busybox-static", "openssl", second_network.PACKAGE),
)
SOURCES = (programs.KUBELET, programs.KUBECTL, programs.CONTAINERD)


def of_a_node() -> list[Path]:
    """The directories of a node's programs. They are built once."""
    return [programs.build(source, suite.cache("node")) for source in SOURCES]


def main(
    name: str = "test-vm-node",
    tests: str = "tests/heavy/vm/node",
    built: Callable[[], Iterable[Path]] = of_a_node,
    boot: Callable[..., int] = in_vm.run,
    patience: float = 1.0,
) -> int:
    """Get the parts, boot and run the tests. If that is not possible, print the reason.

    `built` returns the directories of the node's programs. `boot` is as in_vm.run. `patience` is a
    factor on all time limits.
    """
    try:
        debian.check_host()
        suite.need_root("building an image without a container daemon")
        debian.install(PACKAGES)
        directories = built()
        helm = tools.Go(suite.cache("deploy")).programs("helm")
        kernel = newest_kernel(suite.cache("vm"))
    except CannotRunError as error:
        return suite.not_run(log, error)
    path = os.pathsep.join([*map(str, (*directories, helm)), *private.PATH])
    with tempfile.TemporaryDirectory(prefix="rdma-dp-vm-node-") as directory:
        log.info("building the image")
        try:
            parts.make(Path(directory), path)
        except BuildError as error:
            log.error("the image: %s", error)
            return 1
        return boot(
            kernel,
            name,
            [tests, f"--timeout={300 * patience}", *sys.argv[1:]],
            environment={"PATH": path, **parts.environment(Path(directory), 240 * patience)},
            timeout=1800 * patience,
            memory=6144,
        )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-vm-node: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())

"""`python -m tests.heavy.vm [PYTEST ARGUMENT...]`: run tests/heavy/vm/inside on a real RDMA kernel.

Needs Debian on amd64. Installs qemu and the verbs tools if it can, and unpacks promtool. Exits with
pytest's code.
"""

import logging
import signal
import sys

from tests.heavy import debian, suite
from tests.heavy.suite import CannotRunError
from tests.heavy.vm import suite as in_vm
from tests.heavy.vm.kernel import newest_kernel

log = logging.getLogger("test-vm")

# Installed on the host. The VM shares its root.
PACKAGES = (
    *("qemu-system-x86", "ibverbs-utils", "ibverbs-providers", "iproute2", "kmod"),
    *("podman", "crun"),
)
ENVIRONMENT = {
    "CONTAINERS_CONF": "/dev/null",  # podman runs with the suite's settings, not with the host's
}


def main() -> int:
    """Get the parts, boot and run the tests. If that is not possible, print the reason."""
    try:
        debian.check_host()
        debian.install(PACKAGES)
        prometheus = debian.unpacked(("prometheus",), suite.cache("monitoring"))
        kernel = newest_kernel(suite.cache("vm"))
    except CannotRunError as error:
        return suite.not_run(log, error)
    return in_vm.run(
        kernel,
        "test-vm",
        "tests/heavy/vm/inside",
        sys.argv[1:],
        environment={**ENVIRONMENT, "PATH": f"{prometheus}/usr/bin:{in_vm.ENVIRONMENT['PATH']}"},
        timeout=1800.0,
        memory=2560,
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-vm: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())

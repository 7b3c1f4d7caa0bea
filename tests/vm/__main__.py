"""`python -m tests.vm [PYTEST ARGUMENT...]`: run tests/vm/inside on a real RDMA kernel.

Needs Debian on amd64; installs qemu and the verbs tools if it may. Exits with pytest's code.
"""

import logging
import signal
import sys
from pathlib import Path

from tests.heavy import debian, suite
from tests.heavy.suite import CannotRunError
from tests.vm import machine
from tests.vm.kernel import newest_kernel
from tests.vm.machine import MachineError

log = logging.getLogger("test-vm")

SUITE = "tests/vm/inside"
REPOSITORY = Path(__file__).resolve().parents[2]
# Installed on the host, whose root the VM shares.
PACKAGES = (
    *("qemu-system-x86", "ibverbs-utils", "ibverbs-providers", "iproute2", "kmod"),
    *("podman", "crun"),
)
TIMEOUT = 900.0
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "COLUMNS": "100",
    "PYTHONUNBUFFERED": "1",
    "RDMA_DP_IN_VM": "1",
    "CONTAINERS_CONF": "/dev/null",  # podman runs as the suite says, not as the host has set it up
}


def main() -> int:
    """Get the parts, boot, test; where that is not possible, say why."""
    try:
        debian.check_host()
        debian.install(PACKAGES)
        kernel = newest_kernel(suite.cache("vm"))
    except CannotRunError as error:
        return suite.not_run(log, error)
    color = "yes" if sys.stdout.isatty() else "no"
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--color={color}", SUITE)
    try:
        return machine.run(
            kernel,
            (*pytest, *sys.argv[1:]),
            directory=REPOSITORY,
            environment=ENVIRONMENT,
            timeout=TIMEOUT,
        )
    except MachineError as error:
        log.error("failed: %s", error)
        return 1


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-vm: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())

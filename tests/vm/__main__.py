"""`python -m tests.vm [PYTEST ARGUMENT...]`: run tests/vm/inside on a real RDMA kernel.

Needs Debian on amd64; installs qemu and the verbs tools if it may. Exits with pytest's code.
"""

import logging
import os
import signal
import sys
from pathlib import Path

from tests.vm import debian, machine
from tests.vm.debian import CannotRunError
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
        kernel = newest_kernel(_cache())
    except CannotRunError as error:
        return _not_run(error)
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


def _cache() -> Path:
    own = os.environ.get("RDMA_DP_CACHE")
    return (Path(own) if own else Path.home() / ".cache" / "rdma-dp").absolute() / "vm"


def _not_run(error: CannotRunError) -> int:
    """Skip on somebody's own machine; in CI a test that did not run is a failure."""
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    log.error("%s: %s", "failed" if in_ci else "skipped", error)
    return 1 if in_ci else 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-vm: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())

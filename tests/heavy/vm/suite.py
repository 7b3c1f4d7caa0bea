"""A suite that runs in the VM. Its exit code is pytest's."""

import logging
import sys
from collections.abc import Iterable, Mapping, Sequence

from tests.heavy.vm import machine
from tests.heavy.vm.kernel import Kernel
from tests.heavy.vm.machine import MachineError
from tests.paths import REPO

log = logging.getLogger(__name__)

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "COLUMNS": "100",
    "PYTHONUNBUFFERED": "1",
}


def run(
    kernel: Kernel,
    name: str,
    tests: str,
    arguments: Iterable[str],
    *,
    environment: Mapping[str, str],
    timeout: float,
    memory: int,
    devices: Sequence[str] = (),
) -> int:
    """Boot and test, for at most `timeout` seconds and with at most `memory` MiB.

    The suite called `name` is the directory `tests`. `devices` are further options of qemu.
    """
    color = "yes" if sys.stdout.isatty() else "no"
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--color={color}", tests)
    try:
        return machine.run(
            kernel,
            (*pytest, *arguments),
            directory=REPO,
            environment={**ENVIRONMENT, "RDMA_DP_IN_VM": name, **environment},
            timeout=timeout,
            memory=memory,
            devices=devices,
        )
    except MachineError as error:
        log.error("failed: %s", error)
        return 1

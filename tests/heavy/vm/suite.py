"""A suite that runs in the VM. Its exit code is pytest's."""

import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

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
    arguments: Iterable[str],
    *,
    environment: Mapping[str, str],
    timeout: float,
    memory: int,
    devices: Sequence[str] = (),
    root: Path = Path("/"),
    python: str = sys.executable,
) -> int:
    """Boot and test, for at most `timeout` seconds and with at most `memory` MiB.

    The suite is called `name`. `arguments` are pytest's: the tests and what follows. `root` has the
    machine's files, and `python` is a path in it. `devices` are further options of qemu.
    """
    color = "yes" if sys.stdout.isatty() else "no"
    pytest = (python, "-m", "pytest", "-p", "no:cacheprovider", f"--color={color}")
    try:
        return machine.run(
            kernel,
            (*pytest, *arguments),
            directory=REPO,
            environment={**ENVIRONMENT, "RDMA_DP_IN_VM": name, **environment},
            timeout=timeout,
            memory=memory,
            devices=devices,
            root=root,
        )
    except MachineError as error:
        log.error("failed: %s", error)
        return 1

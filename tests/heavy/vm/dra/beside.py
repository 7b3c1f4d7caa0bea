"""The control plane beside the VM, in a private network of both. In the VM it would be too slow.

`python -m tests.heavy.vm.dra.beside RUN` starts both, on a private node.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.heavy.dra.dra_cluster import CONTROLLERS
from tests.heavy.node import private
from tests.heavy.node.cluster.control_plane import KUBECONFIG, SERVICE, Access, ControlPlane
from tests.heavy.vm import machine
from tests.heavy.vm import suite as in_vm
from tests.heavy.vm.kernel import Kernel
from tests.heavy.vm.node import parts

_ACCESS = "kubernetes"  # in the directory of parts: the kubeconfig and the certificate
_NETDEV = "eth0"


def boot(
    kernel: Kernel,
    name: str,
    arguments: Iterable[str],
    *,
    environment: Mapping[str, str],
    **limits: float,
) -> int:
    """As `in_vm.run`, with a control plane that the VM reaches."""
    run = {
        "kernel": [str(kernel.image), str(kernel.initramfs)],
        "suite": [name, [*arguments]],
        "options": {"environment": dict(environment), **limits},
    }
    command = (sys.executable, "-m", "tests.heavy.vm.dra.beside", json.dumps(run))
    logs = {"PATH": environment["PATH"], "RDMA_DP_TEST_NODE": environment[parts.DIRECTORY]}
    return private.run(command, {**os.environ, **logs})


def _boot(run: Mapping[str, Any]) -> int:
    control_plane = ControlPlane(Access("RBAC", controllers=CONTROLLERS))
    shutil.copytree(
        KUBECONFIG.parent, Path(run["options"]["environment"][parts.DIRECTORY], _ACCESS)
    )
    image, initramfs = map(Path, run["kernel"])
    kernel = Kernel(image, initramfs)
    code = in_vm.run(kernel, *run["suite"], devices=machine.NETWORK, **run["options"])
    control_plane.end()
    return code


# --- inside the VM --------------------------------------------------------------------------------


def connect() -> None:
    """Make the machine's network, and the files with which kubelet and kubectl reach the server."""
    for command in (
        ("address", "add", machine.ADDRESS, "dev", _NETDEV),
        ("link", "set", _NETDEV, "up"),
        ("route", "add", SERVICE, "via", machine.GATEWAY),
    ):
        subprocess.run(("ip", *command), check=True)
    source = Path(os.environ[parts.DIRECTORY], _ACCESS)
    shutil.copytree(source, KUBECONFIG.parent, dirs_exist_ok=True)


if __name__ == "__main__":
    sys.exit(_boot(json.loads(sys.argv[1])))

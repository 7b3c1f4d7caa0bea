"""A VM that runs one command on its own kernel, with this host's files."""

import logging
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.heavy.vm.kernel import Kernel

log = logging.getLogger(__name__)

# The job answers with a write to this port, which ends qemu with status 2 * value + 1. The offset
# distinguishes answers from qemu's own failures. The largest status is 127.
EXIT_PORT = 0xF4
ANSWER = 64

# The kernel uses the serial line. The job prints to a virtio port, which is not a terminal.
JOB = r"""
exec < /dev/null > "$(echo /dev/vport*)" 2>&1
cd {directory}
env --ignore-environment {environment} {command}
code=$?
[ $code -le 63 ] || code=63
printf "\\$(printf %o $(({answer} + code)))" | dd of=/dev/port bs=1 seek={port} status=none
"""

QEMU = (
    # If this process ends in any way, qemu ends too.
    *("setpriv", "--pdeathsig=KILL", "--", "qemu-system-x86_64"),
    *("-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"),
    *("-nodefaults", "-display", "none", "-no-reboot"),
    *("-device", f"isa-debug-exit,iobase={EXIT_PORT},iosize=1"),
    *("-device", "virtio-serial", "-device", "virtserialport,chardev=job"),
    *("-chardev", "stdio,id=job,signal=off"),
    *("-virtfs", "local,path=/,mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap"),
)

# A netdev of the machine. Its connections to other addresses come from this process's network.
NETWORK = (
    *("-netdev", "user,id=network"),
    *("-device", "virtio-net-pci,netdev=network,romfile="),
)
GATEWAY, ADDRESS = "10.0.2.2", "10.0.2.15/24"  # qemu's defaults


class MachineError(Exception):
    """The machine ended without an answer of the job. The message has the last lines of the
    console.
    """


def run(
    kernel: Kernel,
    command: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    timeout: float,
    memory: int,
    devices: Sequence[str] = (),
) -> int:
    """Boot, run `command` as root, print its output, and return its exit code (63 for more).

    `timeout` is in seconds, for everything. `memory` is in MiB. The host's files can be changed
    inside. The changes are in memory. `devices` are further options of qemu.
    """
    with tempfile.TemporaryDirectory(prefix="rdma-dp-vm-") as place:
        job, console = Path(place, "job"), Path(place, "console")
        job.write_text(_job(command, directory, environment))
        status = _boot(kernel, job, console, timeout, ("-m", str(memory), *devices))
        answer = (status - 1) // 2 - ANSWER
        if status % 2 == 0 or answer < 0:
            raise MachineError(f"qemu ended with status {status}; {_last_lines(console)}")
        if answer != 0 and "Call Trace" in console.read_text(errors="replace"):
            log.warning("the kernel complained, too; %s", _last_lines(console))
        return answer


def _job(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> str:
    return JOB.format(
        directory=shlex.quote(str(directory)),
        environment=shlex.join(f"{name}={value}" for name, value in environment.items()),
        command=shlex.join(command),
        answer=ANSWER,
        port=EXIT_PORT,
    )


def _boot(kernel: Kernel, job: Path, console: Path, timeout: float, options: Iterable[str]) -> int:
    command = (
        *QEMU,
        *options,
        *("-kernel", str(kernel.image), "-initrd", str(kernel.initramfs)),
        *("-append", f"console=ttyS0 quiet panic=-1 JOB={job}"),
        *("-serial", f"file:{console}"),
    )
    # An open stdin, although nothing is written: when it ends, qemu would close the job's port.
    with subprocess.Popen(command, stdin=subprocess.PIPE) as qemu:
        try:
            return qemu.wait(timeout)
        except subprocess.TimeoutExpired:
            message = f"no answer within {timeout:.0f} s; {_last_lines(console)}"
            raise MachineError(message) from None
        finally:
            qemu.kill()


def _last_lines(console: Path, count: int = 40) -> str:
    lines = console.read_text(errors="replace").splitlines() if console.exists() else []
    return "\n".join(["the console's last lines:", *(f"  {line}" for line in lines[-count:])])

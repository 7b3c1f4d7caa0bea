"""A VM that runs one command on its own kernel, with this host's files."""

import logging
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.heavy import arm64
from tests.heavy.vm.kernel import Kernel

log = logging.getLogger(__name__)

# The kernel uses the serial line. The job prints to a virtio port, which is not a terminal. It
# writes its exit code to another port and switches the machine off.
JOB = r"""
exec < /dev/null > "$(echo /dev/vport*p1)" 2>&1
cd {directory}
env --ignore-environment {environment} {command}
echo $? > "$(echo /dev/vport*p2)"
echo o > /proc/sysrq-trigger
while :; do sleep 60; done
"""

EMULATORS = {
    arm64.NATIVE: ("qemu-system-x86_64", "-cpu", "max"),
    # Without its default of pauth, which takes long to emulate.
    arm64.FOREIGN: ("qemu-system-aarch64", "-machine", "virt", "-cpu", "max,pauth-impdef=on"),
}
CONSOLES = {arm64.NATIVE: "ttyS0", arm64.FOREIGN: "ttyAMA0"}
QEMU = (
    *("-accel", "tcg,thread=multi", "-smp", "2"),
    *("-nodefaults", "-display", "none", "-no-reboot"),
    *("-device", "virtio-serial"),
    *("-device", "virtserialport,chardev=job,nr=1", "-chardev", "stdio,id=job,signal=off"),
    *("-device", "virtserialport,chardev=answer,nr=2"),
)
# If this process ends in any way, qemu ends too.
WITH_THIS_PROCESS = ("setpriv", "--pdeathsig=KILL", "--")

# In a mount namespace of its own: directories of this machine get the same path in another root.
# Those with a new name each time are in /tmp. A tmpfs there keeps them out of the root.
WITHIN = """
set -e
root=$1; shift
mount -t tmpfs tmpfs "$root/tmp"
while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --bind "$1" "$root$1"
    shift
done
shift
exec "$@"
"""

# A netdev of the machine. Its connections to other addresses come from this process's network. Its
# own network is none of those of the HCAs (inside/fabric.py).
NETWORK = (
    *("-netdev", "user,id=network,net=10.80.0.0/24"),
    *("-device", "virtio-net-pci,netdev=network,romfile="),
)
GATEWAY, ADDRESS = "10.80.0.2", "10.80.0.15/24"  # as qemu chooses them


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
    root: Path = Path("/"),
) -> int:
    """Boot, run `command` as root, print its output, and return its exit code.

    `timeout` is in seconds, for everything. `memory` is in MiB. The machine's files are those below
    `root` on this host, and `directory`. They can be changed inside. The changes are in memory.
    `devices` are further options of qemu.
    """
    with tempfile.TemporaryDirectory(prefix="rdma-dp-vm-") as place:
        job, console, answer = (Path(place, name) for name in ("job", "console", "answer"))
        job.write_text(_job(command, directory, environment))
        shared = () if root == Path("/") else _within(root, directory, Path(place))
        status = _boot((*shared, *_qemu(kernel, job, root, memory), *devices), console, timeout)
        if status != 0 or not answer.read_text():
            raise MachineError(f"qemu ended with status {status}; {_last_lines(console)}")
        code = int(answer.read_text())
        if code != 0 and "Call Trace" in console.read_text(errors="replace"):
            log.warning("the kernel complained, too; %s", _last_lines(console))
        return code


def _job(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> str:
    return JOB.format(
        directory=shlex.quote(str(directory)),
        environment=shlex.join(f"{name}={value}" for name, value in environment.items()),
        command=shlex.join(command),
    )


def _within(root: Path, *directories: Path) -> tuple[str, ...]:
    """The start of a command line: what follows sees these directories below `root`, too."""
    unshare = ("unshare", "--mount", "--propagation", "private", "sh", "-c", WITHIN, "within")
    return (*unshare, str(root), *map(str, directories), "--")


def _qemu(kernel: Kernel, job: Path, root: Path, memory: int) -> tuple[str, ...]:
    """The command. The console and the answer go to files beside the job."""
    console = CONSOLES[kernel.architecture]
    shared = f"local,path={root},mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap"
    return (
        *(*WITH_THIS_PROCESS, *EMULATORS[kernel.architecture], *QEMU),
        *("-virtfs", shared, "-m", str(memory)),
        *("-kernel", str(kernel.image), "-initrd", str(kernel.initramfs)),
        *("-append", f"console={console} quiet panic=-1 JOB={job}"),
        *("-serial", f"file:{job.with_name('console')}"),
        *("-chardev", f"file,id=answer,path={job.with_name('answer')}"),
    )


def _boot(command: Sequence[str], console: Path, timeout: float) -> int:
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

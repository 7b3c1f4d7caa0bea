"""A private node: namespaces in which kubelet and containerd can change everything.

`run` makes the namespaces. `python -m tests.heavy.node.private COMMAND...`, run inside, prepares
the node and becomes the command. On the machine, only a cgroup exists while it runs, and what the
command writes outside /dev, /etc, /opt, /run and /var stays. If the caller ends, everything ends.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")

NODE = "node"  # its host name
ADDRESS = "10.77.0.1"  # kubelet refuses a loopback address for the node
HOST = Path("/run/host")  # the directory of the simulated host

_CGROUPS = Path("/sys/fs/cgroup")
_NUMA = Path("/sys/devices/system/node")
_CGROUP = "RDMA_DP_TEST_CGROUP"
_PREFIX = "rdma-dp-node-"
_DYING = 60.0  # seconds

# Files of the machine that the node replaces with its own.
_OVERLAID = ("/etc", "/opt", "/var")
_EMPTY = (
    *("/etc/cdi", "/etc/cni", "/etc/containerd", "/etc/kubernetes", "/opt/cni", "/var/log"),
    *("/var/lib/containerd", "/var/lib/kubelet"),
)
_DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "kmsg": (1, 11),
    "tty": (5, 0),
}
# kubelet sets these for the whole machine (pkg/kubelet/cm, setupKernelTunables).
_TUNABLES = (
    *("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"),
    *("kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"),
)


def cgroup() -> str:
    """The cgroup below which kubelet makes those of its pods."""
    return os.environ[_CGROUP]


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command on a private node and return its exit code."""
    with _cgroup() as name:
        unshare = (
            *("setpriv", "--pdeathsig", "KILL"),
            *("unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child"),
            *("--mount-proc", "--propagation", "private"),
        )
        inside = (sys.executable, "-m", "tests.heavy.node.private", *command)
        process = subprocess.Popen((*unshare, *inside), env={**environment, _CGROUP: name})
        try:
            return process.wait()
        finally:
            # unshare blocks SIGTERM. Its child dies with it, and so does everything inside
            process.kill()
            process.wait()


@contextmanager
def _cgroup() -> Iterator[str]:
    for left in _cgroups(f"{_PREFIX}*"):  # from a run that was killed
        if not Path("/proc", left.name.removeprefix(_PREFIX)).exists():
            _remove(left)
    name = f"{_PREFIX}{os.getpid()}"
    for hierarchy in _hierarchies():
        (hierarchy / name).mkdir()
        for file in ("cpuset.cpus", "cpuset.mems"):  # in version 1 they are empty at first
            if (hierarchy / file).exists():
                (hierarchy / name / file).write_text((hierarchy / file).read_text())
    try:
        yield name
    finally:
        for made in _cgroups(name):  # also if only runc made one
            _remove(made)


def _cgroups(pattern: str) -> list[Path]:
    return [*_CGROUPS.glob(pattern), *_CGROUPS.glob(f"*/{pattern}")]


def _remove(cgroup: Path) -> None:
    """Remove a cgroup as soon as its last process has ended. All of them were killed."""
    deadline = time.monotonic() + _DYING
    while cgroup.exists():
        try:
            for below in sorted(cgroup.rglob("*/"), reverse=True):
                below.rmdir()
            cgroup.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _hierarchies() -> list[Path]:
    """The directories in which cgroups are made: one tree in version 2, one per controller in
    version 1.
    """
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return [
        directory
        for directory in _CGROUPS.iterdir()
        if not directory.is_symlink() and directory.name != "unified"
    ]


# --- inside ---------------------------------------------------------------------------------------


def _lay_out() -> None:
    become_the_node()
    _tmpfs("/run")
    for directory in _OVERLAID:
        _overlay(Path(directory))
    empty_directories()
    _lay_out_dev()
    _two_numa_nodes()
    for tunable in _TUNABLES:
        real = Path("/proc/sys", tunable)
        copy = Path("/run/tunables", tunable)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(real.read_text())
        _run("mount", "--bind", str(copy), str(real))


def become_the_node() -> None:
    """Give these namespaces the node's name and address, and shared mounts."""
    socket.sethostname(NODE)
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")
    _run("mount", "--make-rshared", "/")  # containerd and kubelet share mounts with pods


def empty_directories() -> None:
    """Empty the directories in which kubelet and containerd keep files."""
    for directory in _EMPTY:
        Path(directory).mkdir(parents=True, exist_ok=True)
        _tmpfs(directory)


def _overlay(directory: Path) -> None:
    parts = Path("/run/overlay") / directory.name
    for part in ("upper", "work"):
        (parts / part).mkdir(parents=True)
    options = f"lowerdir={directory},upperdir={parts}/upper,workdir={parts}/work"
    _run("mount", "-t", "overlay", "-o", options, "overlay", str(directory))


def _lay_out_dev() -> None:
    """A /dev with the HCAs of the simulated host."""
    dev = Path("/run/dev")
    dev.mkdir()
    _tmpfs(str(dev))
    os.umask(0o022)
    for name, (major, minor) in _DEVICES.items():
        os.mknod(dev / name, 0o020666, os.makedev(major, minor))
        (dev / name).chmod(0o666)
    for name in ("pts", "shm", "mqueue"):
        (dev / name).mkdir()
    _run("mount", "--rbind", "/dev/pts", str(dev / "pts"))
    (dev / "ptmx").symlink_to("pts/ptmx")
    (dev / "fd").symlink_to("/proc/self/fd")
    (dev / "infiniband").symlink_to(HOST / "dev" / "infiniband")
    _run("mount", "--rbind", str(dev), "/dev")
    _tmpfs("/dev/shm")


def can_tell_numa_nodes() -> bool:
    """Whether the machine has what `_two_numa_nodes` needs."""
    return len(_cpus()) > 1 and (_NUMA / "node0").is_dir()


def _cpus() -> list[Path]:
    found = Path("/sys/devices/system/cpu").glob("cpu[0-9]*")
    return sorted(found, key=lambda cpu: int(cpu.name.removeprefix("cpu")))


def _two_numa_nodes() -> None:
    """Show the machine's CPUs as two NUMA nodes. kubelet reads only these files about them."""
    cpus = _cpus()
    made = Path("/run/numa")
    halves = (cpus[: len(cpus) // 2], cpus[len(cpus) // 2 :])
    for number, half in enumerate(halves):
        node = made / f"node{number}"
        node.mkdir(parents=True)
        (node / "meminfo").write_text((_NUMA / "node0" / "meminfo").read_text())
        (node / "distance").write_text("10 21\n" if number == 0 else "21 10\n")
        (node / "cpulist").write_text(",".join(cpu.name.removeprefix("cpu") for cpu in half) + "\n")
        (node / "hugepages").mkdir()
        for cpu in half:
            (node / cpu.name).symlink_to(cpu)
    for file in ("online", "possible", "has_cpu", "has_memory"):
        (made / file).write_text("0-1\n")
    _run("mount", "--bind", str(made), str(_NUMA))


def _tmpfs(directory: str) -> None:
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", directory)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    _lay_out()
    os.execvp(sys.argv[1], sys.argv[1:])

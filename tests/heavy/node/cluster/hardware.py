"""The node's HCAs on a machine without any: a simulated host in place of the machine's hardware.

A container's /sys is the kernel's, and this kernel has no HCA. So containerd uses a runc that
mounts the simulated host's /sys in place of sysfs, in every container. What is deployed does not
depend on it: flags and mounts are those of a real node.

kubelet keeps the machine's own /sys. Netlink is the machine's, too: the netdevs of the simulated
host are only in /sys.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simulator import host as simulated_host
from simulator.host import SimulatedHost
from tests.heavy.node import broken
from tests.heavy.node.plugin import BROKEN
from tests.heavy.node.private import HOST

RUNC = Path("/run/hardware/runc")

_MODULES = HOST / "sys" / ".modules"  # in every container
_DEV = Path("/dev/infiniband")
_CHANGE = Path(__file__).with_name("change_bundle.py")
_RUNC = f"""#!/bin/sh
case " $* " in
*" create "*) {sys.executable} -S {_CHANGE} {HOST} {RUNC.parent} "$@" || exit ;;
esac
exec runc "$@"
"""

# kmod's lsmod reads /proc/modules. A kernel without modules does not have it, and it cannot be
# created.
_LSMOD = """#!/bin/sh
echo "Module Size Used by"
while read -r name size used by rest; do echo "$name $size $used $by"; done < /sys/.modules
"""


class Hardware:
    """The machine with the HCAs of a sample host."""

    def __init__(self, sample: str) -> None:
        shutil.rmtree(HOST, ignore_errors=True)
        self.host: SimulatedHost = simulated_host.build(simulated_host.load(sample), HOST, dev=True)
        (HOST / "sys" / "fs" / "cgroup").mkdir(parents=True)  # where runc mounts it
        shutil.copy(HOST / "proc" / "modules", _MODULES)
        self._link = _DEV.readlink()
        _DEV.unlink()
        _DEV.mkdir()
        subprocess.run(("mount", "--bind", str(HOST / "dev" / "infiniband"), _DEV), check=True)
        RUNC.parent.mkdir(exist_ok=True)
        for file, text in ((RUNC, _RUNC), (RUNC.with_name("lsmod"), _LSMOD)):
            file.write_text(text)
            file.chmod(0o755)
        if BROKEN:  # it shows that the tests notice the fault
            shutil.copy(broken.__file__, RUNC.with_name("broken.py"))
            RUNC.with_name("fault").write_text(BROKEN)

    @contextmanager
    def without_module(self, name: str) -> Iterator[None]:
        """The driver is loaded when the block ends."""
        text = _MODULES.read_text()
        lines = text.splitlines(keepends=True)
        _MODULES.write_text("".join(line for line in lines if line.split()[0] != name))
        try:
            yield
        finally:
            _MODULES.write_text(text)

    def end(self) -> None:
        """As before."""
        subprocess.run(("umount", "--lazy", _DEV), check=True)
        _DEV.rmdir()
        _DEV.symlink_to(self._link)

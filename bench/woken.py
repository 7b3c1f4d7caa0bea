"""`python -m bench.woken ...`: the daemon with events from standard input.

A simulated host has no kernel that sends events. Here each byte on standard input is an event, and
wakes the daemon as a kernel event does. The letter p is an event of a pod's netdev. The daemon logs
the number of its scans.
"""

import argparse
import asyncio
import logging
import os
import re
import struct
import sys
from pathlib import Path

from bench.process import BenchError
from rdma_dp import log
from rdma_dp.aio.latest import first_of
from rdma_dp.daemon.daemon import Daemon
from rdma_dp.daemon.settings import Settings
from rdma_dp.host.netlink.links import links_in
from rdma_dp.kubelet.directories import KubeletDirectories
from rdma_dp.kubelet.registration.choice import RegistrationMode

EVENT = b"!"
POD_EVENT = b"p"

# A link event of a pod's netdev: nlmsghdr with RTM_NEWLINK, ifinfomsg, IFLA_IFNAME, and
# IFLA_LINKINFO with IFLA_INFO_KIND (kernel net/core/rtnetlink.c, rtnl_fill_ifinfo).
_VETH = b"".join(
    (
        struct.pack("=IHHII", 56, 16, 0, 0, 0),
        struct.pack("=BxHiII", 0, 1, 7, 0, 0),
        struct.pack("=HH8s", 10, 3, b"veth1"),
        struct.pack("=HHHH4s", 12, 18, 8, 1, b"veth"),
    )
)

_PIPE_SIZE = 65536  # bytes that a pipe holds (pipe(7))
_SCANS = "scans so far: "

logger = logging.getLogger(__name__)


def scans(log_file: Path) -> int:
    """The number of scans that the daemon has logged."""
    counts = re.findall(rf"{_SCANS}(\d+)", log_file.read_text())
    if not counts:
        raise BenchError(f"{log_file} has no scan: the daemon never scanned its host")
    return int(counts[-1])


async def run(settings: Settings) -> None:
    """Runs the daemon until the process is killed."""
    daemon = Daemon(settings)
    events = sys.stdin.fileno()

    def read() -> None:
        for event in os.read(events, _PIPE_SIZE):
            if event == EVENT[0] or any(
                daemon.links.matters(kind, name) for name, kind in links_in(_VETH)
            ):
                daemon.scan_again.wake()

    asyncio.get_running_loop().add_reader(events, read)
    await first_of(daemon.run(), _log_scans(daemon))


async def _log_scans(daemon: Daemon) -> None:
    async for count in daemon.applied.watch():
        logger.info("%s%d", _SCANS, count)


def _settings() -> Settings:
    parser = argparse.ArgumentParser(prog="python -m bench.woken")
    for name in ("root", "config-file", "kubelet-root-dir", "cdi-dir", "device-info-dir"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    return Settings(
        config_file=options.config_file,
        directories=KubeletDirectories.below(options.kubelet_root_dir),
        cdi_directory=options.cdi_dir,
        device_info_directory=options.device_info_dir,
        mode=RegistrationMode.DEVICE_PLUGINS,
        root=options.root,
    )


if __name__ == "__main__":
    log.configure("info", "text")
    asyncio.run(run(_settings()))

"""`python -m bench.woken ...`: the daemon, with standard input in the kernel's place.

On a stand-in host no kernel speaks. Here each byte on standard input is an event, and wakes the
daemon as one of the kernel's does. The log tells how often it has looked at the host.
"""

import argparse
import asyncio
import logging
import os
import re
import sys
from pathlib import Path

from bench.process import BenchError
from rdma_dp import log
from rdma_dp.aio.latest import first_of
from rdma_dp.daemon.daemon import Daemon
from rdma_dp.daemon.settings import Settings
from rdma_dp.kubelet.directories import KubeletDirectories
from rdma_dp.kubelet.registration.choice import RegistrationMode

EVENT = b"!"

_MANY = 65536  # bytes: a pipe holds no more (pipe(7))
_LOOKED = "looks so far: "

logger = logging.getLogger(__name__)


def looks(log_file: Path) -> int:
    """How often the daemon has scanned its host, by its log."""
    counts = re.findall(rf"{_LOOKED}(\d+)", log_file.read_text())
    if not counts:
        raise BenchError(f"the daemon never looked at its host, says {log_file}")
    return int(counts[-1])


async def run(settings: Settings) -> None:
    """Runs until it is killed."""
    daemon = Daemon(settings)
    events = sys.stdin.fileno()

    def read() -> None:
        for _ in os.read(events, _MANY):
            daemon.scan_again.wake()

    asyncio.get_running_loop().add_reader(events, read)
    await first_of(daemon.run(), _tell_looks(daemon))


async def _tell_looks(daemon: Daemon) -> None:
    async for count in daemon.applied.watch():
        logger.info("%s%d", _LOOKED, count)


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

"""`python -m tests.heavy.soak [RESTARTS CHANGES]`: many restarts and changes in one process.

After each step, it checks that everything is right. At the end, it checks that nothing has grown.

The daemon runs in this process, between a simulated host and a simulated kubelet on real sockets.
The tests wake it as an event of the kernel would. Prints one summary line. Exits with 1 if a count
was wrong, an id disappeared, or memory or descriptors grew.
"""

import asyncio
import json
import logging
import os
import random
import sys
from collections.abc import Mapping
from pathlib import Path

from rdma_dp.daemon.daemon import Daemon
from rdma_dp.daemon.settings import Settings
from rdma_dp.kubelet.directories import KubeletDirectories
from rdma_dp.kubelet.registration.choice import RegistrationMode
from simulator import host as simulated_host
from simulator.host import SimulatedHost
from simulator.kubelet import SimulatedKubelet
from simulator.scratch import scratch

RESTARTS, CHANGES = 1_000, 10_000
SEED = 20261121
RESOURCE, SLOTS = "rdma/soak", 5
DEADLINE = 120.0  # seconds for one step; the machine may be busy

# The growth that is allowed: allocator caches and interned objects. A leak of one pool, stream or
# list per change would be many times larger.
MOST_GROWTH = 8 * 1024 * 1024  # bytes

HOST = """
title: two RoCE HCAs
functions:
  "0000:01:00.0": {id: "15b3:1021", hcas: [mlx5_0], net: [eth0]}
  "0000:02:00.0": {id: "15b3:1021", hcas: [mlx5_1], net: [eth1]}
"""
CONFIG = {
    "periodicUpdateInterval": 0,
    "configList": [
        {
            "resourceName": "soak",
            "rdmaHcaMax": SLOTS,
            "selectors": {"vendors": ["15b3"]},
            "health": {"downSeconds": 0},
        }
    ],
}


class Soak:
    """The daemon, its host and its kubelet, and the state on which they should agree."""

    def __init__(self, directory: Path) -> None:
        self.kubelet = SimulatedKubelet(directory / "k")
        self._host: SimulatedHost = simulated_host.build(
            simulated_host.parse(HOST, "the soak's host"), directory / "host"
        )
        self._there = {"mlx5_0": True, "mlx5_1": True}
        self._active = {"mlx5_0": True, "mlx5_1": True}
        self._random = random.Random(SEED)
        config = directory / "config.json"
        config.write_text(json.dumps(CONFIG))
        directories = KubeletDirectories.below(self.kubelet.root)
        files = directory / "cdi", directory / "devinfo"
        root = self._host.root
        self.daemon = Daemon(
            Settings(config, directories, *files, RegistrationMode.DEVICE_PLUGINS, root)
        )

    async def change(self) -> None:
        """Add or remove one HCA, or change the state of its port."""
        hca = self._random.choice(sorted(self._there))
        if self._there[hca] and self._random.random() < 0.5:
            self._active[hca] = not self._active[hca]
            state, phys = ("ACTIVE", "LinkUp") if self._active[hca] else ("DOWN", "Disabled")
            self._host.set_port(hca, 1, state=state, phys_state=phys)
        elif self._there[hca]:
            self._host.unplug(hca)
            self._there[hca] = False
        else:
            self._host.plug(hca)
            self._there[hca] = True
        self.daemon.scan_again.wake_at_once()
        await self.right()

    async def restart(self) -> None:
        """Restart kubelet."""
        await (self.kubelet.kill() if self._random.random() < 0.5 else self.kubelet.stop())
        await self.kubelet.start()
        await self.right()

    async def right(self) -> None:
        """Wait until kubelet counts what the host has, then call Allocate."""
        works = any(self._there[hca] and self._active[hca] for hca in self._there)
        healthy = SLOTS if works else 0

        def counted(devices: Mapping[str, str]) -> bool:
            return (
                len(devices) == SLOTS
                and sum(health == "Healthy" for health in devices.values()) == healthy
            )

        await self.kubelet.wait_for(RESOURCE, counted, DEADLINE)
        if healthy:
            await self._right_answer()

    async def _right_answer(self) -> None:
        """The answer follows the host too, but may be a moment later than an unchanged list."""
        wanted = ",".join(hca for hca in sorted(self._there) if self._there[hca])
        async with asyncio.timeout(DEADLINE):
            while True:
                looks = self.daemon.applied.value
                allocation = await self.kubelet.allocate(RESOURCE)
                self.kubelet.release(allocation)
                if allocation.answer.envs["RDMA_DP_SOAK_HCAS"] == wanted:
                    return
                await self._look_after(looks)

    async def _look_after(self, looks: int) -> None:
        await self.daemon.applied.until(lambda count: count != looks)


async def soak(restarts: int, changes: int) -> list[str]:
    """What was wrong. Empty after a good run."""
    with scratch("soak-") as directory:
        soaked = Soak(Path(directory))
        await soaked.kubelet.start()
        life = asyncio.create_task(soaked.daemon.run(), name="daemon")
        try:
            await soaked.right()
            await _rounds(soaked, restarts // 10, changes // 10)
            before = _resources()
            await _rounds(soaked, restarts - restarts // 10, changes - changes // 10)
            after = _resources()
        finally:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)
            await soaked.kubelet.stop()
    print(
        f"test-soak: memory {before[0] >> 20} -> {after[0] >> 20} MiB, "
        f"descriptors {before[1]} -> {after[1]}"
    )
    wrong = list(soaked.kubelet.violations)
    if after[0] - before[0] > MOST_GROWTH:
        wrong.append(f"memory grew by {(after[0] - before[0]) >> 20} MiB")
    if after[1] > before[1]:
        wrong.append(f"descriptors grew by {after[1] - before[1]}")
    return wrong


async def _rounds(soaked: Soak, restarts: int, changes: int) -> None:
    """Spread the restarts evenly among the changes. The memory of the simulated kubelet does not
    count.
    """
    done = 0
    for number in range(changes):
        await soaked.change()
        while done * changes < restarts * (number + 1):
            await soaked.restart()
            done += 1
        soaked.kubelet.events.clear()


def _resources() -> tuple[int, int]:
    """Resident bytes and open descriptors of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE"), len(os.listdir("/proc/self/fd"))


def main() -> int:
    """Run. The summary line counts the steps that were right."""
    restarts, changes = (int(text) for text in sys.argv[1:3] or (RESTARTS, CHANGES))
    logging.disable(logging.CRITICAL)  # tens of thousands of lines without a problem
    wrong = asyncio.run(soak(restarts, changes))
    for line in wrong:
        print(f"test-soak: {line}")
    print(f"test-soak: {restarts + changes} passed, {len(wrong)} failed (seed {SEED})")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

"""`rdma-dp doctor` on a live kernel: pods that use their HCA and pods that do not.

The containers are podman's, in cgroups with names like those that kubelet gives. The simulated
kubelet records which pod holds which slots.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from rdma_dp.host.netlink.rdma_queries import query_queue_pairs
from simulator.kubelet import SimulatedKubelet
from tests.heavy.vm.inside.container import Container
from tests.heavy.vm.inside.daemon import DEADLINE, running_daemon
from tests.heavy.vm.inside.fabric import STORAGE
from tests.heavy.vm.inside.node import config, host_paths
from tests.heavy.vm.inside.verbs import ipv4_gid_index

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESOURCE = {"resourceName": "hca", "rdmaHcaMax": 8, "selectors": {"ifNames": [STORAGE.netdev]}}
NAME = "rdma/hca"

SERVER = ("ibv_rc_pingpong", "--ib-dev", STORAGE.name, "--gid-idx")  # it waits with a queue pair
IDLE = ("sleep", "600")

# The doctor's own limit is five minutes.
DOCTOR = """
import sys
from rdma_dp.doctor.checks import pod_queue_pairs
pod_queue_pairs.STARTING = float(sys.argv.pop(1))
from rdma_dp.cli.main import main
sys.exit(main())
"""
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")


@dataclass(frozen=True, slots=True)
class Place:
    kubelet: SimulatedKubelet
    config: Path

    def doctor(
        self, *flags: str, patience: float = 0, wrapper: Sequence[str] = ()
    ) -> dict[str, dict[str, Any]]:
        """Each check's entry of the JSON, by its id."""
        words = ("doctor", "-o", "json", "--config", str(self.config))
        root = ("--kubelet-root-dir", str(self.kubelet.root))
        done = subprocess.run(
            (*wrapper, sys.executable, "-c", DOCTOR, str(patience), *words, *root, *flags),
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * DEADLINE,
        )
        assert done.returncode in (0, 1, 2), done.stderr
        assert done.stderr == ""
        return {check["id"]: check for check in json.loads(done.stdout)["checks"]}

    async def look(self, **how: Any) -> dict[str, dict[str, Any]]:
        """The same, while the simulated kubelet runs."""
        return await asyncio.to_thread(lambda: self.doctor(**how))

    async def admit(self, pod: str) -> list[str]:
        """The nodes for a container of that pod, which holds slots of the simulated kubelet."""
        allocation = await self.kubelet.allocate(NAME)
        self.kubelet.name(allocation, "default", pod, "main")
        return host_paths(allocation)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place() -> AsyncIterator[Place]:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        root, file = Path(directory, "k"), Path(directory, "config.json")
        file.write_text(config(RESOURCE))
        async with (
            SimulatedKubelet(root, pod_resources=True) as kubelet,
            running_daemon(root, file),
        ):
            await kubelet.wait_for(NAME, lambda devices: len(devices) == 8, timeout=DEADLINE)
            yield Place(kubelet, file)
            assert kubelet.violations == []


@contextmanager
def pod(
    name: str, nodes: Sequence[str], command: Sequence[str], *flags: str, network: str = "host"
) -> Iterator[None]:
    """A container with the cgroup and the log name that kubelet would give it."""
    with tempfile.TemporaryDirectory() as directory:
        cid, pid = Path(directory, "cid"), Path(directory, "pid")
        own = (
            f"--cgroup-parent=/kubepods/pod{uuid.uuid4()}",
            *(f"--cidfile={cid}", f"--pidfile={pid}", "--timeout=600"),
        )
        started = Container(nodes, (*own, *flags), network).start(
            "sh", "-c", 'echo up; exec "$@"', "sh", *command
        )
        with started:
            try:
                assert started.stdout is not None
                assert started.stdout.readline() == "up\n", started.stdout.read()
                log = Path("/var/log/containers", f"{name}_default_main-{cid.read_text()}.log")
                log.parent.mkdir(parents=True, exist_ok=True)
                log.touch()
                yield
                log.unlink()
            finally:
                # SIGTERM does nothing to a container's first process unless it has a handler.
                os.kill(int(pid.read_text()), signal.SIGKILL)


def subjects(check: dict[str, Any], verdict: str) -> set[str]:
    found = check["findings"]
    return {each["subject"] for each in found if each["verdict"] == verdict}


async def until_owned(count: int) -> None:
    """Wait for this many queue pairs of processes: programs take a while to start."""
    async with asyncio.timeout(DEADLINE):
        while True:
            pairs = await asyncio.to_thread(query_queue_pairs)
            assert pairs is not None
            if sum(pairs[STORAGE.name].owners.values()) >= count:
                return
            await asyncio.sleep(0.5)


async def test_queue_pairs_tell_a_pod_that_uses_its_hca_from_one_that_does_not(
    place: Place,
) -> None:
    server = (*SERVER, ipv4_gid_index(STORAGE))
    with (
        pod("busy", await place.admit("busy"), server),
        pod("idle", await place.admit("idle"), IDLE),
    ):
        await until_owned(1)
        found = (await place.look())["pod-queue-pairs"]
        assert found["verdict"] == "warn"
        assert subjects(found, "warn") == {"default/idle main"}
        assert "owns no queue pair on rxe0" in found["findings"][0]["evidence"]

        young = (await place.look(patience=300))["pod-queue-pairs"]
        assert young["verdict"] == "ok", young["findings"]

        for check in (await place.look(wrapper=NOBODY)).values():
            if check["family"] == "pod":
                assert check["verdict"] == "unknown", "an ordinary user sees none of it"


async def test_limits_and_networks_are_the_pods_own(place: Place) -> None:
    bounded = "--ulimit=memlock=65536:65536"
    with (
        pod("bound", await place.admit("bound"), IDLE, bounded, network="none"),
        pod("free", await place.admit("free"), IDLE, bounded, "--cap-add=IPC_LOCK"),
    ):
        found = await place.look()
        assert subjects(found["pod-memlock"], "warn") == {"default/bound main"}
        assert "64 KiB" in found["pod-memlock"]["findings"][0]["evidence"]
        assert subjects(found["pod-network"], "warn") == {"default/bound main"}
        assert subjects(found["pod-gid"], "warn") == {"default/bound main"}


async def test_kubelet_and_the_daemon_agree(place: Place) -> None:
    found = await place.look()
    for name in ("socket", "plugin", "registered", "counts", "rivals"):
        assert found[f"kubelet-{name}"]["verdict"] == "ok", found[f"kubelet-{name}"]

"""A node with a kubelet, an API server and instances of the daemon's part for DRA, for models."""

import asyncio
import contextlib
import copy
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest
from rdma_dp.aio.tasks import start
from rdma_dp.api_server.api_client import ApiClient
from rdma_dp.api_server.credentials import credentials_of
from rdma_dp.api_server.dra_api import DraApi
from rdma_dp.config import Config, parse
from rdma_dp.daemon.dra.device_reader import DeviceReader
from rdma_dp.daemon.dra.dra_parts import DraParts
from rdma_dp.daemon.dra.prepared_claims import Claims
from rdma_dp.daemon.dra.slice_pacing import Pacing
from rdma_dp.daemon.dra.slice_publisher import SlicePublisher
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.kubelet.directories import CLAIMS, KubeletDirectories
from rdma_dp.metrics import Metrics
from rdma_dp.sharing.state import NodeState, next_state
from simulator.api_server import ApiFault, FakeApiServer
from simulator.api_server.store import StatusError
from simulator.kubelet import Claim, PrepareError, SimulatedKubelet
from tests.makers import SYSTEM, hca

NODE = "node-1"
DRIVER = "hca.rdma-dp.dev"
DEADLINE = 60.0  # seconds; only a failure waits that long
ROUNDS = 0.2  # seconds between two rounds that release forgotten claims

# Each HCA that is there, and whether its link is down.
Hardware = Mapping[int, bool]


def config(slots: str) -> Config:
    """One resource with a device for each HCA, whose links have to be up."""
    entry = {
        "resourceName": "a",
        "rdmaHcaMax": 2,
        "slotsPer": "hca",
        "via": "dra",
        "selectors": {"vendors": ["15b3"]},
        "health": {"downSeconds": 0},
    }
    return parse(json.dumps({"dra": {"slots": slots}, "configList": [entry]})).config


class World:
    """A node with a kubelet, an API server, and the instances of the daemon's part for DRA."""

    def __init__(self, root: Path, server: FakeApiServer, kubelet: SimulatedKubelet, slots: str):
        self.root = root
        self.server = server
        self.kubelet = kubelet
        self.slots = slots
        self.hardware: Hardware = {1: False, 2: False}
        self.config = config(slots)
        self.states = Latest(self._state(None))
        self.instances: list[asyncio.Task[None]] = []
        self.pods: dict[int, Claim] = {}  # that run
        self.devices: dict[int, str] = {}
        self.forgotten: set[int] = set()  # pods that kubelet will never unprepare
        self.metrics = Metrics()  # of all instances
        self.claims = KubeletDirectories.below(kubelet.root).plugins / DRIVER / CLAIMS
        self._started = 0
        server.add_node(NODE)
        self._environment = {**server.environment(root / "account"), "NODE_NAME": NODE}

    # --- the node -----------------------------------------------------------------------------

    def _state(self, before: NodeState | None) -> NodeState:
        hcas = (
            hca(number, state="DOWN" if down else "ACTIVE")
            for number, down in sorted(self.hardware.items())
        )
        return next_state(self.config, Inventory(tuple(hcas), (), SYSTEM), 0.0, before)

    def change(self, hardware: Hardware) -> None:
        self.hardware = hardware
        # A link counts as down at the scan after the one that saw it.
        self.states.set(self._state(self._state(self.states.value)))

    async def start(self) -> None:
        self._started += 1
        environment = {**self._environment, "POD_UID": f"pod-{self._started}"}
        self.instances.append(asyncio.create_task(self._instance(environment)))
        await self._registered()

    async def _registered(self) -> None:
        """Until kubelet has registered the instances that run, and no other."""
        await self.kubelet.wait_until(
            lambda k: len(k.drivers.sockets(DRIVER)) == len(self.instances), DEADLINE
        )

    async def another_instance(self, _: None) -> None:
        if len(self.instances) < 2:
            await self.start()

    async def stop(self, _: None = None) -> None:
        if self.instances:
            task = self.instances.pop(0)
            task.cancel()
            await asyncio.wait([task])
            await self._registered()

    async def end(self) -> None:
        """Also after a failure: a server of gRPC must not outlive its event loop."""
        while self.instances:
            await self.stop()

    async def _instance(self, environment: Mapping[str, str]) -> None:
        directories = KubeletDirectories.below(self.kubelet.root)
        registry = DirectoryWatch(directories.plugins_registry)
        parts = DraParts(
            self.states,
            Latest(frozenset()),
            Host(self.root),
            directories,
            registry,
            self.root / "cdi",
            self.metrics,
            environment,
        )
        async with ApiClient(partial(credentials_of, environment)) as client:
            api = DraApi(client, NODE, DRIVER)
            reader = DeviceReader(parts, DRIVER)
            await reader.read()
            pacing = Pacing(interval=0.0, taint_interval=0.0)
            publisher = SlicePublisher(api, reader, parts.served, parts.metrics, pacing)
            claims = Claims(parts, reader.devices, api, ROUNDS)
            async with asyncio.TaskGroup() as tasks:
                start(tasks, "watch", registry.run())
                start(tasks, "devices", reader.run())
                start(tasks, "slices", publisher.run())
                start(tasks, "claims", claims.run())

    # --- pods ---------------------------------------------------------------------------------

    async def start_pod(self, pod: int) -> None:
        """The scheduler allocates a device to a pod, and kubelet starts it, once."""
        taken = set(self.devices.values()) if self.slots == "each" else set()
        free = [
            name
            for name, device in sorted(self.server.devices().items())
            if name not in taken and not device.get("taints")
        ]
        if pod in self.pods or not free or not self.instances:
            return
        device = free[pod % len(free)]
        result = {"request": "hca", "driver": DRIVER, "pool": NODE, "device": device}
        share = {} if self.slots == "each" else {"shareID": f"share-{pod}"}
        status = {
            "allocation": {"devices": {"results": [{**result, **share}]}},
            "reservedFor": [{"resource": "pods", "name": f"pod-{pod}", "uid": f"pod-{pod}"}],
        }
        metadata = {"name": f"claim-{self._made()}", "namespace": "default"}
        made = self.server.add("resourceclaims", {"metadata": metadata, "status": status})
        claim = Claim("default", metadata["name"], made["metadata"]["uid"])
        self.pods[pod], self.devices[pod] = claim, device
        if not await self._prepared(pod):
            await self.end_pod(pod)  # its owner deletes it

    def _made(self) -> int:
        self._started += 1
        return self._started

    async def _prepared(self, pod: int) -> bool:
        try:
            await self.kubelet.pods.start_pod(f"pod-{pod}", DRIVER, [self.pods[pod]])
        except PrepareError:
            return False
        return True

    async def end_pod(self, pod: int) -> None:
        """kubelet repeats unprepare until it succeeds. The claim may be gone before."""
        if pod not in self.pods:
            return
        if pod in self.forgotten:
            self.delete_claim(pod)
            return
        if not self.instances:
            await self.start()
        await self.kubelet.pods.end_pod(f"pod-{pod}")
        self.ended(pod)

    def ended(self, pod: int) -> None:
        del self.pods[pod], self.devices[pod]
        self.forgotten.discard(pod)

    async def lose_checkpoint(self, _: None) -> None:
        """kubelet kills the pods that are deleted meanwhile. It unprepares none of its claims."""
        there = {one["metadata"]["uid"] for one in self.server.store.all("resourceclaims")}
        for pod in [pod for pod, claim in self.pods.items() if claim.uid not in there]:
            self.ended(pod)
        self.forgotten |= {*self.pods}
        self.kubelet.pods.forget()
        await self.kubelet.stop()
        await self.kubelet.start()
        await self._registered()

    async def kubelet_restarts(self, _: None) -> None:
        """Sandboxes restart too: each pod gets the same devices, if they are there."""
        self.server.delete_slices(NODE)
        if not self.instances:
            await self.start()
        self.kubelet.pods.forget_prepared()
        self.forgotten.clear()
        for pod in self.pods:
            here = self._number(pod) in self.hardware
            assert await self._prepared(pod) or not here, "a prepared claim was refused"

    # --- the API server -----------------------------------------------------------------------

    def delete_claim(self, pod: int) -> None:
        if pod in self.pods:
            key = ("resourceclaims", "default", self.pods[pod].name)
            with contextlib.suppress(StatusError):  # it was deleted before
                self.server.store.delete(key)
            if pod in self.forgotten:
                self.ended(pod)

    def fail(self, fault: ApiFault) -> None:
        self.server.faults.append(copy.copy(fault))

    def watch_breaks(self, _: None) -> None:
        self.server.break_watches()

    def lose_gates(self, _: None) -> None:
        self.server.gates = frozenset()
        self.server.delete_slices(NODE)

    # --- at rest ------------------------------------------------------------------------------

    def slices_are_right(self) -> bool:
        found = self.server.devices()
        kept = {
            number: down
            for number, down in self.hardware.items()
            if self.server.gates or not (down or self.slots == "shared")
        }
        each = range(2) if self.slots == "each" else [None]
        names = {_name(number, slot): down for number, down in kept.items() for slot in each}
        pools = [one["spec"]["pool"] for one in self.server.slices()]
        return (
            len(pools) == 1
            and pools[0]["resourceSliceCount"] == 1
            and {name: bool(device.get("taints")) for name, device in found.items()} == names
        )

    def files_are_right(self) -> bool:
        files = {path.stem for path in self.claims.glob("*")} if self.claims.is_dir() else set()
        whole = [pod for pod in self.pods if self._number(pod) in self.hardware]
        specs = {path.name: path for path in (self.root / "cdi").glob("*")}
        wanted = {f"rdma-dp-claim-{self.pods[pod].uid}.json": pod for pod in whole}
        return (
            files == {claim.uid for claim in self.pods.values()}
            and specs.keys() == wanted.keys()
            and all(
                f"/dev/infiniband/uverbs{self._number(pod)}" in specs[name].read_text()
                for name, pod in wanted.items()
            )
        )

    def _number(self, pod: int) -> int:
        return int(self.devices[pod].split("-")[2], 16)

    async def rest(self, _: None = None) -> None:
        if not self.instances:
            await self.start()
        await until(self.slices_are_right, self.server.slices)
        await until(self.files_are_right, lambda: (self.devices, self.hardware))


def _name(number: int, slot: int | None) -> str:
    return f"a-0000-{number:02x}-00-0" + ("" if slot is None else f"-{slot}")


async def until(accept: Callable[[], bool], shown: Callable[[], Any]) -> None:
    """Files and the server's answers send no event to a test, so they are read again and again."""
    try:
        async with asyncio.timeout(DEADLINE):
            while not accept():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not at rest: {shown()}") from None


@asynccontextmanager
async def a_world(slots: str) -> AsyncIterator[World]:
    """A world with one instance, at rest."""
    async with AsyncExitStack() as stack:
        root = Path(stack.enter_context(TemporaryDirectory()))
        server = await stack.enter_async_context(FakeApiServer())
        kubelet = await stack.enter_async_context(
            SimulatedKubelet(root / "kubelet", pod_resources=True)
        )
        world = World(root, server, kubelet, slots)
        stack.push_async_callback(world.end)
        await world.start()
        await world.rest()
        yield world

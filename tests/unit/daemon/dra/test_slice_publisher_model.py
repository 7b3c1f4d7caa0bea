"""At rest the API server has what the node offers, whatever happened before.

Random sequences: other devices, links that go down, kubelet's deletions, changes of others, lost
answers, errors, watches that break or expire, restarts, and a second instance.
"""

import asyncio
import copy
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdma_dp.aio.latest import Latest
from rdma_dp.api_server.api_client import ApiClient
from rdma_dp.api_server.credentials import Credentials
from rdma_dp.api_server.dra_api import DraApi
from rdma_dp.config import DraSettings
from rdma_dp.daemon.dra.device_reader import Offer
from rdma_dp.daemon.dra.slice_pacing import Pacing
from rdma_dp.daemon.dra.slice_publisher import SlicePublisher
from rdma_dp.dra.devices import Attributes, DraDevice
from rdma_dp.metrics import Metrics
from simulator.api_server import ApiFault, FakeApiServer
from tests.unit.daemon.plain_devices import plain_device

NODE = "n"
SETTINGS = DraSettings()

# (number of the device, whether its link is down); 70 devices do not fit into one slice.
Devices = tuple[tuple[int, bool], ...]


def device(number: int, down: bool) -> DraDevice:
    slots = 4 if number % 2 else None
    return plain_device(f"d-{number}", "rdma/a", f"mlx5_{number}", slots=slots, down=down)


class Node:
    """What the node offers, as the publisher reads it."""

    def __init__(self) -> None:
        self.offer = Latest(Offer(SETTINGS))

    async def remember(self, attributes: Mapping[str, Attributes]) -> None:
        """Nothing is remembered here."""

    def set(self, devices: Devices) -> None:
        self.offer.set(Offer(SETTINGS, tuple(device(*each) for each in devices)))


class World:
    """A server, a node, and the instances of the driver on it."""

    def __init__(self, server: FakeApiServer, account: Path) -> None:
        self.server = server
        self.account = account
        self.node = Node()
        self.instances: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self.instances.append(asyncio.create_task(self._instance()))
        await asyncio.sleep(0)

    async def stop(self) -> None:
        if self.instances:
            task = self.instances.pop(0)
            task.cancel()
            await asyncio.wait([task])

    async def _instance(self) -> None:
        async with ApiClient(lambda: Credentials(self.server.url, self.account)) as client:
            api = DraApi(client, NODE, SETTINGS.driver_name)
            pacing = Pacing(interval=0.0, taint_interval=0.0)
            served: Latest[frozenset[str]] = Latest(frozenset())
            await SlicePublisher(api, self.node, served, Metrics(), pacing).run()

    def edit_by_another(self) -> None:
        """Takes the devices out of a slice."""
        for each in self.server.slices()[:1]:
            changed = copy.deepcopy(each)
            changed["spec"]["devices"] = []
            key = ("resourceslices", "", each["metadata"]["name"])
            self.server.store.replace(key, changed)

    def at_rest(self) -> bool:
        """Whether the slices are one complete pool with the devices that the server can have."""
        slices = self.server.slices()
        pools = [each["spec"]["pool"] for each in slices]
        complete = all(pool == pools[0] for pool in pools[1:]) and (
            bool(pools) and pools[0]["resourceSliceCount"] == len(pools)
        )
        names = [each["name"] for one in slices for each in one["spec"]["devices"]]
        down = {name for name, each in self.server.devices().items() if each.get("taints")}
        shared = {n for n, each in self.server.devices().items() if "capacity" in each}
        wanted = self.node.offer.value.devices
        if not self.server.gates:
            wanted = tuple(each for each in wanted if each.slots is None and not each.down)
        return (
            complete
            and sorted(names) == sorted(each.name for each in wanted)
            and down == {each.name for each in wanted if each.down}
            and shared == {each.name for each in wanted if each.slots is not None}
        )


some_devices = st.one_of(
    st.lists(
        st.tuples(st.integers(0, 5), st.booleans()), max_size=6, unique_by=lambda each: each[0]
    ),
    st.booleans().map(lambda down: [(number, down and number == 3) for number in range(70)]),
).map(tuple)
# What passes, also where it takes effect; 410 and 409 where the server sends them.
passing = st.builds(
    ApiFault,
    status=st.sampled_from([None, 401, 429, 500]),
    verb=st.sampled_from(["", "list", "watch", "create", "update", "delete"]),
    times=st.integers(1, 2),
    carried_out=st.booleans(),
)
faults = st.one_of(
    passing,
    st.sampled_from(["list", "watch"]).map(lambda verb: ApiFault(410, verb)),
    st.sampled_from(["update", "delete"]).map(lambda verb: ApiFault(409, verb)),
)
actions = st.one_of(
    some_devices.map(lambda devices: ("offer", devices)),
    faults.map(lambda fault: ("fault", fault)),
    st.sampled_from(
        [
            *(("kubelet deletes", None), ("edit", None), ("break", None), ("expire", None)),
            *(("start", None), ("stop", None), ("rest", None)),
        ]
    ),
)


async def play(world: World, action: str, value: object) -> None:
    server = world.server
    if action == "offer":
        world.node.set(value)  # type: ignore[arg-type]
    elif action == "fault":
        server.faults.append(copy.copy(value))  # type: ignore[arg-type]
    elif action == "kubelet deletes":
        server.delete_slices(NODE)
    elif action == "edit":
        world.edit_by_another()
    elif action == "break":
        server.break_watches()
    elif action == "expire":
        server.store.compact()
    elif action == "start" and len(world.instances) < 2:
        await world.start()
    elif action == "stop":
        await world.stop()
    elif action == "rest" and world.instances:
        await server.until(world.at_rest)


async def run(version: tuple[int, int], script: list[tuple[str, object]]) -> None:
    async with FakeApiServer(version) as server, AsyncExitStack() as stack:
        server.add_node(NODE)
        directory = stack.enter_context(TemporaryDirectory())
        world = World(server, server.write_service_account(Path(directory)))
        await world.start()
        for action, value in script:
            await play(world, action, value)
        if not world.instances:
            await world.start()
        await server.until(world.at_rest)
        while world.instances:
            await world.stop()


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    version=st.sampled_from([(1, 36), (1, 34)]), script=st.lists(actions, min_size=1, max_size=6)
)
def test_at_rest_the_server_has_what_the_node_offers(
    version: tuple[int, int], script: list[tuple[str, object]]
) -> None:
    asyncio.run(run(version, script))

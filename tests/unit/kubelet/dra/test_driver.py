"""The driver on its socket, with a simulated kubelet: registration, claims, health."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest, Part
from rdma_dp.errors import RdmaDpError
from rdma_dp.kubelet.dra.driver import Driver, DriverSettings
from rdma_dp.kubelet.dra.driver_registration import driver_socket, is_driver_socket
from rdma_dp.metrics import Metrics
from simulator.kubelet import Claim, DriverGone, DriverRegistered, PrepareError, SimulatedKubelet
from tests.unit.kubelet.dra.claims import DRIVER, POOL, Api, Hardware, offered, ref, result
from tests.unit.kubelet.nodes import hca

FIRST = "hca-0000-01-00-0"
HEALTHY = {(DRIVER, POOL, FIRST): ("HEALTHY", "mlx5_1")}


class Machine:
    """A node with a kubelet, an API and HCAs, for instances of the driver."""

    def __init__(self, root: Path, kubelet: SimulatedKubelet) -> None:
        self.root = root
        self.kubelet = kubelet
        self.api = Api()
        self.metrics = Metrics()
        self.hardware = Latest(offered(hca(1)))

    @asynccontextmanager
    async def instance(self, uid: str) -> AsyncIterator[Driver]:
        """A driver that is registered."""
        watch = DirectoryWatch(self.kubelet.plugins_registry_dir)
        settings = DriverSettings(
            DRIVER, POOL, uid, self.kubelet.root / "plugins" / DRIVER, self.root / "cdi"
        )
        driver = Driver(
            settings,
            watch,
            Part(self.hardware, lambda now: now.devices),
            Part(self.hardware, lambda now: now.inventory),
            self.api.get,
            self.metrics,
        )
        tasks = [asyncio.create_task(work) for work in (watch.run(), driver.run())]
        try:
            async with asyncio.timeout(60):
                await driver.registration.registered.until(bool)
            yield driver
        finally:
            for task in reversed(tasks):
                task.cancel()
                await asyncio.wait([task])

    def health(self) -> dict[tuple[str, str, str], tuple[str, str]]:
        """What kubelet knows of the devices."""
        found = self.kubelet.drivers.health
        return {key: (each.state, each.message) for key, each in found.items()}

    async def until_health(self, wanted: dict[tuple[str, str, str], tuple[str, str]]) -> None:
        await self.kubelet.wait_until(lambda _: self.health() == wanted)


@pytest.fixture
async def machine(directory: Path) -> AsyncIterator[Machine]:
    async with SimulatedKubelet(directory / "kubelet") as kubelet:
        yield Machine(directory, kubelet)


def of(number: int) -> Claim:
    one = ref(number)
    return Claim(one.namespace, one.name, one.uid)


@pytest.mark.parametrize("known", [["v1.DRAPlugin", "v1beta1.DRAPlugin"], ["v1beta1.DRAPlugin"]])
async def test_every_kubelet_uses_the_service_that_it_knows(
    directory: Path, known: list[str]
) -> None:
    async with SimulatedKubelet(directory / "kubelet", dra=known) as kubelet:
        machine = Machine(directory, kubelet)
        machine.api.put(ref(1), result(FIRST, shareID="s1"))
        async with machine.instance("u1"):
            (event,) = [e for e in kubelet.events if isinstance(e, DriverRegistered)]
            assert event.version == known[0]
            answers = await kubelet.pods.start_pod("pod", DRIVER, [of(1)])
            (device,) = answers[ref(1).uid]
            assert (device.requests, device.pool, device.device) == (("hca",), POOL, FIRST)
            assert device.share_id == "s1"
            (name,) = kubelet.pods.cdi_ids("pod", "hca")
            assert name == f"rdma-dp/claim={ref(1).uid}-hca-mlx5_1"
            await kubelet.pods.end_pod("pod")
    assert list((directory / "cdi").iterdir()) == []


async def test_the_claims_of_a_pod_fail_one_by_one(machine: Machine) -> None:
    """And the pod's owner reads why."""
    machine.api.put(ref(1), result(FIRST))
    machine.api.put(ref(2), result("unknown"))
    async with machine.instance("u1"):
        with pytest.raises(PrepareError, match="request hca: device unknown is gone"):
            await machine.kubelet.pods.start_pod("pod", DRIVER, [of(1), of(2)])
        machine.api.put(ref(2), result(FIRST))
        answers = await machine.kubelet.pods.start_pod("pod", DRIVER, [of(1), of(2)])
        assert [len(each) for each in answers.values()] == [1, 1]


async def test_after_its_end_no_socket_is_left_and_claims_stay(machine: Machine) -> None:
    machine.api.put(ref(1), result(FIRST))
    async with machine.instance("u1") as driver:
        await machine.kubelet.pods.start_pod("pod", DRIVER, [of(1)])
        assert driver.registration.socket.name == f"{DRIVER}-u1-reg.sock"
    assert list(machine.kubelet.plugins_registry_dir.iterdir()) == []
    await machine.kubelet.wait_until(
        lambda kubelet: any(isinstance(e, DriverGone) for e in kubelet.events)
    )
    assert len(list((machine.root / "cdi").iterdir())) == 1
    with pytest.raises(PrepareError, match="not registered"):
        await machine.kubelet.pods.end_pod("pod")
    async with machine.instance("u2"):
        await machine.kubelet.pods.end_pod("pod")
    assert list((machine.root / "cdi").iterdir()) == []


async def test_two_instances_serve_and_the_newest_is_used(machine: Machine) -> None:
    for number in (1, 2):
        machine.api.put(ref(number), result(FIRST, shareID=f"s{number}"))
    kubelet = machine.kubelet
    async with machine.instance("old") as old:
        await kubelet.pods.start_pod("one", DRIVER, [of(1)])
        async with machine.instance("new") as new:
            sockets = [old.registration.socket, new.registration.socket]
            assert kubelet.drivers.sockets(DRIVER) == sockets
            await kubelet.pods.end_pod("one")
            await kubelet.pods.start_pod("two", DRIVER, [of(2)])
        await kubelet.wait_until(lambda k: k.drivers.sockets(DRIVER) == sockets[:1])
        await kubelet.pods.end_pod("two")
    assert list((machine.root / "cdi").iterdir()) == []
    assert kubelet.violations == []


async def test_a_killed_instance_leaves_a_socket_that_its_successor_removes(
    machine: Machine,
) -> None:
    registry = machine.kubelet.plugins_registry_dir
    stale = [registry / f"{DRIVER}-killed-reg.sock", registry / f"{DRIVER}-u1-reg.sock"]
    foreign = registry / "other.example.org-killed-reg.sock"
    for path in (*stale, foreign):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.fspath(path))
    async with machine.instance("u1"):
        assert not stale[0].exists()
        assert foreign.exists()


async def test_a_kubelet_that_restarts_finds_the_driver_again(machine: Machine) -> None:
    machine.api.put(ref(1), result(FIRST))
    kubelet = machine.kubelet
    async with machine.instance("u1") as driver:
        first = await kubelet.pods.start_pod("pod", DRIVER, [of(1)])
        introduced = driver.registration.introduced.value
        await kubelet.kill()
        await kubelet.start()
        await kubelet.wait_until(lambda k: k.drivers.newest(DRIVER) is not None)
        assert driver.registration.introduced.value > introduced
        # A new sandbox: kubelet prepares again, and appends the answer.
        again = await kubelet.pods.start_pod("pod", DRIVER, [of(1)])
        assert again[ref(1).uid] == first[ref(1).uid] * 2
        await kubelet.pods.end_pod("pod")


async def test_a_socket_that_was_removed_is_made_again(machine: Machine) -> None:
    async with machine.instance("u1") as driver:
        introduced = driver.registration.introduced.value
        driver.registration.socket.unlink()
        async with asyncio.timeout(60):
            await driver.registration.introduced.until(lambda count: count > introduced)
        await machine.kubelet.wait_until(lambda k: k.drivers.newest(DRIVER) is not None)


async def test_a_directory_that_appears_later_is_used(directory: Path) -> None:
    kubelet = SimulatedKubelet(directory / "kubelet")
    machine = Machine(directory, kubelet)

    async def come() -> None:
        await asyncio.sleep(0.2)
        await kubelet.start()

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(come())
            async with machine.instance("u1"):
                assert kubelet.drivers.newest(DRIVER) is not None
    finally:
        await kubelet.stop()


async def test_a_refusal_is_reported_and_ends(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kubelet = SimulatedKubelet(directory / "kubelet", dra=["v9.DRAPlugin"])
    machine = Machine(directory, kubelet)

    async def serve() -> None:
        async with machine.instance("u1"):
            pass

    async with kubelet:
        task = asyncio.create_task(serve())
        refused = [f"{DRIVER}: refused", "none of the DRA gRPC services"]
        # The second refusal comes after the first was reported.
        await kubelet.wait_until(
            lambda k: sum(all(w in str(e) for w in refused) for e in k.events) == 2
        )
        task.cancel()
        await asyncio.wait([task])
    reported = [line for line in caplog.messages if "kubelet refused the driver" in line]
    assert len(reported) == 1


async def test_the_health_of_devices_names_hcas_and_reasons(machine: Machine) -> None:
    machine.api.put(ref(1), result(FIRST, shareID="s1"))
    up = machine.hardware.value
    async with machine.instance("u1"):
        await machine.until_health(HEALTHY)
        await machine.kubelet.pods.start_pod("pod", DRIVER, [of(1)])
        (device,) = up.devices
        down = replace(device, healthy=False, message="no ACTIVE port: mlx5_1 port 1 is DOWN")
        machine.hardware.set(Hardware(up.inventory, (down,)))
        key = (DRIVER, POOL, FIRST)
        await machine.until_health(
            {key: ("UNHEALTHY", "mlx5_1: no ACTIVE port: mlx5_1 port 1 is DOWN")}
        )
        machine.hardware.set(offered())  # the HCA is gone, and a pod has it
        await machine.until_health({key: ("UNHEALTHY", "mlx5_1: the HCA at 0000:01:00.0 is gone")})
        machine.hardware.set(Hardware(up.inventory, ()))  # via: plugin
        await machine.until_health({key: ("UNKNOWN", "mlx5_1: rdma-dp does not offer it any more")})
        machine.hardware.set(up)
        await machine.until_health(HEALTHY)


async def test_an_error_of_the_api_server_reaches_the_pod(machine: Machine) -> None:
    machine.api.failure = RdmaDpError("403: forbidden", "add get on resourceclaims")
    async with machine.instance("u1"):
        with pytest.raises(PrepareError, match=r"403: forbidden \(add get on resourceclaims\)"):
            await machine.kubelet.pods.start_pod("pod", DRIVER, [of(1)])


async def test_a_directory_that_was_lost_is_made_again(machine: Machine) -> None:
    machine.api.put(ref(1), result(FIRST))
    async with machine.instance("u1"):
        shutil.rmtree(machine.kubelet.root / "plugins", ignore_errors=True)
        shutil.rmtree(machine.root / "cdi", ignore_errors=True)
        await machine.kubelet.pods.start_pod("pod", DRIVER, [of(1)])
        assert machine.metrics.claims.values == {DRIVER: 1}


def test_a_socket_name_fits_behind_every_directory_of_kubelet() -> None:
    uid = ref(1).uid
    usual = driver_socket(Path("/var/lib/kubelet/plugins_registry"), "hca.rdma-dp.dev", uid)
    assert usual.name == f"hca.rdma-dp.dev-{uid}-reg.sock"
    directory = Path("/var/snap/microk8s/common/var/lib/kubelet/plugins_registry")
    long = "a" * 63
    names = {driver_socket(directory, long, each).name for each in (uid, "other")}
    assert len(names) == 2
    for name in names:
        assert len(os.fsencode(directory / f".{name}")) <= 107
        assert is_driver_socket(name, long)
        assert not is_driver_socket(name, "hca.rdma-dp.dev")

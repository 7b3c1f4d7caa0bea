"""The daemon with resources via DRA, a simulated kubelet and a fake API server: claims of pods."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asyncinotify import Inotify, Mask

from simulator.api_server import FakeApiServer
from simulator.kubelet import Claim, PrepareError, SimulatedKubelet
from tests.integration.daemon.claiming import DRIVER, NODE, Cluster
from tests.integration.daemon.process import DEADLINE, Node, entry, healthy


@asynccontextmanager
async def gone(path: Path) -> AsyncIterator[None]:
    """Ends when the file was removed."""
    with Inotify() as inotify:
        inotify.add_watch(path.parent, Mask.DELETE)
        yield
        async with asyncio.timeout(DEADLINE):
            while path.exists():
                await inotify.get()


@pytest.fixture
def cluster(node: Node, kubelet: SimulatedKubelet, api: FakeApiServer) -> Cluster:
    node.configure(entry("hca", via="dra", slotsPer="hca"))
    return Cluster(node, kubelet, api)


async def test_a_pod_gets_the_hca_of_its_claim_and_gives_it_back(cluster: Cluster) -> None:
    async with cluster.node.daemon() as daemon:
        await cluster.registered()
        first, _ = await cluster.devices()
        (device,) = await cluster.start("pod", cluster.claim(first))
        assert (device.pool, device.device, device.requests) == (NODE, first, ("r0",))
        (edits,) = (cluster.specs()[name] for name in device.cdi)
        assert "RDMA_DP_HCA_HCAS=mlx5_0" in edits["env"]
        assert cluster.kubelet.drivers.health[DRIVER, NODE, first].message.startswith("mlx5_0")
        asked = [each for each in cluster.api.answered if each.resource == "resourceclaims"]
        assert len(asked) == 1
        await cluster.kubelet.pods.end_pod("pod")
        assert cluster.specs() == {}
        await daemon.stop()


async def test_claims_survive_the_daemon_and_the_api_server(cluster: Cluster) -> None:
    async with cluster.node.daemon() as daemon:
        await cluster.registered()
        first, second = await cluster.devices()
        claim = cluster.claim(first, second)
        before = await cluster.start("pod", claim)
        specs = cluster.specs()
        await daemon.stop()
    assert cluster.specs() == specs
    cluster.kubelet.pods.forget_prepared()
    await cluster.api.stop()
    async with cluster.node.daemon():
        await cluster.registered()
        after = await cluster.start("pod", claim)
        assert after == before * 2  # kubelet appends
        assert cluster.specs() == specs
        with pytest.raises(PrepareError, match="cannot be reached"):
            await cluster.start("other", Claim("default", "unknown", "u-1"))
        await cluster.kubelet.pods.end_pod("pod")
        assert cluster.specs() == {}


async def test_a_killed_daemon_loses_no_claim(cluster: Cluster) -> None:
    async with cluster.node.daemon() as daemon:
        await cluster.registered()
        first, _ = await cluster.devices()
        await cluster.start("pod", cluster.claim(first))
        daemon.send(signal.SIGKILL)
        await daemon.ended()
    specs = cluster.specs()
    assert specs
    async with cluster.node.daemon() as daemon:
        await daemon.says("removed", "left behind by an rdma-dp that was killed")
        await cluster.kubelet.wait_until(lambda k: len(k.drivers.sockets(DRIVER)) == 1)
        assert cluster.specs() == specs
        await _until_ended(cluster, "pod")
        assert cluster.specs() == {}


async def _until_ended(cluster: Cluster, pod: str) -> None:
    """kubelet tries again after each event of its drivers."""
    events = cluster.kubelet.events
    while True:
        seen = len(events)
        try:
            await cluster.kubelet.pods.end_pod(pod)
        except PrepareError:
            await cluster.kubelet.wait_until(lambda _, seen=seen: len(events) > seen)  # type: ignore[misc]
        else:
            return


async def test_two_daemons_of_an_update_share_their_claims(cluster: Cluster) -> None:
    node, kubelet = cluster.node, cluster.kubelet
    async with node.daemon() as old:
        await cluster.registered()
        first, _ = await cluster.devices()
        await cluster.start("one", cluster.claim(first))
        async with node.daemon() as new:
            await kubelet.wait_until(lambda k: len(k.drivers.sockets(DRIVER)) == 2)
            await kubelet.pods.end_pod("one")
            await cluster.start("two", cluster.claim(first))
            await old.stop()
            await kubelet.wait_until(lambda k: len(k.drivers.sockets(DRIVER)) == 1)
            await cluster.start("three", cluster.claim(first))
            for pod in ("two", "three"):
                await kubelet.pods.end_pod(pod)
            await new.stop()
    assert cluster.specs() == {}


async def test_the_specs_of_claims_and_of_resources_leave_each_other_alone(
    cluster: Cluster,
) -> None:
    """Also a resource whose file begins like those of claims."""
    node, kubelet = cluster.node, cluster.kubelet
    strange = entry("hca", resourcePrefix="claim-x")
    plain = entry("b")
    dra = entry("hca", via="dra", slotsPer="hca")
    node.configure(dra, strange, plain, cdi="cri")
    async with node.daemon():
        await cluster.registered()
        first, _ = await cluster.devices()
        await kubelet.wait_for("claim-x/hca", healthy(4))
        await kubelet.wait_for("rdma/b", healthy(4))
        await cluster.start("pod", cluster.claim(first))
        claims = cluster.specs()
        assert len(claims) == 1
        async with gone(node.cdi / "rdma-dp-rdma_b.json"):
            node.configure(dra, strange, cdi="cri")
        assert cluster.specs() == claims
        await kubelet.pods.end_pod("pod")
        assert cluster.specs() == {}
        assert (node.cdi / "rdma-dp-claim-x_hca.json").exists()


async def test_via_plugin_again_keeps_the_claims_of_running_pods(cluster: Cluster) -> None:
    node, kubelet = cluster.node, cluster.kubelet
    async with node.daemon() as daemon:
        await cluster.registered()
        first, _ = await cluster.devices()
        await cluster.start("pod", cluster.claim(first))
        specs = cluster.specs()
        node.configure(entry("hca", slotsPer="hca"))
        await kubelet.wait_for("rdma/hca", healthy(8))
        await cluster.api.until(lambda: not cluster.api.devices())
        assert cluster.specs() == specs
        assert kubelet.drivers.newest(DRIVER) is not None
        await daemon.stop()
    async with node.daemon() as daemon:  # no resource is via DRA, and a claim is left
        await cluster.registered()
        assert cluster.specs() == specs
        await kubelet.pods.end_pod("pod")
        assert cluster.specs() == {}
        await kubelet.wait_until(lambda k: k.drivers.newest(DRIVER) is None)


@pytest.mark.parametrize("restarts", [False, True], ids=["live", "restart"])
async def test_a_driver_with_another_name_takes_over(cluster: Cluster, *, restarts: bool) -> None:
    """The slices of the old name go. Its claims stay usable, and the old driver gives them back."""
    node, kubelet, api = cluster.node, cluster.kubelet, cluster.api
    other = "other.example.com"

    def drivers() -> list[str]:
        return [each["spec"]["driver"] for each in api.slices()]

    async def taken_over() -> None:
        await api.until(lambda: drivers() == [other])
        assert cluster.specs() == specs
        await kubelet.wait_until(
            lambda k: all(k.drivers.newest(name) is not None for name in (DRIVER, other))
        )
        kubelet.pods.forget_prepared()
        assert await cluster.start("pod", claim) == [*devices, *devices]
        await kubelet.pods.end_pod("pod")
        assert cluster.specs() == {}
        await kubelet.wait_until(lambda k: k.drivers.newest(DRIVER) is None)
        assert drivers() == [other]
        assert kubelet.drivers.newest(other) is not None

    async with node.daemon() as daemon:
        await cluster.registered()
        first, _ = await cluster.devices()
        claim = cluster.claim(first)
        devices = await cluster.start("pod", claim)
        specs = cluster.specs()
        named = entry("hca", via="dra", slotsPer="hca")
        if restarts:
            await daemon.stop()
        node.configure(named, dra={"driverName": other})
        if not restarts:
            await taken_over()
    if restarts:
        async with node.daemon():
            await taken_over()


async def test_parameters_of_a_claim_reach_the_pod_or_its_owner(cluster: Cluster) -> None:
    def parameters(env: dict[str, str]) -> dict[str, Any]:
        value = {"apiVersion": f"{DRIVER}/v1", "kind": "HcaConfig", "env": env}
        opaque = {"driver": DRIVER, "parameters": value}
        return {"config": [{"source": "FromClaim", "requests": [], "opaque": opaque}]}

    async with cluster.node.daemon():
        await cluster.registered()
        first, second = await cluster.devices()
        good = cluster.claim(first, second, **parameters({"NCCL_IB_HCA": "hcas"}))
        devices = await cluster.start("good", good)
        for device in devices:
            (edits,) = (cluster.specs()[name] for name in device.cdi)
            assert "NCCL_IB_HCA==mlx5_0,mlx5_1" in edits["env"]
        bad = cluster.claim(first, **parameters({"NCCL_IB_HCA": "hca"}))
        with pytest.raises(PrepareError, match="did you mean hcas"):
            await cluster.start("bad", bad)


async def test_many_pods_come_and_go_during_an_update(cluster: Cluster) -> None:
    node, kubelet = cluster.node, cluster.kubelet
    async with node.daemon() as old:
        await cluster.registered()
        first, second = await cluster.devices()
        for number in range(10):
            await cluster.start(f"a{number}", cluster.claim(first))
        async with node.daemon():
            await kubelet.wait_until(lambda k: len(k.drivers.sockets(DRIVER)) == 2)
            for number in range(10):
                await cluster.start(f"b{number}", cluster.claim(second))
                await kubelet.pods.end_pod(f"a{number}")
            await old.stop()
            await kubelet.wait_until(lambda k: len(k.drivers.sockets(DRIVER)) == 1)
            assert len(cluster.specs()) == 10
            for number in range(10):
                await kubelet.pods.end_pod(f"b{number}")
            assert cluster.specs() == {}


async def test_facts_of_the_hca_are_in_the_claims_status_if_the_config_asks(
    cluster: Cluster,
) -> None:
    cluster.node.configure(entry("hca", via="dra", slotsPer="hca"), dra={"claimStatus": True})
    async with cluster.node.daemon():
        await cluster.registered()
        first, _ = await cluster.devices()
        claim = cluster.claim(first)
        await cluster.start("pod", claim)

        def status() -> list[Any]:
            stored = cluster.api.store.get(("resourceclaims", "default", claim.name))
            return list(stored["status"].get("devices", ()))

        await cluster.api.until(lambda: bool(status()))
        (device,) = status()
        assert (device["driver"], device["device"], device["pool"]) == (DRIVER, first, NODE)
        assert device["data"]["hcas"][0]["name"] == "mlx5_0"
        cluster.kubelet.pods.forget_prepared()
        await cluster.start("pod", claim)
        writes = [each for each in cluster.api.answered if each.verb == "patch"]
        assert len(writes) == 1

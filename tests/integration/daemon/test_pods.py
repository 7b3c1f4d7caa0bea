"""`rdma-dp pods`: the slots in use by kubelet's own list, through restarts of both."""

import json
from typing import Any

from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.process import NAME, Node, entry, healthy, process
from tests.integration.daemon.scraping import LOOPBACK, free_port, scrape, shows


async def listed(node: Node, code: int = 0) -> Any:
    """What `rdma-dp pods` prints on this machine, with this node's kubelet and config."""
    where = ("--kubelet-root-dir", str(node.kubelet_root), "--config", str(node.config))
    async with process("pods", "-o", "json", *where) as verb:
        assert await verb.ended() == code
        await verb.says("(the log ends)")
        return json.loads("\n".join(verb.log[:-1]))


def in_use(document: Any) -> int:
    (resource,) = document["resources"]
    assert resource["name"] == NAME
    return int(resource["inUse"])


async def test_slots_in_use_are_kubelets_through_restarts(node: Node) -> None:
    async with SimulatedKubelet(node.kubelet_root, pod_resources=True) as kubelet:
        async with node.daemon():
            await kubelet.wait_for(NAME, healthy(4))
            first = await kubelet.allocate(NAME, 2)
            kubelet.name(first, "team", "train-0", "main")
            second = await kubelet.allocate(NAME, 1)
            kubelet.name(second, "team", "train-1", "main")
            found = await listed(node)
            assert in_use(found) == 3
            pods = {pod["pod"]: pod for pod in found["pods"]}
            assert len(pods["train-0"]["slots"]) == 2
            kubelet.release(second)
            assert in_use(await listed(node)) == 2
        async with node.daemon():  # another process, which has counted nothing
            await kubelet.wait_for(NAME, healthy(4))
            assert in_use(await listed(node)) == 2
            await kubelet.stop()
            await kubelet.start()
            await kubelet.wait_for(NAME, healthy(4))
            assert in_use(await listed(node)) == 2


async def test_without_kubelets_list_it_fails_and_says_what_is_missing(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure()
    found = await listed(node, code=1)
    assert found["pods"] is None
    assert str(node.kubelet_root / "pod-resources") in found["missing"][0]


def metrics(pods: str) -> dict[str, object]:
    return {"counters": "none", "minInterval": 1, "pods": pods}


async def test_metrics_show_the_slots_in_use_through_restarts(node: Node) -> None:
    port = free_port()
    node.configure(metrics=metrics("allocations"))
    address = f"{LOOPBACK}:{port}"
    async with SimulatedKubelet(node.kubelet_root, pod_resources=True) as kubelet:
        async with node.daemon("--metrics", address):
            await kubelet.wait_for(NAME, healthy(4))
            await shows(port, "slots_in_use", 0, resource=NAME)
            held = await kubelet.allocate(NAME, 3)
            kubelet.name(held, "team", "train-0", "main")
            samples = await shows(port, "slots_in_use", 3, resource=NAME)
            labels = {"namespace": "team", "pod": "train-0", "container": "main"}
            assert samples.get("pod_slots", **labels, resource=NAME, device="") == 3
            assert samples.get("pod_resources_up") == 1
        async with node.daemon("--metrics", address):
            await shows(port, "slots_in_use", 3, resource=NAME)
            kubelet.release(held)
            samples = await shows(port, "slots_in_use", 0, resource=NAME)
            assert samples.labels("pod_slots") == []
            node.configure(metrics=metrics("none"))
            await shows(port, "slots_in_use", None, resource=NAME)


async def test_slots_per_hca_are_counted_by_hca(node: Node) -> None:
    port = free_port()
    node.configure(entry(slotsPer="hca"), metrics=metrics("allocations"))
    async with (
        SimulatedKubelet(node.kubelet_root, pod_resources=True) as kubelet,
        node.daemon("--metrics", f"{LOOPBACK}:{port}"),
    ):
        await kubelet.wait_for(NAME, healthy(8))
        held = await kubelet.allocate(NAME, 1)
        kubelet.name(held, "team", "train-0", "main")
        samples = await shows(port, "slots_in_use", 1, resource=NAME)
        (labels,) = samples.labels("pod_slots")
        assert labels["device"] in node.hcas


async def test_without_kubelets_list_the_metrics_say_so(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    port = free_port()
    node.configure(metrics=metrics("allocations"))
    async with node.daemon("--metrics", f"{LOOPBACK}:{port}") as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        samples = await shows(port, "pod_resources_up", 0)
        assert samples.get("slots_in_use", resource=NAME) is None
        await daemon.says("metrics of pods", "there is no")
        for _ in range(3):
            await scrape(port)
        assert daemon.count("metrics of pods") == 1

"""`rdma-dp pods`: the slots in use by kubelet's own list, through restarts of both."""

import json
from typing import Any

from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.process import NAME, Node, healthy, process


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

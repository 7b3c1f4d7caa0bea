"""What the doctor asks of the API server, in the pod and elsewhere."""

import asyncio
from pathlib import Path

from rdma_dp.node.cluster_queries import ClusterClasses, ask_classes
from simulator.api_server import FakeApiServer


async def asked(server: FakeApiServer, directory: Path) -> ClusterClasses:
    environment = {
        "RDMA_DP_API_SERVER": server.url,
        "RDMA_DP_SERVICE_ACCOUNT": str(server.write_service_account(directory)),
    }
    return await asyncio.to_thread(ask_classes, environment)


async def test_the_classes_of_the_cluster(tmp_path: Path) -> None:
    async with FakeApiServer() as server:
        server.add("deviceclasses", {"metadata": {"name": "plain"}, "spec": {}})
        bridge = {"extendedResourceName": "rdma/a"}
        server.add("deviceclasses", {"metadata": {"name": "a"}, "spec": bridge})
        found = await asked(server, tmp_path)
    assert found == ClusterClasses(frozenset({"plain", "a"}), frozenset({"rdma/a"}))


async def test_without_the_right_nothing_is_known(tmp_path: Path) -> None:
    async with FakeApiServer() as server:
        server.forbidden.add(("list", "deviceclasses"))
        found = await asked(server, tmp_path)
    assert "resources: [deviceclasses], verbs: [list]" in (found.failure or "")


def test_outside_of_a_pod_nothing_is_asked() -> None:
    assert "KUBERNETES_SERVICE_HOST" in (ask_classes({}).failure or "")

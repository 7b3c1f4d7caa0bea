"""What the client asks of the API server is what the ClusterRole in deploy/ allows, and no less."""

from collections.abc import AsyncIterator
from inspect import getmembers, isfunction
from pathlib import Path

import pytest

from rdma_dp.api_server.api_client import ApiClient
from rdma_dp.api_server.credentials import Credentials
from rdma_dp.api_server.dra_api import DraApi
from simulator.api_server import FakeApiServer
from tests.unit.api_server.rights import claim_status_rules, rights, role

NODE, DRIVER = "node-1", "hca.rdma-dp.dev"


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as running:
        running.add_node(NODE)
        running.add("resourceclaims", {"metadata": {"name": "c", "namespace": "default"}})
        yield running


async def test_each_request_has_its_right_and_each_right_its_request(
    server: FakeApiServer, tmp_path: Path
) -> None:
    account = server.write_service_account(tmp_path)
    pool = {"name": NODE, "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": DRIVER, "nodeName": NODE, "pool": pool, "devices": []}
    wanted = {"metadata": {"generateName": "x-"}, "spec": spec}
    async with ApiClient(lambda: Credentials(server.url, account)) as client:
        api = DraApi(client, NODE, DRIVER)
        await api.node_uid()
        await api.try_slice(wanted)
        made = await api.create_slice(wanted)
        held = await api.slices()
        async with api.slice_changes(held.version, 1, 60.0):
            pass
        changed = await api.update_slice(
            {**made, "spec": {**spec, "pool": {**pool, "generation": 2}}}
        )
        await api.delete_slice(changed)
        claim = await api.claim("default", "c")
        await api.device_classes()
        assert {(each.verb, each.resource) for each in server.answered} == role()
        server.answered.clear()
        await api.apply_claim_status("default", "c", claim["metadata"]["uid"], {"devices": []})
    used = {name for name, _ in getmembers(DraApi, isfunction) if not name.startswith("_")}
    assert used == {
        *("node_uid", "try_slice", "create_slice", "slices", "slice_changes"),
        *("update_slice", "delete_slice", "claim", "apply_claim_status", "device_classes"),
    }, "a new request needs a right, and a call above"
    writes, checked_by_server = claim_status_rules()
    assert {(each.verb, each.resource) for each in server.answered} == rights([writes])
    # Kubernetes 1.36 checks this one too, for each change of status.devices.
    assert checked_by_server["resourceNames"] == [DRIVER]
    assert rights([checked_by_server]) == {("associated-node:patch", "resourceclaims/driver")}

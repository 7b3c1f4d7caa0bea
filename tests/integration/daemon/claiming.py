"""Pods with claims on a node whose daemon has resources via DRA."""

import json
from typing import Any

from simulator.api_server import FakeApiServer
from simulator.kubelet import Claim, PreparedDevice, SimulatedKubelet
from tests.integration.daemon.process import Node

NODE = "node-1"
DRIVER = "hca.rdma-dp.dev"


async def registered(kubelet: SimulatedKubelet) -> None:
    """Until kubelet knows the driver."""
    await kubelet.wait_until(lambda k: k.drivers.newest(DRIVER) is not None)


class Cluster:
    """Pods on the node, with what the scheduler does for them."""

    def __init__(self, node: Node, kubelet: SimulatedKubelet, api: FakeApiServer) -> None:
        self.node = node
        self.kubelet = kubelet
        self.api = api
        self._made = 0

    def claim(self, *devices: str, **parameters: Any) -> Claim:
        """An allocated claim with a share of each of these devices."""
        self._made += 1
        name = f"claim-{self._made}"
        results = [
            {
                "request": f"r{number}",
                "driver": DRIVER,
                "pool": NODE,
                "device": device,
                "shareID": f"share-{self._made}-{number}",
            }
            for number, device in enumerate(devices)
        ]
        status = {"allocation": {"devices": {"results": results, **parameters}}}
        metadata = {"name": name, "namespace": "default"}
        stored = self.api.add("resourceclaims", {"metadata": metadata, "status": status})
        return Claim("default", name, stored["metadata"]["uid"])

    async def registered(self) -> None:
        await registered(self.kubelet)

    async def devices(self, count: int = 2) -> list[str]:
        """The published devices."""
        await self.api.until(lambda: len(self.api.devices()) == count)
        return sorted(self.api.devices())

    async def start(self, pod: str, *claims: Claim) -> list[PreparedDevice]:
        """kubelet starts a pod, and tries again as it does."""
        answers = await self.kubelet.pods.start_pod(pod, DRIVER, claims)
        return [device for devices in answers.values() for device in devices]

    def specs(self) -> dict[str, Any]:
        """The edits of all CDI devices of claims, by their full names."""
        found = {}
        for path in self.node.cdi.glob("rdma-dp-claim-*.json"):
            document = json.loads(path.read_text())
            if document["kind"] != "rdma-dp/claim":
                continue
            for device in document["devices"]:
                found[f"{document['kind']}={device['name']}"] = device["containerEdits"]
        return found

"""Devices and claims for these tests, and the preparation of claims on a node of files."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rdma_dp.config import parse
from rdma_dp.dra.claims import prepared
from rdma_dp.dra.devices import DraDevice, dra_devices
from rdma_dp.errors import RdmaDpError
from rdma_dp.inventory.hardware import Hca, Inventory, System
from rdma_dp.inventory.topology import Topology
from rdma_dp.kubelet.directories import CLAIMS
from rdma_dp.kubelet.dra.claim_record import ClaimRef
from rdma_dp.kubelet.dra.claim_store import ClaimStore
from rdma_dp.kubelet.dra.preparation import Preparation
from rdma_dp.metrics import Metrics
from rdma_dp.sharing.pool import make_pool
from rdma_dp.sharing.selection import select
from rdma_dp.specs.claim_directory import ClaimSpecs
from tests.unit.kubelet.nodes import RDMA_CM

DRIVER = "hca.example.org"
POOL = "node-1"


def uid_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def ref(number: int, name: str = "") -> ClaimRef:
    return ClaimRef("default", name or f"claim-{number}", uid_of(number))


def result(device: str, request: str = "hca", **more: object) -> dict[str, Any]:
    return {"request": request, "driver": DRIVER, "pool": POOL, "device": device, **more}


def claim(of: ClaimRef, *results: Mapping[str, Any], config: Sequence[Any] = ()) -> dict[str, Any]:
    return {
        "metadata": {"namespace": of.namespace, "name": of.name, "uid": of.uid},
        "status": {"allocation": {"devices": {"results": [*results], "config": [*config]}}},
    }


@dataclass
class Hardware:
    """What is offered at the moment. Tests replace it."""

    inventory: Inventory
    devices: tuple[DraDevice, ...]


def offered(
    *hcas: Hca, per_hca: bool = True, slots: int = 4, each: bool = False, env: object = None
) -> Hardware:
    """One device for each HCA, or one for all; `each`: one for each slot."""
    entry = {
        "resourceName": "hca",
        "rdmaHcaMax": slots,
        "slotsPer": "hca" if per_hca else "resource",
        "via": "dra",
        "env": env or {},
        "selectors": {"drivers": ["mlx5_core"]},
    }
    config = parse(
        json.dumps({"dra": {"slots": "each" if each else "shared"}, "configList": [entry]})
    ).config
    (resource,) = config.config_list
    resource = replace(resource, selectors=type(resource.selectors)())
    system = System(rdma_cm=RDMA_CM)
    inventory = Inventory(hcas=hcas, system=system)
    pool = make_pool(select(inventory, resource), system)
    return Hardware(inventory, dra_devices([pool], Topology(), config.dra))


class Api:
    """Claims as the API server has them. `asked` are the names that were read."""

    def __init__(self) -> None:
        self.claims: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.asked: list[str] = []
        self.was_asked = asyncio.Event()
        self.failure: RdmaDpError | None = None

    def put(self, of: ClaimRef, *results: Mapping[str, Any], config: Sequence[Any] = ()) -> None:
        self.claims[of.namespace, of.name] = claim(of, *results, config=config)

    async def get(self, namespace: str, name: str) -> Mapping[str, Any]:
        self.asked.append(name)
        self.was_asked.set()
        if self.failure is not None:
            raise self.failure
        if (namespace, name) not in self.claims:
            raise RdmaDpError(f"there is no claim {namespace}/{name}")
        return self.claims[namespace, name]


@dataclass
class Node:
    """A node of files below `root`, with one or several instances of the driver."""

    root: Path
    hardware: Hardware
    api: Api = field(default_factory=Api)
    metrics: Metrics = field(default_factory=Metrics)

    def store(self) -> ClaimStore:
        return ClaimStore(
            self.root / "plugins" / DRIVER,
            DRIVER,
            ClaimSpecs(self.cdi),
            lambda of, uid: prepared(of, self.hardware.devices, DRIVER, POOL, uid),
            lambda: self.hardware.devices,
            lambda: self.hardware.inventory,
        )

    def instance(self, confirmation: float = 60.0) -> Preparation:
        return Preparation(DRIVER, self.store(), self.api.get, self.metrics, confirmation)

    @property
    def cdi(self) -> Path:
        return self.root / "cdi"

    @property
    def claims(self) -> Path:
        return self.root / "plugins" / DRIVER / CLAIMS

    def file(self, of: ClaimRef) -> Path:
        return self.claims / f"{of.uid}.json"

    def spec(self, of: ClaimRef) -> Path:
        return self.cdi / f"rdma-dp-claim-{of.uid}.json"

    def files(self) -> list[str]:
        """The names of all files of claims."""
        return sorted(
            path.name
            for place in (self.claims, self.cdi)
            if place.is_dir()
            for path in place.iterdir()
        )

    def edits(self, of: ClaimRef) -> dict[str, tuple[list[str], dict[str, str]]]:
        """What a container gets by each CDI name of a claim: nodes and variables."""
        found = {}
        for device in json.loads(self.spec(of).read_text())["devices"]:
            edits = device["containerEdits"]
            paths = [node["path"] for node in edits.get("deviceNodes", ())]
            env = dict(text.split("=", 1) for text in edits.get("env", ()))
            found[f"rdma-dp/claim={device['name']}"] = paths, env
        return found

"""Devices and claims for these tests, and the preparation of claims on a node of files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdma_dp.config import Via
from rdma_dp.dra.claims import prepared
from rdma_dp.dra.devices import DraDevice, dra_devices
from rdma_dp.errors import RdmaDpError
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.inventory.topology import Topology
from rdma_dp.kubelet.directories import CLAIMS
from rdma_dp.kubelet.dra.claim_record import ClaimRef
from rdma_dp.kubelet.dra.claim_store import ClaimStore
from rdma_dp.kubelet.dra.preparation import Preparation
from rdma_dp.metrics import Metrics
from rdma_dp.specs.claim_directory import ClaimSpecs
from tests.unit.kubelet.nodes import node_pool

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

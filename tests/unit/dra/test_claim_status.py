"""What is written into status.devices of a claim."""

import json
from typing import Any

from rdma_dp.dra.claim_status import MOST_DATA, claim_status
from rdma_dp.dra.claims import prepared
from rdma_dp.dra.devices import DraDevice
from rdma_dp.inventory.hardware import Hca
from tests.makers import hca
from tests.unit.dra.makers import DRIVER, NODE, devices, via_dra

MOMENT = "2026-11-27T12:00:00Z"


def status(among: tuple[DraDevice, ...], *, gone: bool = False) -> list[dict[str, Any]]:
    results = [
        {"request": "r", "driver": DRIVER, "pool": NODE.name, "device": d.name, "shareID": d.name}
        for d in among
    ]
    claim = {
        "metadata": {"namespace": "ns", "name": "dev", "uid": "u1"},
        "status": {"allocation": {"devices": {"results": results}}},
    }
    given = prepared(claim, among, DRIVER, NODE.name)
    written: list[dict[str, Any]] = claim_status(given, () if gone else among, DRIVER, MOMENT)[
        "devices"
    ]
    return written


def test_each_device_has_its_key_its_health_and_its_facts() -> None:
    up, down = status(devices(hca(0, numa=1), hca(1, state="DOWN")))
    assert {key: up[key] for key in ("driver", "pool", "device", "shareID")} == {
        "driver": DRIVER,
        "pool": "node-1",
        "device": "hca-0000-00-00-0",
        "shareID": "hca-0000-00-00-0",
    }
    assert up["conditions"] == [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Healthy",
            "message": "",
            "lastTransitionTime": MOMENT,
        }
    ]
    (facts,) = up["data"]["hcas"]
    assert (facts["name"], facts["pciAddress"], facts["numaNode"]) == ("mlx5_0", "0000:00:00.0", 1)
    assert facts["devices"] == ["/dev/infiniband/uverbs0", "/dev/infiniband/umad0"]
    assert up["networkData"] == {"interfaceName": "eth0"}
    assert down["conditions"][0]["status"] == "False"
    assert "no ACTIVE port" in down["conditions"][0]["message"]


def test_a_device_that_is_gone_is_not_ready() -> None:
    (entry,) = status(devices(hca()), gone=True)
    condition = entry["conditions"][0]
    assert (condition["status"], condition["message"]) == ("False", "the device is gone")


def test_many_hcas_fit_into_the_limit() -> None:
    hcas: list[Hca] = [hca(number) for number in range(200)]
    (entry,) = status(devices(*hcas, of=via_dra(per_hca=False)))
    assert len(json.dumps(entry["data"])) <= MOST_DATA
    assert len(entry["data"]["hcas"]) + entry["data"]["more"] == 200
    assert "networkData" not in entry

"""An API server that emulates an older release drops fields in silence. The driver notices."""

import json
from collections.abc import Iterator, Mapping
from functools import partial

import pytest

from tests.heavy.dra.claim_pods import request, start, template
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.dra.manifests import config_of
from tests.heavy.node.cluster import api
from tests.heavy.node.cluster.control_plane import ControlPlane
from tests.heavy.node.cluster.hardware import Hardware

FEW = 4
GATES = ("DRAConsumableCapacity", "DRADeviceTaints")
DOWN = "mlx5_11"


def few(**dra: str) -> dict[str, object]:
    """The config with few slots: each may be a device of its own."""
    config = config_of(**dra)
    for entry in config["configList"]:
        entry["rdmaHcaMax"] = FEW
    return config


@pytest.fixture(params=["1.35", "1.34"])
def older(
    cluster: DraCluster, control_plane: ControlPlane, request: pytest.FixtureRequest
) -> Iterator[DraCluster]:
    cluster.offer(config_of("plugin"), 0, "no devices any more")
    control_plane.restart_api_server("--emulated-version", request.param)
    yield cluster
    cluster.tidy()
    cluster.offer(config_of("plugin"), 0, "no devices any more")
    control_plane.restart_api_server()
    cluster.offer(config_of(), 9, "devices by DRA once more")


def test_what_the_server_drops_is_not_published(older: DraCluster, hardware: Hardware) -> None:
    """Neither a shared HCA as an exclusive one, nor an HCA without a link as one that has it."""
    before = older.says("").count(GATES[0])
    older.configure(json.dumps(few()))
    older.wait("it names the gate", lambda: older.says("").count(GATES[0]) > before)
    assert not older.devices()
    older.wait("the doctor names both", partial(doctor, older), names_both)
    older.offer(few(slots="each"), 9 * FEW, "a device for each slot")
    source = template(older, "one", [request("hca")])
    pods = [start(older, name, source).running() for name in ("one", "two")]
    assert [len(pod.hcas()) for pod in pods] == [1, 1]
    names = {
        each["device"]
        for claim in older.claims()
        for each in claim["status"]["allocation"]["devices"]["results"]
    }
    assert len(names) == 2
    others = hcas_of(older.devices()) - {DOWN}
    hardware.host.set_port(DOWN, 1, state="DOWN", phys_state="Polling")
    older.wait("devices of the other HCAs", older.devices, lambda found: hcas_of(found) == others)
    hardware.host.set_port(DOWN, 1, state="ACTIVE", phys_state="LinkUp")
    older.wait("all devices", older.devices, lambda found: len(found) == 9 * FEW)


def doctor(cluster: DraCluster) -> str:
    """What the doctor in the driver's pod says about gates. It fails if one is off."""
    command = "rdma-dp doctor --only dra-gates || true"
    return cluster.kubectl("-n", "kube-system", "exec", "ds/rdma-dp", "--", "sh", "-c", command)


def names_both(said: str) -> bool:
    return all(gate in said for gate in GATES)


def hcas_of(devices: Mapping[str, api.Object]) -> set[str]:
    """The HCAs that are devices of their own."""
    names = (each["attributes"].get("rdmaDevice", {}) for each in devices.values())
    return {name["string"] for name in names if name}

"""An API server that emulates an older release drops fields in silence. The driver notices."""

import json
from collections.abc import Iterator

import pytest

from tests.heavy.dra.claim_pods import request, start, template
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.dra.manifests import config_of
from tests.heavy.node.cluster.control_plane import ControlPlane

FEW = 4
GATE = "DRAConsumableCapacity"


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


def test_a_shared_hca_is_not_published_as_an_exclusive_one(older: DraCluster) -> None:
    before = older.says("").count(GATE)
    older.configure(json.dumps(few()))
    older.wait("it names the gate", lambda: older.says("").count(GATE) > before)
    assert not older.devices()
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

"""What the doctor asks of the API server, in the pod and elsewhere."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from rdma_dp.config.loading import find_config
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.backends import RecordedNetlink
from rdma_dp.node.answers import Answers
from rdma_dp.node.cluster_queries import ClusterClasses, ask_classes
from rdma_dp.node.source import NodeSource
from rdma_dp.node.view import view_node
from simulator.api_server import FakeApiServer
from tests.conftest import Sample
from tests.live_tree import LiveTree

VIA_DRA = "configList: [{resourceName: a, rdmaHcaMax: 2, via: dra, selectors: {vendors: [15b3]}}]\n"


async def asked(server: FakeApiServer, directory: Path) -> ClusterClasses:
    return await asyncio.to_thread(ask_classes, server.environment(directory))


async def test_the_classes_of_the_cluster(tmp_path: Path) -> None:
    async with FakeApiServer() as server:
        server.add("deviceclasses", {"metadata": {"name": "plain"}, "spec": {}})
        bridge = {"extendedResourceName": "rdma/a"}
        server.add("deviceclasses", {"metadata": {"name": "a"}, "spec": bridge})
        found = await asked(server, tmp_path)
    assert found == ClusterClasses(frozenset({"plain", "a"}), frozenset({"rdma/a"}))


@pytest.mark.parametrize("spec", [None, 5, [], {"extendedResourceName": 5}])
async def test_a_class_that_is_misshapen_has_no_resource(spec: object, tmp_path: Path) -> None:
    """As from a proxy."""
    async with FakeApiServer() as server:
        server.add("deviceclasses", {"metadata": {"name": "a"}, "spec": spec})
        found = await asked(server, tmp_path)
    assert found == ClusterClasses(frozenset({"a"}))


async def test_without_the_right_nothing_is_known(tmp_path: Path) -> None:
    async with FakeApiServer() as server:
        server.forbidden.add(("list", "deviceclasses"))
        found = await asked(server, tmp_path)
    assert "resources: [deviceclasses], verbs: [list]" in (found.failure or "")


def test_outside_of_a_pod_nothing_is_asked() -> None:
    assert "KUBERNETES_SERVICE_HOST" in (ask_classes({}).failure or "")


@pytest.mark.parametrize("ask_cluster", [False, True])
async def test_a_view_asks_only_if_it_is_wanted(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, ask_cluster: bool
) -> None:
    """`rdma-dp pods` reads no classes: it must not wait for an API server that does not answer."""
    config = tmp_path / "config.yaml"
    config.write_text(VIA_DRA)
    node = NodeSource(Host(LiveTree(sample("seed")), RecordedNetlink()), Answers())
    async with FakeApiServer() as server:
        for name, value in server.environment(tmp_path / "account").items():
            monkeypatch.setenv(name, value)
        look = partial(view_node, node, find_config(config), ask_cluster=ask_cluster)
        view = await asyncio.to_thread(look)
        assert (view.classes == ClusterClasses()) == ask_cluster
        assert [each.resource for each in server.answered] == ["deviceclasses"] * ask_cluster

"""From the Go plugin to rdma-dp and back, under running pods."""

import json
import shutil
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from simulator import host as simulated_host
from tests.heavy.node.alone.conftest import NodeOf
from tests.heavy.node.containerd import kill_container
from tests.heavy.node.node import NAME, Node, Setting, with_cdi
from tests.heavy.node.plugin import CONFIG
from tests.heavy.node.pods import Pod
from tests.heavy.node.private import HOST
from tests.heavy.node.process import Process, wait_until

# Without netdevs: the Go plugin asks the kernel for them, which does not know this host's.
MANIFEST = """
title: two HCAs
functions:
  "0000:3b:00.0": {id: "15b3:101b", numa: 0, hcas: [mlx5_0]}
  "0000:3b:00.1": {id: "15b3:101b", numa: 0, hcas: [mlx5_1]}
"""
ENTRY = {"selectors": {"vendors": ["15b3"]}}
GIVEN_BY_GO = {"rdma_cm", "umad0", "umad1", "uverbs0", "uverbs1"}


USE_CDI = "--use-cdi"
SPECS = Path("/var/run/cdi")


def start_go_plugin(node: Node, *arguments: str) -> Process:
    """The Go plugin reads only /. So it gets a root in which /sys is the simulated host's."""
    names = Path("/run/pci.ids")
    names.write_text("15b3  Mellanox Technologies\n\t101b  MT28908\nC 02  Network controller\n")
    program = " ".join(("rdma-dp-test-go-plugin", str(CONFIG), *arguments))
    script = f"mount --rbind {HOST}/sys /sys && exec {program}"
    started = Process(
        "go-plugin", ("unshare", "--mount", "sh", "-c", script), {"PCIDB_PATH": str(names)}
    )
    node.plugins.append(started)
    return started


@pytest.fixture
def node(node_without_plugin: NodeOf, way: str) -> Node:
    """Where kubelet runs and no plugin does."""
    return two_hcas(node_without_plugin, way)


@pytest.fixture
def node_with_cdi(node_without_plugin: NodeOf, way: str) -> Iterator[Node]:
    """The same for a plugin of ours that uses CDI."""
    node = two_hcas(node_without_plugin, way, with_cdi())
    shutil.rmtree(SPECS, ignore_errors=True)  # those of an earlier test
    yield node
    shutil.rmtree(SPECS, ignore_errors=True)


def two_hcas(
    node_without_plugin: NodeOf, way: str, more: Mapping[str, Any] = MappingProxyType({})
) -> Node:
    host = simulated_host.parse(MANIFEST, "a host of two HCAs")
    setting = Setting(way, "resource", host=host, entry=ENTRY, **more)
    made = node_without_plugin(setting)
    config = json.loads(CONFIG.read_text())
    del config["configList"][0]["slotsPer"]  # just what the Go plugin knows
    CONFIG.write_text(json.dumps(config))
    made.kubelet.count(NAME)  # it has made the directory that the Go plugin looks for
    return made


@pytest.mark.core(order="end-first", end=signal.SIGTERM)
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
@pytest.mark.parametrize("order", ["end-first", "start-first"])
def test_ours_takes_its_place(node: Node, order: str, end: signal.Signals) -> None:
    go_plugin = start_go_plugin(node)
    node.counts(63, "the Go plugin starts")
    ids = node.kubelet.devices(NAME)
    pods = [node.pod("runs", slots).running() for slots in (1, 7)]
    before = [pod.identity for pod in pods]
    assert pods[0].sight().nodes.keys() == GIVEN_BY_GO
    if order == "end-first":
        go_plugin.end(end)
        node.counts(0, f"the Go plugin ended by {end.name}")
        node.start_plugin()
    else:
        newer = node.start_plugin()
        wait_until(lambda: newer.said, lambda said: "registered with kubelet" in said)
        go_plugin.end(end)
    node.counts(63, "ours in its place")
    new = node.admits("new", 55)
    wait_until(lambda: node.kubelet.devices(NAME), lambda devices: devices == ids)
    assert [pod.identity for pod in pods] == before

    assert new.sight().nodes.keys() == GIVEN_BY_GO
    node.kubelet.restart()
    node.counts(63, "kubelet restarted")
    assert "Requested: 1, Available: 0" in node.pod("late").refused()
    assert [pod.identity for pod in pods] == before

    kill_container(before[0][0])
    wait_until(pods[0].container, lambda container: container != before[0][0])
    assert pods[0].allocation == before[0][1]
    assert pods[0].sight().nodes.keys() == GIVEN_BY_GO


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_ours_serves_again_after_the_go_plugin_was_a_rival(node: Node, end: signal.Signals) -> None:
    """K1: the Go plugin registers the resource that ours serves, and ends."""
    ours = node.start_plugin()
    node.counts(63, "ours starts")
    pod = node.pod("runs").running()
    before = pod.identity
    registrations = node.kubelet.registrations
    rival = start_go_plugin(node)
    node.registered(registrations + 1, "the Go plugin registered the same resource")
    wait_until(lambda: ours.said, lambda said: "another plugin" in said)
    node.admits("served-by-the-rival")
    rival.end(end)
    node.counts(63, f"the Go plugin, a rival, ended by {end.name}")
    wait_until(lambda: ours.said, lambda said: "registering once more" in said)
    node.admits("served-by-ours", 55)
    node.kubelet.restart()
    node.counts(63, "kubelet restarted")
    assert pod.identity == before


def test_it_takes_ours_place_again(node: Node) -> None:
    ours = node.start_plugin()
    node.counts(63, "ours starts")
    pod = node.pod("runs").running()
    before = pod.identity
    ours.end()
    node.counts(0, "ours ended")
    start_go_plugin(node)
    node.counts(63, "the Go plugin in its place")
    assert pod.identity == before
    node.pod("new").running()


def restarts(pod: Pod) -> None:
    """Its container is killed, and a new one runs with the same devices.

    Once for each pod: kubelet waits longer before each further start.
    """
    container, allocation = pod.identity
    kill_container(container)
    wait_until(pod.container, lambda now: now != container)
    assert pod.allocation == allocation
    assert pod.sight().usable == GIVEN_BY_GO


@pytest.mark.core(order="start-first", end=signal.SIGTERM)
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
@pytest.mark.parametrize("order", ["end-first", "start-first"])
def test_a_container_of_the_go_plugin_with_cdi_restarts_under_ours_and_back(
    node_with_cdi: Node, order: str, end: signal.Signals
) -> None:
    """F1: kubelet keeps the CDI names that the Go plugin gave, and the Go plugin's spec goes."""
    node = node_with_cdi
    go_plugin = start_go_plugin(node, USE_CDI)
    node.counts(63, "the Go plugin with CDI starts")
    of_go = [node.pod(f"of-go-{number}").running() for number in range(4)]
    assert [path.name for path in SPECS.iterdir()] == ["nvidia.com_rdma_shared_device_a.yaml"]
    if order == "end-first":
        go_plugin.end(end)
        node.counts(0, f"the Go plugin ended by {end.name}")
        ours = node.start_plugin()
    else:
        ours = node.start_plugin()
        wait_until(lambda: ours.said, lambda said: "registered with kubelet" in said)
        restarts(of_go[3])
        go_plugin.end(end)
    node.counts(63, "ours in its place")
    of_ours = [node.admits(f"of-ours-{number}") for number in range(2)]
    restarts(of_go[0])
    ours.end()
    node.counts(0, "ours ended")
    restarts(of_go[1])
    start_go_plugin(node, USE_CDI)
    node.counts(63, "the Go plugin again")
    restarts(of_go[2])
    restarts(of_ours[0])
    node.kubelet.restart()
    node.counts(63, "kubelet restarted")
    restarts(of_ours[1])

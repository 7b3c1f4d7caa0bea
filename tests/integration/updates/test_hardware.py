"""The node changes under a running daemon: HCAs, ports, and scans that fail."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from simulator.kubelet import ListReceived, SimulatedKubelet, UnexpectedAdmissionError
from tests.integration.daemon.process import NAME, Daemon, Node, entry, healthy, python
from tests.integration.updates.test_reload import Life, handed_out

NEVER = {"downSeconds": 86400}
AT_ONCE = {"downSeconds": 0}


def down(node: Node, *hcas: str) -> None:
    for hca in hcas:
        node.host.set_port(hca, 1, state="DOWN", phys_state="Disabled")


def up(node: Node, *hcas: str) -> None:
    for hca in hcas:
        node.host.set_port(hca, 1, state="ACTIVE", phys_state="LinkUp")


@asynccontextmanager
async def running(
    node: Node, kubelet: SimulatedKubelet, *arguments: str, **health: Any
) -> AsyncIterator[Daemon]:
    """A daemon with one resource of four slots, all healthy."""
    node.configure(entry(slots=4, health=health) if health else entry(slots=4))
    async with node.daemon(*arguments) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        yield daemon


@pytest.mark.parametrize("seconds", [0, 1])
async def test_ports_that_go_down_and_come_back(
    node: Node, kubelet: SimulatedKubelet, seconds: int
) -> None:
    async with running(node, kubelet, downSeconds=seconds) as daemon:
        life = Life(kubelet, NAME)
        for _ in range(2):
            down(node, "mlx5_0", "mlx5_1")
            await kubelet.wait_for(NAME, healthy(0, of=4))
            up(node, "mlx5_0", "mlx5_1")
            await kubelet.wait_for(NAME, healthy(4))
        lost, back = ListReceived(NAME, 0, 4), ListReceived(NAME, 4, 0)
        assert life.events == [lost, back, lost, back]
        line = await daemon.says("WARNING", "0 of 4 slots healthy")
        assert "mlx5_0 port 1 is DOWN" in line
        assert "mlx5_1 port 1 is DOWN" in line


async def test_one_active_port_is_enough(node: Node, kubelet: SimulatedKubelet) -> None:
    async with running(node, kubelet, **AT_ONCE) as daemon:
        life = Life(kubelet, NAME)
        down(node, "mlx5_0")
        await daemon.says("no active port: mlx5_0")
        assert life.events == []


async def test_a_loss_that_does_not_last_is_told_and_does_not_reach_kubelet(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with running(node, kubelet, **NEVER) as daemon:
        life = Life(kubelet, NAME)
        for times in (1, 2):
            down(node, "mlx5_0", "mlx5_1")
            await daemon.says("no HCA has an ACTIVE port", "Unhealthy in 86400 s", times=times)
            up(node, "mlx5_0", "mlx5_1")
            await daemon.says("a port is ACTIVE again", times=times)
        assert life.events == []


async def test_ports_do_not_matter_where_the_config_says_so(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with running(node, kubelet, requireActivePort=False, **AT_ONCE) as daemon:
        life = Life(kubelet, NAME)
        down(node, "mlx5_0", "mlx5_1")
        await daemon.says("no active port: mlx5_0")
        await daemon.says("no active port: mlx5_1")
        assert life.events == []


async def test_another_rule_for_health_holds_without_a_restart(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with running(node, kubelet, **AT_ONCE):
        down(node, "mlx5_0", "mlx5_1")
        await kubelet.wait_for(NAME, healthy(0, of=4))
        life = Life(kubelet, NAME)
        node.configure(entry(slots=4, health={"requireActivePort": False}))
        await kubelet.wait_for(NAME, healthy(4))
        node.configure(entry(slots=4, health=AT_ONCE))
        await kubelet.wait_for(NAME, healthy(0, of=4))
        assert life.interruptions == []


async def test_a_port_without_subnet_manager_is_told_so(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.host.replace(_infiniband())
    async with running(node, kubelet, **AT_ONCE) as daemon:
        node.host.set_port("mlx5_0", 1, state="INIT", phys_state="LinkUp")
        await kubelet.wait_for(NAME, healthy(0, of=4))
        await daemon.says("port 1 is INIT", "no subnet manager answers")


async def test_an_administratively_down_link_is_named(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with running(node, kubelet, **AT_ONCE) as daemon:
        for number in (0, 1):
            flags = node.host.root / f"sys/class/net/eth{number}/flags"
            flags.write_text("0x1002\n")
        down(node, "mlx5_0", "mlx5_1")
        await kubelet.wait_for(NAME, healthy(0, of=4))
        await daemon.says("eth0 is administratively down: `ip link set eth0 up`")


async def test_an_hca_that_is_gone_is_not_handed_out(node: Node, kubelet: SimulatedKubelet) -> None:
    async with running(node, kubelet) as daemon:
        life = Life(kubelet, NAME)
        assert await handed_out(kubelet, NAME) == {"mlx5_0", "mlx5_1"}
        node.host.unplug("mlx5_1")
        await daemon.says("lost mlx5_1")
        assert await handed_out(kubelet, NAME) == {"mlx5_0"}
        node.host.plug("mlx5_1")
        await daemon.says("found mlx5_1")
        assert await handed_out(kubelet, NAME) == {"mlx5_0", "mlx5_1"}
        assert [event for event in life.events if isinstance(event, ListReceived)] == []


async def test_the_last_hca_goes_and_the_pod_is_told_why(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with running(node, kubelet, **NEVER):
        life = Life(kubelet, NAME)
        node.unplug_all()
        await kubelet.wait_for(NAME, healthy(0, of=4))
        with pytest.raises(UnexpectedAdmissionError, match="no usable HCA on this node"):
            await kubelet.allocate(NAME, ids=["0"])
        node.plug_all()
        await kubelet.wait_for(NAME, healthy(4))
        assert life.interruptions == []


async def test_the_first_hca_comes_into_an_empty_pool(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.unplug_all()
    node.configure(entry(slots=4))
    async with node.daemon() as daemon:
        await daemon.says("0 of 0 slots healthy: the node has no RDMA device")
        node.host.plug("mlx5_0")
        await kubelet.wait_for(NAME, healthy(4))


async def test_many_changes_without_a_reader_of_the_list(
    node: Node, no_kubelet: SimulatedKubelet
) -> None:
    """Defect 3 of the Go plugin: the second change without a reader is a deadlock."""
    node.configure(entry(slots=4, health=AT_ONCE))
    async with node.daemon() as daemon:
        await daemon.says("4 of 4 slots healthy")
        for times in (1, 2, 3):
            node.unplug_all()
            await daemon.says("lost mlx5_0", times=times)
            node.plug_all()
            await daemon.says("found mlx5_0", times=times)
        await no_kubelet.start()
        await no_kubelet.wait_for(NAME, healthy(4))
        await no_kubelet.stop()
        node.unplug_all()
        await daemon.says("lost mlx5_0", times=4)
        await daemon.stop()


async def test_every_line_is_an_object_with_json_logs(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with running(node, kubelet, "--log-format", "json", **AT_ONCE) as daemon:
        node.unplug_all()
        await daemon.says("lost mlx5_0")
        await daemon.stop()
    lines = [json.loads(line) for line in daemon.log[:-1]]
    assert {tuple(line) for line in lines} == {("time", "level", "message")}
    assert {line["level"] for line in lines} == {"info", "warning"}
    assert any("0 of 4 slots healthy" in line["message"] for line in lines)


async def test_a_quiet_log_tells_what_is_wrong_only(node: Node, kubelet: SimulatedKubelet) -> None:
    async with running(node, kubelet, "--log-level", "warning", **AT_ONCE) as daemon:
        node.unplug_all()
        await daemon.says("WARNING", "0 of 4 slots healthy")
        assert daemon.count("INFO") == 0
        daemon.process.terminate()
        assert await daemon.ended() == 0


# --- scans that fail ----------------------------------------------------------------------------


class Broken:
    """A class directory that cannot be listed: a link to itself."""

    def __init__(self, node: Node) -> None:
        self._there = node.host.root / "sys/class/infiniband"
        self._away = node.host.root / "infiniband"

    def damage(self) -> None:
        self._there.rename(self._away)
        self._there.symlink_to(self._there.name)

    def repair(self) -> None:
        self._there.unlink()
        self._away.rename(self._there)


async def test_a_scan_that_fails_keeps_the_last_lists_and_says_so_once(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    broken = Broken(node)
    async with running(node, kubelet) as daemon:
        life = Life(kubelet, NAME)
        broken.damage()
        line = await daemon.says("the scan failed, the last lists stay in force")
        assert "Too many levels of symbolic links" in line
        assert await handed_out(kubelet, NAME) == {"mlx5_0", "mlx5_1"}
        broken.repair()
        await daemon.says("the scan works again")
        node.host.unplug("mlx5_1")
        await daemon.says("lost mlx5_1")
        assert daemon.count("the scan failed") == 1
        assert [event for event in life.events if isinstance(event, ListReceived)] == []


async def test_a_config_is_followed_while_scans_fail(node: Node, kubelet: SimulatedKubelet) -> None:
    broken = Broken(node)
    async with running(node, kubelet) as daemon:
        broken.damage()
        await daemon.says("the scan failed")
        node.configure(entry(slots=6), entry("b", 2))
        await kubelet.wait_for(NAME, healthy(6))
        await kubelet.wait_for("rdma/b", healthy(2))


async def test_a_first_scan_that_fails_is_tried_again_before_anything_is_listed(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    broken = Broken(node)
    broken.damage()
    node.configure(entry(slots=4), periodicUpdateInterval=0)
    async with node.daemon() as daemon:
        await daemon.says("the scan failed")
        assert kubelet.resources() == ()
        broken.repair()
        await kubelet.wait_for(NAME, healthy(4))
        assert daemon.count("0 of") == 0


async def test_one_hca_that_cannot_be_read_does_not_hide_the_other(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """Defect 5 of the Go plugin, at run time."""
    async with running(node, kubelet) as daemon:
        state = _port_of(node, "mlx5_1") / "state"
        state.unlink()
        state.mkdir()
        await daemon.says("no active port: mlx5_1 port 1 is UNREADABLE")
        assert await handed_out(kubelet, NAME) == {"mlx5_0", "mlx5_1"}
        node.host.unplug("mlx5_0")
        line = await daemon.says("0 of 4 slots healthy")
        assert "mlx5_1 port 1 is UNREADABLE" in line
        state.rmdir()
        state.write_text("4: ACTIVE\n")
        await kubelet.wait_for(NAME, healthy(4))
        node.host.plug("mlx5_0")


_READ_OR_HANG = """
import sys, threading
from rdma_dp.cli import main as cli
from rdma_dp.host.tree import DiskTree
read = DiskTree.read
def read_or_hang(self, path, limit):
    data = read(self, path, limit)
    if data == b"hang":
        threading.Event().wait()
    return data
DiskTree.read = read_or_hang
sys.exit(cli.main())
"""


async def test_a_read_that_hangs_keeps_neither_the_list_nor_sigterm(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """As when a scan waits for the firmware of a faulty card: its thread never ends."""
    node.configure()
    async with python(_READ_OR_HANG, "run", *node.arguments) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        (_port_of(node, "mlx5_1") / "state").write_text("hang")
        await daemon.says("some read in /sys hangs")
        assert kubelet.allocatable(NAME) == 4
        await daemon.stop()


async def test_a_first_scan_that_hangs_is_reported_and_delays_no_exit(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """It runs in a thread of its own during the imports."""
    node.configure()
    (_port_of(node, "mlx5_1") / "state").write_text("hang")
    async with python(_READ_OR_HANG, "run", *node.arguments) as daemon:
        await daemon.says("some read in /sys hangs")
        assert kubelet.resources() == ()
        await daemon.stop()


# --- the end ------------------------------------------------------------------------------------


async def test_a_task_that_ends_unexpectedly_ends_the_daemon_with_the_reason(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure()
    code = """
import asyncio, sys
from rdma_dp.aio import directory_watch
from rdma_dp.cli import main as cli
async def end(self): await asyncio.sleep(0.5)
directory_watch.DirectoryWatch.run = end
sys.exit(cli.main())
"""
    async with python(code, "run", *node.arguments) as daemon:
        assert await daemon.ended() == 1
        await daemon.says("ended unexpectedly")
    assert node.sockets() == []


async def test_a_failing_task_ends_the_daemon_with_the_reason(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure()
    code = """
import sys
from rdma_dp.cli import main as cli
from rdma_dp.daemon import publication
def fail(*_): raise ZeroDivisionError("a mistake of ours")
publication.Publication._prepare = fail
sys.exit(cli.main())
"""
    async with python(code, "run", *node.arguments) as daemon:
        assert await daemon.ended() == 1
        await daemon.says("a mistake of ours")


def _port_of(node: Node, hca: str) -> Path:
    return (node.host.root / f"sys/class/infiniband/{hca}/ports/1").resolve()


def _infiniband() -> Any:
    from simulator import host

    return host.parse(
        'title: one\nfunctions: {"0000:01:00.0": {id: "15b3:1021", class: "0207",'
        " hcas: {mlx5_0: {ports: {1: {protocol: ib}}}}}}",
        "here",
    )

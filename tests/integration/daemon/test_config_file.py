"""The daemon and its config file: it waits for the file, reads it again, and keeps the last good
one.
"""

import json
import signal
from pathlib import Path

import pytest

from rdma_dp.config import ConfigError, load
from rdma_dp.kubelet.sockets import identity
from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.process import NAME, Node, entry, healthy, process

BAD = json.dumps(
    {
        "configList": [
            {"resourceName": "Bad Name!", "rdmaHcaMax": -1, "selectors": {"vendors": ["15b3"]}},
            {"resourceName": "b"},
        ]
    }
)


def problems(path: Path) -> list[str]:
    """What check-config prints."""
    with pytest.raises(ConfigError) as refused:
        load(path)
    return [problem.in_file(path) for problem in refused.value.problems]


@pytest.mark.parametrize("content", [None, "", "\n"])
async def test_without_a_config_it_waits_and_goes_on_when_there_is_one(
    node: Node, kubelet: SimulatedKubelet, content: str | None
) -> None:
    if content is not None:
        node.config.write_text(content)
    async with process("run", *node.arguments) as daemon:
        await daemon.says("waiting for a config")
        await daemon.says(str(node.config))
        node.configure()
        await kubelet.wait_for(NAME, healthy(4))
        await daemon.stop()
        assert daemon.count("waiting for a config") == 1


async def test_it_can_be_ended_while_it_waits(node: Node) -> None:
    async with process("run", *node.arguments) as daemon:
        await daemon.says("waiting for a config")
        await daemon.stop()


async def test_a_bad_config_at_the_start_ends_it_with_every_problem(node: Node) -> None:
    node.config.write_text(BAD)
    expected = problems(node.config)
    assert len(expected) >= 3
    async with process("run", *node.arguments) as daemon:
        assert await daemon.ended() == 1
        await daemon.says("(the log ends)")
        for problem in expected:
            assert daemon.count(problem) == 1
        assert daemon.count("Traceback") == 0


async def test_sighup_reads_the_config_again(node: Node, kubelet: SimulatedKubelet) -> None:
    """Defect 15 of the Go plugin."""
    async with node.daemon() as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        node.configure(entry(slots=9), entry("b", 2))
        daemon.send(signal.SIGHUP)
        await kubelet.wait_for(NAME, healthy(9))
        await kubelet.wait_for("rdma/b", healthy(2))


async def test_a_bad_new_config_changes_nothing_and_is_told(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with node.daemon() as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        (socket,) = node.sockets()
        before = identity(socket)
        node.config.write_text(BAD)
        daemon.send(signal.SIGHUP)
        for problem in problems(node.config):
            await daemon.says(problem)
        await daemon.says("the last good config stays in force")
        assert kubelet.allocatable(NAME) == 4
        assert identity(socket) == before
        node.configure(entry(slots=5))
        await kubelet.wait_for(NAME, healthy(5))


async def test_a_config_that_is_removed_changes_nothing(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with node.daemon() as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        node.config.unlink()
        daemon.send(signal.SIGHUP)
        await daemon.says("the last good config stays in force")
        assert kubelet.allocatable(NAME) == 4


async def test_a_smaller_resource_keeps_its_ids(node: Node, kubelet: SimulatedKubelet) -> None:
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        node.configure(entry(slots=2))
        await kubelet.wait_for(NAME, healthy(2, of=4))


async def test_a_resource_that_leaves_and_comes_back_keeps_its_ids(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure(entry("a", 6), entry("b"))
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(6))
        node.configure(entry("b"))
        await kubelet.wait_for(NAME, healthy(0, of=6))
        node.configure(entry("a", 3), entry("b"))
        await kubelet.wait_for(NAME, healthy(3, of=6))


async def test_an_untouched_resource_keeps_its_stream(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure(entry("a"))
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        (socket,) = node.sockets()
        before = identity(socket)
        node.configure(entry("a"), entry("b"))
        await kubelet.wait_for("rdma/b", healthy(4))
        assert identity(socket) == before
        ended = [event for event in kubelet.events if "stream of" in str(event)]
        assert ended == []

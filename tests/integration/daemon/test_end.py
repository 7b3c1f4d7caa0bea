"""How the daemon exits, which files it removes, and which it does not touch."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from rdma_dp.daemon.daemon import Daemon as InProcess
from rdma_dp.daemon.settings import Settings
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.directories import KubeletDirectories
from rdma_dp.kubelet.registration.choice import RegistrationMode
from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.process import (
    DEADLINE,
    NAME,
    WAYS,
    Node,
    dialled,
    entry,
    healthy,
    listening,
    python,
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("way", WAYS)
async def test_a_signal_ends_it_in_peace_and_its_sockets_with_it(
    node: Node, kubelet: SimulatedKubelet, way: str, number: signal.Signals
) -> None:
    async with node.daemon("--registration", way) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        await daemon.stop(number)
        await kubelet.wait_for(NAME, healthy(0, of=4))
        assert node.sockets() == []


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_of_anybody_else_is_touched(
    node: Node, kubelet: SimulatedKubelet, way: str
) -> None:
    directories = (node.device_plugins, node.plugins_registry)
    live, dead = "rdma-dp-other-123456-abcdef.sock", "nvidia-gpu.sock"
    for directory in directories:
        _bind_and_die(directory / dead)
        (directory / "kubelet_internal_checkpoint").write_text("{}")
        (directory / "rdma-dp-notes.sock").write_text("a foreign file")
        (directory / "folder").mkdir()
    async with listening(directories[0] / live), listening(directories[1] / live):
        before = [_names(directory) for directory in directories]
        async with node.daemon("--registration", way):
            await kubelet.wait_for(NAME, healthy(4))
        assert [_names(directory) for directory in directories] == before


@pytest.mark.parametrize("way", WAYS)
async def test_a_file_that_took_its_sockets_name_survives(
    node: Node, kubelet: SimulatedKubelet, way: str
) -> None:
    async with node.daemon("--registration", way) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        (own,) = node.sockets()
        fresh = own.with_name("fresh")
        fresh.write_text("precious")
        fresh.rename(own)
        if way == "plugins-registry":
            line = await daemon.says("another file has that name; remove it")
            assert str(own) in line
        await daemon.stop()
        assert own.read_text() == "precious"


@pytest.mark.parametrize("way", WAYS)
async def test_what_a_killed_one_left_is_removed_at_the_next_start(
    node: Node, kubelet: SimulatedKubelet, way: str
) -> None:
    async with node.daemon("--registration", way) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        (left,) = node.sockets()
        daemon.send(signal.SIGKILL)
        assert await daemon.ended() == -signal.SIGKILL
    await kubelet.wait_for(NAME, healthy(0, of=4))
    assert node.sockets() == [left]
    async with node.daemon("--registration", way) as daemon:
        await daemon.says(f"removed {left.name}, left behind by an rdma-dp that was killed")
        await kubelet.wait_for(NAME, healthy(4))
        assert left not in node.sockets()


async def test_with_open_streams_it_still_ends(node: Node, kubelet: SimulatedKubelet) -> None:
    async with node.daemon() as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        (own,) = node.sockets()
        async with dialled(own) as stub:
            streams = [stub.ListAndWatch(pb.Empty()) for _ in range(8)]
            for stream in streams:
                await stream.read()
            await daemon.stop()


@pytest.mark.parametrize("way", list(RegistrationMode))
async def test_cancelled_in_process_it_leaves_neither_task_nor_socket(
    node: Node, kubelet: SimulatedKubelet, way: RegistrationMode
) -> None:
    node.configure(entry("a"), entry("b"), entry("c"))
    directories = KubeletDirectories.below(node.kubelet_root)
    files = node.cdi, node.device_info
    settings = Settings(node.config, directories, *files, way, node.host.root)
    before, descriptors = asyncio.all_tasks(), None
    for _ in range(3):
        running = asyncio.create_task(InProcess(settings).run())
        for name in "abc":
            await kubelet.wait_for(f"rdma/{name}", healthy(4))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(DEADLINE):
                await running
        for name in "abc":
            await kubelet.wait_for(f"rdma/{name}", healthy(0, of=4))
        assert node.sockets() == []
        left = {task for task in asyncio.all_tasks() - before if _is_ours(task)}
        assert left == set()
        descriptors = descriptors or _inotify_descriptors()
        assert _inotify_descriptors() == descriptors


def _is_ours(task: asyncio.Task[object]) -> bool:
    """Whether a task is one of rdma-dp, and not of the simulated kubelet or of gRPC's clients."""
    return "rdma_dp/" in str(task.get_coro()) and "simulated" not in repr(task)


def _inotify_descriptors() -> int:
    links = (_link(path) for path in Path("/proc/self/fd").iterdir())
    return sum("inotify" in link for link in links)


def _link(path: Path) -> str:
    try:
        return os.fspath(path.readlink())
    except FileNotFoundError:
        return ""


def _names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def _bind_and_die(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))


# The signal comes while Python runs a destructor, in which it ignores exceptions.
DESTRUCTOR = """
import os, signal, sys, time
from rdma_dp.cli import daemon_process, main

class Destroyed:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))

def run_daemon(options, first_scan, started):
    Destroyed()
    time.sleep(600)

daemon_process.run_daemon = run_daemon
sys.exit(main.main(["run"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
async def test_a_signal_counts_where_python_ignores_exceptions(number: signal.Signals) -> None:
    async with python(DESTRUCTOR, str(int(number))) as daemon:
        assert await daemon.ended() == 0


# The signal comes while the command line is imported.
IMPORT = """
import os, sys
from rdma_dp.cli import main

class Finder:
    def find_spec(self, name, *_):
        if name == "rdma_dp.cli.program":
            os.kill(os.getpid(), int(sys.argv[1]))

sys.meta_path.insert(0, Finder())
sys.exit(main.main(["run", "--bogus"]))
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGQUIT, 0), (signal.SIGHUP, 2)]
)
async def test_a_signal_counts_before_the_command_line_is_loaded(
    number: signal.Signals, code: int
) -> None:
    async with python(IMPORT, str(int(number))) as daemon:
        assert await daemon.ended() == code

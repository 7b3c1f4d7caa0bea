"""`--probe-socket` and `rdma-dp-probe`: alive and ready as kubelet's exec probes see it."""

import asyncio
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.process import DEADLINE, NAME, Daemon, Node, entry, healthy
from tests.paths import REPO

PROBE = REPO / "rdma_dp" / "cli" / "probe.py"


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "probe.sock"


async def probe(*words: str | Path) -> tuple[int, str]:
    """The exit code and the output of rdma-dp-probe, without anything of the project."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", PROBE, *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(DEADLINE):
        out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def until(socket: Path, page: str, code: int, *words: str) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            found, out = await probe(page, socket)
            if found == code and all(word in out for word in words):
                return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def probed(node: Node, socket: Path, *more: str) -> AsyncIterator[Daemon]:
    async with node.daemon("--probe-socket", str(socket), *more) as daemon:
        await daemon.says(f"serving probes on {socket}")
        yield daemon


async def test_it_is_alive_at_once_and_ready_once_kubelet_has_its_resources(
    node: Node, socket: Path
) -> None:
    async with probed(node, socket):
        assert await probe("live", socket) == (0, "")
        await until(socket, "ready", 1, f"{NAME} is not registered with kubelet")
        async with SimulatedKubelet(node.kubelet_root) as kubelet:
            await kubelet.wait_for(NAME, healthy(4))
            await until(socket, "ready", 0)
            await kubelet.kill()
            await until(socket, "ready", 1, NAME)
            assert await probe("live", socket) == (0, "")
            await kubelet.start()
            await until(socket, "ready", 0)


async def test_a_node_without_hcas_is_ready(
    node: Node, kubelet: SimulatedKubelet, socket: Path
) -> None:
    node.unplug_all()
    async with probed(node, socket):
        await until(socket, "ready", 0)


async def test_a_config_that_becomes_wrong_does_not_unready(
    node: Node, kubelet: SimulatedKubelet, socket: Path
) -> None:
    async with probed(node, socket) as daemon:
        await until(socket, "ready", 0)
        node.configure(entry(slots=-1))
        await daemon.says("the last good config stays in force")
        assert await probe("ready", socket) == (0, "")


async def test_without_a_config_it_is_alive_and_not_ready(node: Node, socket: Path) -> None:
    async with node.daemon_without_config("--probe-socket", str(socket)) as daemon:
        await daemon.says("serving probes")
        assert (await probe("live", socket))[0] == 0
        assert await probe("ready", socket) == (1, "no valid config was read yet\n")


async def test_a_metrics_port_that_is_taken_does_not_unready(
    node: Node, kubelet: SimulatedKubelet, socket: Path
) -> None:
    taken = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    address = "{}:{}".format(*taken.sockets[0].getsockname())
    async with taken, probed(node, socket, "--metrics", address) as daemon:
        await daemon.says("no metrics on", address)
        await until(socket, "ready", 0)


async def test_the_socket_is_the_owners_and_replaces_a_dead_one(node: Node, socket: Path) -> None:
    async with probed(node, socket) as daemon:
        daemon.process.kill()
        await daemon.ended()
    assert socket.exists()
    code, out = await probe("live", socket)
    assert (code, "does not answer" in out) == (1, True)
    async with probed(node, socket):
        await until(socket, "live", 0)
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600


async def test_a_daemon_that_hangs_is_not_alive(socket: Path) -> None:
    over = asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_unix_server(hang, socket):
        code, out = await probe("live", socket)
        assert (code, "timed out" in out) == (1, True)
        over.set()


@pytest.mark.parametrize("words", [(), ("dead",), ("live", "a", "b")])
async def test_a_wrong_command_line_is_one_line(words: tuple[str, ...]) -> None:
    code, out = await probe(*words)
    assert code == 2
    assert out.startswith("usage: rdma-dp-probe live|ready")

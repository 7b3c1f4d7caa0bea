"""A node in one event loop: a host, a kubelet, one or two daemons, and what is none of theirs."""

import asyncio
import socket
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import grpc

from rdma_dp.daemon import Daemon, Settings
from rdma_dp.kubelet.registration import KubeletDirectories, Way
from rdma_dp.kubelet.sockets import identity
from rdma_dp.standin import host as standin_host
from rdma_dp.standin.host import Manifest
from rdma_dp.standin.kubelet import (
    Disconnected,
    Forgotten,
    ListReceived,
    Registered,
    StandinKubelet,
    Started,
    UnexpectedAdmissionError,
)

from .config_maps import ConfigMap
from .model import Expected, Model, text

DEADLINE = 60.0 * 20  # seconds of a hurried loop; only a failure waits that long
ATTEMPTS = 50  # to find all at rest, two looks each

# With which kubelet itself fails an admission; any other code is the plugin's own.
_OF_A_LOST_PLUGIN = (None, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)

# RoCE, InfiniBand, and one whose ports say nothing of use; the second host has other numbers.
FIRST_HOST = standin_host.parse(
    """
title: a RoCE and an InfiniBand HCA, and EFA
functions:
  "0000:01:00.0": {id: "15b3:1021", hcas: [mlx5_0], net: [eth0]}
  "0000:02:00.0": {id: "15b3:101b", class: "0207", hcas: [mlx5_1], net: [ib0]}
  "0000:03:00.0": {id: "1d0f:efa2", hcas: [efa_0]}
""",
    "the first host",
)
SECOND_HOST = standin_host.parse(
    """
title: the same cards, found in another order, and one with two ports
functions:
  "0000:02:00.0": {id: "15b3:101b", class: "0207", hcas: [mlx5_0], net: [ib0]}
  "0000:04:00.0":
    id: "15b3:1007"
    driver: mlx4_core
    hcas: {mlx4_0: {ports: {1: {}, 2: {}}}}
    net: {eth4: {}, eth5: {dev_port: 1}}
""",
    "the second host",
)


def hcas_of(manifest: Manifest) -> dict[str, list[int]]:
    """The HCAs of a host with their port numbers."""
    return {
        name: list(hca.ports) for holder in manifest.holders() for name, hca in holder.hcas.items()
    }


class Bystanders:
    """Files and sockets of others in kubelet's directories."""

    def __init__(self, kubelet: StandinKubelet) -> None:
        dp, pr = kubelet.device_plugins_dir, kubelet.plugins_registry_dir
        for directory in (dp, pr):
            directory.mkdir(parents=True, exist_ok=True)
        files = [dp / "kubelet_internal_checkpoint", dp / "rdma-dp-notes.txt"]
        files += [dp / "rdma-dp-a-123456-abcdef.sock", pr / ".rdma-dp-a-123456-abcdef.sock"]
        for file in files:
            file.write_text("mine")
        self._sockets = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        names = [pr / ".other.sock", pr / ".rdma-dp-b-123456-abcdef.sock"]  # one looks like ours
        for listener, name in zip(self._sockets, names, strict=True):
            listener.bind(str(name))
            listener.listen()
        self._known = {path: identity(path) for path in (*files, *names)}

    def check(self) -> None:
        """Each is there, and the same."""
        assert {path: identity(path) for path in self._known} == self._known

    def close(self) -> None:
        for listener in self._sockets:
            listener.close()


class World:
    """All of it. Every method may be called at any time and in any order."""

    def __init__(self, way: Way, model: Model, *, config_map: bool) -> None:
        base = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self._directory = tempfile.TemporaryDirectory(prefix="w-", dir=base)
        self.root = Path(self._directory.name)
        self.model = model
        self.host = standin_host.build(FIRST_HOST, self.root / "host")
        self.kubelet = StandinKubelet(self.root / "k")
        self.kubelet_runs = False
        self.bystanders = Bystanders(self.kubelet)
        self.daemons: list[tuple[Daemon, asyncio.Task[None]]] = []
        self._way = way
        self._map = ConfigMap(self.root / "mount", text(model.wishes)) if config_map else None
        self.config = self._map.file if self._map else self.root / "config.json"
        self.publish(text(model.wishes))

    # --- config ---------------------------------------------------------------------------------

    def publish(self, content: str, *, in_place: bool = False) -> None:
        """A new content of the config file."""
        if self._map:
            self._map.publish(content)
            if not self.config.is_symlink():
                self.config.symlink_to("..data/config.json")
        elif in_place:
            self.config.write_text(content)
        else:
            fresh = self.root / "config.fresh"
            fresh.write_text(content)
            fresh.rename(self.config)

    # --- kubelet --------------------------------------------------------------------------------

    async def start_kubelet(self) -> None:
        if not self.kubelet_runs:
            await self.kubelet.start()
            self.kubelet_runs = True

    async def end_kubelet(self, *, kill: bool = False) -> None:
        await (self.kubelet.kill() if kill else self.kubelet.stop())
        self.kubelet_runs = False

    # --- the plugin -----------------------------------------------------------------------------

    def start_daemon(self) -> Daemon:
        """One more process, as far as one event loop has such."""
        directories = KubeletDirectories.below(self.kubelet.root)
        files = self.config.parent / "cdi", self.config.parent / "devinfo"
        settings = Settings(self.config, directories, *files, self._way, self.host.root)
        daemon = Daemon(settings)
        self.model.process_began()
        self.daemons.append((daemon, asyncio.create_task(daemon.run(), name="daemon")))
        return daemon

    async def all_have_begun(self) -> None:
        """Waits until every process has taken a first config."""
        if self.daemons and not self.config.exists():
            self.publish(text(self.model.wishes))
        for daemon, _ in self.daemons:
            await self._alive(daemon.looks.until(bool))

    async def end_daemon(self) -> None:
        """The oldest one ends, as at SIGTERM."""
        _, task = self.daemons.pop(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), f"the daemon had ended before: {task}"
        self.model.process_ended(last=not self.daemons)

    # --- at rest --------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Waits until kubelet holds what the model expects, and goes on doing so."""
        expected = self.model.expected(self.host.root)
        for _ in range(ATTEMPTS):
            if await self._rests(expected):
                break
        else:
            raise AssertionError(f"never at rest: expected {expected}")
        if len(self.daemons) == 1:
            self.kubelet.forget_ids()
            for name in expected:
                self.model.seen(name, len(self.kubelet.devices(f"rdma/{name}")))
        self.bystanders.check()

    async def _rests(self, expected: Mapping[str, Expected]) -> bool:
        """Whether kubelet came to hold this after two more looks, and gives it to containers."""

        def agrees(kubelet: StandinKubelet) -> bool:
            known = {f"rdma/{name}" for name in expected}
            return all(
                _is_connected(kubelet, f"rdma/{name}") and one.fits(kubelet.devices(f"rdma/{name}"))
                for name, one in expected.items()
            ) and not any(kubelet.allocatable(r) for r in kubelet.resources() if r not in known)

        try:
            for daemon, _ in self.daemons:
                await self._alive(_looked_twice(daemon))  # the kernel spoke of the last change, too
            await self._alive(self.kubelet.wait_until(agrees, DEADLINE))
        except TimeoutError as error:
            raise AssertionError(f"expected {expected}; {error}") from None
        for name, one in expected.items():
            if one.healthy:
                try:
                    handed_out = await self._handed_out(f"rdma/{name}")
                except UnexpectedAdmissionError as error:
                    if error.code not in _OF_A_LOST_PLUGIN:
                        raise
                    return False  # the end of another process reaches kubelet just now
                if handed_out != one.hcas:
                    return False  # equal counts, and the change is still on its way
        return True

    async def _alive(self, waiting: Coroutine[Any, Any, Any]) -> None:
        """Waits for something that only living daemons can bring about."""
        task = asyncio.create_task(waiting)
        ends = [daemon for _, daemon in self.daemons]
        await asyncio.wait([task, *ends], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            dead = next(end for end in ends if end.done())
            raise AssertionError("a daemon ended") from dead.exception()
        await task

    async def _handed_out(self, resource: str) -> frozenset[str]:
        allocation = await self.kubelet.allocate(resource)
        self.kubelet.release(allocation)
        (names,) = allocation.answer.envs.values()
        return frozenset(names.split(","))

    # --- the end --------------------------------------------------------------------------------

    async def close(self) -> None:
        while self.daemons:
            await self.end_daemon()
        await self.end_kubelet()
        self.bystanders.check()
        self.bystanders.close()
        sockets = [path for path in self.kubelet.root.rglob("*rdma-dp-*") if path.is_socket()]
        assert {path.name for path in sockets} == {".rdma-dp-b-123456-abcdef.sock"}
        self._directory.cleanup()


def _is_connected(kubelet: StandinKubelet, resource: str) -> bool:
    """Whether a plugin is the current one and has told what it has, be it nothing.

    A list alone says little: the older of two streams may bring one after the plugin was dropped.
    """
    listed = False
    for event in reversed(kubelet.events):
        if isinstance(event, Started):
            return False
        if getattr(event, "resource", None) == resource:
            if isinstance(event, Registered | Disconnected | Forgotten):
                return listed and isinstance(event, Registered)
            listed |= isinstance(event, ListReceived)
    return False


async def _looked_twice(daemon: Daemon) -> None:
    """After two looks, one has begun after all that happened before."""
    for _ in range(2):
        before = daemon.looks.value
        daemon.look_again.wake_at_once()
        async with asyncio.timeout(DEADLINE):
            await daemon.looks.until(_more_than(before))


def _more_than(before: int) -> Callable[[int], bool]:
    return lambda looks: looks > before

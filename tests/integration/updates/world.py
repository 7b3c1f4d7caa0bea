"""A node in one event loop: a host, a kubelet, one or two daemons, and foreign files."""

import asyncio
import contextlib
import json
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import grpc

from rdma_dp.config import Defaults
from rdma_dp.daemon.daemon import Daemon
from rdma_dp.daemon.settings import Settings
from rdma_dp.kubelet.directories import KubeletDirectories
from rdma_dp.kubelet.registration.choice import RegistrationMode
from rdma_dp.specs import go_plugin_names
from simulator import host as simulated_host
from simulator.kubelet import (
    Allocation,
    Disconnected,
    Forgotten,
    ListReceived,
    Registered,
    SimulatedKubelet,
    Started,
    StreamEnded,
    UnexpectedAdmissionError,
)
from simulator.kubelet.foreign import ForeignPlugin
from simulator.scratch import scratch
from tests.integration.updates.bystanders import OTHERS_DEVICE_INFO, OTHERS_SPECS, Bystanders
from tests.integration.updates.config_maps import ConfigMap
from tests.integration.updates.directories import SharedDirectory
from tests.integration.updates.expected import HCA, Answer, Expected, parted
from tests.integration.updates.hosts import FIRST_HOST, SECOND_HOST
from tests.integration.updates.model import NO_CDI, NO_DEVICE_INFO, Model

DEADLINE = 60.0 * 20  # seconds of a fast loop; only a failing test waits that long
ATTEMPTS = 50  # to find everything at rest, twice

# The codes with which kubelet itself fails an admission. Other codes are the plugin's.
_OF_A_LOST_PLUGIN = (None, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)


class World:
    """The whole node. Every method may be called at any time and in any order."""

    def __init__(
        self, way: RegistrationMode, model: Model, *, config_map: bool, per_path: bool = False
    ) -> None:
        self._directory = scratch("w-")
        self.root = Path(self._directory.name)
        self.model = model
        self.host = simulated_host.build(FIRST_HOST, self.root / "host")
        model.host_is_new(self.host.root)
        self.specs = SharedDirectory(self.root / "files" / "cdi", OTHERS_SPECS)
        self.device_info = SharedDirectory(self.root / "files" / "dp", OTHERS_DEVICE_INFO)
        self.kubelet = SimulatedKubelet(self.root / "k", per_path=per_path)
        self.kubelet_runs = False
        self.bystanders = Bystanders(self.kubelet)
        self.foreign: ForeignPlugin | None = None
        self.daemons: list[tuple[Daemon, asyncio.Task[None]]] = []
        self._way = way
        self._map = ConfigMap(self.root / "mount", model.text) if config_map else None
        self.config = self._map.file if self._map else self.root / "config.json"
        self.publish()

    # --- config ---------------------------------------------------------------------------------

    def publish(self, content: str | None = None, *, in_place: bool = False) -> None:
        """A new content of the config file: the wanted config, or another text."""
        self.model.published()
        content = self.model.text if content is None else content
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

    # --- hardware -------------------------------------------------------------------------------

    def replace_host(self) -> None:
        """The other host."""
        now = self.host.manifest
        self.host.replace(SECOND_HOST if now is FIRST_HOST else FIRST_HOST)
        self.model.host_is_new(self.host.root)

    # --- files ----------------------------------------------------------------------------------

    def hinder(self, obstacle: str) -> None:
        """Block files: NO_CDI, NO_DEVICE_INFO, or the spec of a resource."""
        self.model.obstacles.add(obstacle)
        if obstacle == NO_CDI:
            self.specs.replace_by_file()
        elif obstacle == NO_DEVICE_INFO:
            self.device_info.replace_by_file()
        else:
            self.specs.occupy(_spec(obstacle), _INSTEAD_OF_SPECS[obstacle])

    def clear_the_way(self) -> None:
        """Block no files any more."""
        self.specs.vacate(map(_spec, self.model.obstacles - {NO_CDI, NO_DEVICE_INFO}))
        self.specs.bring_back()
        self.device_info.bring_back()
        self.model.obstacles.clear()

    # --- the plugin -----------------------------------------------------------------------------

    def start_daemon(self) -> Daemon:
        """One more process, as far as one event loop can have one."""
        directories = KubeletDirectories.below(self.kubelet.root)
        settings = Settings(
            self.config,
            directories,
            self.specs.path,
            self.device_info.path,
            self._way,
            self.host.root,
            defaults=Defaults(use_cdi=self.model.use_cdi),
        )
        daemon = Daemon(settings)
        self.model.process_began()
        self.daemons.append((daemon, asyncio.create_task(daemon.run(), name="daemon")))
        return daemon

    async def start_foreign(self, name: str, mode: RegistrationMode) -> None:
        """A foreign plugin serves one of our resources, with the ids that kubelet has of it."""
        resource = f"rdma/{name}"
        ids = [*self.kubelet.devices(resource)] or ["0"]
        calls = mode is RegistrationMode.DEVICE_PLUGINS
        kubelet = self.kubelet
        directory = kubelet.device_plugins_dir if calls else kubelet.plugins_registry_dir
        self.foreign = ForeignPlugin(
            resource, dict.fromkeys(ids, "Healthy"), directory / "x.sock", answers_info=not calls
        )
        self.foreign.socket.unlink(missing_ok=True)  # the socket of a process that was killed
        await self.foreign.start()
        if calls and self.kubelet_runs:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await self.foreign.register(kubelet.socket)

    async def end_foreign(self, *, kill: bool = False) -> None:
        if self.foreign is not None:
            foreign, self.foreign = self.foreign, None
            await foreign.end(kill=kill)

    async def all_have_begun(self) -> None:
        """Wait until every process has read its first config."""
        if self.daemons and not self.config.exists():
            self.publish()
        for daemon, _ in self.daemons:
            await self._alive(daemon.applied.until(bool))

    async def end_daemon(self) -> None:
        """The oldest process exits, as after SIGTERM."""
        _, task = self.daemons.pop(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), f"the daemon had ended before: {task}"
        self.model.process_ended(last=not self.daemons)
        if not self.daemons:
            there = self.specs.ours()
            self.model.may_have_spec = {name for name in _INSTEAD_OF_SPECS if _spec(name) in there}

    # --- at rest --------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Wait until kubelet and the files are as the model expects, and stay so."""
        expected = self.model.expected(self.host.root)
        for _ in range(ATTEMPTS):
            unrest = await self._unrest(expected)
            if unrest is None:
                break
        else:
            raise AssertionError(f"never at rest: {unrest}")
        if len(self.daemons) == 1:
            for name, ids in self._listed(expected).items():
                self.model.seen(name, ids)
            self.kubelet.forget_ids({f"rdma/{name}" for name in self.model.tidied})
            there = self.specs.ours()
            self.model.keeps_spec |= {name for name in expected if _spec(name) in there}
        self.bystanders.check()

    async def _unrest(self, expected: Mapping[str, Expected]) -> str | None:
        """The differences that remain after kubelet's state was right twice."""

        def agrees(kubelet: SimulatedKubelet) -> bool:
            known = {f"rdma/{name}" for name in expected}
            return all(
                _is_connected(kubelet, f"rdma/{name}") and one.fits(kubelet.devices(f"rdma/{name}"))
                for name, one in expected.items()
            ) and not any(kubelet.allocatable(r) for r in kubelet.resources() if r not in known)

        try:
            for daemon, _ in self.daemons:
                await self._alive(
                    _scanned_again(daemon)
                )  # the kernel has sent the event of the last change
            await self._alive(self.kubelet.wait_until(agrees, DEADLINE))
        except TimeoutError as error:
            raise AssertionError(f"expected {expected}; {error}") from None
        for one in expected.values():
            unrest = await self._odd_container(one) if one.working else None
            if unrest is not None:
                return unrest  # the lists are equal, and the change is not processed yet
        return self._odd_specs(expected) or self._odd_device_info(expected)

    async def _odd_container(self, expected: Expected) -> str | None:
        """What a container with two slots gets and should not get."""
        resource = f"rdma/{expected.name}"
        if self.kubelet.prefers(resource) != (expected.wanted.slots_per == HCA):
            return f"{resource} has the options that it had before"
        count = min(2, len(expected.working) * expected.wanted.slots)
        try:
            allocation = await self.kubelet.allocate(resource, count)
        except UnexpectedAdmissionError as error:
            if error.code not in _OF_A_LOST_PLUGIN:
                raise
            return str(error)  # kubelet notices the exit of another process just now
        self.kubelet.release(allocation)
        wanted, got = expected.answer(allocation.ids), _answer(allocation)
        if got != wanted:
            return f"{allocation.ids} give {got} instead of {wanted}"
        if expected.wanted.slots_per == HCA and not expected.prefers(allocation.ids):
            return f"{allocation.ids} are not what {expected.wanted.preference} means"
        return None

    def _odd_specs(self, expected: Mapping[str, Expected]) -> str | None:
        """The errors in the specs. With CDI off no spec is made, but existing ones are right."""
        if NO_CDI in self.model.obstacles:
            return None
        # The Go plugin's names do not depend on the resources: test_go_plugin_names has them.
        ours = {**self.specs.ours()}
        ours.pop(go_plugin_names.FILE_NAME, None)
        found = {name: json.loads(text) for name, text in ours.items()}
        possible = {
            _spec(name): one.spec
            for name, one in expected.items()
            if one.spec and name not in self.model.obstacles
        }
        at_least = possible.keys() & map(_spec, self.model.must_have_spec)
        at_most = possible.keys() & map(_spec, self.model.may_have_spec)
        assert found.keys() <= {*map(_spec, self.model.may_have_spec)}, "made with CDI off"
        if at_least <= found.keys() <= at_most and found.items() <= possible.items():
            return None
        return f"specs are {found}, with {at_least} to {at_most} of {possible}"

    def _odd_device_info(self, expected: Mapping[str, Expected]) -> str | None:
        """The errors in the device-info files. Those of forgotten resources stay."""
        if NO_DEVICE_INFO in self.model.obstacles:
            return None
        found = {
            name: json.loads(text)
            for name, text in self.device_info.ours().items()
            if name.split("-")[1] in {*expected, *self.model.tidied}
        }
        at_least, at_most = dict[str, object](), dict[str, object]()
        for name, ids in self._listed(expected).items():
            one = expected[name]
            # otherwise another process may have listed more or fewer ids
            alone = len(self.daemons) == 1
            in_use = [id_ for id_ in ids if parted(id_)[1] < one.wanted.slots]
            at_least |= one.device_info(ids if alone else in_use)
            at_most |= one.device_info(ids if alone else one.all_ids)
        if at_least.items() <= found.items() and found.items() <= at_most.items():
            return None
        return f"device-info is {found} instead of {at_least} to {at_most}"

    def _listed(self, expected: Mapping[str, Expected]) -> dict[str, list[str]]:
        return {name: list(self.kubelet.devices(f"rdma/{name}")) for name in expected}

    async def _alive(self, waiting: Coroutine[Any, Any, Any]) -> None:
        """Wait for something that only running daemons can do."""
        task = asyncio.create_task(waiting)
        ends = [daemon for _, daemon in self.daemons]
        await asyncio.wait([task, *ends], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            dead = next(end for end in ends if end.done())
            raise AssertionError("a daemon ended") from dead.exception()
        await task

    # --- the end --------------------------------------------------------------------------------

    async def close(self) -> None:
        await self.end_foreign()
        while self.daemons:
            await self.end_daemon()
        await self.end_kubelet()
        self.bystanders.check()
        self.bystanders.close()
        self.clear_the_way()
        self.specs.ours()
        self.device_info.ours()
        sockets = [path for path in self.kubelet.root.rglob("*rdma-dp-*") if path.is_socket()]
        assert {path.name for path in sockets} == {".rdma-dp-b-123456-abcdef.sock"}
        self._directory.cleanup()


# Foreign files with the name of a spec. None is a directory.
_INSTEAD_OF_SPECS = {"a": '{"kind": "example.com/a"}', "b": None, "c": "text"}


def _spec(resource: str) -> str:
    return f"rdma-dp-rdma_{resource}.json"


def _answer(allocation: Allocation) -> Answer:
    answer = allocation.answer
    (hcas,) = answer.envs.values()
    assert all(node.host_path == node.container_path for node in answer.devices)
    return Answer(
        hcas=sorted(hcas.split(",")),
        nodes=sorted(node.host_path for node in answer.devices),
        cdi=sorted(device.name for device in answer.cdi_devices),
        annotated={key: sorted(names.split(",")) for key, names in answer.annotations.items()},
    )


def _is_connected(kubelet: SimulatedKubelet, resource: str) -> bool:
    """Whether a plugin is the current one and has sent its list, which may be empty.

    A list is not enough: the older of two streams may send one after the plugin was dropped. A
    registration is not enough either, if a stream has ended since. After a hand-over, kubelet still
    has the list of the process that exited, until the other one registers again.
    """
    listed = False
    for event in reversed(kubelet.events):
        if isinstance(event, Started):
            return False
        if getattr(event, "resource", None) == resource:
            if isinstance(event, Registered | StreamEnded | Disconnected | Forgotten):
                return listed and isinstance(event, Registered)
            listed |= isinstance(event, ListReceived)
    return False


async def _scanned_again(daemon: Daemon) -> None:
    """Wait until a scan is applied that began after everything before."""
    begun = daemon.begun
    daemon.scan_again.wake_at_once()
    async with asyncio.timeout(DEADLINE):
        await daemon.applied.until(lambda applied: applied > begun)

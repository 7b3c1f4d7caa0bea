"""The whole of the stand-in, as tests and the demo use it."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from simulator.kubelet.admission import Admission, Allocation
from simulator.kubelet.devices import DeviceTable
from simulator.kubelet.events import Event, Started, Stopped
from simulator.kubelet.faults import Faults
from simulator.kubelet.journal import Journal
from simulator.kubelet.manager import GRACE, DeviceManager
from simulator.kubelet.pod_resources import ContainerName, PodResourcesServer
from simulator.kubelet.registration import RegistrationServer, remove_sockets
from simulator.kubelet.watcher import PluginWatcher


class SimulatedKubelet:
    """A fake kubelet below `root`, which takes the place of /var/lib/kubelet.

    `registration` and `watcher` tell which of the two ways to register it offers, `pod_resources`
    whether it shows its book of who holds what, as far as `name` has named them. `grace` is the
    time in seconds after which a resource without plugin is forgotten. `on_event` is called with
    each event. `faults` may be replaced at any time; it holds from the next `start`.

    It can be started again after `stop` or `kill`: that is a restart of kubelet. Containers and
    what they hold survive it.
    """

    def __init__(
        self,
        root: Path,
        *,
        registration: bool = True,
        watcher: bool = True,
        pod_resources: bool = False,
        grace: float = GRACE,
        faults: Faults | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.root = root.absolute()
        self.faults = faults or Faults()
        self._offers = (registration, watcher, pod_resources)
        self._holders: dict[ContainerName, list[Allocation]] = {}
        self._grace = grace
        self._journal = Journal(on_event)
        self._devices = DeviceTable()
        self._running: _Running | None = None

    @property
    def device_plugins_dir(self) -> Path:
        """Where kubelet.sock is and where plugins that register put their sockets."""
        return self.root / "device-plugins"

    @property
    def plugins_registry_dir(self) -> Path:
        """Where plugins that want to be found put their sockets."""
        return self.root / "plugins_registry"

    @property
    def socket(self) -> Path:
        """kubelet.sock."""
        return self.device_plugins_dir / "kubelet.sock"

    @property
    def events(self) -> list[Event]:
        """What happened, over all restarts, oldest first."""
        return self._journal.events

    @property
    def violations(self) -> list[str]:
        """What plugins did that would have hurt on a node."""
        return self._journal.violations

    async def start(self) -> None:
        """Remove old sockets, make kubelet.sock and watch; all that was connected is forgotten."""
        if self._running:
            raise RuntimeError("the stand-in runs already; stop it first")
        self.device_plugins_dir.mkdir(parents=True, exist_ok=True)
        self.plugins_registry_dir.mkdir(parents=True, exist_ok=True)
        removed = remove_sockets(self.device_plugins_dir)
        book = PodResourcesServer(self.root / "pod-resources", self._devices, self._holders)
        self._running = _Running(self, self._devices, self._journal, self._grace, book)
        await self._running.start(*self._offers)
        self._journal.record(Started(removed))

    async def stop(self) -> None:
        """End as kubelet does on SIGTERM: every connection is closed, kubelet.sock stays."""
        if running := self._running:
            self._running = None
            await running.stop()
            self._journal.record(Stopped())

    async def disconnect(self, resource: str) -> None:
        """Closes the connection to the plugin of a resource, as kubelet does without a restart."""
        if self._running is None:
            raise RuntimeError("this kubelet does not run")
        await self._running.manager.disconnect(resource)

    async def kill(self) -> None:
        """The same without a word in the record: sockets die, and nothing is said of it."""
        if running := self._running:
            self._running = None
            await running.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def devices(self, resource: str) -> Mapping[str, str]:
        """Id -> "Healthy" or "Unhealthy", in the plugin's order; empty for an unknown resource."""
        devices = self._devices.lists.get(resource)
        return MappingProxyType(dict(devices.view()) if devices else {})

    def capacity(self, resource: str) -> int:
        """Of the node's status: healthy and unhealthy devices."""
        devices = self._devices.lists.get(resource)
        return len(devices.healthy) + len(devices.unhealthy) if devices else 0

    def allocatable(self, resource: str) -> int:
        """Of the node's status: healthy devices, given away or not."""
        devices = self._devices.lists.get(resource)
        return len(devices.healthy) if devices else 0

    def resources(self) -> tuple[str, ...]:
        """The resources that the node's status names."""
        return tuple(self._devices.lists)

    @property
    def leaving(self) -> frozenset[str]:
        """The resources without a plugin, which kubelet forgets when their grace ends."""
        return self._running.manager.leaving if self._running else frozenset()

    def prefers(self, resource: str) -> bool:
        """Whether the plugin wants to be asked which slots a container should get."""
        manager = self._running.manager if self._running else None
        endpoint = manager.endpoints.get(resource) if manager else None
        options = endpoint.options if endpoint else None
        return bool(options and options.get_preferred_allocation_available)

    def forget_ids(self) -> None:
        """Miss no id but those listed now: a new process of a plugin knows its own ids only."""
        self._devices.forget_ids()

    def allocated(self, resource: str) -> frozenset[str]:
        """The ids that containers hold."""
        return self._devices.allocated(resource)

    async def allocate(
        self, resource: str, count: int = 1, *, ids: Iterable[str] | None = None
    ) -> Allocation:
        """Admit a container that asks for `count` devices; raises UnexpectedAdmissionError.

        Free devices are taken in the plugin's order, the preferred ones first. `ids` asks for
        these instead, without looking at them: what kubelet does after a plugin was replaced.
        """
        return await self._admission().allocate(resource, count, ids)

    async def start_container(self, allocation: Allocation) -> None:
        """Start an admitted container; raises UnexpectedAdmissionError."""
        await self._admission().start_container(allocation)

    def name(self, allocation: Allocation, namespace: str, pod: str, container: str) -> None:
        """Which container got it, for the book that pod resources shows."""
        self._holders.setdefault(ContainerName(namespace, pod, container), []).append(allocation)

    def release(self, allocation: Allocation) -> None:
        """The container is gone; the plugin is not told."""
        for held in self._holders.values():
            if allocation in held:
                held.remove(allocation)
        self._devices.release(allocation.resource, allocation.ids)

    async def wait_for(
        self,
        resource: str,
        predicate: Callable[[Mapping[str, str]], bool],
        timeout: float = 60,  # noqa: ASYNC109 - the error is to tell what was seen instead
    ) -> Mapping[str, str]:
        """Wait until `predicate` holds for `devices(resource)`, and return those.

        `timeout` is in seconds; TimeoutError tells what was seen instead.
        """
        reached: list[Mapping[str, str]] = []

        def holds(_: Self) -> bool:
            view = self.devices(resource)
            reached[:] = [view]
            return predicate(view)

        await self.wait_until(holds, timeout)
        return reached[0]

    async def wait_until(
        self,
        predicate: Callable[[Self], bool],
        timeout: float = 60,  # noqa: ASYNC109 - likewise
    ) -> None:
        """Wait until `predicate` holds; it is asked at every event, so nothing passes unseen."""
        await self._journal.wait_until(lambda: predicate(self), timeout, self._summary)

    def _admission(self) -> Admission:
        if not self._running:
            raise RuntimeError("the stand-in does not run; start it first")
        return self._running.admission

    def _summary(self) -> str:
        counts = [
            f"{resource} with {self.allocatable(resource)} healthy of {self.capacity(resource)}"
            for resource in self.resources()
        ]
        return ", ".join(counts) or "no resource"


class _Running:
    """All that lives from a start to the stop after it."""

    def __init__(
        self,
        kubelet: SimulatedKubelet,
        devices: DeviceTable,
        journal: Journal,
        grace: float,
        book: PodResourcesServer,
    ) -> None:
        self._kubelet = kubelet
        self._journal = journal
        self.manager = DeviceManager(devices, journal, grace)
        self._server: RegistrationServer | None = None
        self._watcher: PluginWatcher | None = None
        self.admission = Admission(self.manager, devices, journal)
        self._book = book
        self._shows_book = False

    async def start(self, registration: bool, watcher: bool, pod_resources: bool) -> None:
        common = (self.manager, self._journal, self._kubelet.faults)
        self.manager.start()
        if registration:
            self._server = RegistrationServer(self._kubelet.device_plugins_dir, *common)
            await self._server.start()
        if watcher:
            self._watcher = PluginWatcher(self._kubelet.plugins_registry_dir, *common)
            self._watcher.start()
        if pod_resources:
            self._shows_book = True
            await self._book.start()

    async def stop(self) -> None:
        try:
            if self._watcher:
                await self._watcher.stop()
            if self._server:
                await self._server.stop()
            if self._shows_book:
                await self._book.stop()
        finally:
            await self.manager.stop()

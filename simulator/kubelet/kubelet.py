"""The simulated kubelet, as tests and the demo use it."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from simulator.kubelet.admission import Admission, Allocation
from simulator.kubelet.devices import DeviceTable
from simulator.kubelet.dra_claims import CALL_TIMEOUT, ClaimTable
from simulator.kubelet.dra_plugins import DRA_SERVICES, DriverTable
from simulator.kubelet.events import Event, Started, Stopped
from simulator.kubelet.faults import Faults
from simulator.kubelet.generations import ByPath, ByResource, Clients
from simulator.kubelet.journal import Journal
from simulator.kubelet.manager import GRACE, DeviceManager
from simulator.kubelet.pod_resources import ContainerName, PodResourcesServer
from simulator.kubelet.registration import RegistrationServer, remove_sockets
from simulator.kubelet.watcher import PluginWatcher


class SimulatedKubelet:
    """A simulated kubelet below `root`, which takes the place of /var/lib/kubelet.

    It is kubelet 1.36, and 1.37 if `per_path`: that one has a client of each socket path.
    `registration` and `watcher` are whether it offers Register and the plugin watcher.
    `pod_resources` is whether it serves the pod-resources API; `name` gives containers their names
    there. `grace` is the time in seconds after which a resource without a plugin is forgotten.
    `dra` are the DRA services that it knows, by default all of them, and `dra_timeout` the seconds
    that it waits for a driver's answer. `drivers` are the DRA drivers that are registered, `pods`
    the claims of pods. `on_event` is called with each event. `faults` can be replaced at any time,
    and takes effect at the next `start`.

    `start` after `stop` or `kill` is a restart of kubelet. Containers and their devices survive it.
    """

    def __init__(
        self,
        root: Path,
        *,
        per_path: bool = False,
        registration: bool = True,
        watcher: bool = True,
        pod_resources: bool = False,
        grace: float = GRACE,
        faults: Faults | None = None,
        on_event: Callable[[Event], None] | None = None,
        dra: Sequence[str] | None = None,
        dra_timeout: float = CALL_TIMEOUT,
    ) -> None:
        self.root = root.absolute()
        self.faults = faults or Faults()
        self._offers = (registration, watcher, pod_resources)
        self._holders: dict[ContainerName, list[Allocation]] = {}
        self._grace = grace
        self._clients: type[Clients] = ByPath if per_path else ByResource
        self._journal = Journal(on_event)
        self._devices = DeviceTable()
        self.drivers = DriverTable(self._journal, DRA_SERVICES if dra is None else dra)
        self.pods = ClaimTable(self.drivers, dra_timeout)
        self._running: _Running | None = None

    @property
    def device_plugins_dir(self) -> Path:
        """The directory with kubelet.sock and the sockets of plugins that call Register."""
        return self.root / "device-plugins"

    @property
    def plugins_registry_dir(self) -> Path:
        """The directory with the sockets of plugins that the plugin watcher finds."""
        return self.root / "plugins_registry"

    @property
    def socket(self) -> Path:
        """kubelet.sock."""
        return self.device_plugins_dir / "kubelet.sock"

    @property
    def events(self) -> list[Event]:
        """All events over all restarts, oldest first."""
        return self._journal.events

    @property
    def violations(self) -> list[str]:
        """The violations of the contract by plugins."""
        return self._journal.violations

    async def start(self) -> None:
        """Remove old sockets, make kubelet.sock and watch. All connections are forgotten."""
        if self._running:
            raise RuntimeError("the simulated kubelet runs already; stop it first")
        self.device_plugins_dir.mkdir(parents=True, exist_ok=True)
        self.plugins_registry_dir.mkdir(parents=True, exist_ok=True)
        removed = remove_sockets(self.device_plugins_dir)
        book = PodResourcesServer(
            self.root / "pod-resources", self._devices, self._holders, lambda: self.pods.listed
        )
        manager = DeviceManager(self._devices, self._journal, self._grace, self._clients())
        self._running = _Running(self, self._devices, self._journal, manager, book)
        await self._running.start(*self._offers)
        self._journal.record(Started(removed))

    async def stop(self) -> None:
        """Stop as kubelet does on SIGTERM: every connection is closed, and kubelet.sock stays."""
        if running := self._running:
            self._running = None
            await running.stop()
            self._journal.record(Stopped())

    async def disconnect(self, resource: str) -> None:
        """Close the connection to the current plugin of a resource, without a restart."""
        if self._running is None:
            raise RuntimeError("this kubelet does not run")
        await self._running.manager.disconnect(resource)

    async def kill(self) -> None:
        """Stop as after SIGKILL: connections break, and no event is recorded."""
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
        """Maps ids to "Healthy" or "Unhealthy", in the plugin's order. Empty for an unknown
        resource.
        """
        devices = self._devices.lists.get(resource)
        return MappingProxyType(dict(devices.view()) if devices else {})

    def capacity(self, resource: str) -> int:
        """In the node's status: healthy and unhealthy devices."""
        devices = self._devices.lists.get(resource)
        return len(devices.healthy) + len(devices.unhealthy) if devices else 0

    def allocatable(self, resource: str) -> int:
        """In the node's status: healthy devices, allocated or free."""
        devices = self._devices.lists.get(resource)
        return len(devices.healthy) if devices else 0

    def resources(self) -> tuple[str, ...]:
        """The resources in the node's status."""
        return tuple(self._devices.lists)

    @property
    def leaving(self) -> frozenset[str]:
        """The resources without a plugin. kubelet forgets them after their grace period."""
        return self._running.manager.leaving if self._running else frozenset()

    def prefers(self, resource: str) -> bool:
        """Whether the plugin wants GetPreferredAllocation calls."""
        manager = self._running.manager if self._running else None
        endpoint = manager.endpoints.get(resource) if manager else None
        options = endpoint.options if endpoint else None
        return bool(options and options.get_preferred_allocation_available)

    def forget_ids(self, known: Collection[str]) -> None:
        """Report only missing ids that are listed now: a new process of a plugin knows only its own
        ids. Those of a resource without a plugin are of an old process if it is not in `known`.
        """
        self._devices.forget_ids(self.leaving.difference(known))

    def allocated(self, resource: str) -> frozenset[str]:
        """The ids that containers hold."""
        return self._devices.allocated(resource)

    async def allocate(
        self, resource: str, count: int = 1, *, ids: Iterable[str] | None = None
    ) -> Allocation:
        """Admit a container that requests `count` devices. Raises UnexpectedAdmissionError.

        Free devices are taken in the plugin's order, the preferred ones first. `ids` requests
        exactly these, without a check, as kubelet does after a plugin was replaced.
        """
        return await self._admission().allocate(resource, count, ids)

    async def start_container(self, allocation: Allocation) -> None:
        """Start an admitted container. Raises UnexpectedAdmissionError."""
        await self._admission().start_container(allocation)

    def name(self, allocation: Allocation, namespace: str, pod: str, container: str) -> None:
        """Give the container its name in the pod-resources API."""
        self._holders.setdefault(ContainerName(namespace, pod, container), []).append(allocation)

    def release(self, allocation: Allocation) -> None:
        """The container ends. kubelet does not notify the plugin."""
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
        """Wait until `predicate` holds for `devices(resource)`, and return these devices.

        `timeout` is in seconds. TimeoutError shows what was seen instead.
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
        timeout: float = 60,  # noqa: ASYNC109 - as above
    ) -> None:
        """Wait until `predicate` holds. It is evaluated at every event, so no short-lived state is
        missed.
        """
        await self._journal.wait_until(lambda: predicate(self), timeout, self._summary)

    def _admission(self) -> Admission:
        if not self._running:
            raise RuntimeError("the simulated kubelet does not run; start it first")
        return self._running.admission

    def _summary(self) -> str:
        counts = [
            f"{resource} with {self.allocatable(resource)} healthy of {self.capacity(resource)}"
            for resource in self.resources()
        ]
        return ", ".join(counts) or "no resource"


class _Running:
    """Everything between a start and the next stop."""

    def __init__(
        self,
        kubelet: SimulatedKubelet,
        devices: DeviceTable,
        journal: Journal,
        manager: DeviceManager,
        book: PodResourcesServer,
    ) -> None:
        self._kubelet = kubelet
        self._journal = journal
        self.manager = manager
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
            directory = self._kubelet.plugins_registry_dir
            self._watcher = PluginWatcher(directory, *common, self._kubelet.drivers)
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
            await self._kubelet.drivers.stop()
            self._kubelet.pods.forget_prepared()
            await self.manager.stop()

"""The devices of all resources, their health, and their holders. Pure state."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb

HEALTHY = "Healthy"
UNHEALTHY = "Unhealthy"


@dataclass(slots=True)
class DeviceList:
    """The devices of a resource.

    As in kubelet, the healthy and the unhealthy ids are two sets. An id that is listed as both is
    in both and counts twice. `order` is the order of the list.
    """

    order: tuple[str, ...] = ()
    healthy: set[str] = field(default_factory=set)
    unhealthy: set[str] = field(default_factory=set)

    def mark_unhealthy(self) -> None:
        """The plugin has disconnected: all devices are unhealthy."""
        self.unhealthy |= self.healthy
        self.healthy = set()

    def view(self) -> Mapping[str, str]:
        """Id -> "Healthy" or "Unhealthy", in the order of the list."""
        return {id_: HEALTHY if id_ in self.healthy else UNHEALTHY for id_ in self.order}


class DeviceTable:
    """All resources. The ids that were ever listed and those that are allocated survive a restart
    of kubelet.
    """

    def __init__(self) -> None:
        self.lists: dict[str, DeviceList] = {}
        self._ever_listed: dict[str, set[str]] = {}
        self._missing: dict[str, set[str]] = {}
        self._allocated: dict[str, set[str]] = {}

    def replace(self, resource: str, devices: Sequence[pb.Device]) -> list[str]:
        """Take a new list. Returns the violations of the contract in it."""
        ids = [device.ID for device in devices]
        healthy = {device.ID for device in devices if device.health == HEALTHY}
        unhealthy = {device.ID for device in devices if device.health != HEALTHY}
        self.lists[resource] = DeviceList(tuple(dict.fromkeys(ids)), healthy, unhealthy)
        return self._vanished(resource, set(ids)) + _duplicates(resource, ids)

    def _vanished(self, resource: str, listed: set[str]) -> list[str]:
        ever = self._ever_listed.setdefault(resource, set())
        ever |= listed
        missing = ever - listed
        newly = missing - self._missing.get(resource, set())  # report it once, not for each list
        self._missing[resource] = missing
        if not newly:
            return []
        why = "kubelet panics when such an id is being allocated"
        return [f"{resource}: {_some(newly)} once listed, not any more: {why}; list {UNHEALTHY}"]

    def forget_lists(self) -> None:
        """kubelet starts: it remembers only the names of the resources."""
        self.lists = {resource: DeviceList() for resource in self.lists}

    def forget_ids(self, forgotten: Collection[str]) -> None:
        """From now on, only ids that are listed now count as missing if they disappear.

        None of a resource in `forgotten` does.
        """
        self._ever_listed = {
            name: set(devices.order)
            for name, devices in self.lists.items()
            if name not in forgotten
        }
        self._missing = {}

    def free(self, resource: str) -> list[str]:
        """The healthy ids without a holder, in the order of the list."""
        devices = self.lists[resource]
        taken = self._allocated.get(resource, set())
        return [id_ for id_ in devices.order if id_ in devices.healthy and id_ not in taken]

    def take(self, resource: str, ids: Iterable[str]) -> None:
        """Mark `ids` as allocated."""
        self._allocated.setdefault(resource, set()).update(ids)

    def release(self, resource: str, ids: Iterable[str]) -> None:
        """Mark `ids` as free."""
        self._allocated.get(resource, set()).difference_update(ids)

    def allocated(self, resource: str) -> frozenset[str]:
        """The ids with a holder."""
        return frozenset(self._allocated.get(resource, ()))


def _duplicates(resource: str, ids: list[str]) -> list[str]:
    twice = [id_ for id_, times in Counter(ids).items() if times > 1]
    return [f"{resource}: {_some(twice)} more than once in one list"] if twice else []


def _some(ids: Iterable[str]) -> str:
    ordered = sorted(ids, key=lambda id_: (len(id_), id_))
    shown = ", ".join(ordered[:3])
    return f"{len(ordered)} ids ({shown}{', ...' if len(ordered) > 3 else ''})"

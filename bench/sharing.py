"""The configs of the benchmark's daemons."""

from dataclasses import dataclass
from typing import Any

from rdma_dp.config import CdiMode, Preference, SlotsPer, Via
from simulator.kubelet import SimulatedKubelet

Json = dict[str, Any]

# The Go plugin was measured with these numbers: up to 8 HCAs, and with more. With slots per HCA,
# the number is always the small one.
FEW_SLOTS, MANY_SLOTS = 63, 1000


@dataclass(frozen=True, slots=True)
class Sharing:
    """A config that shares all `hcas` of a host, evenly between `resources` resources.

    `slots` counts per resource or per HCA, as in `slots_per`; 0 means the default number. With
    `globs`, a single resource names its netdevs by so many globs, of which the last one matches.
    """

    hcas: int
    resources: int = 1
    slots_per: SlotsPer = SlotsPer.RESOURCE
    slots: int = 0
    preference: Preference = Preference.SPREAD
    cdi: CdiMode = CdiMode.OFF
    device_info: bool = False
    globs: int = 0
    via: Via = Via.PLUGIN
    periodic_update_interval: int = 60  # seconds

    @property
    def names(self) -> tuple[str, ...]:
        """The full names of the resources."""
        return tuple(f"rdma/{_short_name(number)}" for number in range(self.resources))

    @property
    def config(self) -> Json:
        """The content of the config file."""
        return {
            "periodicUpdateInterval": self.periodic_update_interval,
            "cdi": self.cdi,
            "configList": [self._resource(number) for number in range(self.resources)],
        }

    def complete(self, kubelet: SimulatedKubelet) -> bool:
        """Whether kubelet knows all slots."""
        groups = self.hcas // self.resources if self.slots_per is SlotsPer.HCA else 1
        return all(kubelet.allocatable(name) == groups * self._slots for name in self.names)

    @property
    def _slots(self) -> int:
        few = self.hcas <= 8 or self.slots_per is SlotsPer.HCA
        return self.slots or (FEW_SLOTS if few else MANY_SLOTS)

    def _resource(self, number: int) -> Json:
        return {
            "resourceName": _short_name(number),
            "rdmaHcaMax": self._slots,
            "selectors": self._selectors(number),
            "via": self.via,
            **(self._per_hca if self.slots_per is SlotsPer.HCA else {}),
        }

    @property
    def _per_hca(self) -> Json:
        return {
            "slotsPer": self.slots_per,
            "preference": self.preference,
            "deviceInfo": self.device_info,
        }

    def _selectors(self, number: int) -> Json:
        """The selectors of a resource: all HCAs, or every Nth one of N resources."""
        if self.globs:
            return {"ifNames": [*(f"no{n}*" for n in range(self.globs - 1)), "eth*"]}
        if self.resources == 1:
            return {"vendors": ["15b3"]}
        return {"ifNames": [f"eth{n}" for n in range(number, self.hcas, self.resources)]}


def _short_name(number: int) -> str:
    return f"shared_{number}"

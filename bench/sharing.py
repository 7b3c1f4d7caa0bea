"""What a daemon is told to share."""

from dataclasses import dataclass
from typing import Any

from rdma_dp.config import CdiMode, Preference, SlotsPer
from simulator.kubelet import SimulatedKubelet

Json = dict[str, Any]

# As the Go plugin was measured: up to 8 HCAs, and above. Each HCA's slots are always few.
FEW_SLOTS, MANY_SLOTS = 63, 1000


@dataclass(frozen=True, slots=True)
class Sharing:
    """All HCAs of a host that has so many; several resources share them evenly.

    `slots` are those of a resource or of an HCA, as `slots_per` says; 0 stands for the usual. With
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

    @property
    def names(self) -> tuple[str, ...]:
        """The resources' full names."""
        return tuple(f"rdma/{_short_name(number)}" for number in range(self.resources))

    @property
    def config(self) -> Json:
        """The config file's content."""
        return {
            "periodicUpdateInterval": 60,
            "cdi": self.cdi,
            "configList": [self._resource(number) for number in range(self.resources)],
        }

    def complete(self, kubelet: SimulatedKubelet) -> bool:
        """Whether kubelet knows all the slots."""
        shares = self.hcas // self.resources if self.slots_per is SlotsPer.HCA else 1
        return all(kubelet.allocatable(name) == shares * self._slots for name in self.names)

    @property
    def _slots(self) -> int:
        few = self.hcas <= 8 or self.slots_per is SlotsPer.HCA
        return self.slots or (FEW_SLOTS if few else MANY_SLOTS)

    def _resource(self, number: int) -> Json:
        return {
            "resourceName": _short_name(number),
            "rdmaHcaMax": self._slots,
            "selectors": self._selectors(number),
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
        """A single resource takes all HCAs; several take them in turn."""
        if self.globs:
            return {"ifNames": [*(f"no{n}*" for n in range(self.globs - 1)), "eth*"]}
        if self.resources == 1:
            return {"vendors": ["15b3"]}
        return {"ifNames": [f"eth{n}" for n in range(number, self.hcas, self.resources)]}


def _short_name(number: int) -> str:
    return f"shared_{number}"

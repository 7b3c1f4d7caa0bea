"""What a node has: frozen values, made by discovery and only read by everything else.

Names are the kernel's and the field's. `None` always means "the node does not say".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from rdma_dp.inventory.verdicts import Ineligible, Suspicion, Unused

CHAR_DEVICE_DIRECTORY = "/dev/infiniband"


def natural_key(name: str) -> tuple[tuple[str, int], ...]:
    """Sorts names as people do: mlx5_2 before mlx5_10. Different names have different keys."""
    parts = re.findall(r"([^0-9]*)([0-9]*)", name)
    return (*((text, int(digits or -1)) for text, digits in parts), (name, -1))


@dataclass(frozen=True, slots=True)
class DeviceNumber:
    """The major:minor of a character device."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}:{self.minor}"


@dataclass(frozen=True, slots=True)
class CharDevice:
    """A character device below /dev/infiniband: uverbsN, umadN, issmN or rdma_cm.

    `number` is what sysfs says. `fault` tells why the node in /dev cannot be used; it is None
    when the node is right and when there is no /dev to look at (`checked` tells which).
    """

    name: str
    number: DeviceNumber | None
    checked: bool = False
    fault: str | None = None

    @property
    def path(self) -> str:
        """Where a container finds it; never a path below another root."""
        return f"{CHAR_DEVICE_DIRECTORY}/{self.name}"

    @property
    def usable(self) -> bool:
        """Whether handing it out works, as far as one can see from here."""
        return self.fault is None


@dataclass(frozen=True, slots=True)
class PciFunction:
    """A PCI function. `vendor` and `device` are four lowercase hex digits without 0x."""

    address: str
    vendor: str | None = None
    device: str | None = None
    pci_class: int | None = None  # 24 bits: base class, subclass, programming interface
    driver: str | None = None
    numa_node: int | None = None  # None also where the firmware gave no affinity (-1)
    physfn: str | None = None  # address of the PF, for a VF
    vf: int | None = None  # which of the PF's VFs, from 0


@dataclass(frozen=True, slots=True)
class Subfunction:
    """An mlx5 scalable function: `name` is its auxiliary device (mlx5_core.sf.N).

    N is the kernel's running number; only `sfnum` is the number that the administrator gave.
    """

    name: str
    sfnum: int | None = None


@dataclass(frozen=True, slots=True)
class NetDevice:
    """A netdev that belongs to an HCA.

    `link_type` is named as iproute2 and the Go plugin name it: "ether" or "infiniband".
    `bond` is the bonding master that it is enslaved to. `admin_up` is whether somebody set it up
    (IFF_UP), which says nothing about its cable. `altnames` are further names that it answers to.
    """

    name: str
    link_type: str | None = None
    bond: str | None = None
    admin_up: bool | None = None
    altnames: tuple[str, ...] = ()


class FunctionType(StrEnum):
    """What kind of function an HCA sits on.

    A VF that was passed through to a virtual machine is a PF there: nothing tells it apart.
    """

    PF = "pf"
    VF = "vf"
    SF = "sf"
    VIRTUAL = "virtual"


@dataclass(frozen=True, slots=True)
class Port:
    """One port of an HCA. `number` counts from 1.

    `state` and `phys_state` are the kernel's words without their number ("ACTIVE", "LinkUp"),
    `rate` is in Gb/s, `link_layer` is "InfiniBand", "Ethernet" or "Unknown".
    """

    number: int
    state: str | None = None
    phys_state: str | None = None
    link_layer: str | None = None
    rate: float | None = None
    netdevs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hca:
    """An RDMA device (ibdev) with all that belongs to it.

    `functions` has the function that the HCA sits on first; behind it come, for a RoCE bond, the
    functions whose ports it took over. Empty for a virtual HCA (rxe, siw).
    `pf_names` are the netdevs of its PF: its own for a PF, the parent's for a VF or SF.
    `ineligible` is why no pod may have it; None for an HCA to share. `suspicion` is a reason
    against sharing it that could not be confirmed.
    """

    name: str
    functions: tuple[PciFunction, ...] = ()
    pf_names: tuple[str, ...] = ()
    subfunction: Subfunction | None = None
    protocol: str | None = None  # "ib", "roce", "iw", "opa": as NLDEV names it
    ports: tuple[Port, ...] = ()
    netdevs: tuple[NetDevice, ...] = ()
    uverbs: CharDevice | None = None
    umads: tuple[CharDevice, ...] = ()
    issms: tuple[CharDevice, ...] = ()
    ineligible: Ineligible | None = None
    suspicion: Suspicion | None = None

    @property
    def shareable(self) -> bool:
        """Whether a pod can be given this HCA."""
        return self.ineligible is None

    @property
    def function(self) -> PciFunction | None:
        """The PCI function that the HCA sits on; an SF's parent; None for a virtual HCA."""
        return self.functions[0] if self.functions else None

    @property
    def function_type(self) -> FunctionType:
        """What it sits on."""
        if self.function is None:
            return FunctionType.VIRTUAL
        if self.subfunction is not None:
            return FunctionType.SF
        return FunctionType.PF if self.function.physfn is None else FunctionType.VF

    @property
    def index(self) -> int | None:
        """The number of the VF or SF on its PF; None for the unused_functions."""
        if self.subfunction is not None:
            return self.subfunction.sfnum
        return self.function.vf if self.function else None

    @property
    def stable_key(self) -> str:
        """What names the hardware, whatever the kernel calls the HCA after the next reboot.

        The PCI address, for an SF with its sfnum, for a virtual HCA its name. HCAs with a function
        in common have the key in common.
        """
        if self.function is None:
            return self.name
        if self.subfunction is None:
            return self.function.address
        sfnum = self.subfunction.sfnum
        number = self.subfunction.name if sfnum is None else f"sf{sfnum}"
        return f"{self.function.address}-{number}"

    @property
    def numa_node(self) -> int | None:
        """The NUMA node of the HCA's own function."""
        return self.function.numa_node if self.function else None

    @property
    def link_types(self) -> tuple[str, ...]:
        """The link types of its ports, each once: from the netdev, else from the link layer."""
        by_name = {netdev.name: netdev.link_type for netdev in self.netdevs}
        found = [
            link_type
            for port in self.ports
            for link_type in _port_link_types(port, by_name)
            if link_type is not None
        ]
        found += [t for t in by_name.values() if t is not None]
        return tuple(dict.fromkeys(found))

    @property
    def char_devices(self) -> tuple[CharDevice, ...]:
        """Every character device of its own (rdma_cm belongs to all HCAs and is not here)."""
        own = () if self.uverbs is None else (self.uverbs,)
        return own + self.umads + self.issms


# Link layers as ports/N/link_layer spells them (kernel drivers/infiniband/core/sysfs.c).
_LINK_TYPE_OF_LAYER = {"Ethernet": "ether", "InfiniBand": "infiniband"}


def _port_link_types(port: Port, by_name: Mapping[str, str | None]) -> Iterable[str | None]:
    from_netdevs = [by_name[name] for name in port.netdevs if by_name.get(name)]
    return from_netdevs or [_LINK_TYPE_OF_LAYER.get(port.link_layer or "")]


@dataclass(frozen=True, slots=True)
class UnusedFunction:
    """A network function without an HCA, and why, as far as the node shows it."""

    function: PciFunction
    netdevs: tuple[str, ...]
    reason: Unused


@dataclass(frozen=True, slots=True)
class System:
    """What holds for the node as a whole.

    `netns_mode` is "shared" or "exclusive"; `modules` maps the names of the kernel modules that
    RDMA needs to whether each is there (empty where the tree has no /sys/module).
    """

    netns_mode: str | None = None
    rdma_cm: CharDevice | None = None
    modules: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Inventory:
    """All of it, at one moment. Replaced whole, never changed."""

    hcas: tuple[Hca, ...] = ()
    unused_functions: tuple[UnusedFunction, ...] = ()
    system: System = System()

"""The hardware of a node as frozen values. Discovery makes them; other packages only read them.

Names are those of the kernel. `None` always means that the node does not show the value.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from rdma_dp.inventory.function_type import FunctionType as FunctionType  # noqa: PLC0414
from rdma_dp.inventory.verdicts import Ineligible, NoInterface, Suspicion, Unused

CHAR_DEVICE_DIRECTORY = "/dev/infiniband"


def natural_key(name: str) -> tuple[tuple[str, int], ...]:
    """A unique key of a name that sorts numbers by value: mlx5_2 before mlx5_10."""
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
    """A character device of RDMA: uverbsN, umadN, issmN or rdma_cm, or one of a driver (hfi1_N).

    `number` is from sysfs. `fault` is why the node in /dev cannot be used. It is None when the
    node is right (`checked` is True) and when the tree has no /dev (`checked` is False).
    """

    name: str
    number: DeviceNumber | None
    checked: bool = False
    fault: str | None = None
    directory: str = CHAR_DEVICE_DIRECTORY

    @property
    def path(self) -> str:
        """Its path in a container; never a path below another root."""
        return f"{self.directory}/{self.name}"

    @property
    def usable(self) -> bool:
        """Whether no fault of its node is known."""
        return self.fault is None


@dataclass(frozen=True, slots=True)
class PciFunction:
    """A PCI function. `vendor` and `device` are four lowercase hex digits without 0x."""

    address: str
    vendor: str | None = None
    device: str | None = None
    pci_class: int | None = None  # 24 bits: base class, subclass, programming interface
    driver: str | None = None
    numa_node: int | None = None  # None also where the firmware sets no affinity (-1)
    physfn: str | None = None  # address of the PF, for a VF
    vf: int | None = None  # its index among the PF's VFs, from 0


@dataclass(frozen=True, slots=True)
class Subfunction:
    """An mlx5 scalable function: `name` is its auxiliary device (mlx5_core.sf.N).

    N is a running number of the kernel; `sfnum` is the number that the administrator chose.
    """

    name: str
    sfnum: int | None = None


@dataclass(frozen=True, slots=True)
class NetDevice:
    """A netdev that belongs to an HCA.

    `link_type` is "ether" or "infiniband", as in iproute2 and in the Go plugin. `bond` is its
    bonding master. `admin_up` is whether it is administratively up (IFF_UP); that does not depend
    on its cable. `altnames` are its alternative names.
    """

    name: str
    link_type: str | None = None
    bond: str | None = None
    admin_up: bool | None = None
    altnames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Port:
    """One port of an HCA. `number` counts from 1.

    `state` and `phys_state` are the kernel's names without their number ("ACTIVE", "LinkUp"),
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
    """An RDMA device (ibdev) with its functions, ports, netdevs and character devices.

    `functions` begins with the function that the HCA is on. For a RoCE bond the functions whose
    ports it has follow. It is empty for a virtual HCA (rxe, siw).
    `driver_nodes` are those that its driver makes outside /dev/infiniband.
    `pf_names` are the netdevs of its PF: its own for a PF, the parent's for a VF or SF.
    `ineligible` is why it cannot be shared; None if it can. `suspicion` is a reason not to share
    it that could not be confirmed. `no_interface` is why it has no netdev, as far as that is known.
    """

    name: str
    functions: tuple[PciFunction, ...] = ()
    pf_names: tuple[str, ...] = ()
    subfunction: Subfunction | None = None
    protocol: str | None = None  # "ib", "roce", "iw", "opa", from NLDEV
    ports: tuple[Port, ...] = ()
    netdevs: tuple[NetDevice, ...] = ()
    uverbs: CharDevice | None = None
    umads: tuple[CharDevice, ...] = ()
    issms: tuple[CharDevice, ...] = ()
    driver_nodes: tuple[CharDevice, ...] = ()
    ineligible: Ineligible | None = None
    suspicion: Suspicion | None = None
    no_interface: NoInterface | None = None

    @property
    def shareable(self) -> bool:
        """Whether pods can get this HCA."""
        return self.ineligible is None

    @property
    def function(self) -> PciFunction | None:
        """The PCI function that the HCA is on, or the parent of its SF; None for a virtual HCA."""
        return self.functions[0] if self.functions else None

    @property
    def function_type(self) -> FunctionType:
        """The type of the function that it is on."""
        if self.function is None:
            return FunctionType.VIRTUAL
        if self.subfunction is not None:
            return FunctionType.SF
        return FunctionType.PF if self.function.physfn is None else FunctionType.VF

    @property
    def index(self) -> int | None:
        """The number of the VF or SF on its PF; None for other types."""
        if self.subfunction is not None:
            return self.subfunction.sfnum
        return self.function.vf if self.function else None

    @property
    def stable_key(self) -> str:
        """A key of the hardware, which stays the same when the kernel renames the HCA.

        It is the PCI address; for an SF the address and the sfnum; for a virtual HCA its name. HCAs
        on one function have the same key.
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
        """Its own character devices, so without rdma_cm, which belongs to all HCAs."""
        own = () if self.uverbs is None else (self.uverbs,)
        return own + self.management_nodes + self.driver_nodes

    @property
    def management_nodes(self) -> tuple[CharDevice, ...]:
        """Those of its character devices that send management packets: umad and issm."""
        return self.umads + self.issms


# Link layers as ports/N/link_layer spells them (kernel drivers/infiniband/core/sysfs.c).
_LINK_TYPE_OF_LAYER = {"Ethernet": "ether", "InfiniBand": "infiniband"}


def _port_link_types(port: Port, by_name: Mapping[str, str | None]) -> Iterable[str | None]:
    from_netdevs = [by_name[name] for name in port.netdevs if by_name.get(name)]
    return from_netdevs or [_LINK_TYPE_OF_LAYER.get(port.link_layer or "")]


@dataclass(frozen=True, slots=True)
class UnusedFunction:
    """A network function without an HCA, and the reason as far as the node shows it."""

    function: PciFunction
    netdevs: tuple[str, ...]
    reason: Unused


@dataclass(frozen=True, slots=True)
class System:
    """Facts about the whole node.

    `netns_mode` is "shared" or "exclusive"; `modules` maps the names of the kernel modules that
    RDMA needs to whether each is loaded (empty where the tree has no /sys/module).
    """

    netns_mode: str | None = None
    rdma_cm: CharDevice | None = None
    modules: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Inventory:
    """The hardware of a node at one moment. Each scan makes a new one."""

    hcas: tuple[Hca, ...] = ()
    unused_functions: tuple[UnusedFunction, ...] = ()
    system: System = System()

    @property
    def netdevs(self) -> frozenset[str]:
        """The names of all netdevs that belong to an HCA."""
        of_hcas = (netdev.name for hca in self.hcas for netdev in hca.netdevs)
        of_ports = (name for hca in self.hcas for port in hca.ports for name in port.netdevs)
        return frozenset((*of_hcas, *of_ports))

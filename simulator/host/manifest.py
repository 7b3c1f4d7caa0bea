"""The manifest of a host, which a person writes. Missing values default to the kernel's usual ones.

A manifest is validated when it is read; problems are a pydantic ValidationError.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from simulator.host.consistency import inconsistencies

Protocol = Literal["ib", "roce", "iw", "opa", "efa", "raw"]
"""NLDEV's names, with two more: `efa` (NLDEV has no name) and `raw` (a switchdev PF: no RoCE)."""

State = Literal["NOP", "DOWN", "INIT", "ARMED", "ACTIVE", "ACTIVE_DEFER"]
PhysState = Literal[
    "Sleep", "Polling", "Disabled", "PortConfigurationTraining", "LinkUp", "LinkErrorRecovery",
    "Phy Test",
]  # fmt: skip

Address = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-1][0-9a-f]\.[0-7]$")
]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,62}$")]
NetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}$")]
PciId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]
PciClass = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{4}([0-9a-f]{2})?$")]
AcsControl = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{4}|none)$")]
PcieLink = Annotated[str, StringConstraints(pattern=r"^(none|[\d.]+ x\d+( of [\d.]+ x\d+)?)$")]
Guid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{4}(:[0-9a-f]{4}){3}$")]
Mac = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")]
Number = Annotated[int, Field(ge=0, le=4095)]


def _inside(path: str) -> str:
    if "\0" in path or any(part in {"", ".", ".."} for part in path.split("/")):
        raise ValueError("must be a relative path without '.' or '..'")
    return path


def _named(value: Any) -> Any:
    """`[a, b]` is short for `{a: {}, b: {}}`, and `a:` without anything for `a: {}`."""
    if isinstance(value, list):
        value = {item if isinstance(item, str) else repr(item): {} for item in value}
    if isinstance(value, Mapping):
        value = {name: {} if details in ("", None) else details for name, details in value.items()}
    return value


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str | int) and value not in {"auto", "none"} else value


InsidePath = Annotated[str, AfterValidator(_inside)]
_ShortForm = BeforeValidator(_named)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Item(_Model):
    """Something with a directory of its own in sysfs.

    `remove`, `files` and `links` change its files after everything else, in this order. `remove`
    has files or whole directories. `files` are written verbatim, without a newline. The targets of
    `links` are verbatim and may dangle. Paths are relative to the item's directory.
    """

    remove: tuple[InsidePath, ...] = ()
    files: dict[InsidePath, str] = {}
    links: dict[InsidePath, str] = {}


class Port(_Model):
    """One port of an HCA.

    `netdev` is the port's netdev; "auto" is the site's netdev whose dev_port matches. `gids` is the
    number of slots in the GID table. `lid` and `sm_lid` are used on InfiniBand only.
    """

    protocol: Protocol | None = None
    state: State = "ACTIVE"
    phys_state: PhysState | None = None
    rate: str | None = None
    lid: Number | None = None
    sm_lid: Number = 1
    guid: Guid | None = None
    netdev: NetName = "auto"
    gids: Annotated[int, Field(ge=0, le=256)] = 8


class Hca(Item):
    """An RDMA device.

    `driver` is needed without a PCI function ("rxe", "siw", "erdma"). `uverbs` and `umad` (one
    number per port) are numbers, "auto" for the next free ones, or "none". `abi` is an ABI of
    uverbs that is not Linux's. `smi_of` makes it the SMI companion of a multi-plane HCA: it has no
    uverbs, and it has the issm instead of that HCA. `unit` is the driver's number of an hfi1 or qib
    HCA that was renamed.
    """

    driver: str | None = None
    protocol: Protocol | None = None
    node_guid: Guid | None = None
    uverbs: Number | Literal["auto", "none"] = "auto"
    umad: Annotated[tuple[Number, ...] | Literal["auto", "none"], BeforeValidator(_one_or_more)] = (
        "auto"
    )
    issm: bool | None = None
    unit: Number | None = None
    smi_of: Name | None = None
    abi: Number | None = None
    ports: Annotated[dict[Annotated[int, Field(ge=1, le=254)], Port], _ShortForm] = {1: Port()}


class Net(Item):
    """A netdev.

    `under` puts it below a child of its PCI function (virtio0). `child_of` makes it an IPoIB child
    of another netdev, on the partition `pkey`, or, with the type "ether", a VLAN, macvlan or ipvlan
    on top of it. `switch_id` with a port name such as pf0vf1 makes it a representor. `elsewhere`
    puts it into another network namespace.
    """

    type: Literal["ether", "infiniband"] | None = None
    mac: Mac | None = None
    dev_port: Number = 0
    port_name: str | None = None
    switch_id: str | None = None
    mtu: Annotated[int, Field(ge=0)] | None = None
    up: bool | None = None
    under: InsidePath | None = None
    child_of: NetName | None = None
    pkey: str | None = None
    elsewhere: bool = False

    @property
    def carries_a_port(self) -> bool:
        """Whether it can be the netdev of its function's port: not a representor or a child."""
        return self.child_of is None and re.fullmatch(r"(p\d+)?", self.port_name or "") is not None


class Holder(Item):
    """A device with HCAs and netdevs. Not a subclass: the parent of software devices."""

    hcas: Annotated[dict[Name, Hca], _ShortForm] = {}
    net: Annotated[dict[NetName, Net], _ShortForm] = {}


class Subfunction(Holder):
    """An mlx5 SF, named after its auxiliary device mlx5_core.sf.N."""

    sfnum: Number


class Function(Holder):
    """A PCI function.

    `id` is vendor:device, `class` the four (or six) digits of the class. `driver` is "auto" (by
    id), "none" or a name. `numa` is -1 where the firmware does not set it, "none" for no such file.
    `bridges` are the addresses above it from the root port down (default: one root port on the bus
    before), `root` is the path of the host bridge below sys/devices. `physfn` makes it a VF, with
    the number `vf` on its PF (default: the next free one, by address). `rdma: false`: the driver
    creates no auxiliary RDMA device (the second PF of a LAG). `multiport`: two PFs share one HCA.
    `vpd` are fields of its Vital Product Data; `name` is the identifier string. `acs` is a bridge's
    control word if it differs from the host's. `model` is a GPU's name in its driver. `link` is the
    state of the PCIe link at its end, in GT/s and lanes, and what this end can if that is more:
    "8.0 x8 of 16.0 x16"; "none" for no such files. A VF shows only what it can.
    """

    id: PciId
    pci_class: PciClass = Field(default="0200", alias="class")
    driver: str = "auto"
    numa: Annotated[int, Field(ge=-1, le=1023)] | Literal["none"] = -1
    root: InsidePath | None = None
    bridges: tuple[Address, ...] = ()
    physfn: Address | None = None
    vf: Number | None = None
    rdma: bool = True
    multiport: bool = False
    vpd: dict[Annotated[str, StringConstraints(pattern=r"^(name|[A-Z0-9]{2})$")], str] = {}
    acs: AcsControl | None = None
    model: str | None = None
    link: PcieLink = "16.0 x16"
    subfunctions: dict[
        Annotated[str, StringConstraints(pattern=r"^mlx5_core\.sf\.[0-9]+$")], Subfunction
    ] = {}

    @property
    def vendor(self) -> str:
        """Four hex digits."""
        return self.id[:4]

    @property
    def device(self) -> str:
        """Four hex digits."""
        return self.id[5:]

    @property
    def is_bridge(self) -> bool:
        """Whether it is a bridge, which can have functions below it."""
        return self.pci_class.startswith("0604")


class Bond(Item):
    """A bonding master and its slaves."""

    slaves: tuple[NetName, ...] = ()
    mode: str = "802.3ad 4"


class Manifest(Item):
    """A host. Its own `remove`, `files` and `links` are paths below the root ("sys/class/...").

    `loaded` and `not_loaded` correct the list of kernel modules that the hardware implies, and of
    what they create (umad, uverbs, rdma_cm, IPoIB netdevs). `machine` is aarch64 for a Grace,
    `kernel` the release, `nvidia` the kind of NVIDIA's kernel module, `iommu` the type of the IOMMU
    groups, one per function. `acs` is the control word of all bridges, or "none" if they have no
    Access Control Services. Without these values, their files are missing. With `addresses`, the
    RoCE netdevs of PFs have an IPv4 address.
    """

    title: str
    netns: Literal["shared", "exclusive"] = "shared"
    machine: Literal["x86_64", "aarch64"] = "x86_64"
    kernel: str | None = None
    nvidia: Literal["open", "proprietary"] | None = None
    iommu: Literal["none", "identity", "DMA", "DMA-FQ"] | None = None
    acs: AcsControl | None = None
    addresses: bool = False
    loaded: tuple[Name, ...] = ()
    not_loaded: tuple[Name, ...] = ()
    functions: dict[Address, Function] = {}
    virtual: Holder = Holder()
    bonds: dict[NetName, Bond] = {}

    def holders(self) -> Iterator[Holder]:
        """Every device with HCAs and netdevs, in the order of the manifest."""
        for function in self.functions.values():
            yield function
            yield from function.subfunctions.values()
        yield self.virtual

    @model_validator(mode="after")
    def _is_consistent(self) -> "Manifest":
        problems = [*inconsistencies(self)]
        if problems:
            raise ValueError("; ".join(problems))
        return self

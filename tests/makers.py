"""HCAs, inventories and resources for tests of the pure core; `hypothesis` strategies for them."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from rdma_dp.config import Resource, SlotsPer
from rdma_dp.config.models import ResourceDocument
from rdma_dp.config.selectors import SelectorsDocument
from rdma_dp.inventory.hardware import (
    CharDevice,
    DeviceNumber,
    Hca,
    Inventory,
    NetDevice,
    PciFunction,
    Port,
    Subfunction,
    System,
)
from rdma_dp.inventory.verdicts import Ineligible, IneligibleCode, Unhealthy, UnhealthyCode
from rdma_dp.sharing.pool import Pool, make_pool
from rdma_dp.sharing.selection import Selection, select

RDMA_CM = CharDevice("rdma_cm", DeviceNumber(10, 122))
SYSTEM = System("shared", RDMA_CM)


def hca(
    number: int = 0,
    *,
    netdev: str | None = None,
    device: str = "101b",
    state: str = "ACTIVE",
    unshareable: str | None = None,
    numa: int | None = None,
    **changes: Any,
) -> Hca:
    """mlx5_N on 0000:NN:00.0 with one Ethernet port, uverbsN and umadN."""
    name = netdev or f"eth{number}"
    usual: dict[str, Any] = {
        "name": f"mlx5_{number}",
        "functions": (
            PciFunction(f"0000:{number:02x}:00.0", "15b3", device, 0x020000, "mlx5_core", numa),
        ),
        "ports": (Port(1, state, "LinkUp", "Ethernet", 200.0, (name,)),),
        "netdevs": (NetDevice(name, "ether"),),
        "uverbs": CharDevice(f"uverbs{number}", DeviceNumber(231, 192 + number)),
        "umads": (CharDevice(f"umad{number}", DeviceNumber(231, number)),),
        "ineligible": None if unshareable is None else ineligible(unshareable),
    }
    return Hca(**{**usual, **changes})


def ineligible(text: str = "no uverbs") -> Ineligible:
    return Ineligible(IneligibleCode.NO_VERBS, text)


def unwritten(text: str) -> Unhealthy:
    return Unhealthy(UnhealthyCode.SPEC_FILES, text)


def resource(slots: int = 3, name: str = "hca", **selectors: Any) -> Resource:
    """A resource with selectors in the config's spelling. Without selectors it takes every HCA."""
    found = SelectorsDocument.model_validate(selectors).value
    return Resource(resource_name=name, rdma_hca_max=slots, selectors=found)


def of_sets(*sets: Any) -> Resource:
    """A resource with several sets of selectors in the config's spelling."""
    entry = {"resourceName": "a", "rdmaHcaMax": 1, "selectors": list(sets)}
    return ResourceDocument.model_validate(entry).value


def per_hca(slots: int = 3, **changes: Any) -> Resource:
    """A resource that takes every HCA and has slots for each HCA."""
    return replace(resource(slots), slots_per=SlotsPer.HCA, **changes)


def selection(*hcas: Hca, of: Resource | None = None) -> Selection:
    return select(Inventory(hcas, (), SYSTEM), of or resource())


def pool(*hcas: Hca, of: Resource | None = None, before: Pool | None = None) -> Pool:
    return make_pool(selection(*hcas, of=of), SYSTEM, before)


# --- strategies ---------------------------------------------------------------------------------

VENDORS, DEVICES = ("15b3", "8086", "14e4"), ("101b", "1021", "1592")
DRIVERS, NETDEVS, LINK_TYPES = (
    ("mlx5_core", "ice"),
    ("eth0", "ib0", "bond0"),
    ("ether", "infiniband"),
)
ADDRESSES = ("0000:01:00.0", "0000:01:00.1")


def _some(values: tuple[Any, ...]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), max_size=2, unique=True)


all_selectors = st.fixed_dictionaries(
    {
        "vendors": _some(VENDORS),
        "deviceIDs": _some(DEVICES),
        "drivers": _some(DRIVERS),
        "ifNames": _some((*NETDEVS, "eth*", "[ib]*")),
        "linkTypes": _some(LINK_TYPES),
        "rdmaDevices": _some(("mlx5_0", "mlx5_[1-3]")),
        "pciAddresses": _some((*ADDRESSES, "0000:*", "0000:01:00.1-7")),
        "pfNames": _some((*NETDEVS, "*#0-1", "eth0#1")),
        "functionTypes": _some(("pf", "vf", "sf", "virtual")),
        "numaNodes": _some((0, 1)),
    }
)

_functions = st.builds(
    PciFunction,
    st.sampled_from(ADDRESSES),
    st.none() | st.sampled_from(VENDORS),
    st.none() | st.sampled_from(DEVICES),
    st.just(0x020000),
    st.none() | st.sampled_from(DRIVERS),
    st.none() | st.integers(0, 1),
    st.none() | st.just("0000:01:00.0"),
    st.none() | st.integers(0, 2),
)
_netdevs = st.builds(
    NetDevice,
    st.sampled_from(NETDEVS),
    st.none() | st.sampled_from(LINK_TYPES),
    altnames=st.just(()) | st.just(("ethernet0",)),
)
_subfunctions = st.none() | st.builds(
    Subfunction, st.just("mlx5_core.sf.4"), st.none() | st.integers(0, 2)
)


@st.composite
def hca_lists(draw: st.DrawFn) -> tuple[Hca, ...]:
    """Up to five HCAs, some of which cannot be shared."""
    reasons = st.none() | st.sampled_from(("no uverbs", "switch management"))
    return tuple(
        hca(
            number,
            functions=tuple(draw(st.lists(_functions, max_size=2))),
            netdevs=tuple(draw(st.lists(_netdevs, max_size=2))),
            pf_names=tuple(draw(_some(NETDEVS))),
            subfunction=draw(_subfunctions),
            unshareable=draw(reasons),
        )
        for number in range(draw(st.integers(0, 5)))
    )


@st.composite
def hosts(draw: st.DrawFn) -> list[Hca]:
    """Up to eight HCAs on up to three NUMA nodes. Some may share a PCI function."""
    numbers = draw(st.lists(st.integers(0, 9), max_size=8, unique=True))
    found: list[Hca] = []
    for number in numbers:
        one = hca(number, numa=draw(st.sampled_from((None, 0, 1, 2))))
        if found and draw(st.integers(0, 3)) == 0:
            one = hca(number, functions=found[-1].functions)
        found.append(one)
    return found


_odd = st.sampled_from("\x00\x07\t\n\r\x1b\x7f\x85\x9b\u200f\u2028\u202e\u2066\ufeff\ud800\udfff")
_short_texts = st.text(_odd | st.characters() | st.characters(categories=["Cs"]), max_size=40)

# Texts that kubelet, sysfs, a config or a snapshot can hold; some are very long.
outside_texts = _short_texts | st.builds(
    lambda text, times: text * times, _short_texts, st.just(4_000)
)

"""One resource at rest: the list of kubelet, the answers to containers, and the files.

Calculated in the simplest possible way, from the HCAs and the config only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from rdma_dp.inventory.hardware import Hca

RESOURCE, HCA = "resource", "hca"  # what rdmaHcaMax counts
OFF, CRI, ANNOTATIONS, BOTH = "off", "cri", "annotations", "both"


@dataclass(frozen=True)
class Wanted:
    """A resource of the config."""

    slots: int
    selectors: Mapping[str, Any]
    require_active_port: bool = True
    down_seconds: int = 0
    slots_per: str = RESOURCE
    preference: str = "spread"
    device_info: bool = False

    def entry(self, name: str) -> dict[str, Any]:
        """Its entry in the config file."""
        return {
            "resourceName": name,
            "rdmaHcaMax": self.slots,
            "selectors": dict(self.selectors),
            "slotsPer": self.slots_per,
            "preference": self.preference,
            "deviceInfo": self.device_info,
            "health": {
                "requireActivePort": self.require_active_port,
                "downSeconds": self.down_seconds,
            },
        }

    @property
    def has_device_info(self) -> bool:
        return self.device_info and self.slots_per == HCA


# --- one resource at rest -----------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a container gets: lists in order, so that a duplicate is seen."""

    hcas: list[str]
    nodes: list[str]
    cdi: list[str]
    annotated: dict[str, list[str]]


@dataclass(frozen=True)
class Expected:
    """One resource. The prefix of its ids is "" for "0", "1", ..., and else the key of an HCA.

    `hcas` are those that a slot gives. `working` has the prefixes whose slots are Healthy. `listed`
    has the least and the greatest number of ids.
    """

    name: str
    wanted: Wanted
    cdi: str
    rdma_cm: bool
    hcas: Mapping[str, list[Hca]]
    working: frozenset[str]
    listed: Mapping[str, tuple[int, int]]

    def fits(self, devices: Mapping[str, str]) -> bool:
        """Whether kubelet's devices are as expected: numbers from 0, the lowest ones healthy."""
        found: dict[str, dict[int, str]] = {begin: {} for begin in self.listed}
        for id_, health in devices.items():
            begin, number = parted(id_)
            if begin not in found:
                return False
            found[begin][number] = health
        return all(self._fits(begin, healths) for begin, healths in found.items())

    def _fits(self, begin: str, healths: Mapping[int, str]) -> bool:
        fewest, most = self.listed[begin]
        healthy = self.wanted.slots if begin in self.working else 0
        wanted = ["Healthy"] * healthy + ["Unhealthy"] * (len(healths) - healthy)
        return fewest <= len(healths) <= most and healths == dict(enumerate(wanted))

    def answer(self, ids: Iterable[str]) -> Answer:
        """What a container gets for these slots."""
        by_name = {hca.name: hca for id_ in ids for hca in self.hcas.get(parted(id_)[0], [])}
        nodes = self._nodes(by_name.values())
        names = sorted(f"{self._kind}={device}" for device in nodes)
        key = f"cdi.k8s.io/rdma-dp_rdma_{self.name}"
        return Answer(
            hcas=sorted(by_name),
            nodes=sorted(set().union(*nodes.values())) if self.cdi == OFF else [],
            cdi=names if self.cdi in (CRI, BOTH) else [],
            annotated={key: names} if self.cdi in (ANNOTATIONS, BOTH) else {},
        )

    def prefers(self, ids: Iterable[str]) -> bool:
        """Whether the config prefers these slots among the healthy ones."""
        begins = [parted(id_)[0] for id_ in ids]
        if self.wanted.preference == "pack":
            return len({*begins}) == ceil(len(begins) / self.wanted.slots)
        nodes = {begin: _numa_node(self.hcas[begin]) for begin in self.working}
        on_nodes = [list(nodes.values()).count(node) for node in {*nodes.values()}]
        one_node_has_all = max(on_nodes) >= len(begins)
        return len({*begins}) == min(len(begins), len(self.working)) and not (
            one_node_has_all and len({nodes[begin] for begin in begins}) > 1
        )

    @property
    def all_ids(self) -> list[str]:
        """The ids that may be listed for the HCAs that exist."""
        return [f"{begin}-{n}" for begin in self.hcas for n in range(self.listed[begin][1])]

    @property
    def spec(self) -> dict[str, Any] | None:
        """The spec file for the runtime. None without an HCA."""
        nodes = self._nodes(hca for hcas in self.hcas.values() for hca in hcas)
        devices = [
            {
                "name": name,
                "containerEdits": {
                    "deviceNodes": [
                        {"path": path, "permissions": "rwm"} for path in sorted(nodes[name])
                    ]
                },
            }
            for name in sorted(nodes)
        ]
        document = {"cdiVersion": "0.5.0", "kind": self._kind, "devices": devices}
        return document if devices else None

    def device_info(self, ids: Iterable[str]) -> dict[str, Any]:
        """The device-info files of these slots for Multus, by file name."""
        found = {}
        for id_ in ids if self.wanted.has_device_info else ():
            hcas = sorted(self.hcas.get(parted(id_)[0], []), key=lambda hca: hca.name)
            if hcas and hcas[0].function:
                found[f"rdma-{self.name}-{id_}-device.json"] = _device_info(hcas[0])
        return found

    @property
    def _kind(self) -> str:
        return f"rdma-dp/rdma_{self.name}"

    def _nodes(self, hcas: Iterable[Hca]) -> dict[str, set[str]]:
        """The device nodes by the names of CDI devices."""
        nodes: dict[str, set[str]] = {}
        for hca in hcas:
            nodes.setdefault(key_of(hca), set()).update(each.path for each in hca.char_devices)
        return (
            {**nodes, "rdma_cm": {"/dev/infiniband/rdma_cm"}} if nodes and self.rdma_cm else nodes
        )


def parted(id_: str) -> tuple[str, int]:
    """The prefix of an id, and its number."""
    begin, _, number = id_.rpartition("-")
    return begin, int(number)


def key_of(hca: Hca) -> str:
    """The hardware key."""
    if hca.function is None:
        return hca.name
    sf = hca.subfunction
    return f"{hca.function.address}-sf{sf.sfnum}" if sf else hca.function.address


def _numa_node(hcas: list[Hca]) -> int | None:
    return hcas[0].function.numa_node if hcas[0].function else None


def _device_info(hca: Hca) -> dict[str, Any]:
    assert hca.function
    pci = {"pci-address": hca.function.address, "rdma-device": hca.name}
    pf = hca.function.address if hca.subfunction else hca.function.physfn
    return {
        "type": "pci",
        "version": "1.1.0",
        "pci": {**pci, **({"pf-pci-address": pf} if pf else {})},
    }

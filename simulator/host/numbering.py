"""The numbers that the kernel gives out in the order of appearance: uverbs, umad, ifindex, VFs.

They are dealt once for the whole manifest, so that an HCA that comes back finds its own again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from simulator.host.families import FAMILIES
from simulator.host.manifest import Hca, Manifest, Protocol
from simulator.host.sites import Site, all_sites

_WITH_UMAD: frozenset[Protocol] = frozenset({"ib", "opa", "roce"})


@dataclass(frozen=True, slots=True)
class Numbering:
    """By name: uverbs number of an HCA, its umad number per port, a netdev's ifindex, a VF's
    number on its PF (by address), a site's index among the auxiliary devices of its driver."""

    uverbs: Mapping[str, int]
    umads: Mapping[str, Mapping[int, int]]
    ifindex: Mapping[str, int]
    vfs: Mapping[str, int]
    auxiliary: Mapping[str, int]


def number(manifest: Manifest) -> Numbering:
    """Deals all numbers: those that the manifest asks for, else the lowest that is free."""
    sites = list(all_sites(manifest))
    hcas = [(site, name, hca) for site in sites for name, hca in site.holder.hcas.items()]
    netdevs = ["lo", *(name for site in sites for name in site.holder.net), *manifest.bonds]
    return Numbering(
        _uverbs([(name, hca) for _, name, hca in hcas]),
        _umads(hcas),
        {name: index for index, name in enumerate(netdevs, start=1)},
        _vfs(manifest),
        _auxiliary(sites),
    )


def _uverbs(hcas: list[tuple[str, Hca]]) -> dict[str, int]:
    asked = {name: hca.uverbs for name, hca in hcas if isinstance(hca.uverbs, int)}
    free = _free(set(asked.values()))
    dealt = {}
    for name, hca in hcas:
        if name in asked:
            dealt[name] = asked[name]
        elif hca.uverbs == "auto" and hca.smi_of is None:
            dealt[name] = next(free)
    return dealt


def _umads(hcas: list[tuple[Site, str, Hca]]) -> dict[str, dict[int, int]]:
    asked = {n for _, _, hca in hcas if isinstance(hca.umad, tuple) for n in hca.umad}
    free = _free(asked)
    dealt: dict[str, dict[int, int]] = {}
    for site, name, hca in hcas:
        if isinstance(hca.umad, tuple):
            dealt[name] = dict(zip(hca.ports, hca.umad, strict=False))
        elif hca.umad == "auto":
            ports = [n for n in hca.ports if port_protocol(site, hca, n) in _WITH_UMAD]
            dealt[name] = {n: next(free) for n in ports}
    return dealt


def _vfs(manifest: Manifest) -> dict[str, int]:
    by_pf: dict[str, list[tuple[str, int | None]]] = {}
    for address, function in sorted(manifest.functions.items()):
        if function.physfn is not None:
            by_pf.setdefault(function.physfn, []).append((address, function.vf))
    dealt: dict[str, int] = {}
    for vfs in by_pf.values():
        free = _free({asked for _, asked in vfs if asked is not None})
        dealt |= {address: next(free) if asked is None else asked for address, asked in vfs}
    return dealt


def _auxiliary(sites: list[Site]) -> dict[str, int]:
    seen: dict[str, int] = {}
    dealt = {}
    for site in sites:
        if site.driver is not None:
            dealt[site.directory] = seen.setdefault(site.driver, 0)
            seen[site.driver] += 1
    return dealt


def _free(taken: set[int]) -> Iterator[int]:
    candidate = 0
    while True:
        if candidate not in taken:
            yield candidate
        candidate += 1


def port_protocol(site: Site, hca: Hca, port: int) -> Protocol:
    """What a port speaks: as the manifest says, else as the function's class and driver imply."""
    said = hca.ports[port].protocol or hca.protocol
    if said is not None:
        return said
    if site.driver == "mlx5_core" and site.function and site.function.pci_class[:4] == "0207":
        return "ib"
    family = FAMILIES.get(hca.driver or site.driver or "")
    return family.protocol if family else "roce"

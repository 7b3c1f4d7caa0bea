"""The numbers that the kernel assigns in order of appearance: uverbs, umad, ifindex, VFs.

They are assigned once for the whole manifest. An HCA that comes back has the same numbers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from simulator.host.families import FAMILIES
from simulator.host.manifest import Hca, Manifest, Protocol
from simulator.host.sites import Site, all_sites

_WITH_UMAD: frozenset[Protocol] = frozenset({"ib", "opa", "roce"})


@dataclass(frozen=True, slots=True)
class Numbering:
    """All numbers. `uverbs` and `umads` (by port) are by HCA name, `ifindex` by netdev name.

    `vfs` are VF numbers by PCI address. `auxiliary` has the index of a site, by its directory,
    among the auxiliary devices of its driver.
    """

    uverbs: Mapping[str, int]
    umads: Mapping[str, Mapping[int, int]]
    ifindex: Mapping[str, int]
    vfs: Mapping[str, int]
    auxiliary: Mapping[str, int]


def number(manifest: Manifest) -> Numbering:
    """Assigns all numbers: those of the manifest, and the lowest free ones for the rest."""
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
    assigned = {}
    for name, hca in hcas:
        if name in asked:
            assigned[name] = asked[name]
        elif hca.uverbs == "auto" and hca.smi_of is None:
            assigned[name] = next(free)
    return assigned


def _umads(hcas: list[tuple[Site, str, Hca]]) -> dict[str, dict[int, int]]:
    asked = {n for _, _, hca in hcas if isinstance(hca.umad, tuple) for n in hca.umad}
    free = _free(asked)
    assigned: dict[str, dict[int, int]] = {}
    for site, name, hca in hcas:
        if isinstance(hca.umad, tuple):
            assigned[name] = dict(zip(hca.ports, hca.umad, strict=False))
        elif hca.umad == "auto":
            ports = [n for n in hca.ports if port_protocol(site, hca, n) in _WITH_UMAD]
            assigned[name] = {n: next(free) for n in ports}
    return assigned


def _vfs(manifest: Manifest) -> dict[str, int]:
    by_pf: dict[str, list[tuple[str, int | None]]] = {}
    for address, function in sorted(manifest.functions.items()):
        if function.physfn is not None:
            by_pf.setdefault(function.physfn, []).append((address, function.vf))
    assigned: dict[str, int] = {}
    for vfs in by_pf.values():
        free = _free({asked for _, asked in vfs if asked is not None})
        assigned |= {address: next(free) if asked is None else asked for address, asked in vfs}
    return assigned


def _auxiliary(sites: list[Site]) -> dict[str, int]:
    seen: dict[str, int] = {}
    assigned = {}
    for site in sites:
        if site.driver is not None:
            assigned[site.directory] = seen.setdefault(site.driver, 0)
            seen[site.driver] += 1
    return assigned


def _free(taken: set[int]) -> Iterator[int]:
    candidate = 0
    while True:
        if candidate not in taken:
            yield candidate
        candidate += 1


def port_protocol(site: Site, hca: Hca, port: int) -> Protocol:
    """A port's protocol, from the manifest, or else from the function's class and driver."""
    explicit = hca.ports[port].protocol or hca.protocol
    if explicit is not None:
        return explicit
    if site.driver == "mlx5_core" and site.function and site.function.pci_class[:4] == "0207":
        return "ib"
    family = FAMILIES.get(hca.driver or site.driver or "")
    return family.protocol if family else "roce"

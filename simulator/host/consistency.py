"""Names of a manifest that are there twice, or that name nothing."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the manifest imports this module
    from simulator.host.manifest import Manifest


def inconsistencies(manifest: "Manifest") -> Iterator[str]:
    """All problems of the manifest as a whole."""
    yield from _doubles(manifest)
    yield from _dead_references(manifest)


def _doubles(manifest: "Manifest") -> Iterator[str]:
    hcas = [(name, hca) for holder in manifest.holders() for name, hca in holder.hcas.items()]
    names: dict[str, list[str] | list[int]] = {
        "HCA": [name for name, _ in hcas],
        "netdev": [*manifest.bonds, *(name for h in manifest.holders() for name in h.net)],
        "uverbs number": [hca.uverbs for _, hca in hcas if isinstance(hca.uverbs, int)],
        "umad number": [n for _, hca in hcas if isinstance(hca.umad, tuple) for n in hca.umad],
        "subfunction": [sf for f in manifest.functions.values() for sf in f.subfunctions],
        "VF": [
            f"{function.vf} of {function.physfn}"
            for function in manifest.functions.values()
            if function.physfn is not None and function.vf is not None
        ],
    }
    for kind, found in names.items():
        doubled = (name for name, times in Counter(found).items() if times > 1)
        yield from (f"{kind} {name} is there twice" for name in doubled)


def _dead_references(manifest: "Manifest") -> Iterator[str]:
    netdevs = {*manifest.bonds, *(name for holder in manifest.holders() for name in holder.net)}
    known = {
        "function": frozenset(manifest.functions),
        "netdev": frozenset(netdevs),
        "HCA": frozenset(name for holder in manifest.holders() for name in holder.hcas),
    }
    for kind, field, name in _references(manifest):
        if name is not None and name not in known[kind]:
            yield f"{field} {name} is no {kind} of this host"


def _references(manifest: "Manifest") -> Iterator[tuple[str, str, str | None]]:
    """Every reference: the kind of what it names, the field that has it, and the name."""
    for address, function in manifest.functions.items():
        yield "function", f"physfn of {address}:", function.physfn
    for name, bond in manifest.bonds.items():
        yield from (("netdev", f"slave of {name}:", slave) for slave in bond.slaves)
    for holder in manifest.holders():
        for name, net in holder.net.items():
            yield "netdev", f"child_of of {name}:", net.child_of
        for name, hca in holder.hcas.items():
            yield "HCA", f"smi_of of {name}:", hca.smi_of
            ports = ((n, port.netdev) for n, port in hca.ports.items() if port.netdev != "auto")
            yield from (("netdev", f"netdev of {name} port {n}:", dev) for n, dev in ports)

"""The PCIe links of HCAs: are they as fast and as wide as they can be?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rdma_dp.discovery.pcie_links import Link, read_links
from rdma_dp.doctor.check import Finding, check, ok, unknown, warn
from rdma_dp.doctor.facts.virtual import is_virtual
from rdma_dp.inventory.hardware import FunctionType
from rdma_dp.inventory.topology import Place
from rdma_dp.node.view import NodeView
from rdma_dp.text import counted, some

_SHOWN = 4  # names in a line of evidence
_RESEAT = "reseat the card; compare the slot's link speed and bifurcation in the BIOS"


@check(
    "hca-pcie-link",
    "PCIe links at full speed and width",
    reads="/sys/bus/pci/devices/ADDRESS/{current,max}_link_{speed,width}, of HCAs and the bridges"
    " above them",
    remedies=("lspci -vv -s ADDRESS | grep -E 'LnkCap|LnkSta'", _RESEAT),
)
def links(node: NodeView) -> Iterator[Finding]:
    """A link that trained to a lower speed or to fewer lanes than both of its ends can. The HCA
    cannot carry the rate of its port then. Causes are a card that is not seated well, a damaged
    riser or slot, and a BIOS that limits the slot. A card with 16 lanes in a slot with 8 is no
    problem: the slot cannot do more.

    The check follows each HCA's path up to the root port. A VF or SF has no link of its own, so
    that of its PF is read. In a virtual machine the links are unknown.
    """
    functions = _functions(node)
    if functions and is_virtual(node):
        yield unknown("a virtual machine, whose bridges are emulated: inspect its host")
        return
    found, unseen = _links(node, functions)
    for subject, link in found.values():
        if link.is_slow:
            yield _slow(subject, link)
    if unseen:
        yield unknown(f"the link of {some(tuple(unseen), _SHOWN)} does not show speed and width")
    if found:
        rates = dict.fromkeys(str(link.now) for _, link in found.values())
        yield ok(f"{counted(len(found), 'link')} at {some(tuple(rates), _SHOWN)}")


def _functions(node: NodeView) -> dict[str, tuple[str, Place]]:
    """The PFs of the HCAs by their addresses, each with a name for it and its place."""
    pfs = (hca for hca in node.inventory.hcas if hca.function_type is FunctionType.PF)
    names = {hca.function.address: hca.name for hca in pfs if hca.function}
    found: dict[str, tuple[str, Place]] = {}
    for hca in node.concerned:
        physical = {each.address: each.physfn or each.address for each in hca.functions}
        for place in node.topology.hcas.get(hca.name, ()):
            address = physical[place.address]
            found[address] = names.get(address, address), replace(place, address=address)
    return found


def _links(
    node: NodeView, functions: Mapping[str, tuple[str, Place]]
) -> tuple[Mapping[str, tuple[str, Link]], Sequence[str]]:
    """The links by their upper ends, each with a subject, and the HCAs whose links are not known.

    The subject is the HCA at the lower end, or the address of the bridge there.
    """
    found: dict[str, tuple[str, Link]] = {}
    unseen = []
    for name, place in functions.values():
        own = tuple(read_links(node.host, place, node.topology.bridges))
        known = [link for link in own if link.is_known]
        for link in known:
            below = link.below.address
            subject = name if below == place.address else below
            found.setdefault(link.above.address, (subject, link))
        if own and not known:
            unseen.append(name)
    return found, unseen


def _slow(subject: str, link: Link) -> Finding:
    ends = ", ".join(f"{end.address} {end.most}" for end in (link.below, link.above))
    return warn(
        f"its link runs at {link.now}, and both ends can {link.most}: {ends}",
        f"lspci -vv -s {link.below.address} | grep -E 'LnkCap|LnkSta'",
        f"lspci -vv -s {link.above.address} | grep -E 'LnkCap|LnkSta'",
        _RESEAT,
        subject=subject,
    )


CHECKS = (links,)

"""Sites: each PCI function, each SF and the virtual branch, with its sysfs directory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from simulator.host.families import driver_of
from simulator.host.manifest import Function, Holder, Manifest, Subfunction

VIRTUAL = "sys/devices/virtual"
_ROOT_PORT = Function.model_validate({"id": "8086:352a", "class": "0604"})
_SWITCH_PORT = Function.model_validate({"id": "1000:c030", "class": "0604"})


@dataclass(frozen=True, slots=True)
class Site:
    """A device in sysfs that has HCAs and netdevs.

    `function` is the PCI function (for an SF, its parent), None for the virtual branch. `driver` is
    the PCI driver bound to it. `subfunction` is set for an SF, which has its own directory.
    `holder` has the HCAs and netdevs that exist now: none after an unbind.
    """

    directory: str
    address: str | None
    function: Function | None
    driver: str | None
    holder: Holder
    subfunction: Subfunction | None = None

    @property
    def name(self) -> str:
        """The last part of the directory: address, auxiliary device or "virtual"."""
        return self.directory.rpartition("/")[2]

    @property
    def is_virtual(self) -> bool:
        """Whether it is the virtual branch, whose children have no `device` link."""
        return self.directory == VIRTUAL


def all_sites(manifest: Manifest, unplugged: frozenset[str] = frozenset()) -> Iterator[Site]:
    """Every site: functions in the manifest's order, then bridges, and last the virtual branch.

    A function with an unplugged HCA has no driver, HCA or netdev, and its VFs and SFs are gone, as
    after an unbind.
    """
    functions = _with_bridges(manifest)
    directories = _directories(functions)
    unbound = {a for a, f in functions.items() if unplugged.intersection(f.hcas)}
    for address, function in functions.items():
        if function.physfn in unbound:
            continue
        pci = Site(directories[address], address, function, effective_driver(function), function)
        if address in unbound:
            yield replace(pci, driver=None, holder=_emptied(function))
        else:
            yield pci
            yield from _subfunctions(pci, function, unplugged)
    virtual = manifest.virtual
    left = {name: hca for name, hca in virtual.hcas.items() if name not in unplugged}
    yield Site(VIRTUAL, None, None, None, virtual.model_copy(update={"hcas": left}))


def _subfunctions(pci: Site, function: Function, unplugged: frozenset[str]) -> Iterator[Site]:
    for name, subfunction in function.subfunctions.items():
        directory = f"{pci.directory}/{name}"
        site = replace(pci, directory=directory, holder=subfunction, subfunction=subfunction)
        if unplugged.intersection(subfunction.hcas):
            site = replace(site, driver=None, holder=_emptied(subfunction))
        yield site


def _emptied(holder: Holder) -> Holder:
    return Holder(remove=holder.remove, files=holder.files, links=holder.links)


def effective_driver(function: Function) -> str | None:
    """The driver that is bound to a function of the manifest."""
    if function.driver == "auto":
        return driver_of(function.id, function.pci_class)
    return None if function.driver == "none" else function.driver


def _with_bridges(manifest: Manifest) -> dict[str, Function]:
    """The manifest's functions, and the bridges above them that it does not mention."""
    functions = dict(manifest.functions)
    for address, function in manifest.functions.items():
        for depth, bridge in enumerate(_bridges(manifest.functions, address)):
            port = _SWITCH_PORT if depth else _ROOT_PORT
            functions.setdefault(bridge, port.model_copy(update={"numa": function.numa}))
    return functions


def _bridges(functions: Mapping[str, Function], address: str) -> tuple[str, ...]:
    """The bridges above a function, root port first. A VF has those of its PF."""
    function = functions[address]
    if function.bridges or function.root:
        return function.bridges
    if function.physfn is not None:
        return functions[function.physfn].bridges or _default_bridges(function.physfn)
    return () if function.is_bridge else _default_bridges(address)


def _default_bridges(address: str) -> tuple[str, ...]:
    domain, bus, _ = address.split(":")
    return () if bus == "00" else (f"{domain}:{int(bus, 16) - 1:02x}:01.0",)


def _directories(functions: Mapping[str, Function]) -> dict[str, str]:
    """The directory of each function, such as sys/devices/pci0000:17/0000:17:01.0/0000:18:00.0.

    The functions below a bridge decide its directory, so those with the longest path come first.
    """
    found: dict[str, str] = {}
    paths = {address: (*_bridges(functions, address), address) for address in functions}
    for address in sorted(paths, key=lambda a: len(paths[a]), reverse=True):
        steps = paths[address]
        domain, bus, _ = steps[0].split(":")
        directory = f"sys/devices/{functions[address].root or f'pci{domain}:{bus}'}"
        for step in steps:
            directory = f"{directory}/{step}"
            found.setdefault(step, directory)
    return found

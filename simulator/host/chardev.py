"""uverbs, umad, issm, rdma_cm and hfi1_N: their class entries and their device nodes."""

from simulator.host.families import DriverNode
from simulator.host.manifest import Protocol
from simulator.host.scene import Ibdev, Scene
from simulator.host.sites import VIRTUAL
from simulator.host.tree import CharNode, Tree

# Kernel drivers/infiniband/core/{uverbs_main,user_mad}.c: fixed minors of major 231, and for higher
# numbers a dynamic major, which the kernel assigns from 511 downwards.
_MAJOR = 231
_UVERBS_BASE, _UVERBS_FIXED, _UVERBS_DYNAMIC = 192, 32, 511
_UMAD_BASE, _ISSM_BASE, _UMAD_FIXED, _UMAD_DYNAMIC, _ISSM_DYNAMIC = 0, 64, 64, 510, 509
_DRIVER_MAJOR = 243  # dynamic: alloc_chrdev_region
_RDMA_CM = CharNode(10, 122, 0o666)  # misc with a dynamic minor

_WITH_ISSM: frozenset[Protocol] = frozenset({"ib", "opa"})


def lay_out(tree: Tree, scene: Scene, ibdev: Ibdev) -> None:
    """The character devices of an HCA; each kind only if its module is loaded."""
    number = scene.numbers.uverbs.get(ibdev.name)
    if number is not None and "ib_uverbs" in scene.modules:
        node = _node(_UVERBS_BASE, _UVERBS_FIXED, _UVERBS_DYNAMIC, number, 0o666)
        directory = _entry(tree, ibdev, "infiniband_verbs", f"uverbs{number}", node)
        tree.attributes(
            directory,
            {"abi_version": ibdev.family.abi if ibdev.spec.abi is None else ibdev.spec.abi},
        )
        _by_links(tree, ibdev, f"uverbs{number}")
    if "ib_umad" in scene.modules:
        _management(tree, scene, ibdev)
    if ibdev.family.driver_node is not None and not ibdev.site.is_virtual:
        _driver_node(tree, ibdev, ibdev.family.driver_node)


def _driver_node(tree: Tree, ibdev: Ibdev, made: DriverNode) -> None:
    """The node for a library of the driver's own. It has no parent: it is below devices/virtual."""
    unit = made.unit(ibdev.name) if ibdev.spec.unit is None else ibdev.spec.unit
    if unit is None:
        return
    node = CharNode(_DRIVER_MAJOR, made.first_minor + unit, made.mode)
    _device(tree, f"{VIRTUAL}/{made.subsystem}/{made.prefix}{unit}", made.subsystem, node, "")
    for name, minor in made.others.items():
        others = CharNode(_DRIVER_MAJOR, minor, made.mode)
        _device(tree, f"{VIRTUAL}/{made.subsystem}/{name}", made.subsystem, others, "")


def _management(tree: Tree, scene: Scene, ibdev: Ibdev) -> None:
    numbers = scene.numbers.umads.get(ibdev.name, {})
    for port in ibdev.ports:
        if port.number not in numbers:
            continue
        number = numbers[port.number]
        umad = _node(_UMAD_BASE, _UMAD_FIXED, _UMAD_DYNAMIC, number, 0o600)
        issm = _node(_ISSM_BASE, _UMAD_FIXED, _ISSM_DYNAMIC, number, 0o600)
        kinds = [("umad", umad)]
        if ibdev.issm and port.protocol in _WITH_ISSM:
            kinds.append(("issm", issm))
        for kind, node in kinds:
            directory = _entry(tree, ibdev, "infiniband_mad", f"{kind}{number}", node)
            tree.attributes(directory, {"port": port.number})


def _entry(tree: Tree, ibdev: Ibdev, subsystem: str, name: str, node: CharNode) -> str:
    directory = f"{ibdev.site.directory}/{subsystem}/{name}"
    tree.attributes(directory, {"ibdev": ibdev.name})
    _device(tree, directory, subsystem, node)
    if not ibdev.site.is_virtual:
        tree.link(f"{directory}/device", ibdev.site.directory)
    return directory


def _device(
    tree: Tree, directory: str, subsystem: str, node: CharNode, below: str = "infiniband/"
) -> None:
    name = directory.rpartition("/")[2]
    uevent = f"MAJOR={node.major}\nMINOR={node.minor}\nDEVNAME={below}{name}"
    if node.mode == 0o666:
        uevent += "\nDEVMODE=0666"
    tree.attributes(directory, {"dev": f"{node.major}:{node.minor}", "uevent": uevent})
    tree.link(f"{directory}/subsystem", f"sys/class/{subsystem}")
    tree.link(f"sys/class/{subsystem}/{name}", directory)
    tree.node(f"dev/{below}{name}", node)


def _node(base: int, fixed: int, dynamic_major: int, number: int, mode: int) -> CharNode:
    if number < fixed:
        return CharNode(_MAJOR, base + number, mode)
    return CharNode(dynamic_major, number - fixed, mode)


def _by_links(tree: Tree, ibdev: Ibdev, name: str) -> None:
    """The links that rdma-core's udev rules make next to the nodes."""
    tree.raw_link(f"dev/infiniband/by-ibdev/uverbs-{ibdev.name}", f"../{name}")
    if ibdev.site.address is not None and ibdev.site.subfunction is None:
        tree.raw_link(f"dev/infiniband/by-path/pci-{ibdev.site.address}", f"../{name}")


def lay_out_classes(tree: Tree, scene: Scene) -> None:
    """The classes that the modules create, with the files directly in them, and rdma_cm."""
    if "ib_core" in scene.modules:
        tree.directory("sys/class/infiniband")
    if "ib_uverbs" in scene.modules:
        tree.attributes("sys/class/infiniband_verbs", {"abi_version": 6})
    if "ib_umad" in scene.modules:
        tree.attributes("sys/class/infiniband_mad", {"abi_version": 5})
    if "rdma_ucm" in scene.modules:
        directory = f"{VIRTUAL}/misc/rdma_cm"
        tree.attributes(directory, {"abi_version": 4})
        _device(tree, directory, "misc", _RDMA_CM)

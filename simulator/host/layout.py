"""Makes files of a scene, in the kernel's formats. Pure."""

from simulator.host import chardev, ibdev, netdev, nvidia, pci
from simulator.host.manifest import Item
from simulator.host.scene import Scene
from simulator.host.tree import Tree


def lay_out(scene: Scene) -> Tree:
    """The whole tree: sys/, proc/ and dev/."""
    tree = Tree()
    chardev.lay_out_classes(tree, scene)
    netdev.lay_out_class(tree, scene)
    for site in scene.sites:
        pci.lay_out(tree, scene, site)
    pci.lay_out_iommu_groups(tree, scene)
    nvidia.lay_out(tree, scene)
    _machine(tree, scene)
    for hca in scene.ibdevs:
        ibdev.lay_out(tree, scene, hca)
        chardev.lay_out(tree, scene, hca)
    for net in scene.netdevs.values():
        netdev.lay_out(tree, scene, net)
    _modules(tree, scene)
    _oddities(tree, scene)
    return tree


def _modules(tree: Tree, scene: Scene) -> None:
    lines = []
    for name in sorted(scene.modules):
        tree.attributes(f"sys/module/{name}", {"initstate": "live", "refcnt": 0})
        lines.append(f"{name} 16384 0 - Live 0x0000000000000000\n")
    tree.file("proc/modules", "".join(lines).encode())
    if "ib_core" in scene.modules:
        mode = "Y" if scene.manifest.netns == "shared" else "N"
        tree.attributes("sys/module/ib_core/parameters", {"netns_mode": mode})


def _machine(tree: Tree, scene: Scene) -> None:
    if scene.manifest.kernel is not None:
        tree.attributes("proc/sys/kernel", {"osrelease": scene.manifest.kernel})
    if scene.manifest.machine == "aarch64":
        # Neoverse V2, the cores of a Grace (register: kernel arch/arm64/kernel/cpuinfo.c).
        registers = "sys/devices/system/cpu/cpu0/regs/identification"
        tree.attributes(registers, {"midr_el1": "0x00000000410fd4f1"})


def _oddities(tree: Tree, scene: Scene) -> None:
    """`remove`, `files` and `links` of the manifest's items, and last of the manifest itself."""
    for hca in scene.ibdevs:
        _apply(tree, f"{ibdev.directory_of(hca)}/", hca.spec)
    for net in scene.netdevs.values():
        _apply(tree, f"{netdev.directory_of(scene, net)}/", net.spec)
        bond = scene.manifest.bonds.get(net.name)
        if bond is not None:
            _apply(tree, f"{netdev.directory_of(scene, net)}/", bond)
    for site in scene.sites:
        _apply(tree, f"{site.directory}/", site.holder)
    _apply(tree, "", scene.manifest)


def _apply(tree: Tree, directory: str, item: Item) -> None:
    for path in item.remove:
        tree.remove(f"{directory}{path}")
    for path, content in item.files.items():
        tree.file(f"{directory}{path}", content.encode())
    for path, target in item.links.items():
        tree.raw_link(f"{directory}{path}", target)

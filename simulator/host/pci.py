"""PCI functions, bridges, SFs and the auxiliary devices of their drivers, as sysfs shows them."""

from collections.abc import Iterator

from simulator.host import config_space, vpd
from simulator.host.families import FAMILIES
from simulator.host.manifest import Function
from simulator.host.scene import Scene
from simulator.host.sites import Site
from simulator.host.tree import Tree

_SRIOV_LIMIT = 16  # the least sriov_totalvfs; it is never below the number of VFs


def lay_out(tree: Tree, scene: Scene, site: Site) -> None:
    """A PCI function or an SF, without its HCAs and netdevs."""
    if site.function is None:
        return
    if site.subfunction is not None:
        _subfunction(tree, site, site.subfunction.sfnum)
    elif site.address is not None:
        _function(tree, site, site.address, site.function)
        _virtual_functions(tree, scene, site)
        _config_space(tree, scene, site, site.function)
    if _uses_auxiliary_bus(site):
        tree.directory("sys/bus/auxiliary/devices")
    for name, driver in _auxiliary_devices(scene, site):
        _auxiliary(tree, f"{site.directory}/{name}", driver)


def _function(tree: Tree, site: Site, address: str, function: Function) -> None:
    directory = site.directory
    pci_class = f"{function.pci_class:0<6}"
    modalias = _modalias(function, pci_class)
    driver_line = f"DRIVER={site.driver}\n" if site.driver else ""
    tree.attributes(
        directory,
        {
            "vendor": f"0x{function.vendor}",
            "device": f"0x{function.device}",
            "class": f"0x{pci_class}",
            "subsystem_vendor": f"0x{function.vendor}",
            "subsystem_device": "0x0001",
            "revision": "0x00",
            "modalias": modalias,
            "numa_node": None if function.numa == "none" else function.numa,
            "uevent": f"{driver_line}PCI_CLASS={pci_class.lstrip('0').upper()}\n"
            f"PCI_ID={function.id.upper()}\nPCI_SLOT_NAME={address}\nMODALIAS={modalias}",
        },
    )
    tree.attributes(directory, _link(function))
    if function.vpd:
        tree.file(f"{directory}/vpd", vpd.encode(function.vpd))
    tree.link(f"{directory}/subsystem", "sys/bus/pci")
    tree.link(f"sys/bus/pci/devices/{address}", directory)
    if site.driver is not None:
        _bind(tree, "pci", directory, site.driver, site.driver.replace("-", "_"))


def _link(function: Function) -> dict[str, object]:
    """The state of the link, as drivers/pci/pci-sysfs.c shows it. The status of a VF reads as 0."""
    if function.link == "none":
        return {}
    now, _, most = function.link.partition(" of ")
    speed, width = now.split(" x")
    most_speed, most_width = (most or now).split(" x")
    own = function.physfn is None
    return {
        "current_link_speed": f"{speed} GT/s PCIe" if own else "Unknown",
        "current_link_width": width if own else "0",
        "max_link_speed": f"{most_speed} GT/s PCIe",
        "max_link_width": most_width,
    }


def lay_out_iommu_groups(tree: Tree, scene: Scene) -> None:
    """One group per function, in the order of the addresses. Without an IOMMU there is none."""
    if scene.manifest.iommu in (None, "none"):
        if scene.manifest.iommu == "none":
            tree.directory("sys/kernel/iommu_groups")
        return
    functions = [site for site in scene.sites if site.address and site.subfunction is None]
    for number, site in enumerate(sorted(functions, key=lambda site: site.name)):
        group = f"sys/kernel/iommu_groups/{number}"
        tree.attributes(group, {"type": scene.manifest.iommu})
        tree.link(f"{group}/devices/{site.name}", site.directory)
        tree.link(f"{site.directory}/iommu_group", group)


def _config_space(tree: Tree, scene: Scene, site: Site, function: Function) -> None:
    acs = function.acs or scene.manifest.acs
    if acs is not None and function.is_bridge:
        depth = sum("." in part for part in site.directory.split("/")) - 1
        tree.file(f"{site.directory}/config", config_space.encode(function.id, depth, acs))


def _modalias(function: Function, pci_class: str) -> str:
    base, sub, interface = pci_class[:2], pci_class[2:4], pci_class[4:]
    return (
        f"pci:v0000{function.vendor.upper()}d0000{function.device.upper()}"
        f"sv0000{function.vendor.upper()}sd00000001"
        f"bc{base.upper()}sc{sub.upper()}i{interface.upper()}"
    )


def _bind(tree: Tree, bus: str, directory: str, driver: str, module: str) -> None:
    home = f"sys/bus/{bus}/drivers/{driver}"
    tree.link(f"{directory}/driver", home)
    tree.link(f"{home}/{directory.rpartition('/')[2]}", directory)
    if module != "pcieport":
        tree.link(f"{home}/module", f"sys/module/{module}")


def _virtual_functions(tree: Tree, scene: Scene, site: Site) -> None:
    own = scene.virtual_functions.get(site.address or "", ())
    for vf in own:
        tree.link(f"{vf.directory}/physfn", site.directory)
        tree.link(f"{site.directory}/virtfn{scene.numbers.vfs[vf.name]}", vf.directory)
    if own:
        limits = {"sriov_numvfs": len(own), "sriov_totalvfs": max(_SRIOV_LIMIT, len(own))}
        tree.attributes(site.directory, limits)


def _subfunction(tree: Tree, site: Site, sfnum: int) -> None:
    tree.attributes(site.directory, {"sfnum": sfnum, "uevent": "MODALIAS=auxiliary:mlx5_core.sf"})
    tree.link(f"{site.directory}/subsystem", "sys/bus/auxiliary")
    tree.link(f"sys/bus/auxiliary/devices/{site.name}", site.directory)
    if site.driver is not None:
        _bind(tree, "auxiliary", site.directory, "mlx5_core.sf", "mlx5_core")


def _uses_auxiliary_bus(site: Site) -> bool:
    """Whether the driver needs the bus, which a kernel then has even without a device on it."""
    family = FAMILIES.get(site.driver or "")
    return family is not None and family.auxiliary is not None


def _auxiliary_devices(scene: Scene, site: Site) -> Iterator[tuple[str, str | None]]:
    """The name and driver of each. The RDMA device has no driver if the module is not loaded."""
    family = FAMILIES.get(site.driver or "")
    if family is None or family.auxiliary is None:
        return
    number = scene.numbers.auxiliary[site.directory]
    prefix, driver = family.auxiliary
    if site.driver == "mlx5_core" and any(
        scene.netdevs[name].link_type == "ether"
        for name in site.holder.net
        if name in scene.netdevs
    ):
        yield f"mlx5_core.eth.{number}", "mlx5_core.eth"
    if site.function is not None and site.function.multiport:
        prefix, driver = "mlx5_core.multiport", "mlx5_ib.multiport"
    if site.function is not None and site.function.rdma:
        yield f"{prefix}.{number}", driver if family.module in scene.modules else None


def _auxiliary(tree: Tree, directory: str, driver: str | None) -> None:
    name = directory.rpartition("/")[2]
    tree.attributes(directory, {"uevent": f"MODALIAS=auxiliary:{name.rpartition('.')[0]}"})
    tree.link(f"{directory}/subsystem", "sys/bus/auxiliary")
    tree.link(f"sys/bus/auxiliary/devices/{name}", directory)
    if driver is not None:
        _bind(tree, "auxiliary", directory, driver, driver.partition(".")[0])

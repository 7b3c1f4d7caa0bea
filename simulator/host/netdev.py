"""Netdevs below class/net, bonds and IPoIB children, as net/core/net-sysfs.c shows them."""

from simulator.host.manifest import Bond
from simulator.host.scene import Netdev, Scene
from simulator.host.tree import Tree

# include/uapi/linux/if_arp.h and net/if.h.
_ARPHRD = {"ether": 1, "infiniband": 32, "loopback": 772}
_MTU = {"ether": 1500, "infiniband": 2044, "loopback": 65536}
_UP, _BROADCAST, _LOOPBACK, _SLAVE, _MASTER, _MULTICAST = 0x1, 0x2, 0x8, 0x800, 0x400, 0x1000


def directory_of(scene: Scene, netdev: Netdev) -> str:
    """The directory of a netdev. IPoIB children and bonds are in the virtual branch."""
    if netdev.spec.child_of is not None:
        return f"{scene.sites[-1].directory}/net/{netdev.name}"
    under = f"/{netdev.spec.under}" if netdev.spec.under else ""
    return f"{netdev.site.directory}{under}/net/{netdev.name}"


def lay_out(tree: Tree, scene: Scene, netdev: Netdev) -> None:
    """A netdev with its attributes and its class entry.

    Of a netdev in another network namespace, sysfs shows the directory that it is in.
    """
    directory = directory_of(scene, netdev)
    if netdev.spec.elsewhere:
        tree.directory(directory.rpartition("/")[0])
        return
    tree.attributes(directory, _attributes(scene, netdev))
    tree.link(f"{directory}/subsystem", "sys/class/net")
    tree.link(f"sys/class/net/{netdev.name}", directory)
    parent = directory.rpartition("/net/")[0]
    if parent != scene.sites[-1].directory:
        tree.link(f"{directory}/device", parent)
    if netdev.name in scene.manifest.bonds:
        _bond(tree, scene, directory, scene.manifest.bonds[netdev.name])
    if netdev.spec.child_of in scene.netdevs and netdev.link_type == "ether":
        _over(tree, scene, directory, netdev)
    if netdev.master is not None and netdev.master in scene.netdevs:
        master = directory_of(scene, scene.netdevs[netdev.master])
        tree.link(f"{directory}/master", master)
        tree.link(f"{directory}/upper_{netdev.master}", master)
        tree.attributes(f"{directory}/bonding_slave", {"state": "active", "mii_status": "up"})


def _over(tree: Tree, scene: Scene, directory: str, netdev: Netdev) -> None:
    """The links between a VLAN, macvlan or ipvlan and its lower netdev (kernel net/core/dev.c)."""
    below = scene.netdevs[netdev.spec.child_of or ""]
    tree.link(f"{directory}/lower_{below.name}", directory_of(scene, below))
    tree.link(f"{directory_of(scene, below)}/upper_{netdev.name}", directory)


def _attributes(scene: Scene, netdev: Netdev) -> dict[str, object]:
    spec, link_type = netdev.spec, netdev.link_type
    index = scene.numbers.ifindex
    parent = index.get(spec.child_of or "", index[netdev.name])
    over_ib = link_type == "infiniband"
    return {
        "address": netdev.address,
        "addr_len": 20 if over_ib else 6,
        "type": _ARPHRD[link_type],
        "ifindex": index[netdev.name],
        "iflink": parent,
        "dev_port": spec.dev_port,
        "dev_id": "0x0",
        "operstate": "unknown" if link_type == "loopback" else "up" if netdev.up else "down",
        "carrier": int(netdev.up),
        "flags": f"0x{_flags(scene, netdev):x}",
        "mtu": _MTU[link_type] if spec.mtu is None else spec.mtu,
        "phys_port_name": spec.port_name,
        "phys_switch_id": spec.switch_id,
        "parent": spec.child_of if over_ib else None,
        "pkey": (spec.pkey or "0xffff") if over_ib else None,
        "uevent": f"INTERFACE={netdev.name}\nIFINDEX={index[netdev.name]}",
    }


def _flags(scene: Scene, netdev: Netdev) -> int:
    if netdev.link_type == "loopback":
        return _UP | _LOOPBACK
    flags = _UP | _BROADCAST | _MULTICAST
    if netdev.name in scene.manifest.bonds:
        flags |= _MASTER
    return flags | _SLAVE if netdev.master else flags


def _bond(tree: Tree, scene: Scene, directory: str, bond: Bond) -> None:
    present = [slave for slave in bond.slaves if slave in scene.netdevs]
    values = {"slaves": " ".join(present), "mode": bond.mode, "mii_status": "up"}
    tree.attributes(f"{directory}/bonding", values)
    for slave in present:
        tree.link(f"{directory}/lower_{slave}", directory_of(scene, scene.netdevs[slave]))


def lay_out_class(tree: Tree, scene: Scene) -> None:
    """The file that the bonding driver puts in the class directory."""
    if "bonding" in scene.modules:
        masters = " ".join(scene.manifest.bonds)
        tree.attributes("sys/class/net", {"bonding_masters": masters})

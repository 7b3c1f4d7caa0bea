"""HCAs and their ports below class/infiniband, as drivers/infiniband/core/sysfs.c shows them."""

from collections.abc import Mapping

from simulator.host.identity import ipv4_gid, iwarp_gid, link_local_gid
from simulator.host.manifest import PhysState, Protocol, State
from simulator.host.scene import Ibdev, IbPort, Netdev, Scene
from simulator.host.tree import Tree

# include/rdma/ib_verbs.h: enum rdma_node_type, enum ib_port_state, enum ib_port_phys_state.
_NODE_TYPES: Mapping[Protocol, str] = {"iw": "4: RNIC", "efa": "7: unspecified"}
STATES: Mapping[State, int] = {
    "NOP": 0, "DOWN": 1, "INIT": 2, "ARMED": 3, "ACTIVE": 4, "ACTIVE_DEFER": 5,
}  # fmt: skip
PHYS_STATES: Mapping[PhysState, int] = {
    "Sleep": 1, "Polling": 2, "Disabled": 3, "PortConfigurationTraining": 4, "LinkUp": 5,
    "LinkErrorRecovery": 6, "Phy Test": 7,
}  # fmt: skip

_V1, _V2 = "IB/RoCE v1", "RoCE v2"  # gid_attrs/types; IB ports show v1 too
_NO_GID = ":".join(["0000"] * 8)


def directory_of(ibdev: Ibdev) -> str:
    """The directory of an HCA."""
    return f"{ibdev.site.directory}/infiniband/{ibdev.name}"


def lay_out(tree: Tree, scene: Scene, ibdev: Ibdev) -> None:
    """An HCA, its ports and its class entry."""
    directory = directory_of(ibdev)
    tree.attributes(directory, _attributes(ibdev))
    tree.link(f"{directory}/subsystem", "sys/class/infiniband")
    tree.link(f"sys/class/infiniband/{ibdev.name}", directory)
    if not ibdev.site.is_virtual:
        tree.link(f"{directory}/device", ibdev.site.directory)
    for port in ibdev.ports:
        _port(tree, scene, f"{directory}/ports/{port.number}", port)


def _attributes(ibdev: Ibdev) -> dict[str, object]:
    first = ibdev.ports[0].protocol if ibdev.ports else "roce"
    function = ibdev.site.function
    decimal_id = str(int(function.device, 16)) if function else ""
    extras = {k: text.format(mt=decimal_id) for k, text in ibdev.family.attributes.items()}
    if ibdev.driver == "rxe" and ibdev.ports:
        extras["parent"] = ibdev.ports[0].netdev or ""
    return {
        "node_type": _NODE_TYPES.get(first, "1: CA"),
        "node_guid": ibdev.node_guid,
        "sys_image_guid": ibdev.image_guid,
        "node_desc": f"node-1 {ibdev.name}",
        "fw_ver": ibdev.family.firmware,
        "uevent": f"NAME={ibdev.name}",
        **extras,
    }


def _port(tree: Tree, scene: Scene, directory: str, port: IbPort) -> None:
    state, phys_state = port.now.state, port.now.phys_state
    values = {
        "state": f"{_code(STATES, state)}: {state}",
        "phys_state": f"{_code(PHYS_STATES, phys_state)}: {phys_state}",
        "rate": port.rate,
        "link_layer": port.link_layer,
        "lid": f"0x{port.lid:x}",
        "sm_lid": f"0x{port.sm_lid:x}",
        "sm_sl": 0,
        "lid_mask_count": 0,
        "cap_mask": "0x00010000" if port.link_layer == "Ethernet" else "0xa751e848",
    }
    tree.attributes(directory, {**values, **port.counters})
    _gids(tree, scene, directory, port)
    tree.directory(f"{directory}/pkeys")
    if port.protocol not in {"iw", "raw"}:
        tree.attributes(f"{directory}/pkeys", {"0": "0xffff"})


def _code(codes: Mapping[State, int] | Mapping[PhysState, int], word: str) -> int:
    return {str(known): code for known, code in codes.items()}[word]


def _gids(tree: Tree, scene: Scene, directory: str, port: IbPort) -> None:
    """The GID table. An empty slot reads as zeros and has no gid_attrs (reading them fails)."""
    for part in ("gids", "gid_attrs/types", "gid_attrs/ndevs"):
        tree.directory(f"{directory}/{part}")
    netdev = scene.netdevs.get(port.netdev or "")
    filled = _filled_slots(port, netdev.address if netdev else None)
    if netdev is not None and port.protocol == "roce" and _has_address(scene, netdev):
        filled += [(ipv4_gid(scene.numbers.ifindex[netdev.name]), kind) for kind in (_V1, _V2)]
    for slot in range(port.slots):
        gid, kind = filled[slot] if slot < len(filled) else (_NO_GID, None)
        tree.attributes(f"{directory}/gids", {str(slot): gid})
        tree.attributes(f"{directory}/gid_attrs/types", {str(slot): kind})
        if kind is not None and netdev is not None and port.link_layer == "Ethernet":
            tree.attributes(f"{directory}/gid_attrs/ndevs", {str(slot): netdev.name})


def _has_address(scene: Scene, netdev: Netdev) -> bool:
    """Whether it has an IPv4 address: a VF or SF gets one when a pod gets its netdev."""
    site = netdev.site
    is_vf = site.function is not None and site.function.physfn is not None
    return scene.manifest.addresses and not is_vf and site.subfunction is None


def _filled_slots(port: IbPort, mac: str | None) -> list[tuple[str, str]]:
    if port.protocol == "roce" and mac is not None:
        return [(link_local_gid(mac), _V1), (link_local_gid(mac), _V2)]
    if port.protocol == "iw" and mac is not None:
        return [(iwarp_gid(mac), _V1)]
    if port.protocol in {"roce", "raw", "iw"}:
        return []
    return [(f"fe80:0000:0000:0000:{port.guid}", _V1)]

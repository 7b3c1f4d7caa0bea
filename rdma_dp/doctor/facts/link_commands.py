"""Ports that are down or slow: whose link it is, and the commands that show or fix it.

This is the one place that chooses a tool by the family of the HCA and by the type of its function,
so that no check suggests a tool that the HCA does not have.
"""

from collections.abc import Iterable, Iterator

from rdma_dp.inventory.hardware import FunctionType, Hca, Inventory, Port, natural_key
from rdma_dp.inventory.pci_ids import MELLANOX
from rdma_dp.node.view import NodeView
from rdma_dp.sharing.health import has_active_port, links_down

INFINIBAND = "InfiniBand"
MLX4, MLX5 = "mlx4_core", "mlx5_core"
_OMNI_PATH = "hfi1"

# VFs of ConnectX-3 to ConnectX-8 and BlueField (pci.ids). In a virtual machine a VF has no link to
# its PF, and only its id shows that it is one.
_VFS = frozenset({"1004", "1012", "1014", "1016", "1018", "101a", "101c", "101e", "a2d3"})

# The subnet manager's machine is another one, so no path here is the node's.
_ON_ITS_MACHINE = "  # on the machine that runs the subnet manager"
SUBNET_MANAGER = f"systemctl status opensm{_ON_ITS_MACHINE}"
FABRIC_MANAGER = f"systemctl status opafm{_ON_ITS_MACHINE}"
_CONFIGS = "/etc/opensm/opensm.conf /opt/ufm/files/conf/opensm/opensm.conf"
VIRTUALIZATION = f"grep virt_enabled {_CONFIGS}{_ON_ITS_MACHINE}: it must be 2"


def driver_of(hca: Hca) -> str:
    """The driver of its PCI function; "" if there is none."""
    return (hca.function.driver if hca.function else None) or ""


def is_virtual_function(hca: Hca) -> bool:
    """Whether it is on a VF or SF, which has no physical link of its own."""
    if hca.function_type in (FunctionType.VF, FunctionType.SF):
        return True
    function = hca.function
    return function is not None and function.vendor == MELLANOX and function.device in _VFS


def pf_of(inventory: Inventory, hca: Hca) -> Hca | None:
    """The HCA on the PF of a VF or SF; None in a virtual machine, and for other HCAs."""
    if hca.function is None:
        return None
    address = hca.function.physfn if hca.subfunction is None else hca.function.address
    pfs = (each for each in inventory.hcas if each.function_type is FunctionType.PF)
    return next((pf for pf in pfs if pf.function and pf.function.address == address), None)


def without_active_port(node: NodeView) -> tuple[tuple[Hca, bool], ...]:
    """The HCAs to report because no port is ACTIVE, each with whether no other HCA serves.

    That is True if no HCA of a resource, or of the node without a config, has an ACTIVE port. An
    HCA has the ports that a resource's selectors fit, so it can be there twice. An HCA in no
    resource counts only if a port is INIT: it has a link.
    """
    groups = [pool.hcas for pool in node.pools] if node.config.config else [node.concerned]
    alone = {hca.name for group in groups if not any(map(has_active_port, group)) for hca in group}
    taken = dict.fromkeys(hca for group in groups for hca in group)
    names = {hca.name for hca in taken}
    others = (h for h in node.inventory.hcas if h.shareable and h.name not in names)
    dark = [hca for hca in taken if not _is_active(hca)]
    dark += [hca for hca in others if _is_initialized(hca)]
    dark.sort(key=lambda hca: natural_key(hca.name))
    return tuple((hca, hca.name in alone) for hca in dark)


def _is_initialized(hca: Hca) -> bool:
    return not has_active_port(hca) and any(port.state == "INIT" for port in hca.ports)


def _is_active(hca: Hca) -> bool:
    return any(port.state == "ACTIVE" for port in hca.ports)


def unserved(inventory: Inventory, hca: Hca, port: Port) -> bool:
    """Whether the port of an InfiniBand VF or SF is down although the link of its PF is good."""
    if port.link_layer != INFINIBAND or port.state in (None, "ACTIVE", "UNREADABLE"):
        return False
    if not is_virtual_function(hca):
        return False
    pf = pf_of(inventory, hca)
    if pf is None:
        return port.phys_state == "LinkUp"
    return _is_active_below(pf, port)


def remedies(inventory: Inventory, hca: Hca, port: Port) -> tuple[str, ...]:
    """The commands for a port that is not ACTIVE."""
    if port.link_layer == INFINIBAND and port.state == "INIT":
        return (FABRIC_MANAGER if driver_of(hca) == _OMNI_PATH else SUBNET_MANAGER,)
    down = links_down(hca, port.netdevs) if port.link_layer != INFINIBAND else []
    if down:
        return tuple(f"ip link set {name} up" for name in down)
    pf = pf_of(inventory, hca)
    if pf is None:
        return (inspection(inventory, hca, port),)
    if not _is_active_below(pf, port):
        return remedies(inventory, pf, _same_port(pf, port))
    if hca.function_type is FunctionType.SF:
        return ("devlink port show",)
    if driver_of(hca) == MLX4 and port.link_layer == INFINIBAND:
        return (inspection(inventory, pf, port),)  # its IPoIB has no link state of VFs
    own = _same_port(pf, port).netdevs[:1] or (pf_netdev(hca),)
    return (f"ip link set {own[0]} vf {_index(hca)} state auto",)


def inspection(inventory: Inventory, hca: Hca, port: Port) -> str:
    """The command that shows the physical link of a port. That of a VF or SF is its PF's."""
    pf = pf_of(inventory, hca)
    if pf is not None:
        return inspection(inventory, pf, _same_port(pf, port))
    if port.netdevs and port.link_layer != INFINIBAND:
        return f"ethtool {port.netdevs[0]}"
    if is_mlx5_pf(hca):
        return _mlxlink(hca)
    if driver_of(hca) == _OMNI_PATH:
        return "opainfo"
    if port.link_layer == INFINIBAND:
        return f"ibstat {hca.name}"
    return f"rdma link show {hca.name}/{port.number}"


def counters_inspection(inventory: Inventory, hca: Hca, port: Port) -> str:
    """The command that shows the error counters of a port's physical link."""
    owner = pf_of(inventory, hca) or hca
    if is_mlx5_pf(owner):
        return f"{_mlxlink(owner)} -c"
    return inspection(inventory, hca, port).replace("ethtool", "ethtool -S")


def is_mlx5_pf(hca: Hca) -> bool:
    """Whether the tools of MFT and MLNX_OFED support it: mlxlink, mlnx_qos."""
    return driver_of(hca) == MLX5 and not is_virtual_function(hca)


def _mlxlink(hca: Hca) -> str:
    """With the kernel's own name, or with the PCI address of a renamed HCA."""
    return f"mlxlink -d {hca.name if hca.name.startswith('mlx5_') else hca.stable_key}"


def flow_control_commands(hcas: Iterable[Hca], netdev: str) -> Iterator[str]:
    """The commands that show PFC of a netdev."""
    owner = next((h for h in hcas if any(netdev == each.name for each in h.netdevs)), None)
    if owner is not None and is_mlx5_pf(owner):
        yield f"mlnx_qos -i {netdev}"
    yield f"dcb pfc show dev {netdev}"


def _is_active_below(pf: Hca, port: Port) -> bool:
    """Whether the port of the PF with the number of a VF's is ACTIVE; any port if it has none."""
    same = [each for each in pf.ports if each.number == port.number] or pf.ports
    return any(each.state == "ACTIVE" for each in same)


def _same_port(pf: Hca, port: Port) -> Port:
    return next((each for each in pf.ports if each.number == port.number), port)


def pf_netdev(hca: Hca) -> str:
    """The netdev of the PF; a placeholder if the node does not show it."""
    return hca.pf_names[0] if hca.function_type is FunctionType.VF and hca.pf_names else "PFNETDEV"


def _index(hca: Hca) -> str:
    return "N" if hca.index is None else str(hca.index)


# --- InfiniBand VFs -----------------------------------------------------------------------------


def guid_commands(hca: Hca, pf: Hca | None, port: Port, *, ofed: bool) -> Iterator[str]:
    """The commands that give a VF its GUIDs. `ofed`: the PF has the files of MLNX_OFED."""
    if hca.function_type is FunctionType.SF:
        yield "devlink port show  # the function's hw_addr"
        return
    if driver_of(hca) == MLX4 and pf is not None:
        yield from _alias_guid_commands(hca, pf, port)
        return
    if ofed and pf is not None:
        sriov = f"/sys/class/infiniband/{pf.name}/device/sriov/{_index(hca)}"
        yield f"echo GUID > {sriov}/node"
        yield f"echo GUID > {sriov}/port"
    else:
        there = "" if pf else "  # on the host of the PF"
        yield f"ip link set dev {pf_netdev(hca)} vf {_index(hca)} node_guid GUID{there}"
        yield f"ip link set dev {pf_netdev(hca)} vf {_index(hca)} port_guid GUID{there}"
    if hca.function is not None:  # the driver reads the GUIDs when it binds
        yield from (
            f"echo {hca.function.address} > /sys/bus/pci/drivers/{driver_of(hca)}/{verb}"
            for verb in ("unbind", "bind")
        )


def service_commands(hca: Hca, pf: Hca | None, port: Port, *, ofed: bool) -> Iterator[str]:
    """The commands for a VF or SF that has GUIDs, and that the subnet manager does not serve."""
    if driver_of(hca) == MLX4:
        if pf is not None:
            yield from _alias_guid_commands(hca, pf, port)
        yield SUBNET_MANAGER
        return
    yield VIRTUALIZATION
    if hca.function_type is FunctionType.SF:
        yield "devlink port show"
    elif ofed and pf is not None:
        yield (f"echo Follow > /sys/class/infiniband/{pf.name}/device/sriov/{_index(hca)}/policy")
    else:
        there = "" if pf else "  # on the host of the PF"
        yield f"ip link set dev {pf_netdev(hca)} vf {_index(hca)} state auto{there}"


def _alias_guid_commands(hca: Hca, pf: Hca, port: Port) -> Iterator[str]:
    """The GUIDs of mlx4's VFs are entries of a table of the PF (kernel hw/mlx4/sysfs.c).

    A zero lets the subnet manager choose the GUID.
    """
    iov = f"/sys/class/infiniband/{pf.name}/iov"
    address = hca.function.address if hca.function else "ADDRESS"
    yield f"cat {iov}/{address}/ports/{port.number}/gid_idx/0  # INDEX in the next command"
    yield f"echo 0 > {iov}/ports/{port.number}/admin_guids/INDEX"

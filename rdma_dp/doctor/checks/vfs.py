"""InfiniBand VFs and SFs: do they have GUIDs, and does the subnet manager serve them?"""

from collections.abc import Iterator

from rdma_dp.doctor.check import Finding, check, fail, ok, warn
from rdma_dp.doctor.facts.link_commands import (
    INFINIBAND,
    MLX4,
    VIRTUALIZATION,
    driver_of,
    guid_commands,
    is_virtual_function,
    pf_of,
    service_commands,
    unserved,
    without_active_port,
)
from rdma_dp.host.paths import CLASS_INFINIBAND, PCI_DEVICES
from rdma_dp.inventory.hardware import Hca, Port
from rdma_dp.inventory.verdicts import UnhealthyCode
from rdma_dp.node.view import NodeView
from rdma_dp.text import counted


@check(
    "hca-ib-vfs",
    "InfiniBand VFs that the subnet manager serves",
    reads="/sys/class/infiniband/HCA/node_guid, ports/N/state, phys_state, gids/0;"
    " MLNX_OFED's /sys/bus/pci/devices/PF/sriov/N/policy",
    remedies=(
        "ip link set dev PFNETDEV vf N node_guid GUID",
        "ip link set dev PFNETDEV vf N port_guid GUID",
        "ip link set dev PFNETDEV vf N state auto",
        "echo GUID > /sys/class/infiniband/PF/device/sriov/N/node",
        "echo GUID > /sys/class/infiniband/PF/device/sriov/N/port",
        "echo Follow > /sys/class/infiniband/PF/device/sriov/N/policy",
        "echo ADDRESS > /sys/bus/pci/drivers/mlx5_core/unbind",
        "echo ADDRESS > /sys/bus/pci/drivers/mlx5_core/bind",
        "echo 0 > /sys/class/infiniband/PF/iov/ports/PORT/admin_guids/INDEX",
        VIRTUALIZATION,
        "devlink port show",
    ),
)
def ib_vfs(node: NodeView) -> Iterator[Finding]:
    """A port of an InfiniBand VF or SF that is DOWN or INIT although the port of its PF is ACTIVE.
    The cable and the PF are good. The VF has no GUID, or its link state does not follow the PF, or
    the subnet manager does not serve VFs.

    A VF without a GUID shows zeros in `node_guid` or in its first GID. Give it GUIDs that are
    unique in the fabric. `ip link` takes `00:11:22:33:44:55:66:77`. The driver of the VF reads them
    when it binds. PFNETDEV is the IPoIB interface of the PF (`modprobe ib_ipoib` creates it). The
    files below `sriov` exist with MLNX_OFED only. VFs of mlx4 have entries in `admin_guids` of
    their PF instead: a zero lets the subnet manager choose the GUID.

    The subnet manager must support virtualization: set `virt_enabled 2` in opensm.conf of the
    OpenSM of MLNX_OFED or DOCA, and restart it. The OpenSM of most distributions does not have this
    option. In UFM it is in `/opt/ufm/files/conf/opensm/opensm.conf`.

    The check fails if no HCA of a resource has an ACTIVE port, and warns otherwise.
    """
    for hca, alone in without_active_port(node):
        judge = fail if alone else warn
        for port in hca.ports:
            if unserved(node.inventory, hca, port):
                evidence, commands = _cause(node, hca, port)
                yield judge(
                    f"{_condition(node, hca, port)}: {evidence}",
                    *commands,
                    subject=hca.name,
                    code=UnhealthyCode.NO_ACTIVE_PORT,
                )
    virtual = [hca for hca in node.concerned if is_virtual_function(hca) and _is_ib(hca)]
    if virtual:
        served = sum(any(p.state == "ACTIVE" for p in hca.ports) for hca in virtual)
        yield ok(f"{served} of {counted(len(virtual), 'InfiniBand VF')} with an ACTIVE port")


def _is_ib(hca: Hca) -> bool:
    return any(port.link_layer == INFINIBAND for port in hca.ports)


def _condition(node: NodeView, hca: Hca, port: Port) -> str:
    pf = pf_of(node.inventory, hca)
    physical = f", phys state {port.phys_state}" if port.phys_state else ""
    beside = f", although its PF {pf.name} is ACTIVE" if pf else ""
    return f"port {port.number} is {port.state}{physical}{beside}"


def _cause(node: NodeView, hca: Hca, port: Port) -> tuple[str, tuple[str, ...]]:
    """The cause as far as the node shows it, and the commands."""
    pf, policy = pf_of(node.inventory, hca), _policy(node, hca)
    ofed = policy is not None
    guids = tuple(guid_commands(hca, pf, port, ofed=ofed))
    service = tuple(service_commands(hca, pf, port, ofed=ofed))
    match _has_guid(node, hca, port):
        case False:
            return "it has no GUID (node_guid or its first GID is zero)", guids
        case None:
            return "it does not show whether it has a GUID", tuple(dict.fromkeys(guids + service))
    if driver_of(hca) == MLX4:
        return "the subnet manager has not accepted its alias GUID", service
    if policy == "Down":
        return "its policy is Down, so its link is down", service[1:]
    text = "it has a GUID, so the subnet manager does not serve VFs (virtualization is off)"
    return f"{text}, or its link state is not auto", service


def _policy(node: NodeView, hca: Hca) -> str | None:
    """The link policy of a VF of MLNX_OFED; None if there is no such file."""
    function = hca.function
    if function is None or function.physfn is None or hca.index is None:
        return None
    return node.host.read_or_none(f"{PCI_DEVICES}/{function.physfn}/sriov/{hca.index}/policy")


def _has_guid(node: NodeView, hca: Hca, port: Port) -> bool | None:
    """Whether the GUIDs of node and port are set; None if the node shows neither."""
    directory = f"{CLASS_INFINIBAND}/{hca.name}"
    own = node.host.read_or_none(f"{directory}/node_guid")
    gid = node.host.read_or_none(f"{directory}/ports/{port.number}/gids/0")
    shown = [text for text in (own, gid and gid.replace(":", "")[-16:]) if text]
    return all(text.strip("0:") for text in shown) if shown else None


CHECKS = (ib_vfs,)

"""JSON documents of `discover`, `topo` and `dry-run`. Their field names are stable. Pure.

An absent value is null, never a missing key. Beside each text of a verdict is its `code`, which is
stable (docs/codes.md). The documents have no times, and no paths below another root.
"""

from collections.abc import Sequence
from typing import Any

from rdma_dp.dra.pcie_roots import pcie_root
from rdma_dp.inventory.hardware import Hca, Inventory, PciFunction, Port, System, UnusedFunction
from rdma_dp.inventory.topology import Distance, Gpu, Place
from rdma_dp.inventory.verdicts import Ineligible, NoInterface, Unhealthy
from rdma_dp.render.topology.pcie_tree import View
from rdma_dp.sharing.advice import node_warnings, pool_warnings
from rdma_dp.sharing.allocation import PERMISSIONS, Grant, example, granted
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.slot_groups import SlotGroup
from rdma_dp.specs.cdi import delivered

Document = dict[str, Any]

_NO_FUNCTION = PciFunction(address="")


def discover(inventory: Inventory) -> Document:
    """The HCAs of the node, the functions without an HCA, and facts about the node."""
    return {
        "hcas": [_hca(hca) for hca in inventory.hcas],
        "others": [_other(other) for other in inventory.unused_functions],
        "system": _system(inventory.system),
    }


def dry_run(
    inventory: Inventory, pools: Sequence[Pool], config_warnings: Sequence[str]
) -> Document:
    """The slots that the daemon would list, and the devices that a container would get."""
    selections = [pool.selection for pool in pools]
    return {
        "resources": [_resource(pool, inventory.system) for pool in pools],
        "warnings": [*config_warnings, *node_warnings(inventory, selections)],
    }


def topo(view: View) -> Document:
    """The places of GPUs and HCAs, and the distance of each GPU to each HCA."""
    topology, inventory = view.topology, view.inventory
    overrides = view.dra.overrides if view.dra else {}
    return {
        "gpus": [_gpu(gpu, view) for gpu in topology.gpus],
        "hcas": [
            {
                "name": hca.name,
                "places": [_place(place) for place in topology.hcas.get(hca.name, ())],
                "pcieRoot": pcie_root(hca, topology, overrides),
                "netdevs": [netdev.name for netdev in hca.netdevs],
                "shareable": hca.shareable,
                "code": _code(hca.ineligible),
                "resources": list(view.chosen.get(hca.name, ())),
                "resourcePorts": {
                    name: list(ports) for name, ports in view.ports.get(hca.name, {}).items()
                },
            }
            for hca in inventory.hcas
        ],
        "dataDirect": [_place(place) for place in topology.data_direct],
    }


def _code(verdict: Ineligible | NoInterface | Unhealthy | None) -> str | None:
    return None if verdict is None else verdict.code.value


def _gpu(gpu: Gpu, view: View) -> Document:
    shortest, nearest = view.nearest(gpu)
    distances = {hca.name: view.topology.distance(gpu, hca) for hca in view.inventory.hcas}
    return {
        "name": gpu.name,
        "vendor": gpu.function.vendor,
        "deviceID": gpu.function.device,
        "model": gpu.model,
        "driver": gpu.function.driver,
        "place": _place(gpu.place),
        "pcieRoot": gpu.place.host_bridge or None,
        "nearest": list(nearest),
        "nearestDistance": _distance(shortest),
        "distances": {name: _distance(found) for name, found in distances.items()},
    }


def _distance(distance: Distance | None) -> str | None:
    """The distance; None where it is not known."""
    return None if distance in (None, Distance.UNKNOWN) else distance


def _place(place: Place) -> Document:
    return {
        "pciAddress": place.address,
        "numaNode": place.numa_node,
        "hostBridge": place.host_bridge,
        "bridges": list(place.bridges),
    }


def _hca(hca: Hca) -> Document:
    function = hca.function or _NO_FUNCTION
    return {
        "name": hca.name,
        "pciAddress": function.address or None,
        "subfunction": hca.subfunction.name if hca.subfunction else None,
        "sfnum": hca.subfunction.sfnum if hca.subfunction else None,
        "functionType": hca.function_type.value,
        "vf": function.vf,
        "pfNames": list(hca.pf_names),
        "vendor": function.vendor,
        "deviceID": function.device,
        "driver": function.driver,
        "numaNode": function.numa_node,
        "protocol": hca.protocol,
        "netdevs": [netdev.name for netdev in hca.netdevs],
        "altNames": [name for netdev in hca.netdevs for name in netdev.altnames],
        "noInterface": hca.no_interface.text if hca.no_interface else None,
        "noInterfaceCode": _code(hca.no_interface),
        "linkTypes": list(hca.link_types),
        "ports": [_port(port) for port in hca.ports],
        "uverbs": hca.uverbs.name if hca.uverbs else None,
        "umad": [umad.name for umad in hca.umads],
        "issm": [issm.name for issm in hca.issms],
        "driverNodes": [node.name for node in hca.driver_nodes],
        "shareable": hca.shareable,
        "reason": hca.ineligible.text if hca.ineligible else None,
        "code": _code(hca.ineligible),
    }


def _port(port: Port) -> Document:
    return {
        "number": port.number,
        "state": port.state,
        "physState": port.phys_state,
        "linkLayer": port.link_layer,
        "rate": port.rate,
        "netdevs": list(port.netdevs),
    }


def _other(other: UnusedFunction) -> Document:
    return {
        "pciAddress": other.function.address,
        "vendor": other.function.vendor,
        "deviceID": other.function.device,
        "driver": other.function.driver,
        "netdevs": list(other.netdevs),
        "reason": other.reason.text,
        "code": other.reason.code.value,
        "remedy": other.reason.remedy,
    }


def _system(system: System) -> Document:
    return {
        "netnsMode": system.netns_mode,
        "rdmaCm": system.rdma_cm.name if system.rdma_cm else None,
        "modules": dict(system.modules),
    }


def _resource(pool: Pool, system: System) -> Document:
    return {
        "name": pool.resource.full_name,
        "via": pool.resource.via.value,
        "slotsPer": pool.resource.slots_per.value,
        "preference": pool.resource.preference.value,
        "deviceInfo": pool.resource.device_info,
        "management": pool.resource.management,
        "slots": pool.listed,
        "healthy": pool.healthy,
        "hcas": [hca.name for hca in pool.hcas],
        "ports": {hca.name: [port.number for port in hca.ports] for hca in pool.hcas},
        "rejected": [
            {
                "hca": verdict.hca.name,
                "reasons": list(verdict.reasons),
                "codes": [code.value for code in verdict.codes],
            }
            for verdict in pool.selection.rejected
        ],
        "allocate": _answer(pool, example(pool)),
        "shares": [_share(pool, share) for share in pool.slot_groups.values()],
        "warnings": list(pool_warnings(pool, system)),
    }


def _share(pool: Pool, share: SlotGroup) -> Document:
    """A group of slots with the same HCAs; their ids begin with `key`."""
    return {
        "key": share.key,
        "hcas": [hca.name for hca in share.hcas],
        "slots": share.ever_listed,
        "healthy": share.healthy,
        "numaNode": share.numa_node,
        "reason": share.health.reason.text if share.health.reason else None,
        "code": _code(share.health.reason),
        "allocate": _answer(pool, granted(pool, [share])),
    }


def _answer(pool: Pool, grant: Grant) -> Document:
    """What a container with one slot gets from Allocate."""
    delivery = delivered(grant, pool.cdi)
    return {
        "devices": [
            {"hostPath": path, "containerPath": path, "permissions": PERMISSIONS}
            for path in delivery.devices
        ],
        "envs": dict(grant.envs),
        "cdiDevices": list(delivery.cdi_devices),
        "annotations": dict(delivery.annotations),
    }

"""The verbs of Dynamic Resource Allocation: what a node publishes, and the classes of a config."""

import argparse
import os
from typing import TYPE_CHECKING

from rdma_dp.cli.config_input import (
    complain_of_empty,
    complain_of_warnings,
    found_config,
    loaded_config,
)
from rdma_dp.cli.node_verbs import opened
from rdma_dp.cli.output import EMPTY_RESOURCE, FAILED, OK, print_json, print_lines, say

if TYPE_CHECKING:
    from rdma_dp.config import Loaded
    from rdma_dp.dra.devices import DraDevice
    from rdma_dp.node.source import NodeSource
    from rdma_dp.sharing.pool import Pool

_NOTHING = 'no resource of the config has "via": "dra", so nothing is published'
_NO_NAME = "NODE"  # of a node whose name is not given


def slices(options: argparse.Namespace) -> int:
    """Print the ResourceSlices that a config makes on this node, for resources with via: dra."""
    from rdma_dp.dra.slices import NodeIdentity, resource_slices
    from rdma_dp.formats.names import NODE_NAME
    from rdma_dp.render import console, slice_table, yaml_documents

    source, config = opened(options)
    loaded = loaded_config(config)
    if loaded is None:
        return FAILED
    pools, devices = _devices(source, loaded)
    name = options.node or os.environ.get(NODE_NAME) or _NO_NAME
    settings = loaded.config.dra
    made = resource_slices(devices, NodeIdentity(name), settings) if pools else ()
    if options.output == "json":
        print_json({"apiVersion": "v1", "kind": "List", "items": list(made)})
    elif options.output == "yaml":
        print_lines(yaml_documents.text(made) if made else f"# {_NOTHING}")
    elif made:
        console.show(slice_table.table(made, devices), wide=True)
    else:
        say(_NOTHING)
    complain_of_warnings(loaded.warnings, config)
    complain_of_empty(pools, "device")
    return OK if all(pool.hcas for pool in pools) else EMPTY_RESOURCE


def _devices(
    source: "NodeSource", loaded: "Loaded"
) -> "tuple[tuple[Pool, ...], tuple[DraDevice, ...]]":
    from rdma_dp.config import Via
    from rdma_dp.discovery.firmware import read_firmware
    from rdma_dp.discovery.pcie_topology import read_topology
    from rdma_dp.dra.devices import dra_devices
    from rdma_dp.sharing.pool import make_pools

    inventory = source.scan()
    made = make_pools(loaded.config, inventory)
    pools = tuple(pool for pool in made if pool.resource.via is Via.DRA)
    topology = read_topology(source.host, inventory)
    firmware = read_firmware(source.host, inventory)
    return pools, dra_devices(pools, topology, loaded.config.dra, firmware)


def dra_class(options: argparse.Namespace) -> int:
    """Print the DeviceClasses of a config as YAML, for `kubectl apply -f -`."""
    from rdma_dp.dra.device_classes import device_classes
    from rdma_dp.render import yaml_documents

    config = found_config(options.config)
    loaded = loaded_config(config)
    if loaded is None:
        return FAILED
    print_lines(yaml_documents.text(device_classes(loaded.config)))
    complain_of_warnings(loaded.warnings, config)
    return OK

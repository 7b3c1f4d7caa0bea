"""The networks of pods that do not use the node's: a default network, and deploy's second network.

The plugins are those of the CNI project, from Debian. Multus has a stand-in.
"""

import json
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml

from tests.heavy.node.cluster import network
from tests.heavy.vm.inside.fabric import FABRIC_B
from tests.heavy.vm.node import multus_stand_in
from tests.paths import REPO

PACKAGE = "containernetworking-plugins"
_REFERENCE = Path("/usr/lib/cni")  # where the package has them
_USED = ("loopback", "ptp", "macvlan", "host-local")

BIN = Path("/opt/cni/bin")

_MANIFEST = REPO / "deploy/network-operator/macvlan-network.yaml"
_OBJECT = yaml.safe_load(_MANIFEST.read_text())
NAME: str = _OBJECT["metadata"]["name"]
SUBNET = ip_network(json.loads(_OBJECT["spec"]["ipam"])["range"])
MASTER = FABRIC_B  # the HCA on whose interface the macvlans are


def install() -> None:
    """Give containerd the plugins and their config, before it starts."""
    BIN.mkdir(parents=True)
    for name in _USED:
        (BIN / name).symlink_to(_REFERENCE / name)
    stand_in = Path(multus_stand_in.__file__)
    program = BIN / stand_in.stem
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -I {stand_in}\n")
    program.chmod(0o755)
    network.write(multus_stand_in.entry({NAME: _network()}))


def _network() -> dict[str, Any]:
    """What Network Operator makes of the MacvlanNetwork, with values of this node."""
    spec = _OBJECT["spec"]
    return {
        "cniVersion": "0.3.1",
        "name": NAME,
        "type": "macvlan",
        "mode": spec["mode"],
        "master": MASTER.netdev,
        "mtu": 1500,  # the master's
        "ipam": {"type": "host-local", "subnet": str(SUBNET)},  # whereabouts needs an API server
    }

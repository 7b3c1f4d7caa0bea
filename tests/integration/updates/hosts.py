"""The two hosts that a node can be."""

from simulator import host as simulated_host
from simulator.host import Manifest

# RoCE, InfiniBand, and one without useful ports. The second host has other names and numbers, an
# SF, a VF, two HCAs on one function, one HCA with two ports and one without a function.
FIRST_HOST = simulated_host.parse(
    """
title: a RoCE and an InfiniBand HCA, and EFA
functions:
  "0000:01:00.0": {id: "15b3:1021", numa: 0, hcas: [mlx5_0], net: [eth0]}
  "0000:02:00.0": {id: "15b3:101b", class: "0207", numa: 1, hcas: [mlx5_1], net: [ib0]}
  "0000:03:00.0": {id: "1d0f:efa2", numa: 1, hcas: [efa_0]}
""",
    "the first host",
)
SECOND_HOST = simulated_host.parse(
    """
title: the same cards, found in another order, and some more
functions:
  "0000:02:00.0":
    id: "15b3:101b"
    class: "0207"
    numa: 1
    hcas: [mlx5_0]
    net: [ib0]
    subfunctions: {mlx5_core.sf.2: {sfnum: 88, hcas: [mlx5_2], net: [ib0s88]}}
  "0000:02:00.1":
    {id: "15b3:101c", class: "0207", numa: 1, physfn: "0000:02:00.0", hcas: [mlx5_1], net: [ib1]}
  "0000:03:00.0": {id: "1d0f:efa2", numa: 0, hcas: [efa_0, efa_1]}
  "0000:04:00.0":
    id: "15b3:1007"
    driver: mlx4_core
    numa: 0
    hcas: {mlx4_0: {ports: {1: {}, 2: {}}}}
    net: {eth4: {}, eth5: {dev_port: 1}}
virtual: {hcas: {rxe0: {driver: rxe}}, net: [eth9]}
""",
    "the second host",
)


def hcas_of(manifest: Manifest) -> dict[str, list[int]]:
    """The HCAs of a host with their port numbers."""
    return {
        name: list(hca.ports) for holder in manifest.holders() for name, hca in holder.hcas.items()
    }

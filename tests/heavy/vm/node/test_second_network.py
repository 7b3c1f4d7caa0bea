"""Pods with an interface on the HCA's network, as deploy/network-operator describes them.

A real HCA sends from the GID of that interface. Soft-RoCE has this GID in its table, but does not
send from it (drivers/infiniband/sw/rxe/rxe_net.c of Linux 6.1 and 6.12):

- `rxe_find_route4` looks for a route in the node's net namespace, and the interface is in the
  pod's. `rxe_prepare` returns EHOSTUNREACH, so the write completes with an error.
- Nothing could arrive either. The UDP socket is in the node's namespace, and `rxe_udp_encap_recv`
  drops what comes by an interface other than the HCA's own or a VLAN on it. The latter is so in
  kernels with sockets per namespace too (rxe_ns.c).

The tests cover each side of this: the GID, the attempt, and writes between the same pods over the
GID of the HCA's own address.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.heavy.node.pods import Pod
from tests.heavy.vm.inside.fabric import SoftHca, run
from tests.heavy.vm.inside.verbs import write_attempt, write_bandwidth, write_speed
from tests.heavy.vm.node.expected import number, sees_nothing
from tests.heavy.vm.node.multus_stand_in import ANNOTATION, INTERFACE
from tests.heavy.vm.node.node import PER_HCA, Node
from tests.heavy.vm.node.second_network import MASTER, NAME, SUBNET
from tests.heavy.vm.node.shell import Shell

Record = Callable[[str, object], None]

LOCAL_QP_OPERATION_ERROR = 2  # IBV_WC_LOC_QP_OP_ERR, rdma-core libibverbs/verbs.h


@dataclass(frozen=True)
class End:
    """A pod with the second network."""

    pod: Pod
    shell: Shell

    @property
    def address(self) -> str:
        """Its address in the second network."""
        shown = self.shell.run(
            "/bin/busybox", "ip", "-4", "-o", "address", "show", "dev", INTERFACE
        )
        [address] = re.findall(r"inet (\S+)/", shown.stdout)
        return str(address)

    def gid(self, hca: SoftHca) -> str:
        """The index of the RoCE v2 GID of its address, as docs/install.md finds it."""
        shown = self.shell.run("ibv_devinfo", "-v", "-d", hca.name).stdout
        wanted = re.escape(f"::ffff:{self.address}")
        [index] = re.findall(rf"GID\[\s*(\d+)\]:\s+{wanted}, RoCE v2", shown)
        return str(index)


@pytest.fixture
def ends(node: Node) -> tuple[End, End]:
    """Two pods with a slot of the HCA whose interface the network is on."""
    pods = [node.pod(name, PER_HCA, annotations={ANNOTATION: NAME}) for name in ("one", "two")]
    one, two = (End(pod.running(), Shell(pod)) for pod in pods)
    return one, two


def sent_packets(hca: SoftHca) -> int:
    counter = Path("/sys/class/infiniband", hca.name, "ports/1/hw_counters/sent_pkts")
    return int(counter.read_text())


def test_each_pod_finds_the_gid_of_its_own_address(ends: tuple[End, End]) -> None:
    for end in ends:
        assert ip_address(end.address) in SUBNET
        table = f"/sys/class/infiniband/{MASTER.name}/ports/1/gid_attrs"
        shown = end.shell.run("/bin/busybox", "cat", f"{table}/ndevs/{end.gid(MASTER)}")
        assert shown.stdout.strip() == INTERFACE
    one, two = ends
    assert one.gid(MASTER) != two.gid(MASTER)


def test_soft_roce_does_not_send_from_the_gid_of_a_pod(
    ends: tuple[End, End], record_property: Record
) -> None:
    server, client = ends
    before = sent_packets(MASTER)
    gids = (server.gid(MASTER), client.gid(MASTER))
    done = write_attempt((server.shell, client.shell), MASTER, gids, server.address)
    # The two have exchanged their GIDs over the second network, and their queue pairs are ready.
    assert done.returncode != 0
    assert done.stdout.count("remote address") == 1
    assert f"Failed status {LOCAL_QP_OPERATION_ERROR}:" in done.stdout
    assert sent_packets(MASTER) == before
    # Newer kernels do not log it.
    lines = [line for line in run("dmesg").splitlines() if "no route to" in line]
    record_property("the kernel's log", lines[-1] if lines else "no line about the route")


def test_pods_with_networks_of_their_own_write_over_the_gid_of_the_hca(
    ends: tuple[End, End], record_property: Record
) -> None:
    server, client = ends
    said = write_bandwidth(server.shell, client.shell, MASTER, address=server.address)
    record_property("ib_write_bw between two pods with their own networks, MB/s", write_speed(said))


def test_a_pod_without_the_resource_has_the_network_and_no_hca(node: Node) -> None:
    uverbs = number(MASTER.uverbs)
    pod = node.pod("outsider", others=[uverbs], annotations={ANNOTATION: NAME})
    outsider = End(pod.running(), Shell(pod))
    assert ip_address(outsider.address) in SUBNET
    sees_nothing(pod, [uverbs])
    refused = outsider.shell.run("ib_write_bw", "--ib-dev", MASTER.name)
    assert refused.returncode != 0
    assert "Unable to find the Infiniband/RoCE device" in refused.stdout + refused.stderr

"""Parsers of what /proc says: what they read, and that no text makes them fail."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.host import processes
from rdma_dp.host.processes import Membership, Stat

UID = "0a1b2c3d-1111-2222-3333-444455556666"
ID = "ab" * 32

STAT = "{pid} ({command}) S 1 7 7 0 -1 {flags} 1 2 3 4 5 6 7 8 20 0 1 0 {started} 99 0"

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.244.1.0
        /24 link UNICAST
Local:
  +-- 0.0.0.0/0 3 0 5
     +-- 10.244.1.0/24 2 0 2
        |-- 10.244.1.7
           /32 host LOCAL
        |-- 10.244.1.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 192.168.5.9
        /32 host LOCAL
"""
IF_INET6 = """\
00000000000000000000000000000001 01 80 10 80       lo
fe800000000000000000000000000007 03 40 20 80     net1
"""
NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes
    lo:     100       1    0    0    0     0          0         0
  eth0: 1234567       1    0    0    0     0          0         0
 tunl0:       0       0    0    0    0     0          0         0
  net1:       0       0    0    0    0     0          0         0
"""


@pytest.mark.parametrize("command", ["python3", "a) b (", "", "((", "tmux: server"])
def test_a_command_may_hold_anything(command: str) -> None:
    text = STAT.format(pid=7, command=command, flags=4194560, started=4321)
    assert processes.stat(text) == Stat(command, False, 4321)


def test_a_kernel_thread_says_so() -> None:
    found = processes.stat(STAT.format(pid=2, command="kthreadd", flags=2129984, started=0))
    assert found is not None
    assert found.kernel_thread


@pytest.mark.parametrize(
    "line",
    [
        f"0::/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/cri-containerd-{ID}.scope",
        f"0::/kubepods/burstable/pod{UID}/{ID}",
        f"11:memory:/kubepods/besteffort/pod{UID}/{ID}",
        f"0::/../../pod{UID}/crio-{ID}.scope/init",
    ],
)
def test_a_cgroup_of_either_version_and_driver_names_pod_and_container(line: str) -> None:
    assert processes.membership(f"1:name=systemd:/\n{line}\n") == Membership(UID, ID)


def test_a_containers_monitor_is_not_in_the_container() -> None:
    slice_ = f"0::/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice"
    assert processes.membership(f"{slice_}/crio-conmon-{ID}.scope") == Membership(UID, "")


def test_a_static_pods_uid_is_a_hash() -> None:
    found = processes.membership(f"0::/kubepods/pod{'c' * 32}/{ID}")
    assert found == Membership("c" * 32, ID)


def test_outside_of_pods_there_is_no_membership() -> None:
    assert processes.membership("0::/system.slice/kubelet.service\n") is None
    assert processes.membership(f"0::/machine.slice/libpod-{ID}.scope\n") is None


def test_the_soft_limit_counts() -> None:
    row = "Max locked memory         {:<20} {:<20} bytes"
    assert processes.locked_memory(row.format("65536", "unlimited")) == 65536
    assert processes.locked_memory(row.format("unlimited", "unlimited")) == -1
    assert processes.locked_memory("Max cpu time   unlimited  unlimited  seconds") is None


def test_ipc_lock_is_bit_14() -> None:
    assert processes.may_lock_memory("CapEff:\t0000000000004000") is True
    assert processes.may_lock_memory("CapEff:\t00000000a80425fb") is False  # containerd's default
    assert processes.may_lock_memory("Name:\tx") is None


def test_the_own_addresses_of_a_net_namespace() -> None:
    wanted = {"10.244.1.7", "192.168.5.9", "fe80::7"}
    assert processes.addresses(FIB_TRIE, IF_INET6) == {ip_address(each) for each in wanted}


def test_interfaces_that_the_kernel_made_do_not_count() -> None:
    assert processes.interfaces(NET_DEV) == ("eth0", "net1")


def test_a_gid_stands_for_an_address() -> None:
    assert processes.gid_address("0000:0000:0000:0000:0000:ffff:c0a8:0509") == ip_address(
        "192.168.5.9"
    )
    assert processes.gid_address("fe80:0000:0000:0000:0000:0000:0000:0007") == ip_address("fe80::7")
    assert processes.gid_address("0000:0000:0000:0000:0000:0000:0000:0000") is None


@pytest.mark.parametrize(
    ("words", "root"),
    [
        (["kubelet", "--root-dir=/data/kubelet", "--v=2"], "/data/kubelet"),
        (["kubelet", "--root-dir", "/data/kubelet"], "/data/kubelet"),
        (["kubelet", "--root-dir"], None),
        (["kubelet", "--root-dir=relative"], None),
        (["kubelet"], None),
    ],
)
def test_kubelets_root_directory(words: list[str], root: str | None) -> None:
    assert processes.root_directory("\0".join(words) + "\0") == root


_WORDS = st.sampled_from(
    ["|--", "/32", "host", "LOCAL", "10.0.0.1", "pod", UID, ID, "Max locked memory", "CapEff:",
     "lo", "(", ")", ":", "0::/", "--root-dir", "=", "\n", "\0", " ", "NSpid:", "Tgid:", "f" * 32]
)  # fmt: skip


@given(st.text() | st.lists(_WORDS | st.text(max_size=5)).map(" ".join))
def test_no_text_makes_a_parser_fail(text: str) -> None:
    processes.stat(text)
    processes.membership(text)
    processes.locked_memory(text)
    processes.may_lock_memory(text)
    processes.is_first(text)
    processes.uptime(text)
    processes.interfaces(text)
    processes.addresses(text, text)
    processes.gid_address(text)
    processes.root_directory(text)

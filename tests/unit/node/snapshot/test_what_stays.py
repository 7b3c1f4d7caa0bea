"""A13: what an anonymous snapshot keeps of a node, and what is gone."""

import gzip
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.config.loading import FoundConfig
from rdma_dp.config.problems import ConfigError
from rdma_dp.kubelet.statuses import SocketState
from rdma_dp.kubelet.views import HeldClaim, Holder, KubeletView, PluginSocket, PodResources
from rdma_dp.node.answers import Answers
from rdma_dp.node.snapshot.anonymous import anonymous
from rdma_dp.node.snapshot.archive_writing import pack
from rdma_dp.node.snapshot.config_prose import without_prose
from rdma_dp.node.snapshot.contents import Contents, Directory, Entry, File, Symlink, with_parents
from rdma_dp.node.snapshot.model import Snapshot
from tests.paths import CONFIGS, REPO

HOST = "gpu017.rack4.dc2.acme.example"
UUID = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
POD, CONTAINER = "9f0a1c5e-3a55-4f0e-8d70-0d4b8a1f2c3d", "c0ffee" * 10 + "abcd"
DRIVER = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build"
    "  (jane@build9.dc2.acme.example)  Tue Mar  5 22:15:33 UTC 2024\n"
    "GCC version:  gcc version 11.4.0 (Ubuntu 11.4.0-1ubuntu1~22.04)\n"
)
CONFIG = f"""\
# Rack R4-U12, serial MT2031X04711; call jane.doe@acme.example
owner: Team Falcon  # phone 555 0199
labels: {{switch: aabb.ccdd.eeff, {UUID.replace("-", "")}: x}}
contacts:
- Team Falcon
- 00-1B-21-3C-4D-5E
configList:
- resourceName: a_resource  # for Team Falcon
  rdmaHcaMax: 10
  note: |
    Team Falcon
  selectors: {{ifNames: ["ens1f0np0#1"], vendors: ["15b3"]}}
"""
FILES = {
    "etc/hostname": f"{HOST}\n",
    "proc/driver/nvidia/version": DRIVER,
    "proc/driver/nvidia/gpus/0000:1b:00.0/information": f"Model: H100 80GB\nGPU UUID: GPU-{UUID}\n",
    "proc/cpuinfo": "model name\t: Xeon 8480C\n",
    "proc/sys/kernel/osrelease": "5.15.0-1056-generic\n",
    "proc/4711/stat": f"4711 (acme ) trainer) S {' 0' * 18} 98765 1\n",
    "proc/4711/status": "Name:\tacme trainer\nPid:\t4711\nUid:\t10077\t10077\t10077\t10077\n",
    "proc/4711/comm": "acme trainer\n",
    "proc/4711/cgroup": f"0::/kubepods.slice/pod{POD}/cri-containerd-{CONTAINER}.scope\n",
    "proc/4711/net/dev": "  eth0net1: 1 2 3\n",
    "proc/4711/environ": "WANDB_USER=jane\0NCCL_IB_GID_INDEX=3\0HOME=/home/jane\0",
    "proc/17/cgroup": "12:cpu:/system.slice/acme-agent.service\n0::/user.slice/jane.scope\n",
    "sys/class/net/ens1f0np0/ifalias": (
        f"to 001b.213c.4d5e of sw1.rack4.dc2.acme.example, db3.acme.example, see {UUID} and"
        f" {UUID.replace('-', '')}, jane.doe@acme.example\n"
    ),
    "sys/devices/pci0000:3a/0000:3b:00.0/infiniband/mlx5_0/fw_ver": "20.39.1002\n",
    "sys/devices/pci0000:3a/0000:3b:00.0/infiniband/mlx5_0/board_id": "MT_0000000223\n",
    "sys/module/mlx5_ib/version": "24.10-0.7.0\n",
    "sys/class/dmi/id/sys_vendor": "QEMU\n",
    "sys/class/dmi/id/product_name": "Virtual Machine 7\n",
}
VIEW = KubeletView(
    root="/data/acme/kubelet",
    device_plugins="/data/acme/kubelet/device-plugins",
    plugins_registry="/data/acme/kubelet/plugins_registry",
    elsewhere=("/srv/falcon/kubelet",),
    sockets=(PluginSocket("/data/acme/kubelet/device-plugins/nvidia.sock", SocketState.ANSWERS),),
    pod_resources=PodResources(
        {},
        (Holder("ml", "pod-7", "train", "rdma/a_resource", (UUID, "0")),),
        (HeldClaim("ml", "pod-7", "train", "hcas-of-7", "hca.rdma-dp.dev"),),
    ),
    why_no_pod_resources="/data/acme/kubelet/pod-resources is missing",
    unreadable={"/data/acme/kubelet/plugins_registry": "Permission denied"},
)

GONE = (
    HOST, "gpu017", "rack4", "dc2", "acme", "falcon", "sw1", "db3", "build9", "jane", "doe",
    "22:15:33", "R4-U12", "04711", "0199", "aabb", "1b-21", "001b", "213c", UUID,
    UUID.replace("-", ""), "trainer", "agent.service", "/home",
)  # fmt: skip

# What stays, as docs/troubleshooting.md lists it, and examples of it in this snapshot.
STAYS = {
    "resources, and the keys and values of the config that rdma-dp knows": (
        "rdma/a_resource", "resourcename: a_resource", '["ens1f0np0#1"]',
    ),
    "pods, namespaces, containers and claims, with their IDs": (
        '"ml"', "pod-7", "hcas-of-7", '"train"', POD, CONTAINER, "kube-apiserver-x",
    ),
    "interfaces, also those in pods, and their alternative names": ("ens1f0np0", "eth0net1"),
    "HCAs, drivers, kernel modules, and the sockets in kubelet's directories": (
        "mlx5_0", "mlx5_core", "mlx5_ib", "/device-plugins/nvidia.sock",
    ),
    "PCI addresses, board IDs, models of CPUs and GPUs, and the maker and the model of the"
    " machine": (
        "0000:3b:00.0", "mt_0000000223", "xeon 8480c", "h100 80gb", "qemu", "virtual machine 7",
    ),
    "versions of the firmware, the kernel, the drivers, rdma-dp and Python": (
        "20.39.1002", "5.15.0-1056-generic", "550.54.15", "24.10-0.7.0", "3.11.2", "1.5.3",
    ),
    "process IDs, user IDs and start times": ("proc/4711/stat", "10077", "98765"),
    "the name of the config's file, without its directory": ("rdma-config.yaml",),
    "the variables NCCL_IB_HCA, NCCL_IB_GID_INDEX and NCCL_NET_GDR_LEVEL of processes of pods;"
    " other variables are never kept, not even with `--raw`": ("nccl_ib_gid_index=3",),
    "unknown keys of the config, without their values; with them if the text is not valid or has"
    " aliases of YAML": ("owner:", "contacts:", "note:"),
    "host names that are shorter than three characters or are also the name of a file; `snapshot`"
    " prints them": ("vm",),
}  # fmt: skip


@pytest.fixture(scope="module")
def archive() -> str:
    """The archive as text, in lower case."""
    logs = Directory((f"kube-apiserver-x_kube-system_kube-apiserver-{CONTAINER}.log",))
    entries: dict[str, Entry] = {
        **{path: File(text.encode()) for path, text in FILES.items()},
        "sys/bus/pci/devices/0000:3b:00.0/driver": Symlink("../../../../bus/pci/drivers/mlx5_core"),
        "proc/1/root/var/log/containers": logs,
        "sys/devices/virtual/vm": File(b"vm\n"),
    }
    snapshot = Snapshot(
        Contents(with_parents(entries, Directory())),
        answers=Answers(VIEW),
        config=FoundConfig(Path("/home/jane/rdma-config.yaml"), CONFIG.encode()),
        versions={"rdma-dp": "1.5.3", "python": "3.11.2"},
    )
    made = anonymous(snapshot, [HOST, "vm"])
    assert made.unchanged == ("vm",)
    return gzip.decompress(pack(made.snapshot)).decode("latin-1").lower()


@pytest.mark.parametrize("name", GONE)
def test_no_name_of_the_site_is_left(archive: str, name: str) -> None:
    assert name.lower() not in archive


@pytest.mark.parametrize("kind", STAYS)
def test_what_the_page_lists_stays(archive: str, kind: str) -> None:
    assert [each for each in STAYS[kind] if each.lower() not in archive] == []


def test_the_page_lists_what_stays() -> None:
    page = (REPO / "docs/troubleshooting.md").read_text()
    listed = page.partition("These names stay.")[2].partition("\n\n")[2].partition("\n\n")[0]
    assert [
        " ".join(each.split()) for each in re.split(r"^- ", listed, flags=re.MULTILINE)[1:]
    ] == [*STAYS]


def test_the_domain_of_a_host_whose_name_is_kept_is_replaced() -> None:
    entries = with_parents(
        {"sys/gpu/a": File(b"gpu.dc2.acme.example x.acme.example\n")}, Directory()
    )
    made = anonymous(Snapshot(Contents(entries)), ["gpu.dc2.acme.example"])
    assert made.snapshot.contents.entries["sys/gpu/a"] == File(
        b"host-1.example.net host-2.example.net\n"
    )


# --- the config ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(CONFIGS.iterdir()), ids=lambda path: path.name)
def test_a_config_means_the_same(path: Path) -> None:
    content = path.read_bytes()
    without = without_prose(content.decode()).encode()
    assert FoundConfig(path, without).load().config == FoundConfig(path, content).load().config


def result(text: str) -> object:
    """The config that a text makes, or its problems, and the warnings."""
    try:
        loaded = FoundConfig(Path("c"), text.encode()).load()
    except ConfigError as error:
        return [str(each) for each in error.problems], [str(each) for each in error.warnings]
    return loaded.config, [str(each) for each in loaded.warnings]


LIST = '[{"resourceName": "a", "rdmaHcaMax": 1, "selectors": {"vendors": ["15b3"]}}]'


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"a": "secret", "configList": LIST}', '{"a":  "...", "configList": LIST}'),
        ('{ // secret\n"configList": LIST /* secret */}', '{ //\n"configList": LIST /**/}'),
        ('// secret\n{"configList": LIST}', '//\n{"configList": LIST}'),
        ("# secret\nconfigList: LIST # secret", "#\nconfigList: LIST #"),
        ("configList: LIST\nx: it's # secret's", 'configList: LIST\nx:  "..." #'),
        ("x:\n  y: secret\n  z: [secret]\nconfigList: LIST", 'x:\n   "..."\nconfigList: LIST'),
        ("x: &a secret\ny: *a\nconfigList: LIST", "x: &a secret\ny: *a\nconfigList: LIST"),
        ("configList: } # secret", "configList: } #"),
        ('{"configList": [], "x": "# // /* */"}', '{"configList": [], "x":  "..."}'),
        ("data: secret", "data: secret"),
    ],
)
def test_comments_are_emptied_and_unknown_values_replaced(text: str, wanted: str) -> None:
    text, wanted = text.replace("LIST", LIST), wanted.replace("LIST", LIST)
    assert without_prose(text) == wanted
    assert result(text) == result(wanted)


@given(st.text(max_size=80) | st.text("#/*\"'{}[]:,&\n -ab", max_size=60))
def test_any_text_can_be_a_config(text: str) -> None:
    without_prose(text)

"""A snapshot of a live node records its answers, and asks each question once."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from rdma_dp.config.loading import find_config
from rdma_dp.doctor.examination import examine_node
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.values import NetlinkView, NldevDevice, QueuePairs
from rdma_dp.node.answers import Answers
from rdma_dp.node.capture import KubeletPlaces, record, take
from rdma_dp.node.snapshot.archive_writing import write
from rdma_dp.node.source import NodeSource, open_source
from tests.conftest import Sample
from tests.paths import CONFIGS

CONFIG = find_config(CONFIGS / "all-mellanox.yaml")
PLACES = KubeletPlaces(Path("/var/lib/kubelet"), Path("/elsewhere"))


class Node:
    """A node with netlink and answers. `asked` records the questions."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def rdma(self) -> NetlinkView | None:
        self.asked.append("rdma")
        return NetlinkView("shared", {"mlx5_0": NldevDevice("mlx5_0", protocol="roce")})

    def altnames(self, netdevs: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        self.asked += netdevs
        return {"ens1f0np0": ("storage",)}

    def ask(self, kubelet_root: Path, device_plugins: Path | None = None) -> Answers:
        self.asked.append((kubelet_root, device_plugins))
        return Answers(queue_pairs={"mlx5_0": QueuePairs({7: 2})})


def test_each_question_is_asked_once_although_several_verbs_ask_it(sample: Sample) -> None:
    node = Node()
    source = NodeSource(Host(sample("seed"), node), node)
    record(source, CONFIG, PLACES, [examine_node, examine_node])
    kubelet = (PLACES.root, PLACES.device_plugins)
    assert node.asked == [kubelet, "rdma", "ens1f0np0", "ens1f1np1"]


def test_a_snapshot_answers_as_the_node_did(sample: Sample, tmp_path: Path) -> None:
    node = Node()
    source = NodeSource(Host(sample("seed"), node), node)
    file = tmp_path / "node.tar.gz"
    write(take(source, CONFIG, PLACES, [examine_node], raw=True).packed, file, replace=False)
    replayed = open_source(file)
    assert replayed.scan() == source.scan()
    assert replayed.scan().hcas[0].netdevs[0].altnames == ("storage",)
    assert replayed.host.netlink.rdma() == NetlinkView(
        "shared",
        {"mlx5_0": NldevDevice("mlx5_0", protocol="roce")},
        {"ens1f0np0": ("storage",)},
    )
    answers = replayed.answers.ask(Path("/nowhere"))
    assert answers.queue_pairs == {"mlx5_0": QueuePairs({7: 2})}
    assert answers.kubelet is None
    assert answers.about is not None


def test_a_directory_has_no_answers(sample: Sample) -> None:
    source = open_source(sample("seed"))
    assert source.answers.ask(Path("/var/lib/kubelet")) == Answers()
    snapshot = record(source, CONFIG, PLACES, [examine_node])
    assert (snapshot.netlink, snapshot.answers.kubelet) == (None, None)

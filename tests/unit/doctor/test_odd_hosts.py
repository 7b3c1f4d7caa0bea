"""No content of a host's files makes a check fail; nor does the size of a host."""

import errno
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdma_dp.config.loading import find_config
from rdma_dp.doctor.catalogue import CATALOGUE
from rdma_dp.doctor.check import Check, Verdict
from rdma_dp.doctor.examination import examine
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.tree import DiskTree
from rdma_dp.node.answers import Answers
from rdma_dp.node.counters import growth, read
from rdma_dp.node.source import NodeSource
from rdma_dp.node.view import view_node
from rdma_dp.render import console, doctor
from simulator.host import generate
from tests.conftest import Fresh, Sample
from tests.paths import CONFIGS
from tests.unit.doctor.ailing import ALL_MELLANOX

CHECKS = CATALOGUE
NAMES = ("dgx-h100", "roce-bond", "sriov", "switchdev", "ipoib", "connectx3", "no-modules", "soft")

ODD = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.integers(-(10**30), 10**30).map(lambda number: str(number).encode()),
    st.sampled_from(
        (b"", b"\0", b"\n", b"9" * 5000, b"4: ACTIVE\n", b"1: DOWN", b"0x1", b"-1", b"N/A (no PMA)",
         b"1e999 Gb/sec", b"Infinity Gb/sec", b"RoCE v2\n", b"../../..", "١٢".encode())
    ),
)  # fmt: skip
FAILURES = st.sampled_from((errno.EIO, errno.EACCES, errno.EINVAL, errno.ENOENT, errno.ENODEV))


class OddTree(DiskTree):
    """Answers a share of all reads with something else, always the same for a file."""

    def __init__(self, root: Path, seed: int, share: float, odd: list[bytes | int]) -> None:
        super().__init__(root)
        self._seed, self._share, self._odd = seed, share, odd

    def read(self, path: str, limit: int) -> bytes:
        chance = random.Random(f"{self._seed}{path}")
        if chance.random() >= self._share:
            return super().read(path, limit)
        answer = chance.choice(self._odd)
        if isinstance(answer, int):
            raise OSError(answer, "odd", path)
        return answer[:limit]


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(NAMES),
    st.integers(0, 2**32),
    st.sampled_from((0.02, 0.2, 0.9)),
    st.lists(ODD | FAILURES, min_size=1, max_size=6),
    st.sampled_from((ALL_MELLANOX, CONFIGS / "per-hca.yaml", CONFIGS / "none.yaml")),
)
def test_whatever_the_files_hold_each_check_has_a_verdict(
    sample: Sample, name: str, seed: int, share: float, odd: list[bytes | int], config: Path
) -> None:
    host = Host(OddTree(sample(name), seed, share, odd))
    try:
        node = view_node(NodeSource(host, Answers()), find_config(config))
    except HostError:
        return  # told in one line by the command line
    counted = growth(read(host, node.concerned), read(host, node.concerned), 1.0, live=True)
    for growing in (None, counted):
        results = examine(replace(node, growth=growing), CHECKS)
        assert len(results) == len(CHECKS)
        for result in results:
            assert result.findings
            assert all("\n" not in finding.evidence for finding in result.findings)
        assert console.plain(doctor.table(results))
        assert doctor.document(results)


def test_the_sample_hosts_make_all_kinds_of_verdict(sample: Sample) -> None:
    """That what is tried above is not just one way through each check."""
    found = {
        result.verdict
        for name in NAMES
        for result in examine(
            view_node(NodeSource(Host(sample(name)), Answers()), find_config(ALL_MELLANOX)), CHECKS
        )
    }
    assert found == set(Verdict)


# --- cost ---------------------------------------------------------------------------------------


class CountingTree(DiskTree):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.operations = 0
        self.paths: list[str] = []

    def names(self, path: str) -> list[str]:
        self.operations += 1
        return super().names(path)

    def read(self, path: str, limit: int) -> bytes:
        self.operations += 1
        self.paths.append(path)
        return super().read(path, limit)


def cost(fresh: Fresh, count: int) -> int:
    tree = CountingTree(fresh(generate(count)).root)
    node = view_node(NodeSource(Host(tree), Answers()), find_config(ALL_MELLANOX))
    before = tree.operations
    examine(node, CHECKS)
    return tree.operations - before


def test_eight_times_the_hcas_cost_about_eight_times_as_much(fresh: Fresh) -> None:
    few, many = cost(fresh, 32), cost(fresh, 256)
    assert few < 32 * 100
    assert many / few < 9


def test_counters_are_read_only_when_somebody_asks(sample: Sample) -> None:
    tree = CountingTree(sample("dgx-h100"))
    examine(view_node(NodeSource(Host(tree), Answers()), find_config(ALL_MELLANOX)), CHECKS)
    assert tree.paths
    assert not [path for path in tree.paths if "counters/" in path]


# --- the catalogue ------------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_says_what_it_means_where_it_looks_and_what_to_type(check: Check) -> None:
    assert check.meaning
    assert check.reads
    assert check.remedies
    assert "\n" not in check.title


def test_ids_are_there_once() -> None:
    assert len({check.id for check in CATALOGUE}) == len(CATALOGUE)

"""Counters of ports from files and from netlink."""

import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from rdma_dp.discovery import scan
from rdma_dp.discovery.port_counters_reading import read_port
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.hw_counters import Ask, no_answer
from rdma_dp.host.tree import DiskTree
from rdma_dp.inventory.counter_meanings import has_meaning
from rdma_dp.inventory.port_counters import PortCounters, RawCounters, interpreted
from simulator.host import SimulatedHost
from tests.conftest import Fresh
from tests.paths import REPO

CAPTURES = REPO.parent / "shared/captures"

STANDARD = {"port_xmit_data": 100, "symbol_error": 7, "VL15_dropped": 1}
OWN = {"out_of_sequence": 3, "rx_read_requests": 9, "lifespan": 10}


@pytest.fixture
def host(fresh: Fresh) -> SimulatedHost:
    made = fresh("seed")
    files = {f"counters/{name}": value for name, value in STANDARD.items()}
    files |= {f"hw_counters/{name}": value for name, value in OWN.items()}
    made.set_counters("mlx5_0", 1, files)
    return made


def read(host: Host, wanted: object = has_meaning, ask: Ask = no_answer) -> RawCounters:
    (hca, *_) = scan(host).hcas
    return read_port(host, hca, 1, wanted, ask)  # type: ignore[arg-type]


def everything(_: str) -> bool:
    return True


def test_the_files_that_have_a_meaning_are_read(host: SimulatedHost) -> None:
    raw = read(Host(host.root))
    assert raw == RawCounters({"port_xmit_data": 100, "symbol_error": 7}, {"out_of_sequence": 3})


def test_all_counters_are_read_on_request_and_no_setting(host: SimulatedHost) -> None:
    raw = read(Host(host.root), everything)
    assert raw.standard == STANDARD
    assert raw.own == {"out_of_sequence": 3, "rx_read_requests": 9}


def test_netlinks_answer_replaces_the_files_of_hw_counters(host: SimulatedHost) -> None:
    tree = Recorded(host.root)
    answer = {"out_of_sequence": 4, "rx_read_requests": 10, "lifespan": 5, "np_cnp_sent": None}
    raw = read(Host(tree), ask=lambda *_: answer)
    assert raw.own == {"out_of_sequence": 4, "np_cnp_sent": None}
    assert raw.standard == {"port_xmit_data": 100, "symbol_error": 7}
    assert not [path for path in tree.read_paths if "hw_counters" in path]


class Recorded(DiskTree):
    def __init__(self, root: Path, failures: Mapping[str, OSError] | None = None) -> None:
        super().__init__(root)
        self.read_paths: list[str] = []
        self._failures = failures or {}

    def names(self, path: str) -> list[str]:
        self._fail(path)
        return super().names(path)

    def read(self, path: str, limit: int) -> bytes:
        self.read_paths.append(path)
        self._fail(path)
        return super().read(path, limit)

    def _fail(self, path: str) -> None:
        name = path.rpartition("/")[2]
        if name in self._failures:
            raise self._failures[name]


@pytest.mark.parametrize("code", [5, 13, 11, 110])  # EIO, EACCES, EAGAIN, ETIMEDOUT
def test_a_read_that_fails_costs_one_counter(host: SimulatedHost, code: int) -> None:
    tree = Recorded(host.root, {"symbol_error": OSError(code, "no")})
    raw = read(Host(tree))
    assert raw.standard == {"port_xmit_data": 100, "symbol_error": None}
    assert (raw.own, raw.failures) == ({"out_of_sequence": 3}, 1)


@pytest.mark.parametrize("code", [22, 19, 2, 61])  # EINVAL, ENODEV, ENOENT, ENODATA
def test_a_counter_that_the_adapter_does_not_have_is_absent(host: SimulatedHost, code: int) -> None:
    tree = Recorded(host.root, {"symbol_error": OSError(code, "no")})
    raw = read(Host(tree))
    assert (raw.standard, raw.failures) == ({"port_xmit_data": 100}, 0)


@pytest.mark.parametrize("text", ["N/A (no PMA)", "N/A (no PMA)\n"])
def test_no_pma_is_absent(host: SimulatedHost, text: str) -> None:
    host.set_counters("mlx5_0", 1, {"counters/symbol_error": text})
    raw = read(Host(host.root))
    assert (raw.standard, raw.failures) == ({"port_xmit_data": 100}, 0)


@pytest.mark.parametrize("text", ["", "-3", "abc", "1e5", "\x00\xff", "9" * 3000])
def test_odd_content_costs_one_counter(host: SimulatedHost, text: str) -> None:
    host.set_counters("mlx5_0", 1, {"counters/symbol_error": text})
    raw = read(Host(host.root))
    assert raw.standard == {"port_xmit_data": 100, "symbol_error": None}


def test_a_directory_that_cannot_be_listed_is_one_failure(host: SimulatedHost) -> None:
    raw = read(Host(Recorded(host.root, {"counters": OSError(13, "no")})))
    assert (raw.failures, raw.own) == (1, {"out_of_sequence": 3})
    assert interpreted(raw) == PortCounters({"out_of_sequence": 3})


def test_a_host_without_counters_has_none(fresh: Fresh) -> None:
    assert read(Host(fresh("efa").root)) == RawCounters()


# --- real machines --------------------------------------------------------------------------------


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captures beside this repo")
@pytest.mark.parametrize(
    ("name", "hca", "expected", "saturated"),
    [
        (
            "gpud-h100-ib-bond",
            "mlx5_0",
            {"transmit_data_bytes": 4 * 230442669431839, "receive_errors": 14, "ack_timeouts": 0},
            ("excessive_buffer_overruns",),
        ),
        (
            "procfs-fixture-hfi1-mlx4-mlx5",
            "mlx5_0",
            {"duplicates": 41, "ack_timeouts": 131, "out_of_sequence": 1, "sequence_naks": 1},
            (),
        ),
        (
            "procfs-fixture-hfi1-mlx4-mlx5",
            "hfi1_0",
            {"transmit_data_bytes": 4 * 273558326543, "receive_packets": 638036947},
            (),
        ),
        (
            "procfs-fixture-hfi1-mlx4-mlx5",
            "mlx4_0",
            {"transmit_wait_ticks": 3599, "transmit_packets": 85734114},
            (),
        ),
        (
            "hwloc-qib-truescale",
            "qib0",
            {"link_downed": 0},
            ("transmit_data_bytes", "receive_data_bytes", "transmit_packets", "receive_packets"),
        ),
    ],
)
def test_counters_of_real_machines(
    name: str, hca: str, expected: dict[str, int], saturated: tuple[str, ...], tmp_path: Path
) -> None:
    with tarfile.open(CAPTURES / f"{name}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="tar")
    host = Host(tmp_path / name)
    (found,) = (each for each in scan(host).hcas if each.name == hca)
    raw = read_port(host, found, 1, everything, no_answer)
    counters = interpreted(raw)
    assert raw.failures == 0
    assert {key: counters.values.get(key) for key in expected} == expected
    assert set(counters.saturated) == set(saturated)


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captures beside this repo")
@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.tar.gz")), ids=lambda path: path.name)
def test_every_capture_can_be_read(path: Path, tmp_path: Path) -> None:
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path, filter="tar")
    host = Host(tmp_path / path.name.removesuffix(".tar.gz"))
    for hca in scan(host).hcas:
        for port in hca.ports:
            assert read_port(host, hca, port.number, everything, no_answer).failures == 0

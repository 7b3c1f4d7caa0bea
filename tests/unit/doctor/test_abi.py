"""The uverbs ABI of the drivers."""

import pytest

from rdma_dp.doctor.check import Verdict
from simulator.host import sample_names
from tests.conftest import Fresh, Sample
from tests.paths import CONFIGS
from tests.unit.doctor.ailing import ailing, seen
from tests.unit.doctor.twins import told

ALL_HCAS = CONFIGS / "none.yaml"


def test_a_driver_with_another_abi_is_a_warning(sample: Sample) -> None:
    """H7: pods need the vendor's library for rdma-core."""
    result = seen("hca-abi", sample("bnxt-vendor"), ALL_HCAS)
    text = "bnxt_re has uverbs ABI 6, Linux has 1: pods need the vendor's library for rdma-core"
    assert told(result) == [f"warn bnxt_re0: {text}", f"warn bnxt_re1: {text}"]
    assert result.remedy[0] == "modinfo bnxt_re | grep -E '^(filename|version)'"
    assert seen("hca-abi", sample("bnxt"), ALL_HCAS).verdict is Verdict.OK


@pytest.mark.parametrize("name", sorted({*sample_names()} - {"bnxt-vendor"}))
def test_the_drivers_of_linux_have_the_abi_of_linux(name: str, sample: Sample) -> None:
    assert seen("hca-abi", sample(name), ALL_HCAS).verdict is Verdict.OK


@pytest.mark.parametrize(("abi", "verdict"), [(3, Verdict.OK), (4, Verdict.OK), (5, Verdict.WARN)])
def test_mlx4_has_two(abi: int, verdict: Verdict, fresh: Fresh) -> None:
    patch = f"functions: {{0000:05:00.0: {{hcas: {{mlx4_0: {{abi: {abi}}}}}}}}}"
    assert seen("hca-abi", fresh(ailing("connectx3", patch)).root).verdict is verdict


def test_an_abi_that_is_not_shown_is_unknown(fresh: Fresh) -> None:
    """H14: not read is unknown."""
    host = fresh("seed")
    (host.root / "sys/class/infiniband_verbs/uverbs0/abi_version").unlink()
    result = seen("hca-abi", host.root)
    assert [(f.verdict, f.subject) for f in result.findings] == [(Verdict.UNKNOWN, "mlx5_0")]

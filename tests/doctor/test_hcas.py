from rdma_dp.doctor.check import Verdict

from ..conftest import Fresh, Sample
from .ailing import ailing, seen


def test_a_module_that_is_not_loaded_is_named_with_its_command(
    fresh: Fresh, sample: Sample
) -> None:
    host = fresh(ailing("seed", "not_loaded: [ib_umad]"))
    result = seen("hca-modules", host.root)
    assert result.verdict is Verdict.FAIL
    assert result.remedy == ("modprobe ib_umad",)
    assert seen("hca-modules", sample("seed")).verdict is Verdict.OK

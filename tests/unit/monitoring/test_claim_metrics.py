"""Metrics of DRA's claims."""

from rdma_dp.metrics import Metrics
from rdma_dp.monitoring.claim_metrics import claim_families

DRIVER = "hca.example.org"


def samples(metrics: Metrics) -> dict[str, float]:
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in claim_families(metrics)
        for sample in family.samples
    }


def test_without_a_driver_there_is_nothing() -> None:
    assert samples(Metrics()) == {}


def test_every_result_is_counted_from_0() -> None:
    metrics = Metrics()
    metrics.claims.set(DRIVER, 2)
    metrics.claim_prepares.add(DRIVER, "ok")
    metrics.claim_prepare_seconds.add(DRIVER, seconds=0.005)
    metrics.claims_released.add(DRIVER)
    found = samples(metrics)
    assert found["rdma_dp_claims hca.example.org"] == 2
    assert found[f"rdma_dp_claims_released_total {DRIVER}"] == 1
    assert found[f"rdma_dp_claims_stuck {DRIVER}"] == 0
    assert {name: count for name, count in found.items() if "prepares" in name} == {
        f"rdma_dp_claim_prepares_total {DRIVER} ok": 1,
        f"rdma_dp_claim_prepares_total {DRIVER} refused": 0,
        f"rdma_dp_claim_prepares_total {DRIVER} api-server": 0,
        f"rdma_dp_claim_prepares_total {DRIVER} error": 0,
        f"rdma_dp_claim_unprepares_total {DRIVER} ok": 0,
        f"rdma_dp_claim_unprepares_total {DRIVER} error": 0,
    }
    assert found[f"rdma_dp_claim_prepare_duration_seconds_count {DRIVER}"] == 1

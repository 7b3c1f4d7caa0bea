"""When the daemon is ready: kubelet has every resource that is a device plugin."""

from unittest.mock import Mock

from rdma_dp.config import Config, Via
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.metrics import Metrics
from rdma_dp.monitoring.observed import Observed
from rdma_dp.monitoring.readiness import why_not_ready
from rdma_dp.sharing.state import next_state
from tests.makers import SYSTEM, hca, resource


def reasons(*resources: Via) -> list[str]:
    config = Config(
        tuple(
            resource(name=f"r{number}").model_copy(update={"via": via})
            for number, via in enumerate(resources)
        )
    )
    state = next_state(config, Inventory((hca(),), (), SYSTEM), 0.0)
    metrics = Metrics()
    metrics.config.loaded_at = 1.0
    plugin = Mock(resource="rdma/r0", registered=True, **{"streams.value.open": 1})
    return list(why_not_ready(Observed(metrics, lambda: state, lambda: (plugin,))))


def test_a_resource_that_kubelet_does_not_have_is_a_reason() -> None:
    assert reasons(Via.PLUGIN) == []
    assert reasons(Via.PLUGIN, Via.PLUGIN) == ["rdma/r1 is not registered with kubelet"]


def test_kubelet_never_has_a_resource_via_dra() -> None:
    assert reasons(Via.PLUGIN, Via.DRA) == []

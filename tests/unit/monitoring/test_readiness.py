"""When the daemon is ready: kubelet has every resource that is a device plugin."""

from unittest.mock import Mock

from rdma_dp.config import Config, Via
from rdma_dp.config.dra_settings import DEFAULT_DRIVER
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.metrics import Metrics, SliceFacts
from rdma_dp.monitoring.observed import Observed
from rdma_dp.monitoring.readiness import why_not_ready
from rdma_dp.sharing.state import next_state
from tests.makers import SYSTEM, hca, resource

NOT_PUBLISHED = "the ResourceSlices are not published yet"


def reasons(*resources: Via, slices: SliceFacts | None = None) -> list[str]:
    config = Config(
        tuple(
            resource(name=f"r{number}").model_copy(update={"via": via})
            for number, via in enumerate(resources)
        )
    )
    state = next_state(config, Inventory((hca(),), (), SYSTEM), 0.0)
    metrics = Metrics(
        slices={DEFAULT_DRIVER: slices or SliceFacts(), "old": SliceFacts(once_current=True)}
    )
    metrics.config.loaded_at = 1.0
    plugin = Mock(resource="rdma/r0", registered=True, **{"streams.value.open": 1})
    return list(why_not_ready(Observed(metrics, lambda: state, lambda: (plugin,))))


def test_a_resource_that_kubelet_does_not_have_is_a_reason() -> None:
    assert reasons(Via.PLUGIN) == []
    assert reasons(Via.PLUGIN, Via.PLUGIN) == ["rdma/r1 is not registered with kubelet"]


def test_kubelet_never_has_a_resource_via_dra() -> None:
    published = SliceFacts(once_current=True)
    assert reasons(Via.PLUGIN, Via.DRA, slices=published) == []


def test_slices_that_were_never_published_are_a_reason() -> None:
    assert reasons(Via.PLUGIN) == []
    assert reasons(Via.PLUGIN, Via.DRA) == [NOT_PUBLISHED]
    because = SliceFacts(problem="no token")
    assert reasons(Via.PLUGIN, Via.DRA, slices=because) == [f"{NOT_PUBLISHED}: no token"]

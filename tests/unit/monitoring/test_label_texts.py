"""Label values are names of the kernel, which can have any bytes."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest

from rdma_dp.monitoring.families import counter, gauge


class Fixed:
    """A collector with these families."""

    def __init__(self, *families: Metric) -> None:
        self._families = families

    def collect(self) -> tuple[Metric, ...]:
        return self._families


@pytest.mark.parametrize("name", ["a\nb", "a\x1b", "a\udcff", "a\u202e"], ids=ascii)
@pytest.mark.parametrize("family", [gauge, counter])
def test_a_page_can_be_made_with_any_name(name: str, family: type[Metric]) -> None:
    """A4: a name that is not UTF-8 made the whole page fail."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Fixed(family("hcas", "HCAs.", ["device"], [((name,), 1.0)])))  # type: ignore[arg-type]
    page = generate_latest(registry).decode()  # type: ignore[no-untyped-call]
    assert 'device="a' in page

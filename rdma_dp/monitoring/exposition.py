"""The page of metrics, as text or OpenMetrics, made from the newest values.

prometheus_client writes the page. A collector makes the families anew for each scrape, so that no
series of an HCA or a resource that is gone stays.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from rdma_dp.inventory.hardware import Hca
from rdma_dp.monitoring.claim_metrics import claim_families
from rdma_dp.monitoring.counter_reader import CounterReader
from rdma_dp.monitoring.daemon_metrics import daemon_families
from rdma_dp.monitoring.hardware_metrics import hardware_families
from rdma_dp.monitoring.observed import Observed
from rdma_dp.monitoring.pod_metrics import pod_families
from rdma_dp.monitoring.pod_reader import PodReader
from rdma_dp.monitoring.port_metrics import port_families
from rdma_dp.monitoring.resource_metrics import kubelet_families, pool_families
from rdma_dp.monitoring.slice_metrics import slice_families

_GZIP = 16 + zlib.MAX_WBITS  # zlib.compressobj: with a gzip header
_FASTEST = 1


@dataclass(frozen=True, slots=True)
class Page:
    """What a scrape gets. `encoding` is the Content-Encoding, "" for none."""

    content_type: str
    body: bytes
    encoding: str = ""


class _Families(Collector):
    def __init__(self, observed: Observed, reader: CounterReader, pods: PodReader) -> None:
        self._observed = observed
        self._reader = reader
        self._pods = pods

    def collect(self) -> Iterator[Metric]:
        """All families; those of HCAs and resources after the first scan."""
        observed = self._observed
        yield from daemon_families(observed.metrics)
        yield from kubelet_families(observed.plugins(), observed.metrics)
        yield from claim_families(observed.metrics)
        state = observed.state()
        if state is not None:
            yield from pool_families(state.pools.values())
            yield from hardware_families(state, observed.metrics, self._made)
            yield from port_families(state, self._reader)
            if state.config.uses_dra:
                yield from slice_families(observed.metrics, state.config.dra.driver_name)
        if self._pods.usage is not None:
            yield from pod_families(self._pods.usage)

    def _made(self, hca: Hca) -> tuple[str, str]:
        reading = self._reader.reading(hca)
        return (reading.model, reading.firmware) if reading else ("", "")


class Exposition:
    """Makes pages of metrics."""

    def __init__(self, observed: Observed, reader: CounterReader, pods: PodReader) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Families(observed, reader, pods))
        ProcessCollector(registry=self._registry)

    def page(self, accept: str = "", accept_encoding: str = "") -> Page:
        """The page for a request with these headers. Takes longer with more HCAs: use a thread."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # of a version that is no number, for example
            encode, content_type = choose_encoder("")
        body = encode(self._registry)
        if "gzip" not in accept_encoding:
            return Page(content_type, body)
        compress = zlib.compressobj(_FASTEST, zlib.DEFLATED, _GZIP)
        return Page(content_type, compress.compress(body) + compress.flush(), "gzip")

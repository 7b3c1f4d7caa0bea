"""Starts what shows the daemon to programs: metrics and probes, as far as the command line asks."""

import asyncio

from rdma_dp.aio.tasks import start
from rdma_dp.daemon.settings import Settings
from rdma_dp.host.files import Host
from rdma_dp.monitoring.observed import Observed


def start_monitors(tasks: asyncio.TaskGroup, settings: Settings, observed: Observed) -> None:
    """Starts the listeners. Without any, prometheus_client is not imported: it costs 2 MiB."""
    if settings.metrics is None and settings.probe_socket is None:
        return
    from rdma_dp.monitoring import listeners

    if settings.metrics is not None:
        host = Host(settings.root)
        pods = settings.directories.pod_resources
        work = listeners.serve_metrics(settings.metrics, observed, host, pods)
        start(tasks, "metrics", work)
    if settings.probe_socket is not None:
        start(tasks, "probes", listeners.serve_probes(settings.probe_socket, observed))

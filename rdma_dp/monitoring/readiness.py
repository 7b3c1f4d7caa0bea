"""Whether the daemon is alive and ready, for kubelet's probes. Pure.

Alive means that the event loop answers. Nothing else: a restart mends no hung read, no missing
kubelet, no port that is down and no wrong config.

Ready means that the resources of the config were once offered to kubelet, and that kubelet has each
of them that is a device plugin, and that the API server once had the ResourceSlices of those that
are offered by DRA. A node without HCAs is ready. A config that becomes wrong later
does not make the daemon unready, because the last good config stays in force.
"""

from collections.abc import Iterator

from rdma_dp.monitoring.observed import Observed


def why_not_ready(observed: Observed) -> Iterator[str]:
    """The reasons, one line each; nothing if the daemon is ready."""
    if observed.metrics.config.loaded_at is None:
        yield "no valid config was read yet"
        return
    state = observed.state()
    if state is None:
        yield "no scan has succeeded yet"
        return
    plugins = {plugin.resource: plugin for plugin in observed.plugins()}
    for name in state.plugin_pools:
        plugin = plugins.get(name)
        if plugin is None or not plugin.registered:
            why = plugin.trouble.text if plugin is not None else None
            yield f"{name} is not registered with kubelet{f': {why}' if why else ''}"
        elif not plugin.streams.value.open:
            yield f"{name} is registered, but kubelet has opened no ListAndWatch stream yet"
    slices = observed.metrics.slices_of(state.config.dra.driver_name)
    if state.config.uses_dra and not slices.once_current:
        why = slices.problem
        yield f"the ResourceSlices are not published yet{f': {why}' if why else ''}"

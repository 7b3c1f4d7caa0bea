"""A registration that is lost before its stream can be observed, in both modes."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from rdma_dp.aio.backoff import Backoff
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.registration import by_call, by_watcher
from simulator.kubelet import Registered, SimulatedKubelet
from simulator.kubelet.client import CLOSED_BY_KUBELET, PluginClient
from tests.unit.kubelet.nodes import DEADLINE
from tests.unit.kubelet.registering import registering

RESOURCE = "rdma/a"
Listen = Callable[[PluginClient, Any], Coroutine[Any, Any, str]]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "delay", lambda _: 0.05)


@pytest.mark.parametrize("mode", ["device-plugins", "plugins-registry"])
@pytest.mark.parametrize("opens", [False, True])
async def test_a_registration_that_is_lost_at_once_is_repeated(
    directory: Path, monkeypatch: pytest.MonkeyPatch, mode: str, opens: bool
) -> None:
    """kubelet drops the resource before the stream is open, or as soon as it is."""
    for module in (by_call, by_watcher):
        monkeypatch.setattr(module, "STREAM_TIMEOUT", 0.5)
    listen = PluginClient.listen
    plugins: list[Plugin] = []
    calls: list[PluginClient] = []

    async def dropped_at_first(client: PluginClient, received: Any) -> str:
        calls.append(client)
        if len(calls) > 1:
            return await listen(client, received)
        if opens:  # opened and closed in one step of the loop: no observer runs in between
            stream = plugins[0].ListAndWatch(None, None)  # type: ignore[arg-type]
            await anext(stream)
            await stream.aclose()  # type: ignore[attr-defined]
        return CLOSED_BY_KUBELET

    monkeypatch.setattr(PluginClient, "listen", dropped_at_first)
    async with (
        SimulatedKubelet(directory) as kubelet,
        registering(kubelet, "own.sock", registry=mode == "plugins-registry") as plugin,
    ):
        plugins.append(plugin)
        await kubelet.wait_for(
            RESOURCE, lambda devices: list(devices.values()) == ["Healthy"] * 4, DEADLINE
        )
        assert sum(isinstance(event, Registered) for event in kubelet.events) == 2

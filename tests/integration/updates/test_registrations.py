"""Registrations follow the offered state, independently of each other."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from rdma_dp.aio.latest import Latest
from rdma_dp.config import Config, Via
from rdma_dp.daemon.registrations import Keep, Registrations
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.sharing.state import NodeState, next_state
from tests.makers import SYSTEM, hca, resource

NODE = Inventory((hca(0),), (), SYSTEM)
A, B = "rdma/a", "rdma/b"


def of(*names: str, before: NodeState | None = None) -> NodeState:
    """The state of a config with these resources."""
    config = Config(config_list=tuple(resource(name=name) for name in names))
    return next_state(config, NODE, 0.0, before)


class Kubelet:
    """Takes the place of keep_registered: what is registered, and what may end."""

    def __init__(self) -> None:
        self.registered: list[str] = []
        self.log: list[str] = []
        self.may_end: dict[str, asyncio.Event] = {}

    async def keep_registered(self, plugin: Plugin, _: object) -> None:
        name = plugin.resource
        self.log.append(f"{name} begins")
        self.registered.append(name)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if name in self.may_end:  # like a hand-over that takes time
                await self.may_end[name].wait()
            raise
        finally:
            self.registered.remove(name)
            self.log.append(f"{name} ends")


@pytest.fixture
def kubelet() -> Kubelet:
    return Kubelet()


def registrations(keep: Keep) -> Registrations:
    return Registrations(None, keep)  # type: ignore[arg-type]  # it is handed through alone


@contextmanager
def running(kubelet: Kubelet, offered: Latest[NodeState]) -> Iterator[Registrations]:
    made = registrations(kubelet.keep_registered)
    task = asyncio.create_task(made.run(offered))
    yield made
    task.cancel()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_resource_that_goes_over_to_dra_is_withdrawn_and_comes_back(
    kubelet: Kubelet,
) -> None:
    plugin = of("a", "b")
    over = tuple(
        replace(each, via=Via.DRA) if each.resource_name == "a" else each
        for each in plugin.config.config_list
    )
    kubelet.may_end[A] = asyncio.Event()
    offered = Latest(plugin)
    with running(kubelet, offered) as made:
        await settled()
        offered.set(next_state(Config(config_list=over), NODE, 0.0, plugin))
        await settled()
        assert made.served.value == {A, B}  # kubelet may still call it
        kubelet.may_end[A].set()
        await settled()
        assert made.served.value == {B}
        assert kubelet.registered == [B]
        offered.set(next_state(plugin.config, NODE, 0.0, offered.value))
        await settled()
        assert sorted(kubelet.registered) == [A, B]
    assert f"{B} ends" not in kubelet.log


async def test_a_resource_that_leaves_slowly_does_not_hold_up_the_others(kubelet: Kubelet) -> None:
    kubelet.may_end["rdma/a"] = asyncio.Event()
    offered = Latest(of("a"))
    with running(kubelet, offered) as made:
        await settled()
        offered.set(of("b", before=offered.value))
        await settled()
        assert kubelet.log == [f"{A} begins", f"{B} begins"]
        # kubelet may still call the resource that is being removed
        assert made.served.value == {A, B}
        kubelet.may_end["rdma/a"].set()
        await settled()
        assert made.served.value == {B}


async def test_a_resource_that_comes_back_waits_for_its_own_end(kubelet: Kubelet) -> None:
    """Both have the same socket."""
    kubelet.may_end["rdma/a"] = asyncio.Event()
    offered = Latest(of("a"))
    with running(kubelet, offered):
        await settled()
        for names in ((), ("a",), (), ("a",)):
            offered.set(of(*names, before=offered.value))
            await settled()
        assert kubelet.log == [f"{A} begins"]
        kubelet.may_end["rdma/a"].set()
        await settled()
        assert kubelet.log == [f"{A} begins", f"{A} ends", f"{A} begins"]


async def test_a_registration_that_fails_ends_all_with_its_reason() -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("injected")

    with pytest.raises(ExceptionGroup) as raised:
        await registrations(broken).run(Latest(of("a")))
    assert raised.group_contains(ZeroDivisionError)

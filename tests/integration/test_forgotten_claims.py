"""Claims that kubelet has forgotten: released when no pod can have them, and never before."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rdma_dp.kubelet.directories import KubeletDirectories
from simulator.api_server import ApiFault
from tests.integration.dra_world import DRIVER, ROUNDS, World, a_world, until


async def of_a_forgotten_pod(world: World) -> tuple[str, str, str]:
    """The key of the claim of a pod that kubelet has lost from its checkpoint."""
    await world.start_pod(1)
    await world.rest()
    await world.lose_checkpoint(None)
    return "resourceclaims", "default", world.pods[1].name


def files(world: World) -> list[str]:
    found = (*world.claims.glob("*"), *(world.root / "cdi").glob("*"))
    return sorted(path.name for path in found)


async def some_rounds(world: World) -> None:
    """The rounds that release a claim, and more: each asks kubelet or the API server."""
    for _ in range(6):
        await asyncio.sleep(ROUNDS)
    await world.rest()


def claim_file(world: World, uid: str) -> Path:
    return world.claims / f"{uid}.json"


def asked(world: World) -> int:
    found = (each for each in world.server.answered if each.resource == "resourceclaims")
    return sum(each.verb == "get" for each in found)


def stuck(world: World) -> float:
    return world.metrics.claims_stuck.values.get(DRIVER, 0)


def change(world: World, key: tuple[str, str, str], **status: Any) -> None:
    found = world.server.store.get(key)
    found["status"] |= status
    world.server.store.replace(key, found)


async def test_a_claim_that_a_pod_has_reserved_stays() -> None:
    async with a_world("each") as world:
        await of_a_forgotten_pod(world)
        await some_rounds(world)
        assert len(files(world)) == 2


UNUSED: dict[str, dict[str, Any]] = {
    "no pod": {"reservedFor": []},
    "deallocated": {"allocation": None},
    "elsewhere": {
        "allocation": {
            "devices": {
                "results": [{"request": "hca", "driver": DRIVER, "pool": "node-2", "device": "d"}]
            }
        }
    },
}


@pytest.mark.parametrize("status", UNUSED.values(), ids=UNUSED.keys())
async def test_a_claim_that_is_not_in_use_is_released(status: dict[str, Any]) -> None:
    async with a_world("each") as world:
        change(world, await of_a_forgotten_pod(world), **status)
        await until(lambda: not files(world), lambda: files(world))


async def test_a_claim_whose_name_another_one_has_is_released() -> None:
    async with a_world("each") as world:
        key = await of_a_forgotten_pod(world)
        found = world.server.store.get(key)
        world.server.store.delete(key)
        metadata = {"namespace": key[1], "name": key[2]}
        world.server.add("resourceclaims", {**found, "metadata": metadata})
        await until(lambda: not files(world), lambda: files(world))


@pytest.mark.parametrize("fault", [401, 403, 404, 500, None])
async def test_without_an_answer_about_the_claim_nothing_is_released(fault: int | None) -> None:
    """404 too: an API server without resource.k8s.io/v1 knows no claim."""
    async with a_world("each") as world:
        key = await of_a_forgotten_pod(world)
        world.server.faults.append(ApiFault(status=fault, verb="get", times=10_000))
        world.server.store.delete(key)
        await some_rounds(world)
        world.server.faults.clear()
        world.ended(1)
        await until(lambda: not files(world), lambda: files(world))


async def test_while_kubelet_does_not_answer_nothing_is_released() -> None:
    async with a_world("each") as world:
        key = await of_a_forgotten_pod(world)
        await world.kubelet.stop()
        world.server.store.delete(key)
        await some_rounds(world)
        await world.kubelet.start()
        world.ended(1)
        await until(lambda: not files(world), lambda: files(world))


async def test_what_kubelet_lists_is_not_asked_for_and_stays() -> None:
    async with a_world("shared") as world:
        await world.start_pod(1)
        world.delete_claim(1)
        await some_rounds(world)
        assert asked(world) == 1  # at its prepare


async def test_a_kubelet_that_answers_again_gets_its_chance() -> None:
    """A new kubelet answers here before it registers the driver, and has unprepared nothing yet."""
    async with a_world("each") as world:
        key = await of_a_forgotten_pod(world)
        socket = KubeletDirectories.below(world.kubelet.root).pod_resources
        away = socket.rename(socket.with_name("away.sock"))
        world.server.store.delete(key)
        await until(lambda: bool(stuck(world)), lambda: asked(world))
        before = asked(world)
        away.rename(socket)
        await until(lambda: not files(world), lambda: files(world))
        # One request can have begun before the socket was back.
        assert asked(world) - before >= 2


async def test_of_two_claims_of_one_name_the_one_that_is_gone_is_released() -> None:
    """A user makes a claim again under its name, and kubelet lists names."""
    async with a_world("each") as world:
        await world.start_pod(1)
        here = claim_file(world, world.pods[1].uid)
        old = claim_file(world, "0" * 8)
        old.write_text(here.read_text().replace(world.pods[1].uid, old.stem))
        await until(lambda: not old.exists(), lambda: files(world))
        assert len(files(world)) == 2


async def test_a_damaged_file_of_a_pod_that_runs_is_not_stuck() -> None:
    async with a_world("each") as world:
        await world.start_pod(1)
        await world.start_pod(2)
        claim_file(world, world.pods[1].uid).write_text("{")
        for _ in range(6):
            await asyncio.sleep(ROUNDS)
            assert not stuck(world)


async def test_a_driver_that_has_ended_has_no_stuck_claim() -> None:
    async with a_world("each") as world:
        world.claims.mkdir(parents=True, exist_ok=True)
        claim_file(world, "0" * 8).write_text("{")
        await world.start_pod(1)
        await until(lambda: stuck(world) == 1, lambda: files(world))
        await world.stop()
        assert not stuck(world)

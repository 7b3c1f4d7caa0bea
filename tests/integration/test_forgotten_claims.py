"""Claims that kubelet has forgotten: released when no pod can have them, and never before."""

import asyncio
from typing import Any

import pytest

from rdma_dp.kubelet.directories import CLAIMS
from simulator.api_server import ApiFault
from tests.integration.dra_world import DRIVER, ROUNDS, World, a_world, until


async def of_a_forgotten_pod(world: World) -> tuple[str, str, str]:
    """The key of the claim of a pod that kubelet has lost from its checkpoint."""
    await world.start_pod(1)
    await world.rest()
    await world.lose_checkpoint(None)
    return "resourceclaims", "default", world.pods[1].name


def files(world: World) -> list[str]:
    directory = world.kubelet.root / "plugins" / DRIVER / CLAIMS
    return sorted(path.name for path in (*directory.glob("*"), *(world.root / "cdi").glob("*")))


async def some_rounds(world: World) -> None:
    """The rounds that release a claim, and more: each asks kubelet or the API server."""
    for _ in range(6):
        await asyncio.sleep(ROUNDS)
    await world.rest()


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
        world.forgotten.clear()
        del world.pods[1], world.devices[1]
        await until(lambda: not files(world), lambda: files(world))


async def test_while_kubelet_does_not_answer_nothing_is_released() -> None:
    async with a_world("each") as world:
        key = await of_a_forgotten_pod(world)
        await world.kubelet.stop()
        world.server.store.delete(key)
        await some_rounds(world)
        await world.kubelet.start()
        world.forgotten.clear()
        del world.pods[1], world.devices[1]
        await until(lambda: not files(world), lambda: files(world))


async def test_what_kubelet_lists_is_not_asked_for_and_stays() -> None:
    async with a_world("shared") as world:
        await world.start_pod(1)
        world.delete_claim(1)
        await some_rounds(world)
        asked = [each for each in world.server.answered if each.resource == "resourceclaims"]
        assert len(asked) == 1  # at its prepare

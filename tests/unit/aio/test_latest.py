import asyncio

import pytest

from rdma_dp.aio.latest import Latest, first_of

DEADLINE = 30.0


async def test_an_observer_gets_the_newest_value_at_once() -> None:
    latest = Latest("old")
    latest.set("new")
    async with asyncio.timeout(DEADLINE):
        assert await anext(latest.watch()) == "new"
    assert latest.value == "new"


async def test_an_observer_gets_each_change_that_it_waits_for() -> None:
    latest = Latest(0)
    watch = latest.watch()
    async with asyncio.timeout(DEADLINE):
        seen = [await anext(watch)]
        for value in (1, 2, 3):
            latest.set(value)
            seen.append(await anext(watch))
    assert seen == [0, 1, 2, 3]


async def test_a_slow_observer_skips_values_but_never_the_last() -> None:
    latest = Latest(0)
    watch = latest.watch()
    async with asyncio.timeout(DEADLINE):
        assert await anext(watch) == 0
        for value in range(1, 100):
            latest.set(value)
        assert await anext(watch) == 99


async def test_a_change_between_two_reads_is_not_missed() -> None:
    latest = Latest(0)
    watch = latest.watch()
    async with asyncio.timeout(DEADLINE):
        await anext(watch)
        waiting = asyncio.ensure_future(anext(watch))
        latest.set(1)  # before the observer has had a chance to run
        assert await waiting == 1


async def test_every_observer_gets_the_value() -> None:
    latest = Latest(0)
    watches = [latest.watch() for _ in range(5)]
    async with asyncio.timeout(DEADLINE):
        await asyncio.gather(*(anext(watch) for watch in watches))
        waiting = [asyncio.ensure_future(anext(watch)) for watch in watches]
        await asyncio.sleep(0)
        latest.set(7)
        assert await asyncio.gather(*waiting) == [7] * 5


async def test_an_observer_that_stops_does_not_block_the_others() -> None:
    latest = Latest(0)
    leaving, staying = latest.watch(), latest.watch()
    async with asyncio.timeout(DEADLINE):
        await anext(leaving)
        await anext(staying)
        gone = asyncio.ensure_future(anext(leaving))
        await asyncio.sleep(0)
        gone.cancel()
        latest.set(1)
        assert await anext(staying) == 1


async def test_until_waits_for_the_value_that_is_wanted() -> None:
    latest = Latest(0)
    async with asyncio.timeout(DEADLINE):
        wanted = asyncio.ensure_future(latest.until(lambda value: value >= 2))
        for value in (1, 2):
            await asyncio.sleep(0)
            latest.set(value)
        assert await wanted == 2


async def test_until_takes_the_value_that_is_there() -> None:
    async with asyncio.timeout(DEADLINE):
        assert await Latest(5).until(lambda value: value == 5) == 5


async def test_the_first_of_several_wins_and_the_others_are_cancelled_and_over() -> None:
    cancelled: list[str] = []

    async def never(name: str) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(name)
        return name

    async def at_once() -> str:
        return "winner"

    async with asyncio.timeout(DEADLINE):
        assert await first_of(never("a"), at_once(), never("b")) == "winner"
    assert sorted(cancelled) == ["a", "b"]


async def test_an_error_of_the_first_is_raised() -> None:
    async def fails() -> None:
        raise ValueError("as expected")

    async def never() -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(DEADLINE):
        with pytest.raises(ValueError, match="as expected"):
            await first_of(never(), fails())


async def test_of_several_that_are_ready_the_first_named_wins() -> None:
    async def ready(value: int) -> int:
        return value

    async with asyncio.timeout(DEADLINE):
        assert await first_of(ready(1), ready(2)) == 1

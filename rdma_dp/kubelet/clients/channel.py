"""Calls on a unix socket: a deadline for each, and errors for answers that cannot be read."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import grpc

DEADLINE = 2.0  # seconds for one answer; all are asked at the same time


# A book of a node with many pods is larger than gRPC's default for one message, 4 MiB.
OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
]


Answer = TypeVar("Answer")


# What a channel can fail with before a call: no descriptors, no memory, no thread.
NO_CHANNEL = (OSError, RuntimeError, MemoryError)


class UnintelligibleError(Exception):
    """An answer that is no message of its kind."""


async def intelligible(answer: Awaitable[Any]) -> Any:
    """The message; gRPC gives None for one that cannot be parsed."""
    message = await answer
    if message is None:
        raise UnintelligibleError
    return message


async def called(
    path: Path, call: Callable[[grpc.aio.Channel], Awaitable[Answer]]
) -> tuple[Answer | None, bool]:
    """The answer, None without a good one; and whether that is because none came in time."""
    try:
        async with (
            asyncio.timeout(2 * DEADLINE),
            grpc.aio.insecure_channel(f"unix:{path}", options=OPTIONS) as channel,
        ):
            return await call(channel), False
    except grpc.aio.AioRpcError as error:
        return None, error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    except TimeoutError:
        return None, True
    except (UnintelligibleError, *NO_CHANNEL):
        return None, False

"""The log of what runs in this process."""

import asyncio
import logging

from rdma_dp.aio.latest import Latest

DEADLINE = 60.0  # seconds; only a failure waits that long


class Log(logging.Handler):
    """Keeps every record, and lets a test wait for a line."""

    def __init__(self) -> None:
        super().__init__()
        self._records: Latest[tuple[logging.LogRecord, ...]] = Latest(())

    def emit(self, record: logging.LogRecord) -> None:
        self._records.set((*self._records.value, record))

    @property
    def all(self) -> list[str]:
        return [record.getMessage() for record in self._records.value]

    @property
    def errors(self) -> list[str]:
        wrong = [record for record in self._records.value if record.levelno >= logging.ERROR]
        return [record.getMessage() for record in wrong]

    def count(self, words: str) -> int:
        return sum(words in line for line in self.all)

    def clear(self) -> None:
        self._records.set(())

    async def until(self, words: str, times: int = 1) -> None:
        """Waits until so many lines have these words in them."""
        async with asyncio.timeout(DEADLINE):
            await self._records.until(lambda _: self.count(words) >= times)

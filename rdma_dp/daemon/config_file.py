"""The config file of a running daemon: waited for, read again when it changes, never half-read.

A wrong new config changes nothing: the last good config stays in force, and the log has the
problems as `check-config` prints them.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from rdma_dp import config
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest, first_of
from rdma_dp.aio.threads import in_thread, wait_for_end
from rdma_dp.config import (
    NO_DEFAULTS,
    Accepted,
    Config,
    ConfigError,
    ConfigMissing,
    ConfigUnreadable,
    Defaults,
    Problem,
)
from rdma_dp.daemon.config_parsing import Content, Parse, parse_here
from rdma_dp.log import Notice
from rdma_dp.metrics import ConfigFacts

logger = logging.getLogger(__name__)

# Seconds without a change after which a file counts as complete: an editor writes in pieces.
# kubelet replaces a mounted ConfigMap at once, by a symbolic link.
_STEADY = 0.1

# Seconds after which a file that could not be read is read again. No event reports that it can be.
_RETRY = 5.0

# Seconds after which the log reports that a read hangs, as on a network file system that is gone.
_SLOW = 10.0


class ConfigFile:
    """Reads one config file again when it changes, or on demand."""

    def __init__(
        self,
        path: Path,
        watch: DirectoryWatch,
        defaults: Defaults = NO_DEFAULTS,
        read: Callable[[Path], bytes] = config.read,
        facts: ConfigFacts | None = None,
        parse: Parse = parse_here,
        retry: float = _RETRY,
        longest_wait: float | None = None,
    ) -> None:
        """`retry`: seconds after which a file that could not be read is read again."""
        self._retry = retry
        self._facts = facts or ConfigFacts()
        self._longest_wait = longest_wait
        self._limit: asyncio.Timeout | None = None  # while the first config is waited for
        self._path = path
        self._defaults = defaults
        self._read = read
        self._parse = parse
        self._watch = watch
        self._demands = Latest(0)
        self._read_at = (-1, 0)  # the changes of the directory and the demands of the last reading
        self._seen: bytes | str | None = None
        self._unreadable = False  # at the last reading
        self._problems = Notice()

    def demand(self) -> None:
        """Reads the file now, and logs the result even if nothing changed (SIGHUP)."""
        self._demands.set(self._demands.value + 1)

    async def first(self) -> Config:
        """The first config; waits for one that can be read, up to `longest_wait` seconds.

        Raises ConfigError when it is wrong, or when there was none in that time.
        """
        try:
            async with asyncio.timeout(self._longest_wait) as self._limit:
                return await self._first()
        except TimeoutError:
            raise ConfigError(
                [
                    Problem(
                        "",
                        f"there was no config for {self._longest_wait:g} s: exiting, so that the "
                        "pod is not ready",
                        "put a config into the policy or the ConfigMap of the pod",
                    )
                ]
            ) from None
        finally:
            self._limit = None

    async def _first(self) -> Config:
        limit = "" if self._longest_wait is None else f", for up to {self._longest_wait:g} s"
        while True:
            try:
                return self._accepted(await self._next_reading())
            except (ConfigMissing, ConfigUnreadable) as missing:
                self._say(logging.WARNING, missing, f"waiting for a config{limit}")
            except ConfigError:
                if _compared(await self._steady_content()) == self._seen:
                    raise

    async def next(self) -> Config:
        """The next good config. Until there is one, problems are logged."""
        while True:
            try:
                loaded = await self._next_reading()
            except ConfigError as error:
                self._say(logging.ERROR, error, "the last good config stays in force")
            else:
                logger.info("new config from %s", self._path)
                return self._accepted(loaded)

    async def _next_reading(self) -> Accepted:
        """The file when it has changed, or on demand. Raises ConfigError."""
        while True:
            waits: list[Coroutine[Any, Any, object]] = [
                self._watch.changes.until(lambda count: count != self._read_at[0]),
                self._demands.until(lambda count: count != self._read_at[1]),
            ]
            if self._unreadable:
                waits.append(asyncio.sleep(self._retry))
            await first_of(*waits)
            demanded = self._demands.value != self._read_at[1]
            self._read_at = (self._watch.changes.value, self._demands.value)
            # The first one is taken at once: after a reboot, the pods of the node wait for HCAs.
            at_once = demanded or self._seen is None
            content = await self._content() if at_once else await self._steady_content()
            if demanded:
                self._problems.set(None)
            self._unreadable = isinstance(content, ConfigUnreadable)
            if _compared(content) != self._seen or demanded:
                self._seen = _compared(content)
                return await self._parsed(content)

    async def _parsed(self, content: Content) -> Accepted:
        """What the bytes mean. Raises ConfigError. It does not count as waiting for a config."""
        limit, loop = self._limit, asyncio.get_running_loop()
        left = None if limit is None or (ends := limit.when()) is None else ends - loop.time()
        if limit is not None:
            limit.reschedule(None)
        # In the thread: half a second for the largest config.
        parsing = in_thread(self._parse, content, self._defaults)
        await wait_for_end(parsing, _SLOW, lambda: self._say_slow("parsing"))
        if limit is not None and left is not None:
            limit.reschedule(loop.time() + left)
        return parsing.result()

    async def _steady_content(self) -> Content:
        before = None
        while _compared(content := await self._content()) != before:
            before = _compared(content)
            await asyncio.sleep(_STEADY)
        return content

    async def _content(self) -> Content:
        reading = in_thread(self._read, self._path)
        await wait_for_end(reading, _SLOW, lambda: self._say_slow("reading"))
        try:
            return reading.result()
        except ConfigError as error:
            return error

    def _say_slow(self, action: str) -> None:
        logger.warning(
            "%s: %s it takes more than %.0f s; the last good config stays in force",
            self._path,
            action,
            _SLOW,
        )

    def _accepted(self, loaded: Accepted) -> Config:
        self._problems.set(None)
        self._facts.accepted()
        for warning in loaded.warnings:
            logger.warning("%s", warning.in_file(self._path))
        return loaded.config

    def _say(self, level: int, error: ConfigError, consequence: str) -> None:
        """Logs every problem and its consequence, once until they change."""
        self._facts.valid = False
        lines = [problem.in_file(self._path) for problem in error.problems]
        if self._problems.set("\n".join(lines)):
            for line in lines:
                logger.log(level, "%s", line)
            logger.log(level, "%s", consequence)


def _compared(content: Content) -> bytes | str:
    """What two readings are compared by."""
    return str(content) if isinstance(content, ConfigError) else content

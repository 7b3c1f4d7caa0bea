"""The config file of a running daemon: waited for, read again when it changes, never half-read.

A new config that is wrong changes nothing: the last good one goes on, and the problems are logged
as `check-config` prints them.
"""

import asyncio
import logging
from pathlib import Path

from rdma_dp import config
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest, first_of
from rdma_dp.config import Config, ConfigError, ConfigMissing, Loaded
from rdma_dp.log import Notice

logger = logging.getLogger(__name__)

# Seconds for which a file must stay as it is before it is believed: an editor writes in pieces. A
# ConfigMap mount does not, it swaps a link.
_STEADY = 0.1

# What the file holds at one moment, or why that is nothing. Read once: what was compared is what is
# parsed, whoever writes meanwhile.
Content = bytes | ConfigError


class ConfigFile:
    """Reads one file, again and again."""

    def __init__(self, path: Path, watch: DirectoryWatch) -> None:
        self._path = path
        self._watch = watch
        self._demands = Latest(0)
        self._met = (-1, 0)  # the changes of the directory and the demands of the last reading
        self._seen: bytes | str | None = None
        self._problems = Notice()

    def demand(self) -> None:
        """Somebody wants it read now, and an answer in the log even if nothing changed."""
        self._demands.set(self._demands.value + 1)

    async def first(self) -> Config:
        """Waits while there is none. Raises ConfigError when the first one is wrong."""
        while True:
            try:
                return self._accepted(await self._next_reading())
            except ConfigMissing as missing:
                self._say(logging.WARNING, missing, "waiting for a config")
            except ConfigError:
                if _told(await self._steady_content()) == self._seen:
                    raise

    async def next(self) -> Config:
        """The next good config. A wrong one, or none, is logged, and the last good one goes on."""
        while True:
            try:
                loaded = await self._next_reading()
            except ConfigError as error:
                self._say(logging.ERROR, error, "the last good config goes on")
            else:
                logger.info("new config from %s", self._path)
                return self._accepted(loaded)

    async def _next_reading(self) -> Loaded:
        """The file, once it differs from what was read before, or on demand. Raises ConfigError."""
        while True:
            await first_of(
                self._watch.changes.until(lambda count: count != self._met[0]),
                self._demands.until(lambda count: count != self._met[1]),
            )
            demanded = self._demands.value != self._met[1]
            self._met = (self._watch.changes.value, self._demands.value)
            # The first one is taken as it is: a node's pods wait for their HCAs after a reboot.
            at_once = demanded or self._seen is None
            content = self._content() if at_once else await self._steady_content()
            if demanded:
                self._problems.set(None)
            if _told(content) != self._seen or demanded:
                self._seen = _told(content)
                return _loaded(content)

    async def _steady_content(self) -> Content:
        before = None
        while _told(content := self._content()) != before:
            before = _told(content)
            await asyncio.sleep(_STEADY)
        return content

    def _content(self) -> Content:
        try:
            return config.read(self._path)
        except ConfigError as error:
            return error

    def _accepted(self, loaded: Loaded) -> Config:
        self._problems.set(None)
        for warning in loaded.warnings:
            logger.warning("%s", warning.in_file(self._path))
        return loaded.config

    def _say(self, level: int, error: ConfigError, consequence: str) -> None:
        """Every problem, and what follows from it; once, until there is news."""
        lines = [problem.in_file(self._path) for problem in error.problems]
        if self._problems.set("\n".join(lines)):
            for line in lines:
                logger.log(level, "%s", line)
            logger.log(level, "%s", consequence)


def _told(content: Content) -> bytes | str:
    """What tells one content from another."""
    return str(content) if isinstance(content, ConfigError) else content


def _loaded(content: Content) -> Loaded:
    if isinstance(content, ConfigError):
        raise content
    return config.parse_bytes(content)

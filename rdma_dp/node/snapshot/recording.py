"""A tree that records each question and its answer.

It asks the tree below each question once. A caller that asks twice gets the same answer twice, as
it will from the snapshot. Of an environment it keeps only a few variables, also in a raw snapshot.
"""

import errno
import os
import stat
import time
from collections.abc import Callable
from typing import TypeVar

from rdma_dp.errors import RdmaDpError
from rdma_dp.host.environments import is_environment, without_secrets
from rdma_dp.host.symlinks import Resolver, is_magic, leads_out
from rdma_dp.host.tree import Status, Tree
from rdma_dp.node.snapshot import limits
from rdma_dp.node.snapshot.contents import (
    CharNode,
    Contents,
    Directory,
    Entry,
    File,
    Operation,
    Special,
    Symlink,
    with_parents,
)
from rdma_dp.node.snapshot.recorded import RecordedTree

T = TypeVar("T")


class RecordingTree:
    """Wraps another tree. Raises RdmaDpError when a snapshot would become too large.

    Links are followed here, so that each link on a path is recorded too.
    """

    live = False  # the answers are recorded

    def __init__(self, tree: Tree, clock: Callable[[], float] = time.monotonic) -> None:
        self._tree = tree
        self._clock = clock
        self._deadline = clock() + limits.SECONDS
        self._bytes = 0
        self._names: dict[str, list[str]] = {}
        self._targets: dict[str, str] = {}
        self._reads: dict[str, tuple[int, bytes]] = {}  # with the limit of the read
        self._lines: dict[tuple[str, ...], dict[str, bytes]] = {}  # by the words
        self._statuses: dict[str, Status] = {}
        self._failures: dict[tuple[Operation, str], int] = {}  # errno
        self._links: dict[str, str | None] = {}
        self._resolver = Resolver(self._link)

    def names(self, path: str) -> list[str]:
        """As the tree below."""
        where = self._resolver.canonical(path)
        return self._once(Operation.NAMES, where, self._names, lambda: self._tree.names(where))

    def target(self, path: str) -> str:
        """As the tree below."""
        return self._target(self._resolver.canonical(path, follow=False))

    def read(self, path: str, limit: int) -> bytes:
        """As the tree below."""
        where = self._resolver.canonical(path)
        before, content = self._reads.get(where, (limit, b""))
        if before < limit and len(content) == before:
            del self._reads[where]
        _, content = self._once(
            Operation.READ, where, self._reads, lambda: (limit, self._read(where, limit))
        )
        return content[:limit]

    def lines_with(self, path: str, words: tuple[str, ...]) -> bytes:
        """As the tree below. Only these lines of the file are recorded."""
        where = self._resolver.canonical(path)
        known = self._lines.setdefault(words, {})

        def ask() -> bytes:
            return self._counted(where, self._tree.lines_with(where, words))

        return self._once(Operation.READ, where, known, ask)

    def status(self, path: str) -> Status:
        """As the tree below."""
        where = self._resolver.canonical(path)
        return self._once(Operation.STATUS, where, self._statuses, lambda: self._tree.status(where))

    def contents(self) -> Contents:
        """Everything recorded so far. Raises RdmaDpError when a link leads out of the root."""
        magic = {path: target for path, target in self._targets.items() if is_magic(path)}
        entries = with_parents(self._entries(), Directory())
        without = RecordedTree(Contents(entries))
        failures = {
            (operation, path): code
            for (operation, path), code in self._failures.items()
            if code != _failure_of(without, operation, path)
        }
        return Contents(entries, failures, magic, self._deleted())

    def _deleted(self) -> frozenset[str]:
        statuses = self._statuses.items()
        return frozenset(p for p, s in statuses if stat.S_ISDIR(s.st_mode) and not s.st_nlink)

    def _entries(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {p: _entry_of(status) for p, status in self._statuses.items()}
        for path, lines in self._all_lines().items():
            found[path] = File(b"".join(lines))
        found |= {p: File(content) for p, (_, content) in self._reads.items()}
        found |= {p: Directory(tuple(sorted(names))) for p, names in self._names.items()}
        for path, target in self._targets.items():
            if is_magic(path):
                continue
            if leads_out(path, target):
                raise RdmaDpError(f"/{path} is a link that leads out of the root: {target}")
            found[path] = Symlink(target)
        return found

    def _all_lines(self) -> dict[str, dict[bytes, None]]:
        """The lines by file, each once."""
        found: dict[str, dict[bytes, None]] = {}
        for contents in self._lines.values():
            for path, content in contents.items():
                found.setdefault(path, {}).update(dict.fromkeys(content.splitlines(True)))
        return found

    def _read(self, where: str, limit: int) -> bytes:
        content = self._tree.read(where, limit)
        return self._counted(where, without_secrets(content) if is_environment(where) else content)

    def _counted(self, where: str, content: bytes) -> bytes:
        self._bytes += len(content)
        if len(content) > limits.FILE_BYTES:
            raise RdmaDpError(f"/{where} is too large for a snapshot: {len(content)} bytes")
        return content

    def _link(self, path: str) -> str | None:
        if path not in self._links:
            try:
                self._links[path] = self._target(path)
            except OSError:  # not a link, or nothing: then the question about the file fails too
                self._links[path] = None
        return self._links[path]

    def _target(self, where: str) -> str:
        return self._once(Operation.TARGET, where, self._targets, lambda: self._tree.target(where))

    def _once(
        self, operation: Operation, path: str, known: dict[str, T], ask: Callable[[], T]
    ) -> T:
        if path in known:
            return known[path]
        failure = self._failures.get((operation, path))
        if failure is not None:
            raise OSError(failure, os.strerror(failure))
        self._check_bounds(path)
        try:
            known[path] = ask()
        except OSError as error:
            self._failures[operation, path] = error.errno or errno.EIO
            raise
        return known[path]

    def _check_bounds(self, path: str) -> None:
        size = len(self._reads) + len(self._targets) + len(self._names)
        size += sum(map(len, self._lines.values()))
        size += len(self._statuses) + len(self._failures)
        if size > limits.MEMBERS or self._bytes > limits.BYTES:
            raise RdmaDpError(
                f"the snapshot is too large at /{path}:"
                f" {size} answers, {self._bytes} bytes of files"
            )
        if self._clock() > self._deadline:
            raise RdmaDpError(
                f"the snapshot is not complete after {limits.SECONDS:.0f} seconds, at /{path}",
                "a read on this node is very slow",
            )


def _failure_of(tree: RecordedTree, operation: Operation, path: str) -> int | None:
    """The errno that follows from the entries alone, and so is not recorded."""
    ask: Callable[[str], object] = {
        Operation.NAMES: tree.names,
        Operation.TARGET: tree.target,
        Operation.READ: lambda where: tree.read(where, 0),
        Operation.STATUS: tree.status,
    }[operation]
    try:
        ask(path)
    except OSError as error:
        return error.errno
    return None


def _entry_of(status: Status) -> Entry:
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        return Directory()
    if stat.S_ISCHR(mode):
        return CharNode(os.major(status.st_rdev), os.minor(status.st_rdev), mode)
    return File(None) if stat.S_ISREG(mode) else Special(mode)

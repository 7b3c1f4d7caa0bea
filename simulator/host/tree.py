"""A tree of files in memory, and the shortest way from one such tree to another on disk."""

# Tens of thousands of files: pathlib would take as long again as the kernel does. Hence:
# ruff: noqa: PTH101, PTH102, PTH105, PTH106, PTH108, PTH211
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rdma_dp.errors import RdmaDpError


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link; `target` as readlink gives it."""

    target: str


@dataclass(frozen=True, slots=True)
class CharNode:
    """A character device node."""

    major: int
    minor: int
    mode: int


Entry = bytes | Link | CharNode | None
"""A file's content, a link, a device node; None is a directory (needed only where it is empty)."""


def relative_target(link: str, to: str) -> str:
    """The target of `link` (a path) as sysfs makes it: always through the parent of `to`.

    Hence `.../0000:18:00.0/infiniband/mlx5_0/device` reads `../../../0000:18:00.0`
    (fs/kernfs/symlink.c, kernfs_get_target_path).
    """
    here, there = link.split("/")[:-1], to.split("/")
    shared = 0
    for ours, theirs in zip(here, there[:-1], strict=False):
        if ours != theirs:
            break
        shared += 1
    return "../" * (len(here) - shared) + "/".join(there[shared:])


@dataclass(frozen=True, slots=True)
class Tree:
    """Paths (relative, without a leading slash) and what is there."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def attributes(self, directory: str, values: Mapping[str, object]) -> None:
        """Attribute files: one line each; a value None is an attribute that is not there."""
        for name, value in values.items():
            if value is not None:
                self.entries[f"{directory}/{name}"] = f"{value}\n".encode()

    def file(self, path: str, content: bytes) -> None:
        """A file with exactly this content."""
        self.entries[path] = content

    def link(self, path: str, to: str) -> None:
        """A relative link to another path of the tree, as the kernel would write it."""
        self.entries[path] = Link(relative_target(path, to))

    def raw_link(self, path: str, target: str) -> None:
        """A link with exactly this target."""
        self.entries[path] = Link(target)

    def directory(self, path: str) -> None:
        """A directory that is there even if it stays empty."""
        self.entries[path] = None

    def node(self, path: str, node: CharNode) -> None:
        """A device node."""
        self.entries[path] = node

    def remove(self, path: str) -> None:
        """Takes a file, or a directory with everything in it, away."""
        self.entries.pop(path, None)
        for below in [known for known in self.entries if known.startswith(f"{path}/")]:
            del self.entries[below]

    def directories(self) -> set[str]:
        """Every directory, the implied ones too."""
        found = {path for path, entry in self.entries.items() if entry is None}
        for path in [*found, *self.entries]:
            parent = path.rpartition("/")[0]
            while parent and parent not in found:
                found.add(parent)
                parent = parent.rpartition("/")[0]
        return found


def update(root: Path, old: Tree, new: Tree) -> None:
    """Turns what `old` describes below `root` into `new`, touching only what differs.

    Links go first and come last, so that a reader sees few dangling ones; a changed file is
    replaced at once, so that nobody reads half of it.
    Raises RdmaDpError where the disk does not let it happen.
    """
    try:
        _update(os.fspath(root), old, new)
    except OSError as error:
        raise RdmaDpError(
            f"cannot write the stand-in host below {root}: {error.strerror}: {error.filename}",
            "device nodes need CAP_MKNOD; anything else a writable, empty directory",
        ) from error


def _update(root: str, old: Tree, new: Tree) -> None:
    before, after = old.entries, new.entries
    same_kind = {p for p, entry in after.items() if _is_file(before.get(p)) and _is_file(entry)}
    gone = [p for p, e in before.items() if p not in same_kind and after.get(p, ...) != e]
    come = [p for p, e in after.items() if p not in same_kind and before.get(p, ...) != e]
    old_directories, new_directories = old.directories(), new.directories()

    for path in sorted(gone, key=lambda p: not isinstance(before[p], Link)):
        if before[path] is not None:
            os.unlink(f"{root}/{path}")
    for path in sorted(old_directories - new_directories, reverse=True):
        os.rmdir(f"{root}/{path}")
    for path in sorted(new_directories - old_directories):
        os.mkdir(f"{root}/{path}")
    for path in sorted(same_kind):
        if before[path] != after[path]:
            _replace(root, path, after[path])
    for path in sorted(come, key=lambda p: isinstance(after[p], Link)):
        _create(f"{root}/{path}", after[path])


def _is_file(entry: Entry) -> bool:
    return isinstance(entry, bytes)


def _create(path: str, entry: Entry) -> None:
    if isinstance(entry, bytes):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(descriptor, entry)
        os.close(descriptor)
    elif isinstance(entry, Link):
        os.symlink(entry.target, path)
    elif isinstance(entry, CharNode):
        # mknod obeys the umask, udev does not: hence chmod.
        os.mknod(path, stat.S_IFCHR | entry.mode, os.makedev(entry.major, entry.minor))
        os.chmod(path, entry.mode)


def _replace(root: str, path: str, entry: Entry) -> None:
    fresh = f"{root}/.replacement"
    _create(fresh, entry)
    os.replace(fresh, f"{root}/{path}")

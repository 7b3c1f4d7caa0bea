"""A tree of files in memory, and the fewest changes that turn one tree on disk into another."""

# With tens of thousands of files, pathlib takes as long as the system calls. So:
# ruff: noqa: PTH101, PTH102, PTH105, PTH106, PTH108, PTH211
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rdma_dp.errors import RdmaDpError


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link; `target` is what readlink(2) returns."""

    target: str


@dataclass(frozen=True, slots=True)
class CharNode:
    """A character device node."""

    major: int
    minor: int
    mode: int


Entry = bytes | Link | CharNode | None
"""A file's content, a link, a device node, or None for a directory (needed if it is empty)."""


def relative_target(link: str, to: str) -> str:
    """The target of `link` (a path) as sysfs writes it, always through the parent of `to`.

    `.../0000:18:00.0/infiniband/mlx5_0/device` is `../../../0000:18:00.0` (kernel
    fs/kernfs/symlink.c, kernfs_get_target_path).
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
    """Maps paths (relative, without a leading slash) to entries."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def attributes(self, directory: str, values: Mapping[str, object]) -> None:
        """Attribute files with one line each. No file is made for a value None."""
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
        """A directory that exists even if it is empty."""
        self.entries[path] = None

    def node(self, path: str, node: CharNode) -> None:
        """A device node."""
        self.entries[path] = node

    def remove(self, path: str) -> None:
        """Removes a file, or a directory with everything in it."""
        self.entries.pop(path, None)
        for below in [known for known in self.entries if known.startswith(f"{path}/")]:
            del self.entries[below]

    def directories(self) -> set[str]:
        """Every directory, including those above the entries."""
        found = {path for path, entry in self.entries.items() if entry is None}
        for path in [*found, *self.entries]:
            parent = path.rpartition("/")[0]
            while parent and parent not in found:
                found.add(parent)
                parent = parent.rpartition("/")[0]
        return found


def update(root: Path, old: Tree, new: Tree) -> None:
    """Turns the tree `old` below `root` into `new`, and changes only what differs.

    Links are removed first and made last, so that a reader sees few dangling ones. A changed file
    is replaced atomically. Raises RdmaDpError when the disk refuses a change.
    """
    try:
        _update(os.fspath(root), old, new)
    except OSError as error:
        raise RdmaDpError(
            f"cannot write the simulated host below {root}: {error.strerror}: {error.filename}",
            "device nodes need CAP_MKNOD; other files need a writable, empty directory",
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
        # mknod(2) applies the umask and udev does not, so set the mode again.
        os.mknod(path, stat.S_IFCHR | entry.mode, os.makedev(entry.major, entry.minor))
        os.chmod(path, entry.mode)


def _replace(root: str, path: str, entry: Entry) -> None:
    fresh = f"{root}/.replacement"
    _create(fresh, entry)
    os.replace(fresh, f"{root}/{path}")

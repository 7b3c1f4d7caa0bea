"""Symbolic links as the kernel follows them, below a root that nothing leads out of."""

import errno
import os
import posixpath
import re
from collections.abc import Callable

_MOST_LINKS = 40  # MAXSYMLINKS of the kernel's include/linux/namei.h
_DEEPEST = 256  # directories; sysfs has about 20, and links about links can make 80,000

# Links that the kernel makes up: they lead to an object, and what they say is only its name
# (fs/proc/base.c, proc_pid_get_link; fs/proc/namespaces.c).
_MAGIC = re.compile(
    r"proc/[^/]+(/task/[^/]+)?/(root|cwd|exe|ns/[^/]+|fd/[^/]+|map_files/[^/]+)", re.ASCII
)


def is_magic(path: str) -> bool:
    """Whether a link's target is no path of this tree."""
    return bool(_MAGIC.fullmatch(path))


def leads_out(path: str, target: str) -> bool:
    """Whether a link has more ".." than directories above it. An absolute one has none."""
    if target.startswith("/"):
        return False
    return posixpath.normpath(posixpath.join("r", path, "..", target)).split("/")[0] != "r"


class Resolver:
    """Where paths lead. `target_of` gives a link's target, None for whatever is no link."""

    def __init__(self, target_of: Callable[[str], str | None]) -> None:
        self._target_of = target_of
        self._directories: dict[str, str] = {"": ""}

    def canonical(self, path: str, *, follow: bool = True) -> str:
        """The path without links; the last one stays with `follow` False. It may not exist.

        Raises OSError (ELOOP, ENAMETOOLONG), and ValueError for a name that no file can have.
        """
        if "\0" in path:
            raise ValueError("embedded null byte")  # as the system calls' wrappers do
        head, _, tail = path.rpartition("/")
        if tail in ("", ".", ".."):
            return self._walk("", path, follow=follow)
        if head not in self._directories:
            self._directories[head] = self._walk("", head, follow=True)
        return self._walk(self._directories[head], tail, follow=follow)

    def _walk(self, base: str, path: str, *, follow: bool) -> str:
        found = base.split("/") if base else []
        ahead = path.split("/")[::-1]
        links = 0
        while ahead:
            name = ahead.pop()
            if name in ("", "."):
                continue
            if name == "..":
                del found[-1:]
                continue
            found.append(name)
            if len(found) > _DEEPEST:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
            here = "/".join(found)
            target = self._target_of(here) if ahead or follow else None
            if target is None or is_magic(here):
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            found = [] if target.startswith("/") else found[:-1]
            ahead += target.split("/")[::-1]
        return "/".join(found)

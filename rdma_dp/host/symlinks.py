"""Symbolic links as the kernel follows them, below a root that no link leaves."""

import errno
import os
import posixpath
import re
from collections.abc import Callable

_MOST_LINKS = 40  # MAXSYMLINKS of the kernel's include/linux/namei.h
_DEEPEST = 256  # directories; sysfs has about 20, but chained links can make 80,000

# Links that lead to an object of the kernel. readlink(2) returns only the object's name
# (kernel fs/proc/base.c, proc_pid_get_link; fs/proc/namespaces.c).
_MAGIC = re.compile(
    r"proc/[^/]+(/task/[^/]+)?/(root|cwd|exe|ns/[^/]+|fd/[^/]+|map_files/[^/]+)", re.ASCII
)


def is_magic(path: str) -> bool:
    """Whether a link's target is not a path of this tree."""
    return bool(_MAGIC.fullmatch(path))


def leads_out(path: str, target: str) -> bool:
    """Whether a relative link has more ".." than there are directories above it."""
    if target.startswith("/"):
        return False
    return posixpath.normpath(posixpath.join("r", path, "..", target)).split("/")[0] != "r"


_ROOT = ("", False)  # the root itself, which does not leave the root


class Resolver:
    """Resolves paths. `target_of` returns a link's target, and None for anything else.

    Links for which `is_opaque` returns True are not followed. Directories are resolved once.
    """

    def __init__(
        self,
        target_of: Callable[[str], str | None],
        is_opaque: Callable[[str], bool] = is_magic,
    ) -> None:
        self._target_of = target_of
        self._is_opaque = is_opaque
        self._directories: dict[str, tuple[str, bool]] = {"": _ROOT}

    def canonical(self, path: str, *, follow: bool = True) -> str:
        """The path without links. With `follow` False, a link at its end stays. It need not exist.

        Raises OSError (ELOOP, ENAMETOOLONG), and ValueError for a name with a NUL.
        """
        return self.resolved(path, follow=follow)[0]

    def resolved(self, path: str, *, follow: bool = True) -> tuple[str, bool]:
        """As `canonical`, and whether the kernel would leave the root on this path.

        It leaves the root by a link to an absolute path, or by too many "..".
        """
        if "\0" in path:
            raise ValueError("embedded null byte")  # as Python's os functions do
        head, _, tail = path.rpartition("/")
        if tail in ("", ".", ".."):
            return self._walk(_ROOT, path, follow=follow)
        if head not in self._directories:
            self._directories[head] = self._walk(_ROOT, head, follow=True)
        base = self._directories[head]
        if follow:
            return self._walk(base, tail, follow=True)
        return f"{base[0]}/{tail}" if base[0] else tail, base[1]

    def _walk(self, base: tuple[str, bool], path: str, *, follow: bool) -> tuple[str, bool]:
        start, leaves = base
        found = start.split("/") if start else []
        ahead = path.split("/")[::-1]
        links = 0
        while ahead:
            name = ahead.pop()
            if name in ("", "."):
                continue
            if name == "..":
                leaves = leaves or not found
                del found[-1:]
                continue
            found.append(name)
            if len(found) > _DEEPEST:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
            here = "/".join(found)
            target = self._target_of(here) if ahead or follow else None
            if target is None or self._is_opaque(here):
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            absolute = target.startswith("/")
            leaves = leaves or absolute
            found = [] if absolute else found[:-1]
            ahead += target.split("/")[::-1]
        return "/".join(found), leaves

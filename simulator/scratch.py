"""Where the stand-ins keep their trees: in memory, and on a short path."""

import os
from tempfile import TemporaryDirectory

_MEMORY = "/dev/shm"  # noqa: S108 - a directory of our own is made in it


def scratch(prefix: str) -> TemporaryDirectory[str]:
    """A directory that goes away with its user.

    In memory where there is such a file system: a host is thousands of small files. And on a short
    path: the name of a unix socket has room for 107 bytes.
    """
    usable = os.access(_MEMORY, os.W_OK)
    return TemporaryDirectory(prefix=prefix, dir=_MEMORY if usable else None)

"""Temporary directories for simulated hosts and kubelets: in memory, with a short path."""

import os
from tempfile import TemporaryDirectory

_MEMORY = "/dev/shm"  # noqa: S108 - TemporaryDirectory makes a private directory in it


def scratch(prefix: str) -> TemporaryDirectory[str]:
    """A temporary directory, in memory if /dev/shm is writable: a host has thousands of files.

    Its path is short, because the path of a unix socket has at most 107 bytes (unix(7)).
    """
    usable = os.access(_MEMORY, os.W_OK)
    return TemporaryDirectory(prefix=prefix, dir=_MEMORY if usable else None)

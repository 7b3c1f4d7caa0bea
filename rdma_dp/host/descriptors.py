"""Recognize that this process or the machine has run out of file descriptors or memory.

Such a failure says nothing about the host, so it must never be taken for "not there". Each door to
the machine (files, netlink, events) turns it into ExhaustedError.
"""

import os
import resource
import socket
from contextlib import ExitStack, suppress

from rdma_dp.host.files import EXHAUSTED, ExhaustedError

# dlopen(3) reports no errno. glibc appends the text of strerror(3) to the message that Python puts
# into an ImportError.
_TEXTS = tuple(os.strerror(code) for code in EXHAUSTED)


def raise_if_exhausted(error: OSError | ImportError, action: str) -> None:
    """Raise ExhaustedError if `error` means that descriptors or memory are used up.

    `action` completes "cannot ...". An ImportError counts when the loader of shared objects names
    such a failure.
    """
    if isinstance(error, ImportError):
        reason = next((text for text in _TEXTS if text in str(error)), None)
    else:
        reason = error.strerror if error.errno in EXHAUSTED else None
    if reason is not None:
        raise ExhaustedError(f"cannot {action}: {reason}") from error


# Enough for thousands of resources. More descriptors than that show a fault.
_MOST = 65536


def raise_descriptor_limit() -> None:
    """Raise this process's limit of descriptors as far as it may, which costs nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def check_descriptors(count: int, action: str) -> None:
    """Raise ExhaustedError unless this process can open `count` more descriptors now.

    For libraries that hide the errno of a failed open, or print a traceback when one fails.
    """
    with ExitStack() as opened:
        try:
            for _ in range(0, count, 2):
                for end in socket.socketpair():
                    opened.enter_context(end)
        except OSError as error:
            raise_if_exhausted(error, action)
            raise

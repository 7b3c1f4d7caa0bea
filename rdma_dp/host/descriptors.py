"""Recognize that this process or the machine has run out of file descriptors or memory.

Such a failure says nothing about the host, so it must never be taken for "not there". Each door to
the machine (files, netlink, events) turns it into ExhaustedError.
"""

import os
import socket
from contextlib import ExitStack

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

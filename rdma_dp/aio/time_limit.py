"""A limit for calls that may block the whole process, event loop and signals included.

gRPC waits for ever when it cannot start its threads, as with too little address space. Nothing else
in the process runs then, so a thread ends it. Kubernetes starts it again.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rdma_dp.errors import RdmaDpError

logger = logging.getLogger(__name__)

START = 60.0  # seconds for a start, of the process or of a server

_STEPS = 60  # a process that was stopped for a while (SIGSTOP) has used up one of them at most


class NoThreadError(RdmaDpError):
    """No thread can be started: memory or process ids are used up."""


@contextmanager
def limited(action: str, seconds: float = START) -> Iterator[None]:
    """End the process with status 1 if the block takes longer. `action` completes "cannot ...".

    Raises NoThreadError.
    """
    done = threading.Event()

    def wait() -> None:
        for _ in range(_STEPS):
            if done.wait(seconds / _STEPS):
                return
        logger.critical(
            "cannot %s within %.0f s: the process ends (is there too little memory, or are"
            " there too few process ids?)",
            action,
            seconds,
        )
        os._exit(1)

    try:
        threading.Thread(target=wait, name="time limit", daemon=True).start()
    except (RuntimeError, MemoryError) as error:
        raise NoThreadError(
            f"cannot {action}: {error}", "memory or process ids are used up"
        ) from error
    try:
        yield
    finally:
        done.set()

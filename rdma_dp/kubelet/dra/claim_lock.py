"""One lock for the claim files of a driver: for the threads of a process, and for processes."""

import contextlib
import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rdma_dp.host.descriptors import raise_if_exhausted
from rdma_dp.kubelet.dra.claim_record import StoreError

# Seconds. kubelet waits 45 s for an answer (pkg/kubelet/cm/dra/plugin/dra_plugin.go).
TIMEOUT = 20.0

_FIRST, _LONGEST = 0.001, 0.05  # seconds between two tries
_MODE = 0o600
_HELD = (errno.EAGAIN, errno.EACCES)  # fcntl(2) of the lock of another process


class ClaimLock:
    """flock(2) on a file, which ends with the process that holds it."""

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        self._path = path
        self._timeout = timeout
        self._threads = threading.Lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds the lock. Blocks: call it in a thread. Raises StoreError and ExhaustedError."""
        end = time.monotonic() + self._timeout
        if not self._threads.acquire(timeout=self._timeout):
            raise self._too_long()
        try:
            descriptor = self._opened()
            try:
                self._lock(descriptor, end)
                yield
            finally:
                os.close(descriptor)  # which unlocks it
        finally:
            self._threads.release()

    def _opened(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with contextlib.suppress(FileExistsError):
                self._path.parent.mkdir(parents=True)
            return os.open(self._path, flags, _MODE)
        except OSError as error:
            raise self._failed(error) from error

    def _lock(self, descriptor: int, end: float) -> None:
        pause = _FIRST
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in _HELD:
                    raise self._failed(error) from error
            else:
                return
            if time.monotonic() > end:
                raise self._too_long()
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST)

    def _failed(self, error: OSError) -> StoreError:
        raise_if_exhausted(error, f"lock {self._path}")
        return StoreError(
            f"cannot lock {self._path}: {error.strerror}", "is the directory writable?"
        )

    def _too_long(self) -> StoreError:
        return StoreError(
            f"another rdma-dp has held the lock {self._path} for {self._timeout:.0f} s",
            "delete the pod of the rdma-dp that hangs",
        )

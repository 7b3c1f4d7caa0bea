"""The first scan of a daemon, in a thread that runs while the other modules are imported.

On a node with HCAs most of a scan is waiting: each port state is a command to a firmware. gRPC and
pydantic take longer to import than that.
"""

import threading
import time
from concurrent.futures import Future
from pathlib import Path

from rdma_dp.discovery import polling
from rdma_dp.host.files import ExhaustedError, Host

# Seconds after its end for which the result is used: longer than the imports take.
_FRESH = 2.0


class FirstScan:
    """Begins at once. `host` is the one to go on with: it remembers what never changes.

    A read that hangs delays no exit: the thread is a daemon thread, as those of aio/threads.py.
    """

    def __init__(self, root: Path) -> None:
        self.host = Host(root)
        self._found: Future[polling.Found] = Future()
        self._ended = 0.0
        if self.host.live:
            # Not in the thread: two threads that import at once can get unfinished modules.
            from rdma_dp.host.netlink import rdma_queries  # noqa: PLC0415

            rdma_queries.prepare()
        try:
            threading.Thread(target=self._scan, name="first scan", daemon=True).start()
        except (RuntimeError, MemoryError) as error:
            self._found.set_exception(ExhaustedError(f"cannot start a thread: {error}"))

    def _scan(self) -> None:
        try:
            found = polling.scan_with_fingerprint(self.host)
            self._ended = time.monotonic()
            self._found.set_result(found)
        except Exception as error:  # noqa: BLE001 - raised again where the result is used
            self._found.set_exception(error)

    def result(self) -> polling.Found:
        """Waits for the end of the scan; scans again if it has ended long ago. Raises as a scan."""
        found = self._found.result()
        if time.monotonic() - self._ended < _FRESH:
            return found
        # The daemon has waited for its config. What is listed once stays listed.
        return polling.scan_with_fingerprint(self.host)

"""The first scan of a daemon, in a thread that runs while the other modules are imported.

On a node with HCAs most of a scan is waiting: each port state is a command to a firmware. gRPC and
pydantic take longer to import than that.
"""

import threading
from concurrent.futures import Future
from pathlib import Path

from rdma_dp.discovery import polling
from rdma_dp.host.files import ExhaustedError, Host


class FirstScan:
    """Begins at once. `host` is the one to go on with: it remembers what never changes.

    A read that hangs delays no exit: the thread is a daemon thread, as those of aio/threads.py.
    """

    def __init__(self, root: Path) -> None:
        self.host = Host(root)
        self._found: Future[polling.Found] = Future()
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
            self._found.set_result(polling.scan_with_fingerprint(self.host))
        except Exception as error:  # noqa: BLE001 - raised again where the result is used
            self._found.set_exception(error)

    def result(self) -> polling.Found:
        """Waits for the end of the scan. Raises what a scan raises."""
        return self._found.result()

"""The first scan of a daemon, in a thread that runs while the other modules are imported.

On a node with HCAs most of a scan is waiting: each port state is a command to a firmware. gRPC and
pydantic take longer to import than that.
"""

import threading
from pathlib import Path

from rdma_dp.discovery import polling
from rdma_dp.errors import FAILED_READ
from rdma_dp.host.files import Host


class FirstScan:
    """Begins at once. `host` is the one to go on with: it remembers what never changes."""

    def __init__(self, root: Path) -> None:
        self.host = Host(root)
        self._found: polling.Found | None = None
        self._ended = threading.Event()
        try:
            threading.Thread(target=self._scan, name="first scan", daemon=True).start()
        except (RuntimeError, MemoryError):  # memory or process ids are used up
            self._ended.set()

    def _scan(self) -> None:
        try:
            self._found = polling.scan_with_fingerprint(self.host)
        except FAILED_READ:
            pass  # the next scan reports it
        finally:
            self._ended.set()

    def result(self) -> polling.Found | None:
        """Waits for the end of the scan. None if it failed."""
        self._ended.wait()
        return self._found

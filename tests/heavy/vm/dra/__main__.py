"""`python -m tests.heavy.vm.dra [PYTEST ARGUMENT...]`: pods with claims use the HCAs of the VM.

The control plane runs beside the VM. Needs what `python -m tests.heavy.node` and
`python -m tests.heavy.vm.node` need, and shares their parts.
"""

import logging
import signal
import sys

from tests.heavy.node.__main__ import of_a_cluster
from tests.heavy.vm.dra import beside
from tests.heavy.vm.node.__main__ import main

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-vm-dra: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main("test-vm-dra", "tests/heavy/vm/dra", of_a_cluster, beside.boot, patience=2))

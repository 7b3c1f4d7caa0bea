"""`python -m tests.heavy.dra [PYTEST ARGUMENT...]`: DRA with a real kubelet and control plane.

Needs what `python -m tests.heavy.node` needs, and shares its parts, and strace.
"""

import logging
import signal
import sys

from tests.heavy.node.__main__ import main

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-dra: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main("tests/heavy/dra", ("strace",)))

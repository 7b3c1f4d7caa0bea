"""Only `python -m tests.heavy.cdi` runs these tests: `make test` builds no Go programs."""

import os

if "RDMA_DP_TEST_CDI" not in os.environ:
    collect_ignore_glob = ["test_*.py"]

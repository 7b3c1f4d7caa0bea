"""`python -m rdma_dp` is `rdma-dp`."""

import sys

from rdma_dp.cli.main import main

sys.exit(main())

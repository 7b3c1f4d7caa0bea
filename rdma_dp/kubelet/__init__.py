"""Everything that speaks to kubelet."""

import os

from rdma_dp.kubelet.grpc_log import report_each_cause_once

# gRPC's C core would write its own lines to stderr. The callers report errors. gRPC reads this
# variable when it is imported, and only modules of this package import it.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

report_each_cause_once()

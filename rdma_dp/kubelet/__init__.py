"""Everything that speaks to kubelet."""

import os

from rdma_dp.kubelet.grpc_log import report_each_cause_once

# gRPC's own log would stand between our lines, unasked and in a form of its own; what goes wrong is
# told by whoever called. It reads this when it is imported, which happens below here alone.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

report_each_cause_once()

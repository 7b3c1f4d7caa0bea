"""The options of our gRPC servers: no client can use up the descriptors or the memory of a process.

The names are in gRPC's include/grpc/impl/channel_arg_names.h.
"""

import resource
from collections.abc import Sequence

# Connections to one socket: kubelet's, one for each stream (at most 8, see
# registration/handover.py) and for each that has ended in the last minute (_IDLE), because kubelet
# up to 1.36 does not close those; the peers' and the doctor's.
_MOST_CONNECTIONS = 64
_FEWEST_CONNECTIONS = 16
_SHARE = 1 / 16  # of this process's descriptors

# Milliseconds until a connection is closed on which the client has not begun to speak HTTP/2.
# kubelet tries to connect for 10 s (pkg/kubelet/cm/devicemanager/plugin/v1beta1/client.go).
_HANDSHAKE = 5_000

_IDLE = 60_000  # milliseconds without a call, after which a connection is closed

_STREAMS = 1024  # calls at the same time on one connection


def server_options() -> Sequence[tuple[str, int]]:
    """The options of one server."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    share = _MOST_CONNECTIONS if descriptors < 0 else int(descriptors * _SHARE)
    return (
        ("grpc.so_reuseport", 0),
        (
            "grpc.max_allowed_incoming_connections",
            min(max(share, _FEWEST_CONNECTIONS), _MOST_CONNECTIONS),
        ),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE),
        ("grpc.max_connection_idle_ms", _IDLE),
        ("grpc.max_concurrent_streams", _STREAMS),
    )

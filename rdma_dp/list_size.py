"""How many slots fit into the one message that tells kubelet about them.

ListAndWatch sends the whole list each time. kubelet's gRPC client refuses messages above grpc's
default of 4 MiB and then drops the resource, so the limit belongs to the config check.

The arithmetic is that of the protobuf wire format for

    message ListAndWatchResponse { repeated Device devices = 1; }
    message Device { string ID = 1; string health = 2; }

where every field is one byte of tag, one byte of length (all lengths here are below 128) and
its content.
"""

from bisect import bisect_right

from rdma_dp.problems import Refused

MESSAGE_LIMIT = 4 * 1024 * 1024  # bytes; grpc-go clientconn.go: defaultClientMaxReceiveMessageSize

_FIELD_HEADER = 2
_LONGEST_HEALTH = len("Unhealthy")
_BYTES_BESIDE_THE_ID = 3 * _FIELD_HEADER + _LONGEST_HEALTH  # headers of devices, ID and health


def list_bytes(slots: int) -> int:
    """Bytes of the list with the ids "0" to str(slots - 1), all of them Unhealthy."""
    total, digits, first = 0, 1, 0
    while first < slots:
        end = min(slots, 10**digits)
        total += (end - first) * (_BYTES_BESIDE_THE_ID + digits)
        first, digits = end, digits + 1
    return total


# The most slots whose list still fits.
MOST_SLOTS = bisect_right(range(MESSAGE_LIMIT), MESSAGE_LIMIT, key=list_bytes) - 1


def checked_slots(slots: int) -> int:
    """A number of slots that is worth a resource and fits into its list."""
    if slots < 1:
        raise Refused("must be at least 1", "it is how many containers may share the HCAs")
    if slots > MOST_SLOTS:
        raise Refused(
            f"must be at most {MOST_SLOTS}",
            f"kubelet takes no list of slots above {MESSAGE_LIMIT} bytes",
        )
    return slots

"""How many slots fit into one message of ListAndWatch.

ListAndWatch sends the whole list each time. kubelet's gRPC client refuses messages above gRPC's
default of 4 MiB and then drops the resource, so the config is checked for this limit, and
sharing/slot_groups.py lists no more slots than fit.

The sizes follow from the protobuf wire format of

    message ListAndWatchResponse { repeated Device devices = 1; }
    message Device { string ID = 1; string health = 2; TopologyInfo topology = 3; }
    message TopologyInfo { repeated NUMANode nodes = 1; }
    message NUMANode { int64 ID = 1; }

where each field is a tag of one byte, a length (one byte for up to 127) and its content.
"""

from bisect import bisect_right
from functools import cache

MESSAGE_LIMIT = 4 * 1024 * 1024  # bytes; grpc-go clientconn.go: defaultClientMaxReceiveMessageSize

# Bytes: the limit of the manifests in deploy/, what the daemon uses without a list, and what one
# slot takes. The last two were measured with the longest lists.
MEMORY_LIMIT = 256 * 1024 * 1024
_MEMORY = 55 * 1024 * 1024
_MEMORY_OF_SLOT = 128

_LONGEST_HEALTH = len("Unhealthy")
_LONGEST_NUMBER = 10  # bytes of an int64 as a varint, without the tag


def slot_bytes(longest_id: int, topology: bool) -> int:
    """The most bytes of one slot in the list. `topology`: whether the slot has a NUMA node."""
    device = _field(longest_id) + _field(_LONGEST_HEALTH)
    if topology:
        device += _field(_field(1 + _LONGEST_NUMBER))
    return _field(device)


def _field(content: int) -> int:
    """Bytes of a field: its tag, its length in groups of 7 bits, and its content."""
    return 1 + max(1, -(-content.bit_length() // 7)) + content


def memory(slots: int) -> int:
    """About how many bytes of memory the daemon uses with so many slots in all its lists."""
    return _MEMORY + slots * _MEMORY_OF_SLOT


def list_bytes(slots: int, key: int = 0, topology: bool = False) -> int:
    """The most bytes of a list of slots 0 to slots - 1. `key`: characters of the hardware key.

    The result is exact without topology when all slots are Unhealthy.
    """
    prefix = key + 1 if key else 0  # the key and its dash
    total, digits, first = 0, 1, 0
    while first < slots:
        end = min(slots, 10**digits)
        total += (end - first) * slot_bytes(prefix + digits, topology)
        first, digits = end, digits + 1
    return total


@cache
def most_slots(key: int = 0, topology: bool = False) -> int:
    """The largest number of slots whose list fits into one message."""

    def size(slots: int) -> int:
        return list_bytes(slots, key, topology)

    return bisect_right(range(MESSAGE_LIMIT), MESSAGE_LIMIT, key=size) - 1


MOST_SLOTS = most_slots()

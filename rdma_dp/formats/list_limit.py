"""How many slots fit into the one message that tells kubelet about them.

ListAndWatch sends the whole list each time. kubelet's gRPC client refuses messages above grpc's
default of 4 MiB and then drops the resource, so the limit belongs to the config check.

The arithmetic is that of the protobuf wire format for

    message ListAndWatchResponse { repeated Device devices = 1; }
    message Device { string ID = 1; string health = 2; TopologyInfo topology = 3; }
    message TopologyInfo { repeated NUMANode nodes = 1; }
    message NUMANode { int64 ID = 1; }

where every field is one byte of tag, a length of one byte (up to 127) and its content.
"""

from bisect import bisect_right
from functools import cache

MESSAGE_LIMIT = 4 * 1024 * 1024  # bytes; grpc-go clientconn.go: defaultClientMaxReceiveMessageSize

_LONGEST_HEALTH = len("Unhealthy")
_LONGEST_NUMBER = 10  # bytes of an int64 as a varint, without the tag


def slot_bytes(longest_id: int, topology: bool) -> int:
    """Bytes of one slot in the list, at most; `topology` is whether it names a NUMA node."""
    device = _field(longest_id) + _field(_LONGEST_HEALTH)
    if topology:
        device += _field(_field(1 + _LONGEST_NUMBER))
    return _field(device)


def _field(content: int) -> int:
    """Bytes of a field with a length: tag, length in groups of 7 bits, content."""
    return 1 + max(1, -(-content.bit_length() // 7)) + content


def list_bytes(slots: int, key: int = 0, topology: bool = False) -> int:
    """Bytes of the list with ids from 0 to slots - 1, at most; behind a key of so many characters.

    Without topology it is exact for slots that are all Unhealthy.
    """
    beside_the_number = key + 1 if key else 0  # the key and its dash
    total, digits, first = 0, 1, 0
    while first < slots:
        end = min(slots, 10**digits)
        total += (end - first) * slot_bytes(beside_the_number + digits, topology)
        first, digits = end, digits + 1
    return total


@cache
def most_slots(key: int = 0, topology: bool = False) -> int:
    """The most slots whose list still fits."""

    def size(slots: int) -> int:
        return list_bytes(slots, key, topology)

    return bisect_right(range(MESSAGE_LIMIT), MESSAGE_LIMIT, key=size) - 1


MOST_SLOTS = most_slots()

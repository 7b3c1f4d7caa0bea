"""The statistics of a netdev as its driver names them, like `ethtool -S`. Needs no capability.

Only the ioctl has them: ethtool's netlink knows a few groups of standard counters.
"""

import array
import fcntl
import socket
import struct
from collections.abc import Mapping

from rdma_dp.host.descriptors import raise_if_exhausted

# Kernel include/uapi/linux/sockios.h, and ethtool.h with the structures ethtool_sset_info,
# ethtool_gstrings and ethtool_stats.
_SIOCETHTOOL = 0x8946
_GSTRINGS, _GSTATS, _GSSET_INFO = 0x1B, 0x1D, 0x37
_STATS_SET = 1  # ETH_SS_STATS
_NAME_LENGTH = 32  # ETH_GSTRING_LEN

# struct ifreq with a pointer in its union (include/uapi/linux/if.h).
_IFREQ = "16sP16x"
_LONGEST_NETDEV = 15  # IFNAMSIZ without the NUL

# Room for statistics that the driver adds between two questions: the kernel writes all that there
# are, whatever the size of the buffer (net/ethtool/ioctl.c, ethtool_get_stats).
_SPARE = 1024


def statistics(netdev: str) -> Mapping[str, int]:
    """The statistics by their names; none for a netdev without any. Raises ExhaustedError."""
    name = netdev.encode("utf-8", "surrogateescape")
    if len(name) > _LONGEST_NETDEV:
        return {}
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            return _asked(link, name)
    except OSError as error:  # the netdev is gone, or its driver has no statistics
        raise_if_exhausted(error, "ask for the statistics of a netdev")
        return {}


def _asked(link: socket.socket, netdev: bytes) -> Mapping[str, int]:
    def call(head: bytes, room: int) -> bytes:
        buffer = array.array("B", head + bytes(room))
        address, _ = buffer.buffer_info()
        fcntl.ioctl(link, _SIOCETHTOOL, struct.pack(_IFREQ, netdev, address))
        return buffer.tobytes()

    _, _, known, count = struct.unpack(
        "=IIQI", call(struct.pack("=IIQI", _GSSET_INFO, 0, 1 << _STATS_SET, 0), 0)
    )
    if not known:
        return {}
    room = count + _SPARE
    strings = call(struct.pack("=III", _GSTRINGS, _STATS_SET, count), room * _NAME_LENGTH)
    values = call(struct.pack("=II", _GSTATS, count), room * 8)
    return parsed_statistics(strings, values)


def parsed_statistics(strings: bytes, values: bytes) -> Mapping[str, int]:
    """The statistics in the answers to GSTRINGS and GSTATS; none if their numbers differ."""
    _, _, count = struct.unpack_from("=III", strings)
    _, counted = struct.unpack_from("=II", values)
    if count != counted or len(strings) < 12 + count * _NAME_LENGTH or len(values) < 8 + count * 8:
        return {}
    numbers = struct.unpack_from(f"={count}Q", values, 8)
    starts = range(12, 12 + count * _NAME_LENGTH, _NAME_LENGTH)
    names = (strings[at : at + _NAME_LENGTH].partition(b"\0")[0] for at in starts)
    return {
        name.decode("ascii", "replace").strip(): number
        for name, number in zip(names, numbers, strict=True)
    }

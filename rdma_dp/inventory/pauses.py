"""Pauses of Ethernet flow control in the statistics of a netdev. Pure.

With PFC, each priority is paused alone. Drivers show a priority only if PFC is on for it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# Names of kernel drivers/net/ethernet: mellanox/mlx5/core/en_stats.c, broadcom/bnxt/bnxt_ethtool.c,
# intel/ice/ice_ethtool.c and intel/i40e/i40e_ethtool.c.
_FRAMES = re.compile(
    r"(?P<mlx5>[rt]x)_(?:prio(?P<p1>\d)|global)_pause"
    r"|(?P<bnxt>[rt]x)_pfc_ena_frames_pri(?P<p2>\d)"
    r"|(?P<ice>[rt]x)_priority_(?P<p3>\d)_xoff\.nic"
    r"|port\.(?P<i40e>[rt]x)_priority_(?P<p4>\d)_xoff"
)
_MICROSECONDS = re.compile(
    r"(?P<mlx5>[rt]x)_(?:prio(?P<p1>\d)|global)_pause_duration"
    r"|pfc_pri(?P<p2>\d)_(?P<bnxt>[rt]x)_duration_us"
)
_DIRECTIONS = {"rx": "receive", "tx": "transmit"}

Which = tuple[str, str]
"""A priority ("0" to "7", or "global" without PFC), and "receive" or "transmit".

Received pauses stop this port. Transmitted ones stop the switch.
"""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Pause frames, and the time in pause in microseconds, since the driver was loaded."""

    frames: Mapping[Which, int] = field(default_factory=dict)
    microseconds: Mapping[Which, int] = field(default_factory=dict)


def pauses_in(netdevs: Iterable[Mapping[str, int]]) -> Pauses:
    """The pauses of a port, from the statistics of its netdevs. A RoCE bond has several."""
    frames, microseconds = Counter[Which](), Counter[Which]()
    for statistics in netdevs:
        for name, value in statistics.items():
            for form, found in ((_FRAMES, frames), (_MICROSECONDS, microseconds)):
                match = form.fullmatch(name)
                if match is not None:
                    found[_which(match)] += value
    return Pauses(dict(frames), dict(microseconds))


def _which(match: re.Match[str]) -> Which:
    groups = {name: part for name, part in match.groupdict().items() if part is not None}
    priority = next((part for part in groups.values() if part.isdigit()), "global")
    direction = next(_DIRECTIONS[part] for part in groups.values() if part in _DIRECTIONS)
    return priority, direction

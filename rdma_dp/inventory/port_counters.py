"""One reading of the counters of a port, and what it means. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rdma_dp.inventory.counter_meanings import MEANINGS, Meaning, has_meaning, table_name

_LARGEST = 2**64 - 1

# 4-byte words (InfiniBand's PortXmitData and PortRcvData).
_BYTES_OF_UNIT = {"port_xmit_data": 4, "port_rcv_data": 4}

# The widths in bits of PORT_PMA_ATTR in core/sysfs.c. A counter stops at its largest value and
# stays there until it is reset. Traffic has 32 bits on adapters without extended counters.
_BITS = {
    **dict.fromkeys(("local_link_integrity_errors", "excessive_buffer_overrun_errors"), 4),
    **dict.fromkeys(("link_error_recovery", "link_downed"), 8),
    **dict.fromkeys(("port_xmit_constraint_errors", "port_rcv_constraint_errors"), 8),
    **dict.fromkeys(("symbol_error", "port_rcv_errors", "port_xmit_discards", "VL15_dropped"), 16),
    **dict.fromkeys(("port_rcv_remote_physical_errors", "port_rcv_switch_relay_errors"), 16),
    **dict.fromkeys(("port_xmit_data", "port_rcv_data", "port_xmit_wait"), 32),
    **dict.fromkeys(("port_xmit_packets", "port_rcv_packets"), 32),
}


def parsed(text: str) -> int | None:
    """The value of a counter's file; None if it is not a whole number of 64 bits."""
    # No number of 64 bits has more digits. int() takes long for thousands of them.
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST))):
        return None
    value = int(text)
    return value if value <= _LARGEST else None


Values = Mapping[str, int | None]
"""Values by the driver's names. None: the counter exists, but could not be read now."""


@dataclass(frozen=True, slots=True)
class RawCounters:
    """One reading of a port: counters/ and hw_counters/."""

    standard: Values = field(default_factory=dict)
    own: Values = field(default_factory=dict)

    @property
    def failures(self) -> int:
        """How many counters could not be read."""
        return [*self.standard.values(), *self.own.values()].count(None)


@dataclass(frozen=True, slots=True)
class PortCounters:
    """The counters of a port: `values` by the names of MEANINGS, `others` by the driver's names.

    `saturated` has the names of those that have reached their largest value.
    """

    values: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)
    saturated: tuple[str, ...] = ()


def interpreted(raw: RawCounters) -> PortCounters:
    """What a reading means. Counters that are absent or could not be read are left out."""
    standard = {table_name(name): value for name, value in raw.standard.items()}
    own = {table_name(name): value for name, value in raw.own.items()}
    values = {each.name: value for each in MEANINGS for value in _value(each, standard, own)}
    others = {
        name: value
        for table in (raw.own, raw.standard)
        for name, value in table.items()
        if value is not None and not has_meaning(name)
    }
    return PortCounters(values, others, tuple(_saturated(standard)))


def _value(meaning: Meaning, *tables: Values) -> Iterator[int]:
    """The value, if there is one.

    The first source that exists counts, and all of its parts that exist. While one of them cannot
    be read, there is no value: another sum would look like a reset of the counter.
    """
    for names in meaning.sources:
        for table in tables:
            parts = [(name, table[name]) for name in names if name in table]
            if parts:
                known = [
                    value * _BYTES_OF_UNIT.get(name, 1)
                    for name, value in parts
                    if value is not None
                ]
                if len(known) == len(parts):
                    yield sum(known)
                return


def _saturated(standard: Values) -> Iterator[str]:
    named = {source: each.name for each in MEANINGS for names in each.sources for source in names}
    for name, bits in _BITS.items():
        if standard.get(name) == 2**bits - 1:
            yield named.get(name, name)

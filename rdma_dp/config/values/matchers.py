"""Values of one selector, compiled once, so that each name is compared with all of them at once.

A config can have 19,000 values in a selector, and a node can have 250 HCAs. `matches(value, found)`
of globs, pci_addresses and pf_names compares one pair. Their `compile_*` functions return a Matcher
instead. It finds the same values, and takes about as long for 19,000 values as for one:

    matcher = compile_globs(("mlx5_*", "ens1f0np0"))     # once per config
    matcher.matches("mlx5_3")                            # True: some value matches
    matcher.matching(["mlx5_3", "eth0"])                 # ("mlx5_*",): these values match

`selectors.compiled(traits)` returns the matchers of all selectors that a config gives.
"""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

Found_contra = TypeVar("Found_contra", contravariant=True)  # what an HCA has
Value = TypeVar("Value", bound=Hashable)


class Matcher(ABC, Generic[Found_contra]):
    """Compares what an HCA has with all values of one selector. Immutable.

    `values` are those of the config, in its order; `texts` are the same as strings.
    """

    def __init__(self, values: Iterable[Any]) -> None:
        self.values = tuple(values)
        self.texts = tuple(map(str, self.values))  # for messages, made once for all HCAs

    @abstractmethod
    def positions(self, found: Found_contra) -> Iterator[int]:
        """The positions of the values that match, in any order, perhaps repeated."""

    def matches(self, found: Found_contra) -> bool:
        """Whether at least one value matches."""
        return next(self.positions(found), None) is not None

    def matching(self, found: Iterable[Found_contra]) -> tuple[Any, ...]:
        """The values that match at least one of `found`, in the config's order."""
        positions: set[int] = set()
        for one in found:
            positions.update(self.positions(one))
        return tuple([self.values[position] for position in sorted(positions)])


class EqualMatcher(Matcher[Hashable]):
    """A value matches what is equal to it."""

    def __init__(self, values: Iterable[Hashable]) -> None:
        super().__init__(values)
        self._positions = positions_by_value(self.values)

    def positions(self, found: Hashable) -> Iterator[int]:
        """The positions of the equal values."""
        return iter(self._positions.get(found, ()))


def positions_by_value(values: Iterable[Value]) -> dict[Value, list[int]]:
    """The positions of each value."""
    positions: dict[Value, list[int]] = {}
    for position, value in enumerate(values):
        positions.setdefault(value, []).append(position)
    return positions


class Ranges:
    """Ranges of integers, or of tuples of them, with both ends included; each has a position."""

    def __init__(self, ranges: Iterable[tuple[Any, Any, int]]) -> None:
        """Each range is (first, last, position)."""
        self._ranges: Sequence[tuple[Any, Any, int]] = sorted(ranges)
        self._firsts = [first for first, _, _ in self._ranges]
        # The highest end of each range and of all before it: if it is below a number, none of them
        # contains the number.
        self._reach = list(accumulate((last for _, last, _ in self._ranges), max))

    def positions(self, number: Any) -> Iterator[int]:
        """The positions of the ranges that contain the number."""
        index = bisect_right(self._firsts, number) - 1
        while index >= 0 and self._reach[index] >= number:
            _, last, position = self._ranges[index]
            if number <= last:
                yield position
            index -= 1

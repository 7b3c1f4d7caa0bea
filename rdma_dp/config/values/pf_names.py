"""PF names in a config, as in sriov-network-device-plugin: "ens1f0", "ens1f0#0,2-3".

A name without # means the PF and all its VFs and SFs. With # it means only the VFs or SFs with
these numbers. Unlike in that plugin, the name can be a glob, but not a regular expression.

`matches` compares one value with one function. `compile_pf_names` compiles all values of a
selector; matchers.py has the interface.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from rdma_dp.config.problems import InvalidValue
from rdma_dp.config.values import globs, kernel_names
from rdma_dp.config.values.matchers import Matcher, Ranges

_MOST_DIGITS = 10  # an sfnum has 32 bits
_NUMBERS = re.compile(rf"([0-9]{{1,{_MOST_DIGITS}}})(?:-([0-9]{{1,{_MOST_DIGITS}}}))?")
_LONG_NUMBERS = re.compile(r"[0-9]+(-[0-9]+)?")

# For JSON Schema, without lookahead, because Go's regular expressions do not have it: a name that
# has more than digits and dashes, or any name with # and numbers.
_SPAN = rf"[0-9]{{1,{_MOST_DIGITS}}}(-[0-9]{{1,{_MOST_DIGITS}}})?"
PATTERN = rf"([^#,:{{}}]*[^#,:{{}}0-9-][^#,:{{}}]*|{globs.NAME_PATTERN}#{_SPAN}(,{_SPAN})*)"


@dataclass(frozen=True, slots=True)
class PfFunction:
    """A function by the netdev of its PF: "ens1f0np0", and "ens1f0np0#3" for its VF or SF 3."""

    name: str
    number: int | None = None

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.name}#{self.number}"


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    ranges: tuple[tuple[int, int], ...] | None  # None: any number


def normalized(text: str) -> str:
    """Without spaces around the numbers: "ens1f0 #0, 2-3" -> "ens1f0#0,2-3"."""
    name, mark, numbers = text.rpartition("#")
    return f"{name.strip()}#{''.join(numbers.split())}" if mark else text


def validated(text: str) -> str:
    """A PF's name, with or without numbers of VFs or SFs."""
    _parsed(text)
    return text


def matches(wanted: str, found: PfFunction) -> bool:
    """Whether a validated name matches a function."""
    want = _parsed(wanted)
    if not globs.matches(want.name, found.name):
        return False
    if want.ranges is None:
        return True
    number = found.number
    return number is not None and any(first <= number <= last for first, last in want.ranges)


def compile_pf_names(values: Iterable[str]) -> Matcher[PfFunction]:
    """Validated PF names as one matcher of functions. It agrees with `matches`."""
    return _PfNames(values)


class _PfNames(Matcher[PfFunction]):
    def __init__(self, values: Iterable[str]) -> None:
        super().__init__(values)
        whole: dict[str, list[int]] = {}  # positions of values without numbers, by name
        ranges: dict[str, list[tuple[int, int, int]]] = {}
        for position, value in enumerate(self.values):
            wanted = _parsed(value)
            whole.setdefault(wanted.name, [])
            if wanted.ranges is None:
                whole[wanted.name].append(position)
            for first, last in wanted.ranges or ():
                ranges.setdefault(wanted.name, []).append((first, last, position))
        self._names = globs.compile_globs(whole)
        self._whole = whole
        self._ranges = {name: Ranges(each) for name, each in ranges.items()}

    def positions(self, found: PfFunction) -> Iterator[int]:
        """The positions of the values that match a function."""
        for at in self._names.positions(found.name):
            name = self._names.values[at]
            yield from self._whole[name]
            if found.number is not None and name in self._ranges:
                yield from self._ranges[name].positions(found.number)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> _Wanted:
    name, mark, numbers = text.rpartition("#")
    if re.fullmatch(r"[0-9-]+", text):  # YAML reads [ens1f0#0,2-3] without quotes so
        raise InvalidValue(
            "is not a PF", 'write the numbers after its name, in one string: "ens1f0np0#0,2-3"'
        )
    if not mark:
        return _Wanted(_validated_name(text), None)
    if not name:
        raise InvalidValue("has no PF before the #", "write for example ens1f0np0#0-3")
    return _Wanted(_validated_name(name), tuple(_numbers(part) for part in numbers.split(",")))


def _validated_name(name: str) -> str:
    return kernel_names.validated_interface(globs.validated_name(name))


def _numbers(part: str) -> tuple[int, int]:
    found = _NUMBERS.fullmatch(part)
    if found is None and _LONG_NUMBERS.fullmatch(part):
        raise InvalidValue(
            "has a number that is too long after the #",
            f"the number of a VF or SF has at most {_MOST_DIGITS} digits",
        )
    if found is None:
        raise InvalidValue(
            "has something other than numbers after the #",
            "write the numbers of VFs or SFs, such as ens1f0np0#0-3,7; without # all of them count",
        )
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first:
        raise InvalidValue(
            "has a range whose end is before its begin", f"swap them: {last}-{first}"
        )
    return first, last

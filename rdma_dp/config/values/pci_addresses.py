"""PCI addresses in a config: an address, a glob over its text, or a range over its numbers.

An address is domain:bus:device.function, as the kernel writes it (drivers/pci/probe.c: "%04x:%02x:
%02x.%d"): five bits of device, three of function, and a domain of at least four hex digits. After
function 7, the VFs of a PF continue in the next device, so a range compares numbers, not text.

`matches` compares one value with one address. `compile_addresses` compiles all values of a
selector; matchers.py has the interface.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from rdma_dp.config.problems import InvalidValue
from rdma_dp.config.values import globs
from rdma_dp.config.values.matchers import Matcher, Ranges
from rdma_dp.inventory.pci_ids import ADDRESS

PATTERN = r"[0-9a-f:.*?\[\]!-]+"

ONE_PATTERN = r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]"
ROOT_PATTERN = r"pci[0-9a-f]{4,8}:[0-9a-f]{2}"

_ADDRESS = re.compile(ADDRESS)
_DEVICE_AND_FUNCTION = re.compile(r"[01][0-9a-f]\.[0-7]")
_SHAPE = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]")
_EXAMPLE = 'domain:bus:device.function as lspci -D shows it, such as "0000:18:00.0"'
_BOUNDS = "the device is at most 1f, the function at most 7"
_GLOBS = 'a glob of an address begins with its domain or with *: "0000:3b:*", "*:3b:00.[0-3]"'
_WHOLE = 'a range has two whole addresses: "0000:3b:00.2-0000:3b:01.1"'

# The characters at each place of an address, for domains of four to eight digits.
_HEX = "0123456789abcdef"
_SHAPES = tuple(
    (*[_HEX] * digits, ":", _HEX, _HEX, ":", "01", _HEX, ".", "01234567") for digits in range(4, 9)
)
# A bus in a glob: two characters, ? or brackets.
_BUS = re.compile(r"([0-9a-f?]|\[!?+\]?+[^\]]*\]){2}:")

Numbers = tuple[int, ...]


def normalized(text: str) -> str:
    """With a domain and in lower case: "3B:00.0" -> "0000:3b:00.0"; both ends of a range.

    A text that cannot be an address stays as it is.
    """
    folded = text.lower()
    if not re.fullmatch(r"[0-9a-f:.*?\[\]!\s-]+", folded):
        return text
    if globs.is_glob(folded) or "-" not in folded:
        return _with_domain(folded, "0000")
    begin, _, end = (part.strip() for part in folded.partition("-"))
    begin = _with_domain(begin, "0000")
    return f"{begin}-{_with_domain(end, begin.partition(':')[0])}"


def validated(text: str) -> str:
    """An address, or a glob or range that can match an address."""
    if globs.is_glob(text):
        _check_glob(text)
    elif "-" in text:
        _range(text)
    else:
        _validated_address(text)
    return text


def validated_one(text: str) -> str:
    """One address as the kernel writes it: no glob, no range, no short form."""
    return _as_the_kernel(text, normalized(text), ADDRESS, "is not a PCI address", _EXAMPLE)


def validated_root(text: str) -> str:
    """The root of a PCIe tree, as its directory in /sys/devices is called."""
    hint = 'pci, a domain and a bus as in /sys/devices, such as "pci0000:15"'
    return _as_the_kernel(text, text.lower(), ROOT_PATTERN, "is not a PCIe root", hint)


def _as_the_kernel(text: str, usual: str, pattern: str, message: str, hint: str) -> str:
    """The text if it matches. `usual` is its usual spelling, which may be one that matches."""
    if re.fullmatch(pattern, text):
        return text
    if re.fullmatch(pattern, usual):
        raise InvalidValue("is not spelled as the kernel does", f'write "{usual}"')
    raise InvalidValue(message, hint)


def matches(wanted: str, address: str) -> bool:
    """Whether a validated address, glob or range matches an address."""
    if not _is_range(wanted):
        return globs.matches(wanted, address)
    first, last = _range(wanted)
    numbers = _numbers(address)
    return numbers is not None and first <= numbers <= last


def compile_addresses(values: Iterable[str]) -> Matcher[str]:
    """Validated addresses, globs and ranges as one matcher. It agrees with `matches`."""
    return _Addresses(values)


class _Addresses(Matcher[str]):
    def __init__(self, values: Iterable[str]) -> None:
        super().__init__(values)
        ranges, texts = [], []
        for position, value in enumerate(self.values):
            if _is_range(value):
                ranges.append((*_range(value), position))
            else:
                texts.append(position)
        self._ranges = Ranges(ranges)
        self._positions = texts  # of the values that _texts compares
        self._texts = globs.compile_globs(self.values[position] for position in texts)

    def positions(self, found: str) -> Iterator[int]:
        """The positions of the values that match an address."""
        yield from (self._positions[position] for position in self._texts.positions(found))
        numbers = _numbers(found)
        if numbers is not None:
            yield from self._ranges.positions(numbers)


def _is_range(value: str) -> bool:
    return "-" in value and not globs.is_glob(value)


def _with_domain(text: str, domain: str) -> str:
    if text.count(":") == 1 and _BUS.match(text):
        return f"{domain}:{text}"
    return re.sub(r"^0{1,4}(?=[0-9a-f]{4,7}:)", "", text)  # nvidia-smi writes 00000000:


def _check_glob(text: str) -> None:
    outside = globs.outside_brackets(text)
    if "[" in outside:
        raise InvalidValue("has a [ without a ]", 'one of several characters: "0000:3b:00.[0-3]"')
    if "-" in outside:
        raise InvalidValue("is a range that contains a glob", _WHOLE)
    shapes = _SHAPES if re.fullmatch(PATTERN, text) else ()
    if not any(globs.can_match(text, shape) for shape in shapes):
        raise InvalidValue("matches no PCI address", f"{_EXAMPLE}; {_GLOBS}")
    if "*" in outside[1:] and ":" not in outside and not outside.startswith("*"):
        raise InvalidValue("has no : and does not begin with *", _GLOBS)


@lru_cache(maxsize=1024)
def _range(text: str) -> tuple[Numbers, Numbers]:
    """The first and the last address of "0000:3b:00.2-0000:3b:01.1" or "0000:3b:00.2-7"."""
    begin, _, end = text.partition("-")
    first = _validated_address(begin)
    if ":" not in end:
        if not re.fullmatch(r"[0-7]", end):
            hint = "after the dash, write an address or a function from 0 to 7: 0000:3b:00.2-7"
            if _DEVICE_AND_FUNCTION.fullmatch(end):
                hint = f"the end needs its bus: {begin}-{begin.rpartition(':')[0]}:{end}"
            raise InvalidValue("is not a range of PCI addresses", hint)
        end = begin[:-1] + end
    last = _validated_address(end)
    if last < first:
        raise InvalidValue("is a range whose end is before its begin", f"swap them: {end}-{begin}")
    return first, last


def _validated_address(text: str) -> Numbers:
    numbers = _numbers(text)
    if numbers is None:
        raise InvalidValue("is not a PCI address", _BOUNDS if _SHAPE.fullmatch(text) else _EXAMPLE)
    return numbers


@lru_cache(maxsize=4096)  # the same few hundred at each scan
def _numbers(address: str) -> Numbers | None:
    if not _ADDRESS.fullmatch(address):
        return None
    return tuple(int(part, 16) for part in re.split("[:.]", address))

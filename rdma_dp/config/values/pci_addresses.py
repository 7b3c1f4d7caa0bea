"""PCI addresses in a config: one, a glob over their text, or a range over their numbers.

An address is domain:bus:device.function, as the kernel writes it (drivers/pci/probe.c: "%04x:%02x:
%02x.%d"): five bits of device, three of function, and a domain of four hex digits or more. The VFs
of a PF go on in the next device behind function 7, so a range is one of numbers, not of text.
"""

import re
from functools import lru_cache

from rdma_dp.config.problems import InvalidValue
from rdma_dp.config.values import globs
from rdma_dp.inventory.pci_ids import ADDRESS

PATTERN = r"[0-9a-f:.*?\[\]!-]+"

_ADDRESS = re.compile(ADDRESS)
_DEVICE_AND_FUNCTION = re.compile(r"[01][0-9a-f]\.[0-7]")
_SHAPE = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]")
_EXAMPLE = 'domain:bus:device.function as lspci -D shows it, such as "0000:18:00.0"'
_BOUNDS = "the device is at most 1f, the function at most 7"
_GLOBS = 'a glob of an address begins at its domain or with *: "0000:3b:*", "*:3b:00.[0-3]"'
_WHOLE = 'a range has two whole addresses: "0000:3b:00.2-0000:3b:01.1"'

# The characters of each place of an address, by the digits of its domain.
_HEX = "0123456789abcdef"
_SHAPES = tuple(
    (*[_HEX] * digits, ":", _HEX, _HEX, ":", "01", _HEX, ".", "01234567") for digits in range(4, 9)
)
# A bus in a glob: two characters, or what stands for one each.
_BUS = re.compile(r"([0-9a-f?]|\[!?+\]?+[^\]]*\]){2}:")

Numbers = tuple[int, ...]


def usual(text: str) -> str:
    """With the domain, in lower case: "3B:00.0" -> "0000:3b:00.0"; the end of a range likewise."""
    folded = text.lower()
    if globs.is_glob(folded) or "-" not in folded:
        return _with_domain(folded, "0000")
    begin, _, end = (part.strip() for part in folded.partition("-"))
    begin = _with_domain(begin, "0000")
    return f"{begin}-{_with_domain(end, begin.partition(':')[0])}"


def checked(text: str) -> str:
    """A usual address, glob or range that an address can match."""
    if globs.is_glob(text):
        _check_glob(text)
    elif "-" in text:
        _range(text)
    else:
        _checked_address(text)
    return text


def matches(wanted: str, address: str) -> bool:
    """Whether a checked address, glob or range means the address."""
    if globs.is_glob(wanted) or "-" not in wanted:
        return globs.matches(wanted, address)
    first, last = _range(wanted)
    numbers = _numbers(address)
    return numbers is not None and first <= numbers <= last


def _with_domain(text: str, domain: str) -> str:
    if text.count(":") == 1 and _BUS.match(text):
        return f"{domain}:{text}"
    return re.sub(r"^0{1,4}(?=[0-9a-f]{4,7}:)", "", text)  # as nvidia-smi writes it: 00000000:


def _check_glob(text: str) -> None:
    outside = globs.outside_brackets(text)
    if "[" in outside:
        raise InvalidValue("has a [ without a ]", 'one of several characters: "0000:3b:00.[0-3]"')
    if "-" in outside:
        raise InvalidValue("is a range with a glob in it", _WHOLE)
    shapes = _SHAPES if re.fullmatch(PATTERN, text) else ()
    if not any(globs.can_match(text, shape) for shape in shapes):
        raise InvalidValue("matches no PCI address", f"{_EXAMPLE}; {_GLOBS}")
    if "*" in outside[1:] and ":" not in outside and not outside.startswith("*"):
        raise InvalidValue("has no : and does not begin with *", _GLOBS)


@lru_cache(maxsize=1024)
def _range(text: str) -> tuple[Numbers, Numbers]:
    """The first and the last address of "0000:3b:00.2-0000:3b:01.1" or "0000:3b:00.2-7"."""
    begin, _, end = text.partition("-")
    first = _checked_address(begin)
    if ":" not in end:
        if not re.fullmatch(r"[0-7]", end):
            hint = "behind the dash an address, or a last function up to 7: 0000:3b:00.2-7"
            if _DEVICE_AND_FUNCTION.fullmatch(end):
                hint = f"the end needs its bus: {begin}-{begin.rpartition(':')[0]}:{end}"
            raise InvalidValue("is no range of PCI addresses", hint)
        end = begin[:-1] + end
    last = _checked_address(end)
    if last < first:
        raise InvalidValue("is a range that runs backwards", f"turn it round: {end}-{begin}")
    return first, last


def _checked_address(text: str) -> Numbers:
    numbers = _numbers(text)
    if numbers is None:
        raise InvalidValue("is no PCI address", _BOUNDS if _SHAPE.fullmatch(text) else _EXAMPLE)
    return numbers


@lru_cache(maxsize=4096)  # the same few hundred at each scan
def _numbers(address: str) -> Numbers | None:
    if not _ADDRESS.fullmatch(address):
        return None
    return tuple(int(part, 16) for part in re.split("[:.]", address))

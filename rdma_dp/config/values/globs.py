"""Shell patterns in selectors: * any text, ? one character, [0-3] one of these, [!0-3] none.

`matches` compares one pattern with one name. `compile_globs` compiles all patterns of a selector;
matchers.py has the interface.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

from rdma_dp.config.problems import InvalidValue
from rdma_dp.config.values.matchers import Matcher, positions_by_value

# The names of HCAs and PFs, and globs of them, as a JSON Schema pattern.
NAME_PATTERN = r"[^,:{}]+"

_SPECIAL = frozenset("*?[")
_BRACKETS = re.compile(r"\[!?+\]?+[^\]]*\]")  # as in fnmatch; without a ] they are text
# The parts that are not literal. A [ without a ] is literal, but may be left out of the index.
_NOT_LITERAL = re.compile(rf"\*|\?|{_BRACKETS.pattern}|\[")
_DIGIT_RANGE = re.compile(r"[0-9]-[0-9]{2}|[0-9]{2}-[0-9]")
_ONE_CHARACTER = 'brackets match one character: "mlx5_[0-9]", "mlx5_1[01]"'
_FOREIGN = {
    ",": 'write a value for each name: ["mlx5_0", "mlx5_1"]',
    ":": "only the name, without a port or an address",
    "{": f"write a value for each name, or brackets; {_ONE_CHARACTER}",
    "}": f"write a value for each name, or brackets; {_ONE_CHARACTER}",
}


def is_glob(text: str) -> bool:
    """Whether a text has signs of a glob."""
    return not _SPECIAL.isdisjoint(text)


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern matches a text. A name such as "eth[1]" also matches itself."""
    return pattern == text or (is_glob(pattern) and fnmatchcase(text, pattern))


def compile_globs(patterns: Iterable[str]) -> Matcher[str]:
    """All patterns of a selector as one matcher of names. It agrees with `matches`."""
    return _Globs(patterns)


class _Globs(Matcher[str]):
    """Globs are looked up by the literal text at their beginning and at their end.

    A name that has both, and the longest literal text as well, is compared with the whole glob.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        super().__init__(patterns)
        self._literal = positions_by_value(self.values)
        # Length of the prefix and of the suffix -> (prefix, suffix) -> (literal text, position).
        self._globs: dict[tuple[int, int], dict[tuple[str, str], list[tuple[str, int]]]] = {}
        for position, pattern in enumerate(self.values):
            if is_glob(pattern):
                first, *_, last = parts = _NOT_LITERAL.split(pattern)
                lengths = self._globs.setdefault((len(first), len(last)), {})
                longest = max(parts, key=len)
                lengths.setdefault((first, last), []).append((longest, position))

    def positions(self, found: str) -> Iterator[int]:
        """The positions of the patterns that match a name."""
        yield from self._literal.get(found, ())
        for (first, last), globs in self._globs.items():
            if first + last <= len(found):
                ends = found[:first], found[len(found) - last :]
                for longest, position in globs.get(ends, ()):
                    if longest in found and fnmatchcase(found, self.values[position]):
                        yield position


def outside_brackets(pattern: str) -> str:
    """The pattern with ? for each pair of brackets; both match one character."""
    return _BRACKETS.sub("?", pattern)


def doubtful(pattern: str) -> InvalidValue | None:
    """Why a pattern matches less than it seems to; None if it does not."""
    if any(_DIGIT_RANGE.search(brackets) for brackets in _BRACKETS.findall(pattern)):
        return InvalidValue(
            "has a range of numbers with several digits in brackets", _ONE_CHARACTER
        )
    if re.search(r"\{.*\}", pattern):
        return InvalidValue("has braces, which match only themselves", _FOREIGN["{"])
    return None


def validated_name(pattern: str) -> str:
    """A name of an HCA or a PF, or a glob of such names."""
    if refused := doubtful(pattern):
        raise refused
    outside = outside_brackets(pattern)
    if "[" in outside:
        raise InvalidValue("has a [ without a ]", _ONE_CHARACTER)
    for sign, hint in _FOREIGN.items():
        if sign in pattern:
            raise InvalidValue(f'holds "{sign}", which no such name has', hint)
    return pattern


def can_match(pattern: str, places: Sequence[str]) -> bool:
    """Whether a pattern matches a text that has, at each place, one of these characters."""
    reached = {0}  # places at which the pattern up to here can end
    for token in re.findall(rf"\*+|{_BRACKETS.pattern}|.", pattern, re.DOTALL):
        if not reached:
            break
        if token.startswith("*"):
            reached = set(range(min(reached), len(places) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(places) and _takes(token, places[at])}
    return len(places) in reached


@lru_cache(maxsize=1024)
def _takes(token: str, characters: str) -> bool:
    return any(fnmatchcase(character, token) for character in characters)

"""Parse a text that begins as JSON. Comments and commas behind the last value are removed first.

JSON has neither, but what they mean is never in doubt. Any other slip is refused with its place and
name. A text that begins as JSON is never read as YAML, because YAML joins the words around a slip
to one value: ["ib0", // first "ib1"] has two values, "ib0" and '// first "ib1"'.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, NoReturn

from rdma_dp.config import placeholders
from rdma_dp.config.problems import ConfigError, Problem, line_column, shown
from rdma_dp.config.trees import Pairs

_MAX_DIGITS = 100  # of a number; Python refuses to parse more than 4300

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<comment>(?://|\#)[^\r\n]*|/\*(?s:.*?)\*/)
    |(?P<string>"[^"\\\r\n]*(?:\\[^\r\n][^"\\\r\n]*)*")
    |(?P<mark>[{}\[\],:])
    |(?P<word>(?:(?!//|/\*|\#)[^\s{}\[\],:"])+)
    |(?P<other>/\*(?s:.*)|"[^\r\n]*|(?s:.))""",  # without an end: the rest, so that it is read once
    re.VERBOSE,
)
_CLOSERS = {"{": "}", "[": "]"}
_STEPS = {"{": 1, "[": 1, "}": -1, "]": -1}
_VALUES = ("string", "word")
_ONLY_HERE = "the Go plugin and Network Operator refuse it; remove it"
_NAMES = {"True": "true", "False": "false", "None": "null", "nil": "null", "undefined": "null"}
_COMMENT = re.compile(r"<!--|--(?!\d)")  # of HTML, and of SQL and Lua
_NUMBER = re.compile(
    r"(?P<hex>0[xX][0-9a-fA-F]+)|\+[0-9]+|[0-9]+(?:_[0-9]+)+"
)  # of other languages
_QUOTES = "'`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def begins_as_json(text: str) -> bool:
    """Whether the first thing behind comments is [ or {. A flow mapping of YAML is not JSON.

    A YAML mapping is known by its first key, which has no quotes: {configList: [...]}.
    """
    tokens = _significant(text)
    first, second = next(tokens, None), next(tokens, None)
    if first is None or first.text not in _CLOSERS:
        return False
    yaml_key = second is not None and second.kind == "word" and re.match(r"[\w$]", second.text)
    return first.text == "[" or not yaml_key


def only_comments(text: str) -> bool:
    """Whether there is nothing else in a text, so that there is no config yet."""
    return next(_significant(text), None) is None


def depth(text: str) -> int:
    """The most brackets that are open at one place of a text, which can have slips.

    Python's parser has a limit of its own, which differs between its versions.
    """
    steps = (_STEPS.get(token.text, 0) for token in _tokens(text))
    return max(accumulate(steps, initial=0))


def line_comment(text: str) -> int:
    """The index of the first comment that goes to the end of its line, with text below; or -1."""
    at = next((at for at, _ in line_comments(text)), -1)
    return at if text[at:].partition("\n")[2].strip() else -1


def line_comments(text: str) -> Iterator[tuple[int, str]]:
    """The index and the text of each comment that goes to the end of its line."""
    for token in _tokens(text):
        if token.kind == "comment" and not token.text.startswith("/*"):
            yield token.at, token.text


def whole_number(digits: str) -> int:
    """The number. One with more than 100 digits is cut; it stays larger than any limit."""
    return int(digits[:_MAX_DIGITS])


def parse_json(text: str) -> tuple[object, list[Problem]]:
    """The tree of a JSON text (objects as Pairs), and its warnings. Raises ConfigError."""
    strict, warnings = without_comments(text)
    hides = "a comment with // or # hides the rest of its line" if warnings else None
    try:
        tree = json.loads(
            strict,
            object_pairs_hook=Pairs,
            parse_int=whole_number,
            parse_constant=lambda name: _refuse_word(text, name),
        )
    except json.JSONDecodeError as error:
        _refuse(text, _named(strict, list(_significant(text)), error, hides), warnings)
    return tree, warnings


def without_comments(text: str) -> tuple[str, list[Problem]]:
    """The text with spaces in place of comments and of commas behind a last value.

    Each character stays where it was. The warnings name the first comment and the first comma.
    """
    kept: list[str] = []
    comments: list[int] = []
    commas: list[int] = []
    last, comma = "", -1  # the last token that counts; the index of a comma behind a value
    for kind, written, at in _tokens(text):
        if kind == "comment":
            comments.append(at)
            kept.append(re.sub(r"[^\r\n]", " ", written))
            continue
        if written in ("}", "]") and comma >= 0:
            commas.append(at)
            kept[comma] = " "
        kept.append(written)
        if kind != "space":
            ends_value = last in ("}", "]") or last in _VALUES
            comma = len(kept) - 1 if written == "," and ends_value else -1
            last = kind if kind in _VALUES else written
    return "".join(kept), [
        *_warning(text, comments, "JSON has no comments"),
        *_warning(text, commas, "JSON has no comma behind the last value"),
    ]


def _warning(text: str, places: Sequence[int], message: str) -> Iterator[Problem]:
    if places:
        others = f"this one and {len(places) - 1} more are" if places[1:] else "this one is"
        yield Problem(line_column(text, places[0]), f"{message}; {others} ignored", _ONLY_HERE)


def _tokens(text: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(text):
        yield _Token(found.lastgroup or "", found.group(), found.start())


def _significant(text: str) -> Iterator[_Token]:
    return (token for token in _tokens(text) if token.kind not in ("space", "comment"))


# --- the name of a slip ---------------------------------------------------------------------------


class _Slip(NamedTuple):
    at: int
    message: str
    hint: str | None = None
    mentioned: str = ""  # a line:column in the message


def _refuse(text: str, slip: _Slip, warnings: Sequence[Problem] = ()) -> NoReturn:
    place, message = line_column(text, slip.at), f"is not JSON: {slip.message}"
    problem = Problem(place, message, slip.hint, mentioned=slip.mentioned)
    raise ConfigError([problem], warnings) from None


def _refuse_word(text: str, word: str) -> NoReturn:
    """Refuses NaN and Infinity, which Python's parser reports without their place.

    The parser reports them at the beginning of a longer word as well: NaNs, Infinity60.
    """
    token = next(token for token in _significant(text) if token.text.startswith(word))
    _refuse(text, _Slip(token.at, *_of_a_word(token.text)))


def _named(
    text: str, tokens: list[_Token], error: json.JSONDecodeError, hides: str | None
) -> _Slip:
    """The slip behind the error of Python's parser."""
    before = [token for token in tokens if token.at < error.pos]
    if before and before[-1].at + len(before[-1].text) > error.pos:
        token = before.pop()  # the parser stopped inside it: 15b3 is the number 15 to it
    else:
        token = next((token for token in tokens if token.at >= error.pos), _Token("end", "", -1))
    opened, strict_at = _opened(before), text[error.pos : error.pos + 1]
    open_string = next((each for each in before if _is_open_string(each)), token)
    if _is_open_string(open_string):
        return _Slip(open_string.at, 'this string has no " at its end')
    if token.kind == "end":
        return _at_the_end(text, opened, hides)
    if token.text.startswith("/*"):
        return _Slip(token.at, "this comment has no */ at its end")
    if strict_at == ";" and error.msg != "Extra data":
        return _Slip(error.pos, "; where , belongs")
    if strict_at != "{" and _is_placeholder(text, token, before):
        return _Slip(token.at, placeholders.LEFT_IN, placeholders.REMEDY)
    if token.kind == "string" and token.at < error.pos:
        return _Slip(error.pos, error.msg[0].lower() + error.msg[1:])
    if error.msg == "Extra data":
        return _Slip(token.at, "something follows behind its end", "a file holds one config")
    return _Slip(token.at, *_at_a_token(token, before, opened, error.msg))


def _is_placeholder(text: str, token: _Token, before: list[_Token]) -> bool:
    """Whether a placeholder of a template begins at a token, or at the bracket before it."""
    if _COMMENT.match(token.text):
        return False
    word = token.kind == "word" and placeholders.left_in(token.text) is not None
    opens = before[-1:] if before and before[-1].text == "{" else []
    return word or any(placeholders.begins_at(text, each.at) for each in (token, *opens))


def _is_open_string(token: _Token) -> bool:
    return token.kind == "other" and token.text.startswith('"')


def _at_the_end(text: str, opened: list[_Token], hides: str | None) -> _Slip:
    if not opened:
        return _Slip(len(text), "it ends too early", hides)
    place = line_column(text, opened[-1].at)
    missing = "".join(_CLOSERS[each.text] for each in reversed(opened))
    message = f"it ends before the {opened[-1].text} of {place} is closed"
    return _Slip(len(text), message, hides or f"add {missing}", place)


def _at_a_token(
    token: _Token, before: list[_Token], opened: list[_Token], message: str
) -> tuple[str, str | None]:
    if token.text in _CLOSERS.values() and opened and token.text != _CLOSERS[opened[-1].text]:
        return f"{token.text} does not close the last {opened[-1].text}", None
    if token.text.startswith("{") and before and before[-1].text == "{":
        return "two { in a row", "if this is a template, render it first"
    if token.text[0] in _QUOTES:
        which = {"'": "single quotes", "`": "backquotes"}.get(token.text[0], "typographic quotes")
        return f"a text in {which}", "JSON takes only straight double quotes"
    if token.kind in ("word", "other"):
        return _of_a_word(token.text)
    if "',' delimiter" in message and token.text not in ":,}]":
        return f"a comma is missing before {shown(token.text)}", None
    if "':' delimiter" in message:
        return "a colon is missing behind the key", None
    return f"{token.text} is out of place here", None


def _of_a_word(word: str) -> tuple[str, str | None]:
    if not word.isprintable() or not word.strip():
        return f"an invisible character (U+{ord(word[0]):04X})", "replace it with a space"
    if word in _NAMES:
        return f"{word} is not a word of JSON", f"write {_NAMES[word]}"
    if _COMMENT.match(word):
        return "a comment of another language; JSON has no comments", "remove it"
    if number := _NUMBER.fullmatch(word):
        value = int(word[:_MAX_DIGITS].replace("_", ""), 16 if number["hex"] else 10)
        as_id = f', or as a PCI ID "{word}"' if number["hex"] else ""
        return f"{shown(word)} is no number of JSON", f"write {value}{as_id}"
    hint = f'a text needs double quotes: "{word}"' if '"' not in shown(word)[1:-1] else None
    return f"{shown(word)} is not a number, true, false or null", hint


def _opened(tokens: list[_Token]) -> list[_Token]:
    opened: list[_Token] = []
    for token in tokens:
        if token.text in _CLOSERS:
            opened.append(token)
        elif token.kind == "mark" and token.text in "}]" and opened:
            opened.pop()
    return opened

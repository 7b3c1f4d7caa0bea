"""What NVIDIA Network Operator does with a config in its policies, and what its webhook refuses.

Sources: Mellanox/network-operator webhook-schemas/rdma_shared_device_plugin.json, and its webhook
(api/v1alpha1/validator/nicpolicy_webhook.go), which is off by default in its chart.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rdma_dp.config import json_text, syntax
from rdma_dp.config.problems import ConfigError, Location, Problem, line_column, path_of, shown
from rdma_dp.config.values.forms import WANTED

# The selectors that the webhook takes; letters in the other case are other keys to it.
SELECTORS = ("vendors", "deviceIDs", "drivers", "ifNames", "linkTypes")
EXTRA = "extraSelectors"

_OTHERS = frozenset({*WANTED, "exclude"}) - frozenset(SELECTORS)

_REMEDIES = {
    **{name.casefold(): f'put it in "{EXTRA}"' for name in _OTHERS},
    **{name.casefold(): f'write "{name}"' for name in SELECTORS},
}
_REFUSES = "Network Operator's webhook, where it is on, refuses"
_PREFIX = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z]{2,})+")

_COMMENT = re.compile(r"(?:^|(?<=\s))(?:#|//)")
# Keys of a config as they are written in YAML, and mostly in JSON.
_KEYS = ("configList", "resourceName", "rdmaHcaMax", "selectors", "devices", EXTRA, *WANTED)
_MORE = ("periodicUpdateInterval", "resourcePrefix", "slotsPer", "cdi", "exclude")
_KEY = rf"(?<![\w.-])[\"']?(?:{'|'.join((*_KEYS, *_MORE))})[\"']?:(?=\s|$)"
_A_KEY = re.compile(_KEY, re.IGNORECASE)
# Two keys in one line. Without joined lines, only { and , come between them.
_TWO_KEYS = re.compile(rf"{_KEY}[^,{{}}]*?\s{_KEY}", re.IGNORECASE)

_AS_JSON = "rdma-dp check-config -o json FILE prints it"
FOLDED = Problem(
    "",
    "is YAML, or JSON with comments, whose lines were joined, as Network Operator does with the"
    " config of a policy",
    f"the operator keeps JSON only: {_AS_JSON}",
)


def folded(text: str) -> bool:
    """Whether a text that is no config was one before Network Operator joined its lines.

    The operator puts the config into a scalar of YAML that loses its line breaks and indentation:
    comments hide what followed them, and blocks lose their structure. Blank lines become line
    breaks (YAML 1.2, 7.3.2). Of JSON, only what is behind a comment is lost.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if any(line[0] in " \t" for line in lines[1:]):
        return False
    if json_text.begins_as_json(text):
        return any(_A_KEY.search(comment) for _, comment in json_text.line_comments(text))
    return any(_TWO_KEYS.search(line) or _hides_keys(line) for line in lines)


def _hides_keys(line: str) -> bool:
    """Whether a comment in a line holds what was in the lines below it."""
    comment = _COMMENT.search(line)
    key = comment and _A_KEY.search(line, comment.end())
    if not comment or not key:
        return False
    if line[: comment.start()].strip():
        return True
    # A comment of a whole line can be a key that was switched off. Then no words are before it.
    words = re.search(r"\w", line[comment.end() : key.start()])
    return words is not None and _A_KEY.search(line, key.end()) is not None


def breaks(text: str) -> Iterator[Problem]:
    """What becomes of the string of a policy: it goes on one line, between apostrophes."""
    if text.strip() and not json_text.begins_as_json(text):
        message = "is not JSON; Network Operator puts it on one line, which breaks YAML"
        yield Problem("", message, _AS_JSON)
        return
    for at, message in (
        (json_text.line_comment(text), "on one line, where this comment hides the rest"),
        (text.find("'"), "between apostrophes, so that one inside breaks the ConfigMap"),
    ):
        if at >= 0:
            place = line_column(text, at)
            yield Problem(place, f"Network Operator puts the config {message}", "remove it")


def advised(problem: Problem) -> Problem:
    """The problem of a config in a policy: its hint names the key for selectors like these."""
    if problem.hint is None or not set(problem.advised) & _OTHERS:
        return problem
    return replace(problem, hint=f'{problem.hint}; Network Operator takes it in "{EXTRA}" only')


def refused_by_webhook(text: str) -> Iterator[Problem]:
    """What the webhook refuses in a config that this plugin takes. Paths are places in the config.

    Nothing for a text with a syntax error, which the loader reports.
    """
    try:
        data = syntax.read(text).data
    except ConfigError:
        return
    listed = data.get("configList") if isinstance(data, dict) else None
    for at, entry in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(entry, dict):
            yield from _in_entry(("configList", at), entry)


def _in_entry(place: Location, entry: dict[str, Any]) -> Iterator[Problem]:
    prefix, selectors = entry.get("resourcePrefix"), entry.get("selectors")
    if isinstance(prefix, str) and not _PREFIX.fullmatch(prefix):
        hint = "remove it, it is the default" if prefix == "rdma" else "a domain: example.com"
        yield _refused((*place, "resourcePrefix"), f"the prefix {shown(prefix)}", hint)
    if isinstance(selectors, list):
        hint = f'write "selectors": {{"vendors": ["15b3"]}}, and the list as "{EXTRA}"'
        yield _refused((*place, "selectors"), "a list as selectors", hint)
    elif isinstance(selectors, dict):
        yield from _in_selectors((*place, "selectors"), selectors)
    elif "devices" not in entry:
        hint = f'add "selectors": {{"vendors": ["15b3"]}} beside {EXTRA}'
        yield _refused(place, "a resource without selectors", hint)


def _in_selectors(place: Location, selectors: dict[str, Any]) -> Iterator[Problem]:
    for key in selectors:
        if key not in SELECTORS:
            hint = _REMEDIES.get(key.casefold(), "remove it")
            yield _refused((*place, key), f"{shown(key)} in selectors", hint)
    if not {key.casefold() for key in selectors} & {name.casefold() for name in SELECTORS}:
        what = f"selectors without {', '.join(SELECTORS[:-1])} or {SELECTORS[-1]}"
        yield _refused(place, what, 'add one, such as "vendors": ["15b3"]')


def _refused(place: Location, what: str, hint: str) -> Problem:
    return Problem(path_of(place), f"{_REFUSES} {what}", hint)

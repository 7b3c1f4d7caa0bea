"""Configs for the tests, and their problems and warnings."""

import json
from collections.abc import Iterable
from typing import Any

from rdma_dp.config import ConfigError, Loaded, Problem, parse

ENTRY: dict[str, Any] = {
    "resourceName": "a",
    "rdmaHcaMax": 63,
    "selectors": {"vendors": ["15b3"]},
}


def entry(**changes: Any) -> dict[str, Any]:
    """A valid resource with changes; a change to None removes the key."""
    return {key: value for key, value in {**ENTRY, **changes}.items() if value is not None}


def text(*entries: Any, **top: Any) -> str:
    return json.dumps({"configList": list(entries), **top})


def accepted(config: str) -> Loaded:
    return parse(config)


def refused(config: str) -> dict[str, str]:
    """The problems, path -> message with hint. Fails the test if there are none."""
    try:
        loaded = parse(config)
    except ConfigError as error:
        return by_path(error.problems)
    raise AssertionError(f"was accepted: {loaded.config}")


def warned(config: str) -> dict[str, str]:
    """The warnings about a config that works, path -> message with hint."""
    return by_path(parse(config).warnings)


def by_path(problems: Iterable[Problem]) -> dict[str, str]:
    said: dict[str, str] = {}
    for problem in problems:
        text = str(problem).removeprefix(f"{problem.path}: ")
        said[problem.path] = f"{said[problem.path]} | {text}" if problem.path in said else text
    return said

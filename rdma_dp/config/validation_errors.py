"""Errors of pydantic as problems of a config: path, message, example."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rdma_dp.config import placeholders
from rdma_dp.config.problems import InvalidValue, Location, Problem, path_of, shown
from rdma_dp.config.spelling import unknown_key_hint
from rdma_dp.config.trees import Unquoted
from rdma_dp.config.types import LIST_OF_OBJECTS, ONE_OBJECT

# pydantic's error type -> message. Braces are filled from the error's context.
_MESSAGES = MappingProxyType(
    {
        "missing": "is missing",
        "string_type": "must be a string, not {given}",
        "bool_type": "must be true or false, not {given}",
        "int_type": "must be a whole number, not {given}",
        "tuple_type": "must be a list, not {given}",
        "model_type": "must be an object, not {given}",
        "dict_type": "must be an object, not {given}",
        "greater_than_equal": "must be at least {ge}, not {given}",
        "less_than_equal": "must be at most {le}, not {given}",
        "enum": "must be one of {choices}, not {given}",
    }
)

_UNKNOWN_KEY = "is an unknown key, and unknown keys are errors here"

_KINDS = MappingProxyType(
    {
        type(None): "null",
        bool: "the boolean",
        int: "the number",
        float: "the number",
        str: "the string",
        Unquoted: "the word",
        list: "a list",
        dict: "an object",
    }
)
_SCALARS = (int, float, str)  # bool is a subclass of int


def problems_of(error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    """One problem for each error in the validation of `model`."""
    examples = dict(_examples(model))
    for detail in error.errors(include_url=False):
        if detail["type"] == "extra_forbidden":
            location = _location(detail)
            hint = unknown_key_hint(location, model)
            yield Problem(path_of(location), _UNKNOWN_KEY, hint, (str(location[-1]),))
        else:
            yield _problem(detail, examples)


def _problem(detail: ErrorDetails, examples: Mapping[str | int, str]) -> Problem:
    location = _location(detail)
    path = path_of(location)
    context = detail.get("ctx", {})
    refused = context.get("error") or _placeholder(detail["input"])
    if isinstance(refused, InvalidValue):
        given = detail["input"]
        subject = f"{_shown(given)} " if isinstance(given, _SCALARS) else ""
        return Problem(path, f"{subject}{refused.message}", refused.hint, refused.advised)
    template = _MESSAGES.get(detail["type"], "{msg}")
    given = _described(detail["input"])
    choices = ", ".join(
        shown(word) for word in re.findall("'([^']*)'", context.get("expected", ""))
    )
    message = template.format(**context, msg=detail["msg"], given=given, choices=choices)
    known = (examples[step] for step in reversed(location) if step in examples)
    return Problem(path, message, next(known, None))


def _placeholder(given: object) -> InvalidValue | None:
    """The problem of a text that stands for a number, a list or an object; None if it is none."""
    return placeholders.left_in(given) if isinstance(given, str) else None


def _location(detail: ErrorDetails) -> Location:
    """The place, without what pydantic adds: the tag of a form, and marks of a refused key."""
    location = detail["loc"]
    if location[-2:] == (detail["input"], "[key]"):  # of a mapping, with the key as the input
        location = location[:-1]
    return tuple(step for step in location if step not in (ONE_OBJECT, LIST_OF_OBJECTS))


def _described(value: object) -> str:
    kind = _KINDS.get(type(value), type(value).__name__)
    return f"{kind} {_shown(value)}" if isinstance(value, _SCALARS) else kind


def _shown(value: object) -> str:
    text = shown(value)
    return text.replace('"', "") if isinstance(value, Unquoted) else text


def _examples(model: type[BaseModel]) -> Iterator[tuple[str | int, str]]:
    """(key, example) for each key of the config."""
    for name, field in model.model_fields.items():
        alias = field.alias or name
        if field.examples:
            yield alias, f"for example {shown(alias)}: {shown(field.examples[0])}"
        inner: Any = field.annotation
        while get_origin(inner):
            inner, *_ = get_args(inner)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _examples(inner)

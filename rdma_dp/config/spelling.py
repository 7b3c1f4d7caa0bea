"""Bring what people write into the spelling that the models accept.

The models are strict and accept one spelling of each key and value. `tidy` walks through plain data
along the fields of the models, corrects the spelling, and adds a warning for each change. It never
fails: what it cannot correct stays as it is, and the models refuse it. In a model that forbids
unknown keys, it also keeps unknown keys and invalid values, so that the model refuses them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel
from pydantic.fields import FieldInfo

from rdma_dp.config.foreign import hints_for
from rdma_dp.config.problems import InvalidValue, Location, Problem, path_of, shown

_EDITOR_KEYS = ("$schema",)  # for editors; no warning
_LONGEST_GUESSED = 64  # characters; get_close_matches takes time quadratic in the length


@dataclass(frozen=True, slots=True)
class Spelling:
    """Marks a string type, in Annotated, with the function that corrects its spelling.

    `normalized` returns its argument when it does not know a better spelling.
    """

    normalized: Callable[[str], str]


def tidy(data: object, model: type[BaseModel]) -> tuple[object, list[Problem]]:
    """`data` with the keys and spellings that `model` knows, and a warning for each change."""
    walk = _Walk(model)
    return walk.value(data, _Kind(model), ()), walk.warnings


@dataclass(frozen=True, slots=True)
class _Kind:
    """A type without `| None` and Annotated, and the marks that were on it."""

    bare: Any
    marks: Sequence[object] = ()


def unknown_key_hint(location: Location, root: type[BaseModel]) -> str:
    """A hint about the unknown key at the end of a location in `root`."""
    *parents, key = location
    known = [name for name, _ in _fields(_model_at(parents, root))]
    in_resource = any(isinstance(step, int) for step in parents)
    if in_resource and (hints := list(hints_for(str(key)))):
        return "; ".join(hints)
    if home := _all_homes(root).get(str(key).casefold()):
        return f'its place is "{home}"'
    if near := _nearest(str(key), known):
        return f'did you mean "{near}"?'
    return f"known here: {', '.join(known)}"


class _Walk:
    def __init__(self, root: type[BaseModel]) -> None:
        self.warnings: list[Problem] = []
        self._root = root

    def value(
        self,
        value: object,
        kind: _Kind,
        location: Location,
        strict: bool = False,
    ) -> object:
        """`value` with corrected spelling. A strict walk keeps invalid items of lists."""
        bare = kind.bare
        if isinstance(bare, type) and issubclass(bare, BaseModel) and isinstance(value, dict):
            return self._object(value, bare, location)
        if get_origin(bare) is tuple and isinstance(value, list):
            of = _peeled(get_args(bare)[0])
            items = [self._item(item, of, (*location, i), strict) for i, item in enumerate(value)]
            return items if strict else self._without_invalid(items, of, location)
        if get_origin(bare) is Mapping and isinstance(value, dict):
            return self._table(value, get_args(bare)[1], location)
        if _is_text(kind) and isinstance(value, str):
            return self._text(value, kind, location)
        return value

    def _table(self, data: dict[str, object], of: Any, location: Location) -> dict[str, object]:
        """An object whose keys the user chooses; null and absent are the same in Go."""
        return {
            key: self.value(value, _peeled(of), (*location, key))
            for key, value in data.items()
            if value is not None
        }

    def _without_invalid(
        self, items: list[object], kind: _Kind, location: Location
    ) -> list[object]:
        """Blank the invalid items of a list that has a valid one: in Go they match nothing."""
        refusals = [_refusal(item, kind) for item in items]
        if all(refused or not item for item, refused in zip(items, refusals, strict=True)):
            return items
        for index, refused in enumerate(refusals):
            if refused is not None:
                message = f"{shown(items[index])} {refused.message}; it matches nothing"
                self._warn((*location, index), message, refused.hint, refused.advised)
                items[index] = ""
        return items

    def _object(
        self, data: dict[str, object], model: type[BaseModel], location: Location
    ) -> dict[str, object]:
        known = {name.casefold(): (name, field) for name, field in _fields(model)}
        strict = model.model_config.get("extra") == "forbid"
        tidied: dict[str, object] = {}
        for key, value in data.items():
            if key.casefold() not in known:
                if strict and key not in _EDITOR_KEYS:
                    tidied[key] = value
                else:
                    self._unknown_key(key, location)
                continue
            name, field = known[key.casefold()]
            if key != name:
                self._warn((*location, key), f'is read as "{name}"', "write it so")
            if value is not None:  # null and absent are the same in Go
                place = (*location, name)
                kind = _peeled(field.annotation, field.metadata, isinstance(value, list))
                tidied[name] = self.value(value, kind, place, strict)
        return tidied

    def _item(self, item: object, kind: _Kind, location: Location, strict: bool) -> object:
        """An item of a list. Go reads null as "", which matches nothing; it is dropped later."""
        if _is_text(kind) and (item is None or (isinstance(item, str) and not item.strip())):
            if not strict:
                self._warn(location, "is blank and matches nothing", "remove it")
            return ""
        return self.value(item, kind, location)

    def _text(self, text: str, kind: _Kind, location: Location) -> str:
        normalized = text.strip()
        for mark in kind.marks:
            normalized = mark.normalized(normalized) if isinstance(mark, Spelling) else normalized
        if normalized == text:
            return text
        self._warn(location, f"{shown(text)} is read as {shown(normalized)}", "write it so")
        return normalized

    def _unknown_key(self, key: str, location: Location) -> None:
        if key not in _EDITOR_KEYS:
            place = (*location, key)
            hint = unknown_key_hint(place, self._root)
            self._warn(place, "is no key of a config and is ignored", hint, (key,))

    def _warn(
        self, location: Location, message: str, hint: str, advised: tuple[str, ...] = ()
    ) -> None:
        self.warnings.append(Problem(path_of(location), message, hint, advised))


def _refusal(item: object, kind: _Kind) -> InvalidValue | None:
    """Why the validators of a string type refuse a value; None if they accept it."""
    if kind.bare is not str or not isinstance(item, str) or not item:
        return None
    try:
        for mark in kind.marks:
            if isinstance(mark, AfterValidator):
                mark.func(item)  # type: ignore[call-arg]  # ours take the value alone
    except InvalidValue as refused:
        return refused
    return None


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field


@cache
def _all_homes(root: type[BaseModel]) -> Mapping[str, str]:
    """The path of each key; the first one for a selector that several objects accept."""
    return dict(reversed(list(_homes(root, ""))))


def _homes(model: type[BaseModel], path: str) -> Iterator[tuple[str, str]]:
    """(folded key, path) of each key: ("ifnames", "configList[].selectors.ifNames")."""
    for name, field in _fields(model):
        yield name.casefold(), f"{path}{name}"
        inner, many = _inner(field)
        if inner is not None:
            yield from _homes(inner, f"{path}{name}{'[]' if many else ''}.")


def _model_at(location: Sequence[str | int], root: type[BaseModel]) -> type[BaseModel]:
    """The model of the object at a location."""
    model = root
    for step in location:
        inner = next((_inner(field)[0] for name, field in _fields(model) if name == step), None)
        model = inner or model
    return model


def _inner(field: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    """The model of a field's objects, None without objects; and whether the field is a list."""
    kind = _peeled(field.annotation).bare
    many = get_origin(kind) is tuple
    inner = _peeled(get_args(kind)[0] if many else kind).bare
    return (inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None), many


def _peeled(annotation: Any, marks: Sequence[object] = (), in_list: bool = False) -> _Kind:
    """The kind of an annotation. `marks` are those that pydantic has taken off already.

    Of an object or a list of objects (OneOrSeveral) it is the form that `in_list` chooses.
    """
    if get_origin(annotation) in (Union, UnionType):
        kinds = [_peeled(each) for each in get_args(annotation) if each is not NoneType]
        chosen = (kind for kind in kinds if in_list is (get_origin(kind.bare) is tuple))
        kind = next(chosen, kinds[0])
        return _Kind(kind.bare, [*kind.marks, *marks])
    if get_origin(annotation) is not Annotated:
        return _Kind(annotation, marks)
    bare, *more = get_args(annotation)
    return _Kind(bare, [*more, *marks])


def _is_text(kind: _Kind) -> bool:
    """Whether a kind is str or a StrEnum."""
    return isinstance(kind.bare, type) and issubclass(kind.bare, str)


def _nearest(key: str, names: Sequence[str]) -> str | None:
    folded = {name.casefold(): name for name in names}
    near = get_close_matches(key[:_LONGEST_GUESSED].casefold(), folded, n=1)
    return folded[near[0]] if near else None

"""The tolerant half of reading a config: what people write -> what the models accept.

The models of config.py are strict and know one spelling of everything. This walk, led by their
fields, brings plain data into that spelling and warns of each thing that it changes. It never
fails: what it does not understand it leaves for the models to refuse. In a model that forbids
other keys nothing is passed over: odd values and unknown keys are left for it as well.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel
from pydantic.fields import FieldInfo

from rdma_dp.config.problems import InvalidValue, Location, Problem, path_of, shown

_EDITOR_KEYS = ("$schema",)  # belongs to the editor; no reason to warn
_LONGEST_GUESSED = 64  # characters; nearest matches cost the square of the length


@dataclass(frozen=True, slots=True)
class Spelling:
    """Marks a string type, in Annotated: `usual` turns other spellings into the one that matches.

    It returns its argument where it does not know better.
    """

    usual: Callable[[str], str]


def tidy(data: object, model: type[BaseModel]) -> tuple[object, list[Problem]]:
    """`data` with the keys and spellings that `model` knows, and a warning for each change."""
    walk = _Walk(model)
    return walk.value(data, model, ()), walk.warnings


def unknown_key_hint(location: Location, root: type[BaseModel]) -> str:
    """What may have been meant by the unknown key that a location in `root` ends with."""
    *way, key = location
    siblings = [name for name, _ in _fields(_model_at(way, root))]
    if home := _all_homes(root).get(str(key).casefold()):
        return f'its place is "{home}"'
    if near := _nearest(str(key), siblings):
        return f'did you mean "{near}"?'
    return f"known here: {', '.join(siblings)}"


class _Walk:
    def __init__(self, root: type[BaseModel]) -> None:
        self.warnings: list[Problem] = []
        self._root = root

    def value(
        self,
        value: object,
        kind: Any,
        location: Location,
        notes: Sequence[object] = (),
        strict: bool = False,
    ) -> object:
        """`notes` are the marks on `kind` that pydantic took off it, beside those still on it."""
        kind, notes = _peeled(kind, notes)
        if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, dict):
            return self._object(value, kind, location)
        if get_origin(kind) is tuple and isinstance(value, list):
            of = get_args(kind)[0]
            items = [self._item(item, of, (*location, i), strict) for i, item in enumerate(value)]
            return items if strict else self._without_odd_ones(items, of, location)
        if get_origin(kind) is Mapping and isinstance(value, dict):
            return self._table(value, get_args(kind)[1], location)
        if _is_text(kind) and isinstance(value, str):
            return self._text(value, notes, location)
        return value

    def _table(self, data: dict[str, object], of: Any, location: Location) -> dict[str, object]:
        """Keys of the user's own; null and absent are the same in Go."""
        return {
            key: self.value(value, of, (*location, key))
            for key, value in data.items()
            if value is not None
        }

    def _without_odd_ones(self, items: list[object], kind: Any, location: Location) -> list[object]:
        """What would be refused is dropped beside a good value: in Go it merely matches nothing."""
        refusals = [_refusal(item, kind) for item in items]
        if all(refused or not item for item, refused in zip(items, refusals, strict=True)):
            return items
        for index, refused in enumerate(refusals):
            if refused is not None:
                message = f"{shown(items[index])} {refused.message}; it matches nothing"
                self._warn((*location, index), message, refused.hint)
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
                tidied[name] = self.value(value, field.annotation, place, field.metadata, strict)
        return tidied

    def _item(self, item: object, kind: Any, location: Location, strict: bool) -> object:
        """A member of a list. Go reads null as "", and both match nothing: dropped later."""
        is_text = _is_text(_peeled(kind)[0])
        if is_text and (item is None or (isinstance(item, str) and not item.strip())):
            if not strict:
                self._warn(location, "is blank and matches nothing", "remove it")
            return ""
        return self.value(item, kind, location)

    def _text(self, text: str, notes: Sequence[object], location: Location) -> str:
        usual = text.strip()
        for note in notes:
            usual = note.usual(usual) if isinstance(note, Spelling) else usual
        if usual == text:
            return text
        self._warn(location, f"{shown(text)} is read as {shown(usual)}", "write it so")
        return usual

    def _unknown_key(self, key: str, location: Location) -> None:
        if key not in _EDITOR_KEYS:
            place = (*location, key)
            hint = unknown_key_hint(place, self._root)
            self._warn(place, "is no key of a config and is ignored", hint)

    def _warn(self, location: Location, message: str, hint: str) -> None:
        self.warnings.append(Problem(path_of(location), message, hint))


def _refusal(item: object, kind: Any) -> InvalidValue | None:
    """What the validators of a string type say against a value."""
    bare, notes = _peeled(kind)
    if bare is not str or not isinstance(item, str) or not item:
        return None
    try:
        for note in notes:
            if isinstance(note, AfterValidator):
                note.func(item)  # type: ignore[call-arg]  # ours take the value alone
    except InvalidValue as refused:
        return refused
    return None


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field


@cache
def _all_homes(root: type[BaseModel]) -> Mapping[str, str]:
    """Where each key belongs, first of all: the same selector has a place in several objects."""
    return dict(reversed(list(_homes(root, ""))))


def _homes(model: type[BaseModel], path: str) -> Iterator[tuple[str, str]]:
    """Where each key belongs, folded key first: ("ifnames", "configList[].selectors.ifNames")."""
    for name, field in _fields(model):
        yield name.casefold(), f"{path}{name}"
        inner, many = _inner(field)
        if inner is not None:
            yield from _homes(inner, f"{path}{name}{'[]' if many else ''}.")


def _model_at(location: Sequence[str | int], root: type[BaseModel]) -> type[BaseModel]:
    """The model of the object that a location leads to."""
    model = root
    for step in location:
        inner = next((_inner(field)[0] for name, field in _fields(model) if name == step), None)
        model = inner or model
    return model


def _inner(field: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    """The model of what a field holds, if it holds objects, and whether it holds a list of them."""
    kind, _ = _peeled(field.annotation)
    many = get_origin(kind) is tuple
    inner, _ = _peeled(get_args(kind)[0] if many else kind)
    return (inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None), many


def _peeled(kind: Any, notes: Sequence[object] = ()) -> tuple[Any, Sequence[object]]:
    """The bare type below `| None` and Annotated, and all that was noted on it."""
    if get_origin(kind) in (Union, UnionType):
        kind, *_ = (member for member in get_args(kind) if member is not NoneType)
    if get_origin(kind) is not Annotated:
        return kind, notes
    bare, *more = get_args(kind)
    return bare, [*more, *notes]


def _is_text(kind: Any) -> bool:
    """Whether a bare type is that of strings, or of some strings (StrEnum)."""
    return isinstance(kind, type) and issubclass(kind, str)


def _nearest(key: str, names: Sequence[str]) -> str | None:
    folded = {name.casefold(): name for name in names}
    near = get_close_matches(key[:_LONGEST_GUESSED].casefold(), folded, n=1)
    return folded[near[0]] if near else None

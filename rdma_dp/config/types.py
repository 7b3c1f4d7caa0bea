"""The types of values in a config: which values they accept, and their JSON Schema.

A type is a Python type with marks: pydantic's own, `Spelling` with a `normalized_*` function, which
corrects the spelling, and an AfterValidator with a `validated_*` function of values/.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from rdma_dp.config import syntax
from rdma_dp.config.problems import InvalidValue
from rdma_dp.config.spelling import Spelling
from rdma_dp.config.values import globs, hca_traits, kubernetes, pci_addresses, pf_names
from rdma_dp.config.values.kubernetes import validated_slots
from rdma_dp.formats.list_limit import MOST_SLOTS

_T = TypeVar("_T")


class ConfigModel(BaseModel):
    """Base of all models of the config."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Without blanks and duplicates. Only blanks is an error: "absent" would mean "all"."""
    kept = tuple(dict.fromkeys(value for value in values if value != ""))
    if values and not kept:
        raise InvalidValue("holds only blanks", "add a value, or remove the key")
    return kept


def at_least_one(resources: tuple[Any, ...]) -> tuple[Any, ...]:
    """A list that is not empty."""
    if not resources:
        raise InvalidValue("is empty", "add a resource; without one there is nothing to offer")
    return resources


def _unless_blank(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda text: check(text) if text else text)


def _pattern(pattern: str, longest: int | None = None) -> WithJsonSchema:
    length = {} if longest is None else {"maxLength": longest}
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", **length})


def one_of(choices: type[StrEnum]) -> Spelling:
    """Marks an enum whose values are accepted in upper and lower case."""
    by_key = {str(choice).casefold(): str(choice) for choice in choices}
    return Spelling(lambda text: by_key.get(text.casefold(), text))


def enum(choices: Iterable[str]) -> WithJsonSchema:
    """The JSON Schema of an enum, without a reference."""
    return WithJsonSchema({"enum": [str(choice) for choice in choices]})


WholeNumber = Annotated[int, Strict(), BeforeValidator(syntax.number)]
Slots = Annotated[
    WholeNumber,
    AfterValidator(validated_slots),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_SLOTS}),
]
Flag = Annotated[bool, Strict(), BeforeValidator(syntax.flag)]
Text = Annotated[str, Strict(), AfterValidator(kubernetes.validated_text)]
Several = Annotated[tuple[_T, ...], AfterValidator(_each_once)]

ResourceName = Annotated[
    Text,
    AfterValidator(kubernetes.validated_name),
    _pattern(kubernetes.NAME_PATTERN, kubernetes.LONGEST_NAME),
]
ResourcePrefix = Annotated[
    Text,
    AfterValidator(lambda prefix: kubernetes.validated_prefix(prefix or kubernetes.DEFAULT_PREFIX)),
    _pattern(kubernetes.PREFIX_PATTERN, kubernetes.LONGEST_PREFIX),
]
Variable = Annotated[
    Text, AfterValidator(kubernetes.validated_variable), _pattern(kubernetes.VARIABLE_PATTERN)
]

HexId = Annotated[Text, Spelling(hca_traits.normalized_hex_id), _pattern(hca_traits.HEX_ID_PATTERN)]
VendorId = Annotated[HexId, _unless_blank(hca_traits.validated_vendor)]
DeviceId = Annotated[HexId, _unless_blank(hca_traits.validated_device_id)]
LinkType = Annotated[
    Text,
    Spelling(hca_traits.normalized_link_type),
    _unless_blank(hca_traits.validated_link_type),
    enum(hca_traits.LINK_TYPES),
]
FunctionTypeName = Annotated[
    Text,
    Spelling(hca_traits.normalized_function_type),
    _unless_blank(hca_traits.validated_function_type),
    enum(hca_traits.FUNCTION_TYPES),
]
GlobOfNames = Annotated[Text, _unless_blank(globs.validated_name), _pattern(globs.NAME_PATTERN)]
NumaNode = Annotated[
    WholeNumber,
    Field(ge=0, le=hca_traits.HIGHEST_NUMA_NODE),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": hca_traits.HIGHEST_NUMA_NODE}),
]
PciAddresses = Annotated[
    Text,
    Spelling(pci_addresses.normalized),
    _unless_blank(pci_addresses.validated),
    _pattern(pci_addresses.PATTERN),
]
PfName = Annotated[
    Text,
    Spelling(pf_names.normalized),
    _unless_blank(pf_names.validated),
    _pattern(pf_names.PATTERN),
]

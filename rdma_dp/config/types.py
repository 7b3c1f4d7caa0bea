"""The types of values in a config: which values they accept, and their JSON Schema.

A type is a Python type with marks: pydantic's own, `Spelling` with a `normalized_*` function, which
corrects the spelling, and an AfterValidator with a `validated_*` function of values/.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from rdma_dp.config import placeholders, syntax
from rdma_dp.config.problems import InvalidValue
from rdma_dp.config.spelling import Spelling
from rdma_dp.config.values import (
    forms,
    globs,
    hca_traits,
    kubernetes,
    pci_addresses,
    pf_names,
)
from rdma_dp.config.values.kubernetes import validated_slots
from rdma_dp.formats.list_size import MOST_SLOTS

_T = TypeVar("_T")


class ConfigModel(BaseModel):
    """Base of all models of the config."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        model_title_generator=lambda model: model.__name__.removesuffix("Document"),
    )


def values_of(document: BaseModel) -> dict[str, Any]:
    """The values of a model's fields, by field."""
    return {name: getattr(document, name) for name in type(document).model_fields}


def in_tuple(found: _T | tuple[_T, ...]) -> tuple[_T, ...]:
    """The objects of OneOrSeveral."""
    return found if isinstance(found, tuple) else (found,)


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


def _checked(selector: str) -> AfterValidator:
    """The check of the values of a selector, except of blanks."""
    return AfterValidator(lambda text: forms.checked(selector, text) if text else text)


def _not_a_name(value: object) -> object:
    """A number. A text that belongs to another selector is refused with the name of that."""
    if isinstance(value, str) and (form := forms.other_form("numaNodes", value)):
        hint = f"it looks like {form.noun}: {form.hint}"
        raise InvalidValue("is not a NUMA node", hint, form.advised)
    return value


def described_pattern(pattern: str, longest: int | None = None) -> WithJsonSchema:
    """The JSON Schema of a text that matches the pattern as a whole."""
    length = {} if longest is None else {"maxLength": longest}
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", **length})


def one_of(choices: type[StrEnum]) -> Spelling:
    """Marks an enum whose values are accepted in upper and lower case."""
    by_key = {str(choice).casefold(): str(choice) for choice in choices}
    return Spelling(lambda text: by_key.get(text.casefold(), text))


# The tags of the two forms of an object that may be a list. No key of a config is like them.
ONE_OBJECT, LIST_OF_OBJECTS = "\0object", "\0list"


def _form(value: object) -> str:
    return LIST_OF_OBJECTS if isinstance(value, list | tuple) else ONE_OBJECT


# An object, or a list of such objects.
OneOrSeveral = Annotated[
    Annotated[_T, Tag(ONE_OBJECT)] | Annotated[tuple[_T, ...], Tag(LIST_OF_OBJECTS)],
    Discriminator(_form),
]


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

Management = Annotated[
    Flag,
    Field(
        description="Whether containers get the umad and issm nodes of their HCAs, as in the Go "
        "plugin. With them a container can send management packets to the fabric. Management tools "
        "(ibstat, perfquery, opensm) need them; verbs, rdma_cm, MPI and NCCL do not.",
        examples=[False],
    ),
]
Text = Annotated[
    str,
    Strict(),
    AfterValidator(kubernetes.validated_text),
    AfterValidator(placeholders.validated),
]
Several = Annotated[tuple[_T, ...], AfterValidator(_each_once)]

ResourceName = Annotated[
    Text,
    AfterValidator(kubernetes.validated_name),
    described_pattern(kubernetes.NAME_PATTERN, kubernetes.LONGEST_NAME),
]
ResourcePrefix = Annotated[
    Text,
    AfterValidator(lambda prefix: kubernetes.validated_prefix(prefix or kubernetes.DEFAULT_PREFIX)),
    described_pattern(kubernetes.PREFIX_PATTERN, kubernetes.LONGEST_PREFIX),
]
Variable = Annotated[
    Text,
    AfterValidator(kubernetes.validated_variable),
    described_pattern(kubernetes.VARIABLE_PATTERN),
]

HexId = Annotated[
    Text, Spelling(hca_traits.normalized_hex_id), described_pattern(hca_traits.HEX_ID_PATTERN)
]
VendorId = Annotated[HexId, _checked("vendors")]
DeviceId = Annotated[HexId, _checked("deviceIDs")]
LinkType = Annotated[
    Text,
    Spelling(hca_traits.normalized_link_type),
    _checked("linkTypes"),
    enum(hca_traits.LINK_TYPES),
]
FunctionTypeName = Annotated[
    Text,
    Spelling(hca_traits.normalized_function_type),
    _checked("functionTypes"),
    enum(hca_traits.FUNCTION_TYPES),
]
Driver = Annotated[Text, _checked("drivers")]
Interface = Annotated[Text, _checked("ifNames")]
HcaName = Annotated[Text, _checked("rdmaDevices"), described_pattern(globs.NAME_PATTERN)]
NumaNode = Annotated[
    WholeNumber,
    BeforeValidator(_not_a_name),
    Field(ge=0, le=hca_traits.HIGHEST_NUMA_NODE),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": hca_traits.HIGHEST_NUMA_NODE}),
]
PciAddresses = Annotated[
    Text,
    Spelling(pci_addresses.normalized),
    _checked("pciAddresses"),
    described_pattern(pci_addresses.PATTERN),
]
PfName = Annotated[
    Text,
    Spelling(pf_names.normalized),
    _checked("pfNames"),
    described_pattern(pf_names.PATTERN),
]

"""The config: which HCAs make up which resource, in the format of the Go plugin.

Reading has three steps: config_reader (text -> plain data), spelling (what people write -> the
one spelling that the models know, with warnings), and here the models, which are strict, and the
rules between their fields. Every problem is reported in one go.

A new setting is a field here, beside the reason for its default: a sibling of `selectors`, never
inside (the operator's webhook refuses selectors that it does not know). Reading it, the warnings
about its spelling and the JSON Schema follow from the field.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema

from rdma_dp import config_reader, config_rules, names
from rdma_dp.config_reader import MAX_BYTES
from rdma_dp.list_size import MESSAGE_LIMIT, MOST_SLOTS, checked_slots
from rdma_dp.problems import ConfigError, ConfigMissing, Problem, Refused
from rdma_dp.refusals import problems_of
from rdma_dp.spelling import Spelling, tidy

__all__ = [
    "Config",
    "Resource",
    "Selectors",
    "Loaded",
    "load",
    "parse",
    "json_schema",
    "MAX_BYTES",
    "Problem",
    "ConfigError",
    "ConfigMissing",
]

# --- types of values ----------------------------------------------------------------------------

_T = TypeVar("_T")


def _number(value: object) -> object:
    """The text of an unquoted YAML scalar as a number, if JSON would read it as a whole one."""
    if isinstance(value, config_reader.Unquoted) and re.fullmatch(r"-?(0|[1-9][0-9]*)", value):
        return config_reader.whole_number(value)
    return value


def _flag(value: object) -> object:
    """The text of an unquoted YAML scalar as a truth value, if it is spelt as in JSON."""
    if isinstance(value, config_reader.Unquoted) and value in ("true", "false"):
        return value == "true"
    return value


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    """Without blanks and repetitions. Nothing but blanks must not become "absent = all"."""
    kept = tuple(dict.fromkeys(filter(None, values)))
    if values and not kept:
        raise Refused("holds nothing but blanks", "name something, or leave the key out")
    return kept


def _at_least_one(resources: tuple[Any, ...]) -> tuple[Any, ...]:
    if not resources:
        raise Refused("is empty", "without a resource there is nothing to offer")
    return resources


def _unless_blank(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda text: check(text) if text else text)


def _pattern(pattern: str, longest: int | None = None) -> WithJsonSchema:
    length = {} if longest is None else {"maxLength": longest}
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", **length})


WholeNumber = Annotated[int, Strict(), BeforeValidator(_number)]
Slots = Annotated[
    WholeNumber,
    AfterValidator(checked_slots),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_SLOTS}),
]
Flag = Annotated[bool, Strict(), BeforeValidator(_flag)]
Text = Annotated[str, Strict()]
HexId = Annotated[Text, Spelling(names.usual_hex_id), _pattern(names.HEX_ID_PATTERN)]
VendorId = Annotated[HexId, _unless_blank(names.checked_vendor)]
DeviceId = Annotated[HexId, _unless_blank(names.checked_device_id)]
LinkType = Annotated[
    Text,
    Spelling(names.usual_link_type),
    _unless_blank(names.checked_link_type),
    WithJsonSchema({"enum": list(names.LINK_TYPES)}),
]
Several = Annotated[tuple[_T, ...], AfterValidator(_each_once)]
ResourceName = Annotated[
    Text,
    AfterValidator(names.checked_name),
    _pattern(names.NAME_PATTERN, names.LONGEST_NAME),
]
ResourcePrefix = Annotated[
    Text,
    AfterValidator(lambda prefix: names.checked_prefix(prefix or names.DEFAULT_PREFIX)),
    _pattern(names.PREFIX_PATTERN, names.LONGEST_PREFIX),
]

# --- models -------------------------------------------------------------------------------------


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class Selectors(_Model):
    """Which HCAs a resource takes: all selectors must match, any value within one is enough."""

    vendors: Several[VendorId] = Field(
        default=(),
        description="PCI vendor ids, four hex digits. Absent: any vendor.",
        examples=[["15b3"]],
    )
    device_ids: Several[DeviceId] = Field(
        default=(),
        alias="deviceIDs",
        description="PCI device ids, four hex digits. A VF has an id of its own. Absent: any.",
        examples=[["101b", "1021"]],
    )
    drivers: Several[Text] = Field(
        default=(),
        description="Kernel drivers that the PCI function is bound to. Absent: any driver.",
        examples=[["mlx5_core"]],
    )
    if_names: Several[Text] = Field(
        default=(),
        description="Network interfaces of the HCA; a bond or one of its slaves names the HCA of "
        "the bond. Absent: any, also HCAs without an interface.",
        examples=[["ens1f0np0"]],
    )
    link_types: Several[LinkType] = Field(
        default=(),
        description='"ether" (RoCE, iWARP) or "infiniband". Absent: any.',
        examples=[["infiniband"]],
    )


class Health(_Model):
    """When the slots of a resource count as Healthy."""

    require_active_port: Flag = Field(
        default=True,
        description="Whether at least one HCA must have an ACTIVE port. With false, an HCA whose "
        "device nodes are there is enough, as in the Go plugin.",
        examples=[True],
    )
    down_seconds: WholeNumber = Field(
        default=5,
        ge=0,
        le=86400,
        description="Seconds without any ACTIVE port before the slots turn Unhealthy: a flapping "
        "link must not flap the list. An ACTIVE port makes them Healthy at once.",
        examples=[5],
    )


class Resource(_Model):
    """One extended resource of the node: the HCAs that it takes and how often it shares them."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["selectors"]}, {"required": ["devices"]}]}
    )

    resource_name: ResourceName = Field(
        description="What pods ask for, behind the slash. The Go plugin knows letters, digits "
        "and _ only; Kubernetes and this plugin also take - and . inside.",
        examples=["rdma_shared_device_a"],
    )
    resource_prefix: ResourcePrefix = Field(
        default=names.DEFAULT_PREFIX,
        description="What pods ask for, before the slash: a lowercase DNS name. The default is "
        "the Go plugin's.",
        examples=["rdma"],
    )
    rdma_hca_max: Slots = Field(
        description="How many containers may hold the resource at the same time. There is no "
        "default because none is right for everybody; the limit is what fits into "
        f"kubelet's {MESSAGE_LIMIT} bytes for one list.",
        examples=[63],
    )
    selectors: Selectors = Field(
        default_factory=Selectors,
        description="Which HCAs the resource takes. At least one selector must be given, so that "
        "nobody shares every HCA of a node by an accident.",
        examples=[{"vendors": ["15b3"]}],
    )
    health: Health = Field(
        default_factory=Health,
        description="When the slots count as Healthy.",
        examples=[{"requireActivePort": True, "downSeconds": 5}],
    )
    devices: Several[Text] = Field(
        default=(),
        description='The old name of "selectors.ifNames"; not together with "selectors".',
        examples=[["ens1f0np0"]],
        json_schema_extra={"deprecated": True},
    )

    @property
    def full_name(self) -> str:
        """The name that kubelet and pods use: "rdma/rdma_shared_device_a"."""
        return f"{self.resource_prefix}/{self.resource_name}"


class Config(_Model):
    """Configuration of rdma-dp, a superset of the Go RDMA shared device plugin's."""

    periodic_update_interval: WholeNumber = Field(
        default=60,
        ge=0,
        le=2**31 - 1,
        description="Seconds between two looks at the node's hardware; 0: no timer. The default "
        "is the Go plugin's.",
        examples=[60],
    )
    set_links_up: Flag | None = Field(
        default=None,
        description="Whether to set the administratively down netdevs of chosen HCAs up, once, "
        "when they appear. Absent: as the command line says.",
        examples=[False],
    )
    config_list: Annotated[tuple[Resource, ...], AfterValidator(_at_least_one)] = Field(
        description="The resources that the node offers. Names must differ.",
        examples=[[{"resourceName": "a", "rdmaHcaMax": 63, "selectors": {"vendors": ["15b3"]}}]],
        json_schema_extra={"minItems": 1},
    )


@dataclass(frozen=True)
class Loaded:
    """A config that can be used, and what is worth a warning in it."""

    config: Config
    warnings: tuple[Problem, ...] = ()


# --- reading ------------------------------------------------------------------------------------


def load(path: Path) -> Loaded:
    """Read a config file. Raises ConfigMissing while there is none, else ConfigError."""
    return parse(config_reader.decode(read(path)))


def read(path: Path) -> bytes:
    """What a config file holds, as far as it can be one. Raises ConfigMissing or ConfigError."""
    try:
        with path.open("rb") as file:
            return file.read(config_reader.MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigMissing("there is no such file") from None
    except OSError as error:
        raise ConfigError([Problem("", f"cannot be read: {error.strerror}")]) from error


def parse(text: str) -> Loaded:
    """Read a config from JSON or YAML. Raises ConfigMissing or ConfigError."""
    reading = config_reader.read(text)
    data, respelt = tidy(reading.data, Config)
    warnings = (*reading.warnings, *respelt, *config_rules.warnings(data))
    broken = list(config_rules.errors(data))
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_in_order([*problems_of(error, Config), *broken]), warnings) from None
    if broken:
        raise ConfigError(_in_order(broken), warnings)
    return Loaded(_without_devices(config), warnings)


def _in_order(problems: list[Problem]) -> list[Problem]:
    """By path, so that what belongs to one resource stands together; [10] after [9]."""
    return sorted(problems, key=lambda p: re.sub(r"\d+", lambda n: n[0].zfill(8), p.path))


def _without_devices(config: Config) -> Config:
    """With the old spelling folded into the new one: from here on nobody meets `devices`."""
    resources = tuple(
        r.model_copy(update={"selectors": Selectors(if_names=r.devices), "devices": ()})
        if r.devices
        else r
        for r in config.config_list
    )
    return config.model_copy(update={"config_list": resources})


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a config in its usual spelling, for editors."""
    schema = Config.model_json_schema(by_alias=True, schema_generator=_Schema)
    return {"$schema": _Schema.schema_dialect, **schema, "title": "rdma-dp config"}


class _Schema(GenerateJsonSchema):
    """Without the titles that pydantic makes from the names of fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 (pydantic's signature)
        return False

"""The config: which HCAs make up which resource, in the format of the Go plugin.

Reading has three steps: config_reader (text -> plain data), spelling (what people write -> the
one spelling that the models know, with warnings), and the models of config_models, which are
strict, with the rules between their fields. Every problem is reported in one go.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema

from rdma_dp import config_reader, config_rules
from rdma_dp.config_models import (
    CdiMode,
    Config,
    EnvForm,
    Health,
    Preference,
    Resource,
    SlotsPer,
)
from rdma_dp.config_reader import MAX_BYTES
from rdma_dp.problems import ConfigError, ConfigMissing, Problem
from rdma_dp.refusals import problems_of
from rdma_dp.selectors import Selectors, Traits
from rdma_dp.spelling import tidy

__all__ = [
    "Config",
    "Resource",
    "Selectors",
    "Traits",
    "Health",
    "SlotsPer",
    "Preference",
    "CdiMode",
    "EnvForm",
    "Loaded",
    "load",
    "parse",
    "json_schema",
    "MAX_BYTES",
    "Problem",
    "ConfigError",
    "ConfigMissing",
]


@dataclass(frozen=True)
class Loaded:
    """A config that can be used, and what is worth a warning in it."""

    config: Config
    warnings: tuple[Problem, ...] = ()


def load(path: Path) -> Loaded:
    """Read a config file. Raises ConfigMissing while there is none, else ConfigError."""
    return parse_bytes(read(path))


def read(path: Path) -> bytes:
    """What a config file holds, as far as it can be one. Raises ConfigMissing or ConfigError."""
    try:
        with path.open("rb") as file:
            return file.read(config_reader.MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigMissing("there is no such file") from None
    except OSError as error:
        raise ConfigError([Problem("", f"cannot be read: {error.strerror}")]) from error


def parse_bytes(content: bytes) -> Loaded:
    """Read what a config file held. Raises ConfigMissing or ConfigError."""
    return parse(config_reader.decode(content))


def parse(text: str) -> Loaded:
    """Read a config from JSON or YAML. Raises ConfigMissing or ConfigError."""
    reading = config_reader.read(text)
    data, respelt = tidy(reading.data, Config)
    warnings = (*reading.warnings, *respelt, *config_rules.warnings(data))
    broken = list(config_rules.errors(data))
    try:
        # A file knows the keys alone, not the Python names of the fields behind them.
        config = Config.model_validate(data, by_name=False)
    except ValidationError as error:
        raise ConfigError(_in_order([*problems_of(error, Config), *broken]), warnings) from None
    if broken:
        raise ConfigError(_in_order(broken), warnings)
    folded = tuple(_folded(resource) for resource in config.config_list)
    return Loaded(config.model_copy(update={"config_list": folded}), warnings)


def _in_order(problems: list[Problem]) -> list[Problem]:
    """By path, so that what belongs to one resource stands together; [10] after [9]."""
    return sorted(problems, key=lambda p: re.sub(r"\d+", lambda n: n[0].zfill(8), p.path))


def _folded(resource: Resource) -> Resource:
    """With all selectors in one place: from here on nobody meets the others."""
    if not resource.devices and resource.extra_selectors == Selectors():
        return resource
    named = Selectors(if_names=resource.devices)
    selectors = resource.selectors.joined(named).joined(resource.extra_selectors)
    others = {"devices": (), "extra_selectors": Selectors()}
    return resource.model_copy(update={"selectors": selectors, **others})


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a config in its usual spelling, for editors."""
    schema = Config.model_json_schema(by_alias=True, schema_generator=_Schema)
    return {"$schema": _Schema.schema_dialect, **schema, "title": "rdma-dp config"}


class _Schema(GenerateJsonSchema):
    """Without the titles that pydantic makes from the names of fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 (pydantic's signature)
        return False

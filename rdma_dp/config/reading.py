"""The config: which HCAs make up which resource, in the format of the Go plugin.

Reading has three steps: syntax (text -> plain data), spelling (what people write -> the
one spelling that the models know, with warnings), and the models, which are
strict, with the rules between their fields. Every problem is reported in one go.
"""

import json
import re
from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema

from rdma_dp.config import foreign, network_operator, rules, syntax
from rdma_dp.config.command_line import NO_DEFAULTS, Defaults
from rdma_dp.config.file_content import read
from rdma_dp.config.models import ConfigDocument
from rdma_dp.config.node_config import Accepted
from rdma_dp.config.problems import ConfigError, Problem
from rdma_dp.config.spelling import tidy
from rdma_dp.config.validation_errors import problems_of

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Loaded(Accepted):
    """A config that can be used, and the document that it was made of."""

    document: ConfigDocument = field(compare=False)  # another spelling of the same config

    @property
    def in_json(self) -> str:
        """The document as JSON, without keys that it leaves out. It has no apostrophe.

        An apostrophe in a config breaks the ConfigMap that Network Operator makes of it.
        """
        data = self.document.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return json.dumps(data, indent=2).replace("'", r"\u0027")

    def without(self, positions: Container[int]) -> "Loaded":
        """The same config without the resources at these positions of its list."""

        def left(resources: tuple[_T, ...]) -> tuple[_T, ...]:
            return tuple(each for i, each in enumerate(resources) if i not in positions)

        config = replace(self.config, config_list=left(self.config.config_list))
        listed = left(self.document.config_list)
        document = self.document.model_copy(update={"config_list": listed})
        return replace(self, config=config, document=document)


def load(path: Path, defaults: Defaults = NO_DEFAULTS) -> Loaded:
    """Read a config file. Raises ConfigMissing while there is none, else ConfigError."""
    return parse_bytes(read(path), defaults)


def parse_bytes(
    content: bytes, defaults: Defaults = NO_DEFAULTS, *, without_slotless: bool = False
) -> Loaded:
    """Read what a config file held. Raises ConfigMissing or ConfigError."""
    return parse(syntax.decode(content), defaults, without_slotless=without_slotless)


def parse(text: str, defaults: Defaults = NO_DEFAULTS, *, without_slotless: bool = False) -> Loaded:
    """Read a config from JSON or YAML. Raises ConfigMissing or ConfigError.

    `defaults` count where the config says nothing. Nothing behind this function decides that again.
    `without_slotless` leaves out a resource whose rdmaHcaMax is 0 or missing, with a warning, if
    another one is left: the Go plugin also serves the others.
    """
    try:
        return _parsed(text, defaults, without_slotless=without_slotless)
    except ConfigError:
        if network_operator.folded(text):
            raise ConfigError([network_operator.FOLDED]) from None
        raise


def parse_as_daemon(content: bytes, defaults: Defaults) -> Accepted:
    """What a config says, as the daemon takes it. Raises ConfigMissing or ConfigError."""
    loaded = parse_bytes(content, defaults, without_slotless=True)
    return Accepted(loaded.config, loaded.warnings)


def accepted_or_error(content: bytes, defaults: Defaults) -> Accepted | ConfigError:
    """The same for a caller in another process, which gets the error as a value."""
    try:
        return parse_as_daemon(content, defaults)
    except ConfigError as error:
        return error


def _parsed(text: str, defaults: Defaults, *, without_slotless: bool) -> Loaded:
    reading = syntax.read(text)
    if problems := foreign.recognised(reading.data):
        raise ConfigError(problems, reading.warnings)
    data, respelt = tidy(reading.data, ConfigDocument)
    warnings = (*reading.warnings, *respelt, *rules.warnings(data))
    if without_slotless and (slotless := rules.slotless(data)):
        more = (*warnings, *slotless.values())
        with suppress(ConfigError):  # with other problems, all of them are errors
            return _validated(rules.with_a_slot(data, slotless), defaults, more).without(slotless)
    return _validated(data, defaults, warnings)


def _validated(data: object, defaults: Defaults, warnings: tuple[Problem, ...]) -> Loaded:
    broken = list(rules.errors(data))
    try:
        # A file knows the keys alone, not the Python names of the fields behind them.
        document = ConfigDocument.model_validate(data, by_name=False)
    except ValidationError as error:
        raise ConfigError(
            _in_order([*problems_of(error, ConfigDocument), *broken]), warnings
        ) from None
    if broken:
        raise ConfigError(_in_order(broken), warnings)
    return Loaded(document.decided(defaults), warnings, document=document)


def _in_order(problems: list[Problem]) -> list[Problem]:
    """By path, so that what belongs to one resource stands together; [10] after [9]."""
    return sorted(problems, key=lambda p: re.sub(r"\d+", lambda n: n[0].zfill(8), p.path))


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a config in its usual spelling, for editors."""
    schema = ConfigDocument.model_json_schema(by_alias=True, schema_generator=_Schema)
    return {"$schema": _Schema.schema_dialect, **schema, "title": "rdma-dp config"}


class _Schema(GenerateJsonSchema):
    """Without the titles that pydantic makes from the names of fields.

    An object has the name of the value that is made of it: "Resource".
    """

    def normalize_name(self, name: str) -> str:
        return super().normalize_name(name).replace("Document", "")

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 (pydantic's signature)
        return False

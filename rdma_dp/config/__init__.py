"""The config: which HCAs each resource takes, in the format of the Go plugin.

The names in `_OF_READING` load pydantic when they are used: it takes 70 ms and 14 MB. A running
daemon has a process of its own for them (daemon/config_parsing.py).
"""

from typing import TYPE_CHECKING, Any

from rdma_dp.config.command_line import NO_DEFAULTS, Defaults
from rdma_dp.config.file_content import MAX_BYTES, read
from rdma_dp.config.node_config import (
    EMPTY_CONFIG,
    Accepted,
    CdiMode,
    Config,
    CountersLevel,
    DraSettings,
    DraSlots,
    EnvForm,
    Health,
    LinkDown,
    MetricsSettings,
    PodMetrics,
    Preference,
    Resource,
    SlotsPer,
    Via,
)
from rdma_dp.config.problems import ConfigError, ConfigMissing, ConfigUnreadable, Problem
from rdma_dp.config.selector_sets import Selectors, Traits, compiled

if TYPE_CHECKING:
    from rdma_dp.config.models import ConfigDocument
    from rdma_dp.config.reading import Loaded, json_schema, load, parse, parse_bytes

_OF_READING = ("ConfigDocument", "Loaded", "json_schema", "load", "parse", "parse_bytes")

__all__ = [
    "Accepted",
    "Config",
    "ConfigDocument",
    "EMPTY_CONFIG",
    "Defaults",
    "NO_DEFAULTS",
    "Resource",
    "Selectors",
    "Traits",
    "compiled",
    "Health",
    "SlotsPer",
    "Preference",
    "CdiMode",
    "CountersLevel",
    "MetricsSettings",
    "PodMetrics",
    "DraSettings",
    "DraSlots",
    "LinkDown",
    "Via",
    "EnvForm",
    "Loaded",
    "load",
    "read",
    "parse_bytes",
    "parse",
    "json_schema",
    "MAX_BYTES",
    "Problem",
    "ConfigError",
    "ConfigMissing",
    "ConfigUnreadable",
]


def __getattr__(name: str) -> Any:
    """The names in `_OF_READING`, loaded at the first use."""
    if name not in _OF_READING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rdma_dp.config import reading  # noqa: PLC0415 - see above

    return getattr(reading, name)

"""The config: which HCAs each resource takes, in the format of the Go plugin."""

from rdma_dp.config.command_line import NO_DEFAULTS, Defaults
from rdma_dp.config.dra_settings import DraSettings, DraSlots, LinkDown, Via
from rdma_dp.config.health_settings import Health
from rdma_dp.config.metrics_settings import CountersLevel, MetricsSettings, PodMetrics
from rdma_dp.config.models import (
    EMPTY_CONFIG,
    CdiMode,
    Config,
    ConfigDocument,
    EnvForm,
    Preference,
    Resource,
    SlotsPer,
)
from rdma_dp.config.problems import ConfigError, ConfigMissing, ConfigUnreadable, Problem
from rdma_dp.config.reading import Loaded, json_schema, load, parse, parse_bytes, read
from rdma_dp.config.selectors import Selectors, Traits, compiled, value_for
from rdma_dp.config.syntax import MAX_BYTES

__all__ = [
    "Config",
    "ConfigDocument",
    "EMPTY_CONFIG",
    "Defaults",
    "NO_DEFAULTS",
    "Resource",
    "Selectors",
    "Traits",
    "compiled",
    "value_for",
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

"""The values of a config have the fields and the defaults of its models."""

from dataclasses import fields
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from rdma_dp.config import Config, DraSettings, Health, MetricsSettings, Resource, Selectors, Traits
from rdma_dp.config.dra_settings import DraSettingsDocument
from rdma_dp.config.health_settings import HealthDocument
from rdma_dp.config.metrics_settings import MetricsSettingsDocument
from rdma_dp.config.models import ConfigDocument, ResourceDocument
from rdma_dp.config.selector_sets import KEYS
from rdma_dp.config.selectors import SelectorsDocument, TraitsDocument

PAIRS: list[tuple[type[BaseModel], type]] = [
    (HealthDocument, Health),
    (MetricsSettingsDocument, MetricsSettings),
    (DraSettingsDocument, DraSettings),
    (TraitsDocument, Traits),
    (SelectorsDocument, Selectors),
    (ResourceDocument, Resource),
    (ConfigDocument, Config),
]
IN_SELECTORS = {"extra_selectors", "devices"}  # Resource.selectors has them
FROM_THE_COMMAND_LINE = {"set_links_up", "cdi"}


def test_a_key_of_a_selector_is_that_of_its_model() -> None:
    aliases = {name: field.alias for name, field in TraitsDocument.model_fields.items()}
    assert dict(KEYS) == aliases


@pytest.mark.parametrize(("model", "value"), PAIRS)
def test_the_fields_are_those_of_the_model(model: type[BaseModel], value: type) -> None:
    expected = model.model_fields.keys() - IN_SELECTORS
    assert {each.name for each in fields(value)} == expected


@pytest.mark.parametrize(("model", "value"), PAIRS)
def test_the_defaults_are_those_of_the_model(model: type[BaseModel], value: type) -> None:
    required = {"resource_name": "a", "rdma_hca_max": 1} if value is Resource else {}
    made = value(**required)
    for name, field in model.model_fields.items():
        default: Any = field.get_default(call_default_factory=True)
        if default is PydanticUndefined or name in IN_SELECTORS | FROM_THE_COMMAND_LINE:
            continue
        assert getattr(made, name) == getattr(default, "value", default), name

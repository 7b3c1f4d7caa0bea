"""Sample hosts with something wrong, and the same hosts mended.

A case is a sample host and a piece of YAML that is laid over its manifest: mappings are merged,
anything else replaces what was there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rdma_dp.config.loading import find_config
from rdma_dp.doctor.catalogue import chosen
from rdma_dp.doctor.examination import Result, examine
from rdma_dp.node.source import open_source
from rdma_dp.node.view import view_node
from simulator import host as simulated
from simulator.host.manifest import Manifest
from tests.paths import CONFIGS

ALL_MELLANOX = CONFIGS / "all-mellanox.yaml"


def ailing(base: str, patch: str) -> Manifest:
    """The sample host `base` with `patch` laid over it."""
    healthy = simulated.load(base).model_dump(by_alias=True, exclude_unset=True)
    return Manifest.model_validate(_merged(healthy, yaml.load(patch, yaml.BaseLoader)))


def _merged(under: Any, over: Any) -> Any:
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        return {**under, **{key: _merged(under.get(key), value) for key, value in over.items()}}
    return over


def seen(check: str, root: Path, config: Path = ALL_MELLANOX) -> Result:
    """What one check says of a host."""
    (result,) = examine(view_node(open_source(root), find_config(config)), chosen([check]))
    return result

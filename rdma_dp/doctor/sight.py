"""Everything that a check may look at: a node, what a config makes of it, who asked whom."""

from dataclasses import dataclass
from pathlib import Path

from rdma_dp.answers import Answers
from rdma_dp.config import Config, ConfigError, ConfigMissing, Problem
from rdma_dp.config_found import FoundConfig
from rdma_dp.host import Host
from rdma_dp.model import Inventory
from rdma_dp.pool import Pool, make_pools
from rdma_dp.root import Root


@dataclass(frozen=True, slots=True)
class ConfigSeen:
    """A config file as it was found: `config` is None when it cannot be used, or is not there."""

    file: Path
    config: Config | None = None
    missing: bool = False
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Sight:
    """A node at one moment. Checks read further files from `host`, and nothing from elsewhere."""

    host: Host
    inventory: Inventory
    answers: Answers
    config: ConfigSeen
    pools: tuple[Pool, ...] = ()


def sight_of(root: Root, config: FoundConfig, *, use_cdi: bool = False) -> Sight:
    """Looks at all of it once. Raises HostError when the node's HCAs cannot be listed."""
    inventory = root.scan()
    seen = _config(config)
    pools = (
        make_pools(seen.config, inventory, seen.config.cdi_mode(use_cdi=use_cdi))
        if seen.config
        else ()
    )
    return Sight(root.host, inventory, root.answers or Answers(), seen, pools)


def _config(found: FoundConfig) -> ConfigSeen:
    try:
        loaded = found.load()
    except ConfigMissing:
        return ConfigSeen(found.file, missing=True)
    except ConfigError as error:
        return ConfigSeen(found.file, errors=error.problems, warnings=error.warnings)
    return ConfigSeen(found.file, loaded.config, warnings=loaded.warnings)

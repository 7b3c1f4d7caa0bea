"""A config file as it was found: now, or when a snapshot was taken."""

from dataclasses import dataclass
from pathlib import Path

from rdma_dp import config
from rdma_dp.config import ConfigError, ConfigMissing, Loaded, Problem


@dataclass(frozen=True, slots=True)
class FoundConfig:
    """`content` is None when there was no such file, or when `failure` says why none was read."""

    file: Path
    content: bytes | None = None
    failure: str | None = None

    def load(self) -> Loaded:
        """What it says. Raises ConfigMissing when there was none, else ConfigError."""
        if self.content is not None:
            return config.parse_bytes(self.content)
        if self.failure is not None:
            raise ConfigError([Problem("", self.failure)])
        raise ConfigMissing("there is no such file")


def find_config(file: Path) -> FoundConfig:
    """Looks for it once."""
    try:
        return FoundConfig(file, content=config.read(file))
    except ConfigMissing:
        return FoundConfig(file)
    except ConfigError as error:
        return FoundConfig(file, failure=error.problems[0].message)

"""Loads manifests from YAML files. Those of the sample hosts are in simulator/hosts."""

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rdma_dp.errors import RdmaDpError
from simulator.host.manifest import Manifest


class _Loader(yaml.BaseLoader):
    """Keeps every scalar as text, and refuses a key that is there twice.

    Other loaders make numbers: in YAML 1.1, 0000:18:00.0 is a base-60 float, 101e an exponent and
    0207 octal.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    reason = f"key {key.value} is there twice"
                    raise yaml.constructor.ConstructorError(None, None, reason, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def sample_names() -> tuple[str, ...]:
    """The sample hosts, sorted."""
    files = (entry.name for entry in _samples().iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml")))


def load(name_or_path: str | Path) -> Manifest:
    """The manifest of a sample host, or of a file.

    Raises RdmaDpError for an unknown name, an unreadable file, and an invalid manifest.
    """
    text = str(name_or_path)
    if text in sample_names():
        return parse((_samples() / f"{text}.yaml").read_text("utf-8"), f"sample host {text}")
    if isinstance(name_or_path, str) and "/" not in text and not text.endswith((".yaml", ".yml")):
        raise RdmaDpError(f"no sample host {text!r}", f"samples: {', '.join(sample_names())}")
    try:
        content = Path(name_or_path).read_text("utf-8")
    except (OSError, ValueError) as error:
        raise RdmaDpError(
            f"cannot read the manifest {text}: {error}",
            f"give a YAML file or one of the samples: {', '.join(sample_names())}",
        ) from error
    return parse(content, text)


def parse(text: str, where: str) -> Manifest:
    """A manifest from YAML; `where` is for messages. Raises RdmaDpError with all problems."""
    try:
        content = yaml.load(text, _Loader)  # noqa: S506 - this loader makes only text
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise RdmaDpError(f"{where}: not YAML: {reason}", "see the samples for examples") from error
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_problem(e["loc"], e["msg"]) for e in error.errors())
        raise RdmaDpError(
            f"{where}: {problems}", "the format is in simulator/host/manifest.py"
        ) from error


def _problem(location: tuple[int | str, ...], message: str) -> str:
    path = ".".join(str(part) for part in location)
    return f"{path}: {message}" if path else message


def _samples() -> Traversable:
    return resources.files("simulator") / "hosts"

"""Kubernetes objects as YAML, as kubectl takes them. Pure."""

from collections.abc import Sequence
from typing import Any

import yaml

_WIDTH = 1000  # characters; an expression is not folded
_LIKE_A_NUMBER = ("+", "-", ".", *"0123456789")


class _Dumper(yaml.SafeDumper):
    """Quotes texts that begin like a number: kubectl reads the PCI id 10e4 as one, PyYAML not."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "'" if value.startswith(_LIKE_A_NUMBER) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _text)


def text(documents: Sequence[dict[str, Any]]) -> str:
    """The objects, each as a document of its own, without the last newline."""
    written = yaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True
    )
    return str(written).rstrip("\n")

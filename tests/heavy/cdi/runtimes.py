"""Simulated container runtimes, made of CDI's own library (see runtime/)."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator

DIRECTORY = "var/run/cdi"
TIMEOUT = 60.0


@dataclass(frozen=True)
class Container:
    """What kubelet passes to the runtime for one container."""

    names: Sequence[str] = ()
    annotations: dict[str, str] = field(default_factory=dict)


class Node(BaseModel):
    """A device node of a container, in its OCI spec."""

    path: str
    type: str
    major: int
    minor: int


class Rule(BaseModel):
    """A rule of a container's device cgroup."""

    allow: bool
    type: str
    major: int
    minor: int
    access: str


class Made(BaseModel):
    """A container's OCI spec, or the reason why it was refused."""

    refused: str
    nodes: Annotated[list[Node], BeforeValidator(lambda nodes: nodes or [])]
    rules: Annotated[list[Rule], BeforeValidator(lambda rules: rules or [])]


class Answer(BaseModel):
    """The library's errors about the spec files of a host, and the containers that it makes."""

    errors: dict[str, list[str]]
    schema_: dict[str, str]
    devices: list[str]
    made: list[Made]

    @property
    def complaints(self) -> dict[str, list[str]]:
        """By file: the errors of the library, and those of the JSON schema."""
        found = {name: list(errors) for name, errors in self.errors.items()}
        for name, error in self.schema_.items():
            found.setdefault(name, []).append(f"schema: {error}")
        return found


def ask(library: str, root: Path, *containers: Container) -> Answer:
    """Read the specs below `root`, and make containers from them."""
    request = {
        "root": str(root),
        "directory": f"/{DIRECTORY}",
        "containers": [asdict(container) for container in containers],
    }
    done = subprocess.run(
        [Path(os.environ["RDMA_DP_TEST_CDI"]) / library],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return Answer(
        errors=answer["errors"],
        schema_=answer["schema"],
        devices=answer["devices"] or [],
        made=answer["made"] or [],
    )

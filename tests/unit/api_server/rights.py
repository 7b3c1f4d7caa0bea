"""The rights that deploy/ gives to the daemon's token."""

from collections.abc import Iterable
from typing import Any

import yaml

from tests.paths import REPO

COMPONENTS = REPO / "deploy" / "components"

# Verb and resource, as RBAC names them.
Right = tuple[str, str]

# What only the doctor asks for, in the pod.
DOCTORS: frozenset[Right] = frozenset({("list", "deviceclasses")})


def role() -> frozenset[Right]:
    """The rights of components/dra."""
    documents = yaml.safe_load_all((COMPONENTS / "dra" / "access.yaml").read_text())
    (found,) = (each for each in documents if each["kind"] == "ClusterRole")
    return rights(found["rules"])


def claim_status_rules() -> list[dict[str, Any]]:
    """The rules that components/dra-claim-status adds."""
    file = COMPONENTS / "dra-claim-status" / "kustomization.yaml"
    (patch,) = yaml.safe_load(file.read_text())["patches"]
    return [each["value"] for each in yaml.safe_load(patch["patch"])]


def rights(rules: Iterable[dict[str, Any]]) -> frozenset[Right]:
    """The rights of some rules."""
    return frozenset(
        (verb, resource)
        for rule in rules
        for resource in rule["resources"]
        for verb in rule["verbs"]
    )

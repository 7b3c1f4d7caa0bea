"""JSON schemas of Kubernetes' kinds and of custom resources, in the form that kubeconform reads.

kubeconform would download them. Here they come from the Go modules that publish the APIs:
Kubernetes' own OpenAPI document, and the CRDs of the projects that define the other kinds.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.heavy.deploy.tools import Go

KUBERNETES = "k8s.io/kubernetes@v1.36.3"
OPENAPI = "api/openapi-spec/swagger.json"

# The newest releases in the module proxy. The fields that we use have not changed since.
CRDS = {
    "github.com/Mellanox/network-operator@v1.4.0": ("config/crd/bases/*.yaml",),
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/*_servicemonitors.yaml",
        "example/prometheus-operator-crd/*_prometheusrules.yaml",
    ),
    "github.com/openshift/api@v0.0.0-20210428205234-a8389931bee7": ("security/v1/*.crd.yaml",),
}

# The path at which kubeconform finds the schema of a document.
LOCATION = "{{ .ResourceKind }}-{{ .Group }}-{{ .ResourceAPIVersion }}.json"

Schema = dict[str, Any]


def make(go: Go, cache: Path) -> Path:
    """A directory with a strict schema per kind."""
    directory = cache / f"schemas-{KUBERNETES.rpartition('@')[2]}"
    directory.mkdir(parents=True, exist_ok=True)
    document = json.loads((go.module(KUBERNETES) / OPENAPI).read_text())
    for name, schema in _of_kubernetes(document["definitions"]):
        (directory / name).write_text(json.dumps(schema))
    for module, patterns in CRDS.items():
        for pattern in patterns:
            assert list(go.module(module).glob(pattern)), f"{module} has no {pattern}"
        for file in (file for each in patterns for file in sorted(go.module(module).glob(each))):
            for name, schema in _of_crd(yaml.safe_load(file.read_text())):
                (directory / name).write_text(json.dumps(schema))
    return directory


def _of_kubernetes(definitions: Mapping[str, Schema]) -> Iterator[tuple[str, Schema]]:
    strict = {name: _strict(schema) for name, schema in definitions.items()}
    # A quantity is a string or a number. OpenAPI 2 cannot express that.
    strict["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {"type": ["string", "number"]}
    for name, schema in definitions.items():
        for kind in schema.get("x-kubernetes-group-version-kind", ()):
            whole = {"$ref": f"#/definitions/{name}", "definitions": strict}
            yield _file_name(kind["kind"], kind["group"], kind["version"]), whole


def _of_crd(crd: Schema) -> Iterator[tuple[str, Schema]]:
    spec = crd["spec"]
    for version in spec["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        schema["properties"] |= {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        }
        yield _file_name(spec["names"]["kind"], spec["group"], version["name"]), _strict(schema)


def _file_name(kind: str, group: str, version: str) -> str:
    """By LOCATION, in which the group of the core kinds is their version."""
    return f"{kind.lower()}-{group or version}-{version}.json"


def _strict(schema: Any) -> Any:
    """Unknown fields are errors, unless the API accepts all fields."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
    made = {key: _strict(value) for key, value in schema.items()}
    loose = made.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in made
    if _has_properties(made) and not loose:
        made["additionalProperties"] = False
    if made.get("nullable") and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made


def _has_properties(schema: Schema) -> bool:
    """Whether it is the schema of an object, and not a list of fields, one of them "properties"."""
    properties = schema.get("properties")
    return isinstance(properties, dict) and not isinstance(properties.get("type"), str)

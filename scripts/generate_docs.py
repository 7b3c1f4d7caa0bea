"""Write what follows from the code, or with --check tell whether that is due.

From the config's JSON Schema: docs/configuration.md, the reference for people, and
deploy/helm/rdma-dp/values.schema.json, which lets helm refuse wrong values. From the doctor's
catalogue: the end of docs/troubleshooting.md; what stands before it is written by hand. From the
codes of verdicts: docs/codes.md.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rdma_dp.config import json_schema
from rdma_dp.doctor.catalogue import CATALOGUE
from rdma_dp.doctor.check import Check
from rdma_dp.inventory.verdicts import (
    Code,
    IneligibleCode,
    MismatchCode,
    SuspicionCode,
    UnhealthyCode,
    UnusedCode,
)

REPO = Path(__file__).resolve().parent.parent
REFERENCE = REPO / "docs" / "configuration.md"
CHART = REPO / "deploy" / "helm" / "rdma-dp"
TROUBLESHOOTING = REPO / "docs" / "troubleshooting.md"
CODES = REPO / "docs" / "codes.md"
VALUES_SCHEMA = CHART / "values.schema.json"

Schema = Mapping[str, Any]

WIDTH = 100  # columns of a page


# --- docs/configuration.md ------------------------------------------------------------------------

HEAD = """\
# Configuration

Made by `make docs` from the schema that `rdma-dp schema` prints. The config is JSON or YAML, in the
file that `--config-file` names. [configs/](../configs) has an example for each use,
[sharing.md](sharing.md) tells what the settings are for.

```sh
rdma-dp check-config configs/per-hca.yaml
```

finds every problem at once. Keys that nobody knows are warned of and left alone, those that differ
in case only are taken, as by the Go plugin.
"""

# Title, definition in the schema, and what comes first.
SECTIONS = (
    ("The file", None, ""),
    ("`configList[]`", "Resource", "A resource that pods can ask for."),
    (
        "`configList[].selectors`",
        "Selectors",
        "The same keys may stand in `extraSelectors`, and all but `exclude` in `exclude`.",
    ),
    ("`configList[].health`", "Health", ""),
)


def reference(schema: Schema) -> str:
    """The text of docs/configuration.md."""
    return "\n".join([HEAD, *(line for section in SECTIONS for line in _section(schema, *section))])


def _section(schema: Schema, title: str, name: str | None, first: str) -> Iterator[str]:
    of = schema["$defs"][name] if name else schema
    yield f"## {title}\n"
    if first:
        yield f"{first}\n"
    required = of.get("required", ())
    for key, value in of["properties"].items():
        yield f"**`{key}`** - {_facts(value, required=key in required)}\n"
        yield f"> {value['description']}\n"


def _facts(value: Schema, *, required: bool) -> str:
    default, example = value.get("default"), value.get("examples", [None])[0]
    facts = [_kind(value)]
    if value.get("deprecated"):
        facts.append("deprecated")
    if required:
        facts.append("required")
    elif default not in (None, [], {}):
        facts.append(f"default `{json.dumps(default)}`")
    if example not in (None, default) and "enum" not in value and not isinstance(example, bool):
        facts.append(f"such as `{json.dumps(example)}`")
    return "; ".join(facts)


def _kind(value: Schema) -> str:
    if "$ref" in value:
        return "object"
    if "anyOf" in value:
        return " or ".join(_kind(each) for each in value["anyOf"] if each.get("type") != "null")
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    if value["type"] == "array":
        return f"list: {_kind(value['items'])}"
    if value["type"] == "integer":
        return f"whole number{_limits(value)}"
    return "`true` or `false`" if value["type"] == "boolean" else str(value["type"])


def _limits(value: Schema) -> str:
    low, high = value.get("minimum"), value.get("maximum")
    return f", {low} to {high}" if high is not None else f" from {low}" if low is not None else ""


# --- docs/troubleshooting.md ----------------------------------------------------------------------

CHECKS_BEGIN = "<!-- From here on made by `make docs` from rdma_dp/doctor. -->\n"
CHECKS_HEAD = """
## The checks of `rdma-dp doctor`

```sh
rdma-dp doctor                                   # on the node, or with --root DIR on a captured one
rdma-dp doctor --only hca-ports,config-resources # these alone
rdma-dp doctor --counters 10                     # with two readings of the error counters
```

Each check has a verdict: **ok**; **unknown**, with why it could not be seen; **warn**, for what may
hurt; **fail**, for what keeps RDMA or a resource from working. The exit code is 0, 1 for a warning,
2 for a failure. Capitals in a command stand for a name that the doctor puts there.
"""


def troubleshooting(text: str, checks: Sequence[Check]) -> str:
    """The page with the part that is written by hand as it is, and each check below it."""
    by_hand = text.partition(CHECKS_BEGIN)[0].rstrip("\n")
    return "\n".join([by_hand, "", CHECKS_BEGIN + CHECKS_HEAD, *map(_check, checks)])


def _check(check: Check) -> str:
    remedies = "\n".join(f"- `{remedy}`" for remedy in check.remedies)
    to_type = f"It may suggest:\n\n{remedies}\n" if remedies else ""
    reads = textwrap.fill(f"It reads {check.reads}.", WIDTH, break_on_hyphens=False)
    return f"### {check.id}: {check.title}\n\n{check.meaning}\n\n{reads}\n\n{to_type}"


# --- docs/codes.md --------------------------------------------------------------------------------

CODES_HEAD = """\
# Codes

Made by `make docs` from rdma_dp/inventory/verdicts.py. The JSON outputs (`-o json`) have a `code`
beside each text that says why something cannot be used. Scripts and alerts should compare codes:
codes stay as they are, texts may change. A `code` is `null` where there is no such reason.

The findings of `doctor` (`checks[].findings[].code`) have codes of all tables.
"""

CODE_TABLES: tuple[tuple[type[Code], str, str], ...] = (
    (
        IneligibleCode,
        "An HCA cannot be shared",
        "`discover`, `topo`: `hcas[].code`. `dry-run`: `resources[].rejected[].codes`.",
    ),
    (
        MismatchCode,
        "A resource does not take an HCA",
        "`dry-run`: `resources[].rejected[].codes`, one for each text of `reasons`.",
    ),
    (UnusedCode, "A network function has no HCA", "`discover`: `others[].code`."),
    (UnhealthyCode, "Slots are unhealthy", "`dry-run`: `resources[].shares[].code`."),
    (
        SuspicionCode,
        "An HCA is shared, but may be the wrong one",
        "`doctor` only.",
    ),
)


def codes() -> str:
    """The text of docs/codes.md."""
    return "\n".join([CODES_HEAD, *(_codes(*table) for table in CODE_TABLES)])


def _codes(codes: type[Code], title: str, where: str) -> str:
    rows = "\n".join(f"| `{code.value}` | {code.meaning} |" for code in codes)
    text = textwrap.fill(where, WIDTH, break_on_hyphens=False)
    return f"## {title}\n\n{text}\n\n| code | meaning |\n|---|---|\n{rows}\n"


# --- values.schema.json ---------------------------------------------------------------------------

# Values that Kubernetes defines, not the chart: anything goes here, and the API server judges.
FREE = {
    "resources",
    "nodeSelector",
    "affinity",
    "updateStrategy",
    "podAnnotations",
    "podLabels",
}
CHOICES = {
    "image.pullPolicy": ["Always", "IfNotPresent", "Never"],
    "kubelet.registration": ["auto", "device-plugins", "plugins-registry"],
    "log.level": ["debug", "info", "warning"],
    "log.format": ["text", "json"],
}
TYPES: Mapping[type, str] = {bool: "boolean", int: "integer", str: "string", list: "array"}


def values_schema(schema: Schema, values: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema (draft 7: what every helm 3 knows) of the chart's values."""
    strict = _strict(json.loads(json.dumps(schema).replace("#/$defs/", "#/definitions/")))
    definitions = strict.pop("$defs")
    strict.pop("$schema")
    sections = _section_schema({key: value for key, value in values.items() if key != "config"})
    sections["properties"] |= {"config": strict, "global": {"type": "object"}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart rdma-dp",
        **sections,
        "definitions": definitions,
    }


def _strict(value: Any) -> Any:
    """Unknown keys are mistakes: nobody hands an old config on to the chart unread."""
    if isinstance(value, list):
        return [_strict(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: _strict(each) for key, each in value.items()}
    if "properties" in made or "patternProperties" in made:
        made["additionalProperties"] = False
    return made


def _section_schema(values: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    properties = {key: _value_schema(value, f"{path}{key}") for key, value in values.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _value_schema(value: Any, path: str) -> dict[str, Any]:
    if path in FREE:
        return {"type": "object"}
    if path in CHOICES:
        return {"enum": CHOICES[path]}
    if isinstance(value, dict):
        return _section_schema(value, f"{path}.")
    return {"type": TYPES[type(value)]}


# --- the files ------------------------------------------------------------------------------------


def generated() -> dict[Path, str]:
    """Each file, and what should be in it."""
    schema = json_schema()
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    made = json.dumps(values_schema(schema, values), indent=2, ensure_ascii=False)
    return {
        REFERENCE: reference(schema),
        VALUES_SCHEMA: f"{made}\n",
        CODES: codes(),
        TROUBLESHOOTING: troubleshooting(TROUBLESHOOTING.read_text(), CATALOGUE),
    }


def main() -> int:
    """Write, or compare; 1 if a file is stale."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 if stale")
    check = parser.parse_args().check
    files = generated()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(REPO)} is stale: run `make docs`", file=sys.stderr)
        else:
            path.write_text(files[path])
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

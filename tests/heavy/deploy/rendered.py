"""The objects that deploy/ gives to a cluster."""

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from rdma_dp.config import Loaded, parse_bytes
from tests.heavy.deploy.schemas import LOCATION
from tests.paths import REPO

DEPLOY = REPO / "deploy"
CHART = DEPLOY / "helm" / "rdma-dp"
TIMEOUT = 120.0

Object = dict[str, Any]


def run(*command: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def kustomize(directory: Path) -> list[Object]:
    done = run("kustomize", "build", directory)
    assert done.returncode == 0, done.stderr
    return objects(done.stdout)


def with_components(directory: Path, names: Iterable[str], **more: Any) -> Path:
    """Writes a kustomization of the base with these components. Returns its directory."""
    # kustomize takes relative paths only.
    up = Path(*[".."] * len(directory.parts[1:])) / DEPLOY.relative_to("/")
    kustomization = {
        "resources": [str(up / "base")],
        "components": [str(up / "components" / name) for name in names],
        **more,
    }
    (directory / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return directory


def helm(*arguments: str | Path) -> list[Object]:
    done = run(*template(*arguments))
    assert done.returncode == 0, done.stderr
    return objects(done.stdout)


def template(*arguments: str | Path) -> Sequence[str | Path]:
    """The command that renders the chart."""
    return ("helm", "template", "rdma-dp", CHART, "--namespace", "kube-system", *arguments)


def objects(text: str) -> list[Object]:
    return [each for each in yaml.safe_load_all(text) if each is not None]


def _config_map(found: Iterable[Object]) -> Object:
    maps = [each for each in found if each["kind"] == "ConfigMap"]
    (only,) = (each for each in maps if "config.json" in each["data"])
    return only


def of_kind(found: Iterable[Object], kind: str) -> Object:
    (only,) = (each for each in found if each["kind"] == kind)
    return only


def container(found: Iterable[Object]) -> Object:
    (only,) = of_kind(found, "DaemonSet")["spec"]["template"]["spec"]["containers"]
    return dict(only)


def config(found: Iterable[Object]) -> Loaded:
    """The config that the daemon would read."""
    return parse_bytes(_config_map(found)["data"]["config.json"].encode())


def complaints(found: Iterable[Object]) -> list[str]:
    """The errors of the schemas of Kubernetes and of the custom resources, in strict mode."""
    location = Path(os.environ["RDMA_DP_TEST_DEPLOY"]) / LOCATION
    done = run(
        *("kubeconform", "-strict", "-output", "json", "-verbose"),
        *("-schema-location", location, "-"),
        stdin=yaml.safe_dump_all(found),
    )
    answers = json.loads(done.stdout)["resources"]
    assert answers, done.stderr
    return [f"{a['kind']}: {a['msg']}" for a in answers if a["status"] != "statusValid"]

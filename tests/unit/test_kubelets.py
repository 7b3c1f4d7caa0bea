"""What `make test-kubelets` builds and writes down."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.heavy.node import kubelets, programs, upstream
from tests.heavy.node.results import merged, run_of
from tests.heavy.suite import CannotRunError

GO_MOD = """\
// This is a generated file.
module k8s.io/kubernetes

go 1.20

require (
	github.com/blang/semver/v4 v4.0.0
	k8s.io/api v0.0.0
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/cri-api => ./staging/src/k8s.io/cri-api
)
"""


def test_a_release_is_built_with_its_own_versions_and_published_staging_modules() -> None:
    assert upstream.requiring(GO_MOD, "v1.28.15") == (
        GO_MOD.replace("module k8s.io/kubernetes", "module rdma-dp-test-release")
        .replace("./staging/src/k8s.io/api", "k8s.io/api v0.28.15")
        .replace("./staging/src/k8s.io/cri-api", "k8s.io/cri-api v0.28.15")
        + "\nrequire k8s.io/kubernetes v1.28.15\n"
    )


def test_a_go_mod_without_a_module_is_one_clear_error() -> None:
    with pytest.raises(CannotRunError, match=r"go\.mod of release v1\.28\.15 names no module"):
        upstream.requiring("go 1.20\n", "v1.28.15")


def test_the_release_of_our_own_module_is_built_from_it() -> None:
    own = programs.KUBELET.version
    assert programs.KUBELET.at(own.removeprefix("v")) == programs.KUBELET
    older = programs.KUBELET.at("1.28.15")
    assert older.version == "v1.28.15"
    assert "gitVersion=v1.28.15" in older.stamps
    assert "gitMinor=28" in older.stamps


@pytest.mark.parametrize(
    ("release", "module"),
    [
        ("1.7.35", "github.com/containerd/containerd"),
        ("2.2.9", "github.com/containerd/containerd/v2"),
    ],
)
def test_containerd_2_is_another_module(release: str, module: str) -> None:
    source = programs.containerd(release)
    assert (source.module, source.version) == (module, f"v{release}")
    assert f"{module}/cmd/containerd" in source.packages


def report(name: str, *properties: tuple[str, object]) -> Any:
    return SimpleNamespace(nodeid=f"a/test_{name}.py::test_it", user_properties=[*properties])


def test_a_run_counts_its_tests_and_names_what_kubelet_lacks() -> None:
    stats = {
        "passed": [report("health", ("lacks", "pod status"), ("step", 0.1)), report("devices")],
        "failed": [report("devices")],
        "error": [report("devices")],
        "skipped": [report("cdi", ("lacks", "CDI field"))],
        "": [report("devices")],
    }
    assert run_of("1.28.15", "2.2.9", stats, core=True) == {
        "kubelet": "1.28.15",
        "containerd": "2.2.9",
        "core": True,
        "tests": {
            "cdi": {"skipped": 1},
            "devices": {"failed": 2, "passed": 1},
            "health": {"passed": 1},
        },
        "lacks": ["CDI field", "pod status"],
    }


def test_a_run_replaces_the_older_one_of_the_same_programs() -> None:
    older, newer = (run_of("1.30.14", "1.7.35", {"passed": [report(it)]}) for it in ("a", "b"))
    other = run_of("1.9.1", "1.7.35", {})
    content = merged(merged(merged({}, older), other), newer)
    assert content["runs"] == [other, newer]
    assert {it["name"]: it["since"] for it in content["features"]}["CDI field"] == "1.29"


@pytest.mark.parametrize("words", [["1.28"], ["--containerd", "1.7 3", "1.28.15"], ["v1.28.15"]])
def test_what_is_no_release_is_refused_before_anything_is_built(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        kubelets.main(words)
    assert "is no release: write one such as 1.28.15" in capsys.readouterr().err

"""Every command in the docs: ours are run, the others name files and objects that exist."""

import re
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from simulator.host import sample_names
from tests.conftest import Sample
from tests.docs.pages import Command, commands
from tests.paths import REPO
from tests.unit.cli.process import rdma_dp

COMMANDS = commands()
CONFIG = REPO / "configs" / "network-operator.json"
DEPLOY = REPO / "deploy"

READS_THE_NODE = ("discover", "topo", "dry-run", "cdi", "doctor", "pods", "slices", "snapshot")
READS_A_CONFIG = ("dry-run", "cdi", "doctor", "pods", "slices", "snapshot")
IN_THE_POD = "/k8s-rdma-shared-dev-plugin/config.json"
SNAPSHOT = "node.tar.gz"
WRITTEN = "/tmp/dgx"  # what `simulator host dgx-h100` writes in docs/development.md

# The verbs of kubectl and oc that the docs use, and their flags.
VERBS = {
    "apply": {"-f", "-k"},
    "delete": {"--ignore-not-found", "-f", "-k", "-l", "--cascade", "--field-selector"},
    "describe": set(),
    "exec": {"--"},
    "get": {"-o", "-l", "--field-selector", "--all-namespaces"},
    "label": set(),
    "logs": {"-l", "--prefix", "-f"},
    "patch": {"--type", "--patch-file"},
    "rollout": set(),
}
FILES = ("-f", "-k", "--patch-file")
KINDS = {
    "ds": "daemonset",
    "daemonset": "daemonset",
    "configmap": "configmap",
    "pod": "pod",
    "nicclusterpolicy": "nicclusterpolicy",
}
# Objects of the Go plugin.
OPERATORS_NAMESPACE = "nvidia-network-operator"
FOREIGN = {("daemonset", "rdma-shared-dp-ds"), ("configmap", "rdma-devices")}

typed = partial(pytest.mark.parametrize, "command", ids=str)


def beginning(*programs: str) -> list[Command]:
    return [command for command in COMMANDS if Path(command.words[0]).name in programs]


def inner(command: Command) -> list[str]:
    """The command that `kubectl exec` runs in the pod."""
    words = command.words
    return words[words.index("--") + 1 :] if "--" in words else []


def outer(command: Command) -> list[str]:
    """The words of kubectl itself, without the namespace. The namespace must be one of ours."""
    words = command.words[1 : len(command.words) - len(inner(command))]
    if words[0] == "-n":
        assert words[1] in namespaces()
        return words[2:]
    return words


OURS = [(str(each), each.words[1:]) for each in beginning("rdma-dp")]
IN_PODS = [(str(each), inner(each)) for each in beginning("kubectl") if inner(each)]
OURS += [(where, words[1:]) for where, words in IN_PODS if words[0] == "rdma-dp"]
# Programs of the pods that deploy/network-operator/perftest.Dockerfile is for.
PERFTEST = {"ib_write_bw", "ibv_devinfo", "ip"}


def test_every_command_is_of_a_kind_that_is_checked() -> None:
    known = beginning("rdma-dp", "make", "kubectl", "helm", "pytest", "python")
    assert [str(each) for each in COMMANDS if each not in known] == []
    assert len(known) > 30
    assert {words[0] for _, words in IN_PODS} <= {"rdma-dp", *PERFTEST}


@pytest.mark.parametrize(("where", "words"), OURS, ids=[where for where, _ in OURS])
def test_ours_run(where: str, words: list[str], sample: Sample, tmp_path: Path) -> None:
    verb, *rest = words
    root = sample("dgx-h100")
    snapshot = tmp_path / SNAPSHOT
    files = {"FILE": CONFIG, "config.json": CONFIG, IN_THE_POD: CONFIG}
    files |= {"DIR": root, WRITTEN: root, SNAPSHOT: snapshot}
    if SNAPSHOT in rest and verb != "snapshot":
        assert rdma_dp("snapshot", snapshot, "--root", root).code == 0
    arguments: list[str | Path] = [files.get(word, word) for word in rest]
    if verb in READS_A_CONFIG and "--config" not in arguments:
        arguments += ["--config", CONFIG]
    if verb in READS_THE_NODE and "--root" not in arguments:
        arguments += ["--root", root]
    ended = rdma_dp(verb, *arguments)
    # 3: the HCAs of the config are on another node. The doctor reports this with 2. A captured tree
    # does not have kubelet's list of pods.
    codes = {"doctor": (0, 1, 2), "pods": (1,)}.get(verb, (0, 3))
    assert ended.code in codes, ended.out + ended.err
    assert ended.err == ""


@typed(argvalues=beginning("make"))
def test_make_knows_the_target(command: Command) -> None:
    makefile = (REPO / "Makefile").read_text()
    targets = [word for word in command.words[1:] if "=" not in word]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


@typed(argvalues=beginning("pytest"))
def test_pytest_finds_the_tests(command: Command) -> None:
    paths = [REPO / word for word in command.words if word.startswith("tests/")]
    assert paths
    assert [path for path in paths if not path.exists()] == []


@typed(argvalues=beginning("python"))
def test_python_runs_the_simulator(command: Command) -> None:
    _, flag, module, verb, *rest = command.words
    assert (flag, module) == ("-m", "simulator")
    assert {word for word in rest if not word.startswith(("-", "/"))} <= {*sample_names()}
    assert verb in ("demo", "host")


@typed(argvalues=beginning("kubectl"))
def test_kubectl_is_used_as_it_can_be(command: Command) -> None:
    verb, *rest = outer(command)
    flags = {word.partition("=")[0] for word in rest if word.startswith("-")}
    assert flags <= VERBS[verb]
    for flag, value in pairwise(rest):
        if flag in FILES:
            assert (REPO / value).exists(), value


@typed(argvalues=beginning("kubectl"))
def test_kubectl_names_what_deploy_makes(command: Command) -> None:
    assert {*named(outer(command))} <= objects() | FOREIGN


def named(words: list[str]) -> Iterator[tuple[str, str]]:
    """Kind and name of the objects in a command: KIND/NAME, VERB KIND NAME, logs NAME."""
    verb, *rest = words
    for kind, _, name in (word.partition("/") for word in rest):
        if kind in KINDS and name:
            yield KINDS[kind], name
    match [verb, *(word for word in rest if not word.startswith("-"))]:
        case ["logs", name, *_] if "-l" not in rest:
            yield "pod", name
        case [_, kind, name, *_] if kind in KINDS:
            yield KINDS[kind], name


def test_objects_are_found_in_commands() -> None:
    assert [*named(["exec", "ds/rdma-dp"])] == [("daemonset", "rdma-dp")]
    assert [*named(["describe", "pod", "rdma-test"])] == [("pod", "rdma-test")]
    assert [*named(["logs", "-f", "rdma-test"])] == [("pod", "rdma-test")]
    assert [*named(["logs", "-l", "a=b"])] == [*named(["get", "pods", "-o", "wide"])] == []


@typed(argvalues=beginning("helm"))
def test_helm_installs_our_chart(command: Command) -> None:
    """tests/heavy/deploy/test_docs.py tests the values, with helm itself."""
    charts = [word for word in command.words if word.startswith("deploy/")]
    assert all((REPO / chart / "Chart.yaml").exists() for chart in charts)
    assert charts or command.words[1] == "uninstall"


def objects() -> set[tuple[str, str]]:
    """Kind and name of every object in deploy/ that is not a template."""
    files = [file for file in DEPLOY.rglob("*.yaml") if "helm" not in file.parts]
    documents = [d for file in files for d in yaml.safe_load_all(file.read_text()) if d]
    named = [d for d in documents if "name" in d.get("metadata", {})]
    return {(d["kind"].lower(), d["metadata"]["name"]) for d in named}


def namespaces() -> set[str]:
    base = yaml.safe_load_all((DEPLOY / "base" / "daemonset.yaml").read_text())
    return {each["metadata"]["namespace"] for each in base} | {OPERATORS_NAMESPACE}

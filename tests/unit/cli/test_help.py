"""The help texts: verbs in groups, every option with its default, examples that run."""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rdma_dp.cli import verb_table
from rdma_dp.cli.parsing import Verb
from simulator.__main__ import VERBS as SIMULATOR_VERBS
from tests.conftest import Golden, Sample
from tests.unit.cli.process import CONFIGS, MODULE, rdma_dp

CONFIG = CONFIGS / "all-mellanox.yaml"
SNAPSHOT = "node.tar.gz"
SIMULATOR = (MODULE[0], "-m", "simulator")
COMPAT = (MODULE[0], "-c", "from rdma_dp.cli.main import compat_main; compat_main()")

each_verb = pytest.mark.parametrize("verb", verb_table.VERBS, ids=lambda verb: verb.name)


class _Recorder(argparse.ArgumentParser):
    """Remembers the options that it is given."""

    def __init__(self, **settings: Any) -> None:
        self.added: list[argparse.Action] = []
        super().__init__(**settings)

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        action = super().add_argument(*names, **settings)
        self.added.append(action)
        return action


def options_of(verb: Verb) -> list[argparse.Action]:
    """The options of a verb, as argparse gets them."""
    parser = _Recorder(add_help=False)
    for add_arguments in verb.arguments:
        add_arguments(parser)
    return parser.added


def test_the_verbs_are_in_groups(golden: Golden) -> None:
    golden("help.txt", rdma_dp("--help", COLUMNS="100").out)


def test_verbs_of_one_group_stand_together() -> None:
    groups = [verb.group for verb in verb_table.VERBS]
    assert groups == sorted(groups, key=groups.index)


@each_verb
def test_help_of_a_verb_has_its_text_and_examples(verb: Verb) -> None:
    ended = rdma_dp(verb.name, "--help", COLUMNS="100")
    assert (ended.code, ended.err) == (0, "")
    assert verb.summary in ended.out
    assert 1 <= len(verb.examples) <= 3
    assert ended.out.endswith("examples:\n" + "".join(f"  {each}\n" for each in verb.examples))


@each_verb
def test_help_shows_two_dashes(verb: Verb) -> None:
    ended = rdma_dp(verb.name, "--help", COLUMNS="100")
    assert re.findall(r"(?<![\w-])-\w{2,}", ended.out) == []


@pytest.mark.parametrize("command", [MODULE, COMPAT], ids=["rdma-dp", "k8s-rdma-shared-dp"])
def test_help_of_the_program_shows_two_dashes(command: tuple[str, ...]) -> None:
    ended = rdma_dp("--help", command=command, COLUMNS="100")
    assert re.findall(r"(?<![\w-])-\w{2,}", ended.out) == []
    assert "--version" in ended.out


@each_verb
def test_every_argument_has_help_and_every_value_a_default(verb: Verb) -> None:
    for action in options_of(verb):
        assert action.help, action.dest
        if action.help == argparse.SUPPRESS:
            continue
        assert not action.option_strings or action.option_strings[-1].startswith("--")
        if action.option_strings and action.nargs != 0:
            assert "(default: " in action.help, action.dest


@each_verb
def test_what_help_hides_is_the_form_with_one_dash(verb: Verb) -> None:
    shown = [each for each in options_of(verb) if each.help != argparse.SUPPRESS]
    forms = {form for each in shown for form in each.option_strings}
    for action in options_of(verb):
        if action.help == argparse.SUPPRESS:
            assert {f"-{form}" for form in action.option_strings} <= forms


def examples() -> Iterator[str]:
    """The examples of the verbs that end by themselves."""
    for verb in verb_table.VERBS:
        if verb is not verb_table.RUN:  # tests/integration/daemon/test_command_line.py runs these
            yield from verb.examples


@pytest.mark.parametrize("line", [*examples()])
def test_an_example_runs(line: str, sample: Sample, tmp_path: Path) -> None:
    program, verb, *rest = shlex.split(line)
    rest = rest[: rest.index(">")] if ">" in rest else rest
    root = sample("dgx-h100")
    snapshot = tmp_path / SNAPSHOT
    if SNAPSHOT in rest:
        assert rdma_dp("snapshot", snapshot, "--root", root).code == 0
    if verb == "snapshot" and "--force" not in rest:
        snapshot.unlink()
    files = {"config.json": CONFIG, SNAPSHOT: snapshot}
    arguments: list[str | Path] = [files.get(word, word) for word in rest]
    on_node = next(each.group for each in verb_table.VERBS if each.name == verb)
    if on_node == verb_table.NODE and "--root" not in rest:
        arguments += ["--root", root]
    ended = rdma_dp(verb, *arguments)
    assert program == "rdma-dp"
    codes = {"doctor": (0, 1, 2), "pods": (1,)}.get(verb, (0,))  # a captured node has no pods
    assert ended.code in codes, ended.out + ended.err
    assert ended.err == ""
    assert ended.out


def test_the_simulator_has_help_and_examples_too() -> None:
    ended = rdma_dp("--help", command=SIMULATOR, COLUMNS="100")
    for verb in SIMULATOR_VERBS:
        assert f"{verb.name} " in ended.out
        assert verb.summary in ended.out
        assert verb.examples[0] in rdma_dp(verb.name, "--help", command=SIMULATOR).out


def test_the_example_of_a_simulated_host_runs(tmp_path: Path) -> None:
    host = next(verb for verb in SIMULATOR_VERBS if verb.name == "host")
    made, read = (shlex.split(line.replace("/tmp", str(tmp_path))) for line in host.examples)
    assert rdma_dp(*made[3:], command=SIMULATOR).code == 0
    ended = rdma_dp(*read[1:])
    assert (ended.code, ended.err) == (0, "")
    assert "mlx5_0" in ended.out


def test_starting_a_verb_does_not_load_shtab() -> None:
    code = (
        "import sys; from rdma_dp.cli.main import main; main(['schema']);"
        "sys.exit('shtab' in sys.modules)"
    )
    assert rdma_dp(command=(MODULE[0], "-c", code)).code == 0

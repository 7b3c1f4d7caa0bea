"""The completion scripts, in the shells that load them."""

import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rdma_dp.cli import verb_table
from rdma_dp.cli.arguments import SHELLS
from tests.unit.cli.process import DEADLINE, environment, rdma_dp

NAMES = [verb.name for verb in verb_table.VERBS]

Complete = Callable[[str], set[str]]

BASH = """
source "$1"
words=($2)
[[ "$2" == *" " ]] && words+=("")
COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1))
function=$(complete -p rdma-dp | sed 's/.*-F \\([^ ]*\\).*/\\1/')
"$function" rdma-dp "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = "source $argv[1]; complete -C $argv[2]"


def script(shell: str, directory: Path) -> Path:
    ended = rdma_dp("completion", shell)
    assert (ended.code, ended.err) == (0, "")
    path = directory / f"completion.{shell}"
    path.write_text(ended.out)
    return path


def output(directory: Path, *command: str | Path) -> str:
    ran = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=directory,
        env=environment(HOME=str(directory)),
        timeout=DEADLINE,
        check=False,
    )
    assert ran.stderr == ""
    return ran.stdout


@pytest.fixture(params=["bash", "fish"])
def complete(request: pytest.FixtureRequest, tmp_path: Path) -> Complete:
    """What a shell offers at TAB after a line, in a directory with node.json and sub/."""
    shell = request.param
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    path = script(shell, tmp_path)
    work = tmp_path / "work"
    (work / "sub").mkdir(parents=True)
    (work / "node.json").touch()

    def offered(line: str) -> set[str]:
        if shell == "bash":
            text = output(work, "bash", "--norc", "-c", BASH, "bash", path, line)
        else:
            text = output(work, "fish", "--no-config", "-c", FISH, path, line)
        return {each.partition("\t")[0].rstrip("/") for each in text.splitlines() if each}

    return offered


def test_verbs_are_completed(complete: Complete) -> None:
    assert complete("rdma-dp di") == {"discover"}
    assert complete("rdma-dp ") >= set(NAMES)


def test_options_are_completed_with_two_dashes(complete: Complete) -> None:
    assert complete("rdma-dp discover --") == {"--help", "--output", "--root"}
    assert complete("rdma-dp run --log-") == {"--log-level", "--log-format"}
    assert not {each for each in complete("rdma-dp run -") if re.fullmatch(r"-\w{2,}", each)}


def test_choices_are_completed(complete: Complete) -> None:
    assert complete("rdma-dp dry-run --output ") >= {"table", "wide", "json", "explain"}
    assert complete("rdma-dp completion ") >= set(SHELLS)


def test_files_and_directories_are_completed(complete: Complete) -> None:
    assert "node.json" in complete("rdma-dp check-config no")
    assert "node.json" in complete("rdma-dp dry-run --config no")
    assert complete("rdma-dp run --cdi-dir s") == {"sub"}
    assert "node.json" not in complete("rdma-dp run --cdi-dir no")


def test_zsh_completes_too(tmp_path: Path) -> None:
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    functions = tmp_path / "functions"
    functions.mkdir()
    script("zsh", tmp_path).rename(functions / "_rdma-dp")
    typed = Terminal(["zsh", "-f", "-i"], tmp_path)
    try:
        # The quotes keep the terminal's echo of this line from being taken for its output.
        typed.write(f"PS1=; fpath=({functions} $fpath); autoload -U compinit; compinit -u -D\n")
        typed.write("bindkey '^I' complete-word; echo REA''DY\n")
        typed.read_until("READY")
        typed.write("rdma-dp disc\t--out\tw\t")
        assert "discover" in typed.read_until("wide")
    finally:
        typed.close()


class Terminal:
    """An interactive program on a pseudo terminal."""

    def __init__(self, command: list[str], directory: Path) -> None:
        self._ours, theirs = os.openpty()
        self._process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=directory,
            env=environment(HOME=str(directory), TERM="dumb"),
            start_new_session=True,
        )
        os.close(theirs)

    def write(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def read_until(self, word: str) -> str:
        """The output up to this word."""
        text, end = "", time.monotonic() + DEADLINE
        while word not in text:
            ready, _, _ = select.select([self._ours], [], [], end - time.monotonic())
            assert ready, f"no {word} in {text!r}"
            text += os.read(self._ours, 4096).decode(errors="replace")
        return text

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

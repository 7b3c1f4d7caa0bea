"""The man pages: every verb, option and example is in them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rdma_dp.cli import verb_table
from tests.paths import REPO
from tests.unit.cli.process import rdma_dp

PLAIN = ("-Tascii", "-P-c", "-P-b", "-P-u", "-rLL=200n", "-ww")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("man")
    command: list[str | Path] = [sys.executable, REPO / "scripts" / "generate_man.py", directory]
    subprocess.run(command, cwd=REPO, check=True, capture_output=True)
    return directory


def rendered(page: Path) -> str:
    """The page as people read it; without groff, its text without roff's escapes."""
    if not shutil.which("groff"):
        return re.sub(r"\\f[BIR]|\\[,/]", "", page.read_text()).replace("\\-", "-")
    ran = subprocess.run(
        ["groff", "-man", *PLAIN, page], capture_output=True, text=True, check=True
    )
    assert ran.stderr == ""
    return ran.stdout


def options(help_text: str) -> set[str]:
    """The options that argparse lists, two columns in. Texts name options of other verbs too."""
    listed = re.findall(r"^  (-.*?)(?:  |$)", help_text, re.MULTILINE)
    return {*re.findall(r"--[a-z-]+", " ".join(listed))} - {"--help"}


def test_the_page_of_rdma_dp(pages: Path) -> None:
    text = rendered(pages / "rdma-dp.1")
    assert "rdma-dp - share the RDMA HCAs" in text
    for verb in verb_table.VERBS:
        _, heading, section = text.partition(f"COMMAND 'rdma-dp {verb.name}'")
        section = section.partition("COMMAND '")[0].partition("EXAMPLES")[0]
        assert heading
        assert verb.summary in section
        for option in options(rdma_dp(verb.name, "--help").out.partition("examples:")[0]):
            assert re.search(rf"^ *(-\S+( \S+)?, )*{option}\b", section, re.MULTILINE), option
        for example in verb.examples:
            assert example in text


def test_the_page_of_the_compatible_program(pages: Path) -> None:
    text = rendered(pages / "k8s-rdma-shared-dp.1")
    listed = options(verb_table.compat_parser().format_help())
    assert "--config-file" in listed
    assert listed <= {*re.findall(r"--[a-z-]+", text)}
    for example in verb_table.COMPAT_EXAMPLES:
        assert example in text

"""--version says which commit it was built from."""

import re
import subprocess
from pathlib import Path

from rdma_dp import __version__
from rdma_dp.cli.version import version_text
from tests.paths import REPO
from tests.unit.cli.process import rdma_dp


def git(directory: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", directory, *identity, *arguments], check=True, capture_output=True)


def test_a_build_says_what_was_written_when_it_was_built(tmp_path: Path) -> None:
    (tmp_path / "built.txt").write_text("0123456789ab 2026-11-27\n")
    wanted = f"rdma-dp {__version__} (commit 0123456789ab of 2026-11-27)"
    assert version_text(tmp_path) == wanted


def test_a_checkout_says_what_git_says(tmp_path: Path) -> None:
    package = tmp_path / "rdma_dp"
    package.mkdir()
    file = package / "file"
    file.write_text("1")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "a")
    form = re.escape(f"rdma-dp {__version__} ") + r"\(commit [0-9a-f]{12} of [0-9]{4}-[0-9-]{5}\)"
    assert re.fullmatch(form, version_text(package))
    file.write_text("2")
    assert re.fullmatch(form.replace("{12}", "{12}-dirty"), version_text(package))


def test_without_either_the_commit_is_unknown(tmp_path: Path) -> None:
    unknown = f"rdma-dp {__version__} (commit unknown)"
    assert version_text(tmp_path / "rdma_dp") == unknown
    (tmp_path / ".git").write_text("no repository")
    assert version_text(tmp_path / "rdma_dp") == unknown


def test_the_commit_costs_no_other_command_anything(tmp_path: Path) -> None:
    """A git that records its calls is called for --version alone."""
    log, fake = tmp_path / "log", tmp_path / "git"
    fake.write_text(f'#!/bin/sh\necho "$@" >>{log}\n')
    fake.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    assert rdma_dp("schema", PATH=path).code == 0
    assert not log.exists()
    assert rdma_dp("--version", PATH=path).code == 0
    assert log.exists() == (REPO / ".git").exists()

"""The docs' helm commands and their kustomization, run with helm and kustomize."""

import shutil
from pathlib import Path

import pytest

from tests.docs.pages import Command, blocks, commands
from tests.heavy.deploy.rendered import (
    DEPLOY,
    complaints,
    config,
    container,
    kustomize,
    objects,
    run,
)
from tests.paths import REPO

INSTALLS = [each for each in commands() if each.words[:2] == ["helm", "upgrade"]]


@pytest.mark.parametrize("command", INSTALLS, ids=str)
def test_what_helm_would_install_is_what_the_api_server_takes(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPO)
    _helm, _upgrade, *words = command.words
    done = run("helm", "template", *(word for word in words if word != "--install"))
    assert done.returncode == 0, done.stderr
    assert complaints(objects(done.stdout)) == []


def test_a_kustomization_of_ones_own(tmp_path: Path) -> None:
    (text,) = blocks((REPO / "docs" / "install.md").read_text(), "yaml")
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    own = tmp_path / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(text)
    found = kustomize(own)
    assert complaints(found) == []
    assert container(found)["image"].startswith("your-registry/rdma-dp:")
    assert container(found)["args"][-1:] == ["--use-cdi"]
    assert config(found).config.config_list[0].per_hca

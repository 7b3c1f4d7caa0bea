"""A14: everything that pip installs while the image is built is pinned by hash."""

import re
import tomllib

from tests.paths import REPO

DOCKERFILE = (REPO / "Dockerfile").read_text().replace("\\\n", " ")


def test_pip_installs_nothing_that_is_not_pinned_by_hash() -> None:
    calls = re.findall(
        r"-m pip (?:--python \S+ )?(?:install|wheel|download) .*?(?=&&|\n)", DOCKERFILE
    )
    assert len(calls) == 4
    for call in calls:
        assert "--require-hashes" in call or {"--no-deps", "--no-index"} <= {*call.split()}
        assert "wheel " not in call or "--no-build-isolation" in call or "/wheel/" in call


def test_the_locked_build_tools_are_those_that_the_project_requires() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())
    required = project["build-system"]["requires"]
    assert project["dependency-groups"]["build"] == required
    locked = (REPO / "requirements-build.lock").read_text()
    assert all(re.search(rf"^{re.escape(each)} \\", locked, re.MULTILINE) for each in required)
    pins = re.findall(r"^\S+==\S+", locked, re.MULTILINE)
    everything = (REPO / "requirements-dev.lock").read_text()
    assert len(pins) >= len(required)
    assert all(f"{pin} \\" in everything for pin in pins)


def test_the_build_gets_the_files_that_it_copies() -> None:
    sent = (REPO / ".dockerignore").read_text().split()
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    assert {word for words in copied for word in words.split()} <= {w.lstrip("!") for w in sent}

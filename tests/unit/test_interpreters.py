"""Which Python `make test-pythons` takes."""

import sys
from pathlib import Path

from tests.heavy.pythons import interpreters
from tests.paths import REPO

OTHER = "2.99"  # no machine has it


def a_python(path: Path, answer: str, code: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {answer}\nexit {code}\n")
    path.chmod(0o755)
    return path


def environment(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": f"{tmp_path}/bin:{tmp_path}/missing"}


def test_the_one_that_runs_this_is_found() -> None:
    running = interpreters.found(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert running is not None
    assert running.version == sys.version.split()[0]


def test_one_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    """pyenv puts a program for each version on the PATH, also for those that are not active."""
    a_python(tmp_path / "bin" / f"python{OTHER}", "inactive", code=127)
    assert interpreters.found(OTHER, environment(tmp_path)) is None
    versions = tmp_path / ".pyenv" / "versions"
    a_python(versions / "2.99.9" / "bin" / "python", "2.99.9")
    newest = a_python(versions / "2.99.10" / "bin" / "python", "2.99.10")
    found = interpreters.found(OTHER, environment(tmp_path))
    assert found == interpreters.Interpreter("2.99.10", newest)


def test_another_version_under_its_name_is_passed_over(tmp_path: Path) -> None:
    a_python(tmp_path / "bin" / f"python{OTHER}", "2.9.9")
    assert interpreters.found(OTHER, environment(tmp_path)) is None
    last = tmp_path / ".local/share/uv/python/cpython-2.99.1-linux" / "bin" / f"python{OTHER}"
    a_python(last, "2.99.1")
    assert interpreters.found(OTHER, environment(tmp_path)) is not None


def test_the_image_has_one_of_the_versions() -> None:
    assert interpreters.of_image((REPO / "Dockerfile").read_text()) in interpreters.VERSIONS

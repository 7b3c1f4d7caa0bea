"""The Pythons of this machine: on the PATH, or installed by pyenv or uv."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# The released versions that requires-python in pyproject.toml allows.
VERSIONS = ("3.11", "3.12", "3.13", "3.14")

# A Python without these cannot make a virtual environment. Debian has them in its own package.
_PROBE = "import ensurepip, platform, venv; print(platform.python_version())"


@dataclass(frozen=True)
class Interpreter:
    """A Python that can make a virtual environment, with its whole version."""

    version: str
    program: Path


def of_image(dockerfile: str) -> str:
    """The version of Python in the image, from the base that the Dockerfile names."""
    found = re.search(r"^ARG BASE=python:(\d+\.\d+)", dockerfile, re.MULTILINE)
    if found is None:
        raise ValueError("the Dockerfile names no base python:VERSION")
    return found[1]


def found(version: str, environment: Mapping[str, str] = os.environ) -> Interpreter | None:
    """The first Python of a version such as 3.12 that works, or None."""
    for program in _candidates(version, environment):
        whole = _version(program)
        if whole is not None and whole.startswith(f"{version}."):
            return Interpreter(whole, program)
    return None


def _candidates(version: str, environment: Mapping[str, str]) -> Iterator[Path]:
    home = Path(environment.get("HOME", "/root"))
    yield Path(sys.base_prefix, "bin", f"python{version}")
    for directory in environment.get("PATH", os.defpath).split(os.pathsep):
        yield Path(directory, f"python{version}")
    pyenv = Path(environment.get("PYENV_ROOT", home / ".pyenv"))
    yield from _newest_first(pyenv / "versions", f"{version}.*/bin/python")
    uv = Path(environment.get("UV_PYTHON_INSTALL_DIR", home / ".local/share/uv/python"))
    yield from _newest_first(uv, f"cpython-{version}.*/bin/python{version}")


def _newest_first(directory: Path, pattern: str) -> list[Path]:
    def numbers(path: Path) -> list[int]:
        return [int(digits) for digits in re.findall(r"\d+", str(path.relative_to(directory)))]

    return sorted(directory.glob(pattern), key=numbers, reverse=True)


def _version(program: Path) -> str | None:
    """What a program says of itself. None if it does not run: pyenv has such stand-ins."""
    try:
        asked = subprocess.run(
            [program, "-c", _PROBE], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None

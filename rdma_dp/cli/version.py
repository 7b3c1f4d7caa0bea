"""The text of --version: the version, the commit and its date."""

import subprocess
from pathlib import Path

from rdma_dp import __version__

_PACKAGE = Path(__file__).parent.parent
_BUILT = "built.txt"  # "COMMIT DATE", written by the builds of packages and images
_TIMEOUT = 5.0  # seconds


def version_text(package: Path = _PACKAGE) -> str:
    """`rdma-dp VERSION (commit COMMIT of DATE)`, or without the bracket if nothing says them.

    It reads a file, and in a checkout it runs git. So call it only when the option is given.
    """
    built = _of_build(package) or _of_checkout(package.parent)
    commit, _, date = built.partition(" ")
    return f"rdma-dp {__version__}" + (f" (commit {commit} of {date})" if date else "")


def _of_build(package: Path) -> str:
    try:
        return (package / _BUILT).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _of_checkout(directory: Path) -> str:
    if not (directory / ".git").exists():
        return ""
    git = ("git", "-C", str(directory))
    try:
        commit = _output(*git, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
        return f"{commit} {_output(*git, 'show', '--no-patch', '--format=%cs')}"
    except (OSError, subprocess.SubprocessError):
        return ""


def _output(*command: str) -> str:
    done = subprocess.run(  # noqa: S603 - fixed words and the place of this package
        command, capture_output=True, text=True, timeout=_TIMEOUT, check=True
    )
    return done.stdout.strip()

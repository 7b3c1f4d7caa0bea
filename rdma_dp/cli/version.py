"""The option --version: the version, the commit and its date."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from rdma_dp import __version__
from rdma_dp.cli.output import say

_PACKAGE = Path(__file__).parent.parent
_BUILT = "built.txt"  # "COMMIT DATE", written by the builds of packages and images
_TIMEOUT = 5.0  # seconds
_UNKNOWN = f"rdma-dp {__version__} (commit unknown)"


class _Version(argparse.Action):
    """Shows the version. Its text is made when the option is given, because that reads files."""

    def __init__(self, option_strings: Sequence[str], **options: Any) -> None:
        super().__init__(option_strings, **options | {"dest": argparse.SUPPRESS, "nargs": 0})

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,  # noqa: ARG002 - argparse's signature
        values: object,  # noqa: ARG002
        option_string: str | None = None,  # noqa: ARG002
    ) -> NoReturn:
        say(version_text())
        parser.exit()


def add_version(parser: argparse.ArgumentParser) -> None:
    """--version, and -v as in Go."""
    text = "show the version, the commit and its date, and exit"
    parser.add_argument("-v", "--version", action=_Version, help=text)
    parser.add_argument("-version", action=_Version, help=argparse.SUPPRESS)


def version_text(package: Path = _PACKAGE) -> str:
    """`rdma-dp VERSION (commit COMMIT of DATE)`, or `(commit unknown)`.

    It reads a file, and in a checkout it runs git.
    """
    built = _of_build(package) or _of_checkout(package.parent)
    commit, _, date = built.partition(" ")
    return f"rdma-dp {__version__} (commit {commit} of {date})" if date else _UNKNOWN


def _of_build(package: Path) -> str:
    try:
        return (package / _BUILT).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _of_checkout(directory: Path) -> str:
    if not (directory / ".git").exists():
        return ""
    commit = _git(directory, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    return f"{commit} {_git(directory, 'show', '--no-patch', '--format=%cs')}" if commit else ""


def _git(directory: Path, *words: str) -> str:
    """What git prints in a directory; "" if it fails."""
    import subprocess  # noqa: PLC0415 - it takes 2 ms, which other verbs do without

    try:
        done = subprocess.run(  # noqa: S603 - fixed words and the place of this package
            ("git", "-C", str(directory), *words),  # noqa: S607 - git of the developer
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()

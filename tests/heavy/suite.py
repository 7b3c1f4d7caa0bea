"""Whether a suite can run on this machine, and where it keeps what takes long to make."""

import logging
import os
from pathlib import Path


class CannotRunError(Exception):
    """Why a suite cannot run here and what to do about it, in one line."""


def cache(name: str) -> Path:
    """A directory outside the tree, for files that are downloaded or built once."""
    own = os.environ.get("RDMA_DP_CACHE")
    return (Path(own) if own else Path.home() / ".cache" / "rdma-dp").absolute() / name


def need_root(what_for: str) -> None:
    """Refuse other users than root: "what_for needs root"."""
    if os.geteuid() != 0:
        raise CannotRunError(f"{what_for} needs root: use sudo")


def not_run(log: logging.Logger, error: CannotRunError) -> int:
    """The exit code. On a developer's machine a suite may be skipped. In CI that is a failure."""
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    log.error("%s: %s", "failed" if in_ci else "skipped", error)
    return 1 if in_ci else 0

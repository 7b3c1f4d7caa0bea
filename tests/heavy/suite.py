"""Whether a suite can run on this machine, and where it keeps what is slow to make."""

import logging
import os
from pathlib import Path


class CannotRunError(Exception):
    """Why a suite cannot run here and what to do about it, in one line."""


def cache(name: str) -> Path:
    """Outside the tree: what is downloaded or built once."""
    own = os.environ.get("RDMA_DP_CACHE")
    return (Path(own) if own else Path.home() / ".cache" / "rdma-dp").absolute() / name


def need_root(what_for: str) -> None:
    """Refuses anybody else: "what_for needs root"."""
    if os.geteuid() != 0:
        raise CannotRunError(f"{what_for} needs root: use sudo")


def not_run(log: logging.Logger, error: CannotRunError) -> int:
    """The exit code: skipped on somebody's own machine; in CI what did not run is a failure."""
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    log.error("%s: %s", "failed" if in_ci else "skipped", error)
    return 1 if in_ci else 0

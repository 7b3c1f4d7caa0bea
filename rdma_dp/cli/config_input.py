"""The config that a verb reads, from a file or standard input, and what is said about it."""

import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rdma_dp.cli.arguments import DEFAULT_CONFIG
from rdma_dp.cli.output import complain, say
from rdma_dp.errors import RdmaDpError

if TYPE_CHECKING:
    from rdma_dp.config import Loaded, Problem
    from rdma_dp.config.embedded_places import Embedded
    from rdma_dp.config.loading import FoundConfig
    from rdma_dp.sharing.pool import Pool


def found_config(file: Path | None, *, quiet: bool = False) -> "FoundConfig":
    """The config in a file; the file "-" is standard input. None is the file of the daemon.

    Prints on stderr which Kubernetes object or Helm values it was in, unless `quiet`.
    """
    from rdma_dp.config.loading import find_config  # noqa: PLC0415 - a verb loads what it needs

    if file is None:
        return find_config(DEFAULT_CONFIG, as_the_daemon=True)
    found = find_config(file, sys.stdin.buffer if sys.stdin is not None else None)
    if found.inside is not None and not quiet:
        complain(f"using the config in {found.inside} of {found.name}{_where(found.inside)}")
    return found


def _where(inside: "Embedded") -> str:
    """Which selectors go where, for the hints of a verb; "" where all are in one place."""
    from rdma_dp.config.network_operator import EXTRA, SELECTORS  # noqa: PLC0415

    if not inside.in_policy:
        return ""
    return f"; Network Operator takes selectors other than {', '.join(SELECTORS)} in {EXTRA} only"


def loaded_config(found: "FoundConfig", *, use_cdi: bool = False) -> "Loaded | None":
    """The config, or None after its problems were printed."""
    from rdma_dp import config  # noqa: PLC0415

    try:
        return found.load(config.Defaults(use_cdi=use_cdi))
    except config.ConfigError as error:
        for problem in error.problems:
            say(problem.in_file(found.name))
        say_warnings(error.warnings, found)
        return None


def say_warnings(warnings: "Iterable[Problem]", found: "FoundConfig") -> None:
    """Print each warning about a config, marked as one."""
    for warning in warnings:
        say(_marked(warning, found))


def complain_of_warnings(warnings: "Iterable[Problem]", found: "FoundConfig") -> None:
    """The same on stderr, beside a document on stdout."""
    for warning in warnings:
        complain(_marked(warning, found))


def complain_of_empty(pools: "Iterable[Pool]", missing: str) -> None:
    """Print on stderr each resource without an HCA, and what is `missing` because of that."""
    for pool in pools:
        if pool.why_empty is not None:
            complain(f"{pool.resource.full_name} has no HCA, so no {missing}: {pool.why_empty}")


def _marked(warning: "Problem", found: "FoundConfig") -> str:
    return f"{warning.in_file(found.name)} [warning]"


def log_problems(logger: logging.Logger, error: RdmaDpError, file: Path) -> None:
    """Log an error of the daemon, each problem of its config file as a line."""
    from rdma_dp.config import ConfigError  # noqa: PLC0415

    if isinstance(error, ConfigError):
        for problem in error.problems:
            logger.error("%s", problem.in_file(file))
    else:
        logger.error("%s", error)

"""Runs pytest on a private node, with the programs that were built."""

import logging
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.heavy import debian, suite
from tests.heavy.node import private
from tests.heavy.suite import CannotRunError

log = logging.getLogger("test-node")

PACKAGES = ("runc", "busybox-static", "iproute2")


def prepare_machine(packages: Iterable[str] = ()) -> None:
    """Refuse machines on which kubelet cannot run, and install what it needs."""
    debian.check_host()
    suite.need_root("a kubelet")
    if not private.can_tell_numa_nodes():
        raise CannotRunError("it needs two CPUs and a kernel with NUMA, to tell two NUMA nodes")
    debian.install((*PACKAGES, *packages))


def tests(path: Iterable[Path], arguments: Sequence[str], more: Mapping[str, str]) -> int:
    """Run pytest with these directories first on the PATH. Returns its exit code."""
    environment = os.environ | {
        "PATH": os.pathsep.join([*map(str, path), *private.PATH]),
        "RDMA_DP_TEST_NODE": str(_logs()),
        "PYTHONUNBUFFERED": "1",
        **more,
    }
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
    return private.run((*pytest, *arguments), environment)


def _logs() -> Path:
    """The programs' output is kept until the next run. A run that is still going has its own."""
    logs = suite.cache("node") / "logs" / str(os.getpid())
    logs.mkdir(parents=True, exist_ok=True)
    for old in logs.parent.iterdir():
        if old != logs and not Path("/proc", old.name).exists():
            shutil.rmtree(old, ignore_errors=True)
    log.info("logs are in %s", logs)
    return logs

"""The command line as a process."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.paths import REPO

CONFIGS = REPO / "configs"
MODULE = (sys.executable, "-m", "rdma_dp")
DEADLINE = 60.0  # seconds; for a machine that is busy with something else


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


def environment(**more: str) -> dict[str, str]:
    """This process's, without what would change the look of the output."""
    unwanted = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "PYTHONUNBUFFERED"}
    return {k: v for k, v in os.environ.items() if k not in unwanted} | more


def rdma_dp(
    *arguments: str | Path,
    command: tuple[str, ...] = MODULE,
    piped: bytes = b"",
    **more: str,
) -> Ended:
    ended = subprocess.run(
        [*command, *map(str, arguments)],
        input=piped,
        capture_output=True,
        cwd=REPO,
        env=environment(**more),
        timeout=DEADLINE,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

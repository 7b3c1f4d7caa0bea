"""Our plugin as a process of the node, and its config."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.heavy.node.private import HOST
from tests.heavy.node.process import Process

CONFIG = Path("/etc/rdma-dp/config.json")

# A plugin with a deliberate fault (see broken.py) shows that the tests notice it.
BROKEN = os.environ.get("RDMA_DP_TEST_BROKEN")


def configure(*entries: dict[str, Any], **top: Any) -> None:
    """Replace the config, as a ConfigMap volume does."""
    CONFIG.parent.mkdir(exist_ok=True)
    fresh = CONFIG.with_suffix(".fresh")
    fresh.write_text(json.dumps({"configList": entries, **top}))
    fresh.rename(CONFIG)


def start(way: str, *arguments: str, fault: str | None = BROKEN) -> Process:
    """Start the daemon, with or without a fault."""
    program = ("tests.heavy.node.broken", fault) if fault else ("rdma_dp",)
    common = ("--root", str(HOST), "--config-file", str(CONFIG))
    command = (sys.executable, "-m", *program, "run", *common, "--registration", way, *arguments)
    return Process("rdma-dp", command)

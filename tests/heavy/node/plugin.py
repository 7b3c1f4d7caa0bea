"""Our plugin as a process of the node, and a config for it."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.heavy.node.private import HOST
from tests.heavy.node.process import Process

CONFIG = Path("/etc/rdma-dp/config.json")

# A plugin that is wrong on purpose (see broken.py) shows that the tests notice it.
BROKEN = os.environ.get("RDMA_DP_TEST_BROKEN")


def configure(*entries: dict[str, Any], **top: Any) -> None:
    """Replaces the config, as a ConfigMap does."""
    CONFIG.parent.mkdir(exist_ok=True)
    fresh = CONFIG.with_suffix(".fresh")
    fresh.write_text(json.dumps({"configList": entries, **top}))
    fresh.rename(CONFIG)


def start(way: str, *arguments: str, fault: str | None = BROKEN) -> Process:
    """Starts the daemon, as it is or with a fault."""
    program = ("tests.heavy.node.broken", fault) if fault else ("rdma_dp",)
    common = ("--root", str(HOST), "--config-file", str(CONFIG))
    command = (sys.executable, "-m", *program, "run", *common, "--registration", way, *arguments)
    return Process("rdma-dp", command)

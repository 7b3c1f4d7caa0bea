"""promtool as a function."""

import subprocess
from pathlib import Path

RULES = "deploy/monitoring/rules.yaml"


def promtool(*words: str | Path, given: str = "") -> tuple[int, str]:
    """The exit code, and all output."""
    done = subprocess.run(
        ("promtool", *words), input=given, capture_output=True, text=True, check=False, timeout=300
    )
    return done.returncode, done.stdout + done.stderr

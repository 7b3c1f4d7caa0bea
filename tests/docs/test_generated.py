import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).parents[2]


def test_the_reference_and_the_charts_schema_are_what_the_config_schema_makes() -> None:
    """If this fails: `make docs`."""
    done = subprocess.run(
        [sys.executable, REPO / "scripts" / "generate_docs.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")

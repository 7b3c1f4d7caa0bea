import subprocess
import sys

from tests.paths import REPO


def test_what_is_generated_is_what_the_schema_and_the_catalogue_make() -> None:
    """If this fails: `make docs`."""
    done = subprocess.run(
        [sys.executable, REPO / "scripts" / "generate_docs.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")

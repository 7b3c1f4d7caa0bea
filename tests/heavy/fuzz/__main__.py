"""`python -m tests.heavy.fuzz SECONDS [TARGET...]`: run each target for some seconds.

Exits with 1 after a fault.
"""

import gzip
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.paths import REPO

NAMES = (
    *("archive", "snapshot_document", "pseudonyms", "vital_product_data", "config_file"),
    *("netlink_answer", "netlink_counters", "counter_file"),
)


def main(words: list[str]) -> int:
    """Run each target in its own process: libFuzzer ends the process that it runs in."""
    if words[:1] == ["--one"]:
        return _fuzz(words[1], words[2:])
    seconds, *names = words or ["60"]
    faults = [name for name in names or NAMES if not _run(name, int(seconds))]
    print(f"fuzz: {len(names or NAMES) - len(faults)} passed, {len(faults)} failed {faults}")
    return 1 if faults else 0


def _run(name: str, seconds: int) -> bool:
    with tempfile.TemporaryDirectory() as corpus, tempfile.TemporaryDirectory() as scratch:
        for number, seed in enumerate(_seeds(name)):
            Path(corpus, str(number)).write_bytes(seed)
        command = [sys.executable, "-m", "tests.heavy.fuzz", "--one", name, corpus]
        limits = [f"-max_total_time={seconds}", "-max_len=100000", "-timeout=60", "-verbosity=0"]
        print(f"fuzz: {name} for {seconds} s", flush=True)
        environment = {**os.environ, "TMPDIR": scratch}  # libFuzzer exits without cleaning up
        ended = subprocess.run([*command, *limits], cwd=REPO, env=environment, check=False)
        return ended.returncode == 0


def _seeds(name: str) -> list[bytes]:
    made = [
        gzip.decompress(p.read_bytes()) for p in REPO.glob("tests/unit/node/snapshot/format-1/*.gz")
    ]
    if name == "archive":
        return [min(made, key=len)]
    if name == "config_file":
        return [path.read_bytes() for path in (REPO / "configs").iterdir()]
    return [b"node17 98:03:9b:aa:bb:cc fe80::1 10.0.0.1 9803:9b03:00aa:bbcc", b'{"format": 1}']


def _fuzz(name: str, words: list[str]) -> int:
    import atheris

    with atheris.instrument_imports(include=["rdma_dp", "tarfile"], enable_loader_override=False):
        from tests.heavy.fuzz import targets
    atheris.Setup([sys.argv[0], *words], lambda data: targets.tried(getattr(targets, name), data))
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""C8: "-" is standard input, in every verb that takes a config."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Sample
from tests.paths import REPO
from tests.unit.cli.process import DEADLINE, environment, rdma_dp

CONFIG = (
    b'{"configList": [{"resourceName": "a", "rdmaHcaMax": 63, "selectors": {"vendors": ["15b3"]}}]}'
)
CONFIG_MAP = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata:\n  config.json: |\n    "


def test_check_config_reads_standard_input() -> None:
    ended = rdma_dp("check-config", "-", piped=CONFIG)
    assert (ended.code, ended.out, ended.err) == (0, "standard input: good, 1 resource\n", "")


def test_check_config_says_which_object_it_read() -> None:
    """C5: also from a pipe, as of kubectl get -o yaml."""
    ended = rdma_dp("check-config", "-", piped=CONFIG_MAP + CONFIG)
    origin = "(in ConfigMap m, key config.json)"
    assert (ended.code, ended.out) == (0, f"standard input: good, 1 resource {origin}\n")


@pytest.mark.parametrize("verb", ["dry-run", "cdi", "topo", "doctor", "snapshot", "pods"])
def test_every_verb_reads_standard_input(verb: str, sample: Sample, tmp_path: Path) -> None:
    archive = tmp_path / "node.tar.gz"
    arguments = {"snapshot": [str(archive)], "doctor": ["--only", "config-resources"]}
    more = arguments.get(verb, [])
    root = sample("dgx-h100")
    ended = rdma_dp(verb, *more, "--config", "-", "--root", root, piped=CONFIG_MAP + CONFIG)
    assert "using the config in ConfigMap m, key config.json of standard input" in ended.err
    if verb == "snapshot":
        ended = rdma_dp("dry-run", "--root", archive)
    # pods needs kubelet to say more.
    assert verb == "pods" or "rdma/a" in ended.out or "rdma-dp/rdma_a" in ended.out


@pytest.mark.parametrize(
    ("piped", "said"),
    [
        (b"", "standard input: is empty (nothing was piped into it)"),
        (b" \n", "standard input: is empty (nothing was piped into it)"),
        (gzip.compress(CONFIG), "standard input: is compressed with gzip, not text in UTF-8"),
        (CONFIG.decode().encode("utf-16"), "standard input: is UTF-16, not text in UTF-8"),
        (CONFIG + b"\0", "standard input:1:94: is not text (a NUL byte)"),
        (b"\xfc" + CONFIG, "standard input:1:1: is not UTF-8 (byte 0xfc)"),
        (CONFIG[:-1], "standard input:1:93: is not JSON: it ends before the { of 1:1 is closed"),
    ],
)
def test_what_is_no_config_gets_one_message(piped: bytes, said: str) -> None:
    ended = rdma_dp("check-config", "-", piped=piped)
    assert (ended.code, ended.err) == (1, "")
    (line,) = ended.out.splitlines()
    assert line.startswith(said)


def test_a_terminal_is_refused() -> None:
    leader, follower = os.openpty()
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "rdma_dp", "check-config", "-"],
            stdin=follower,
            capture_output=True,
            cwd=REPO,
            env=environment(),
            timeout=DEADLINE,
            check=False,
        )
    finally:
        os.close(leader)
        os.close(follower)
    said = b"standard input: is a terminal (pipe a config into it, or name a file)\n"
    assert (ended.returncode, ended.stdout) == (1, said)


def test_the_daemon_does_not_read_standard_input() -> None:
    ended = rdma_dp("run", "--config-file", "-", piped=CONFIG)
    assert ended.code == 1
    assert ended.err == (
        "rdma-dp: --config-file takes a file that can change, not standard input\n"
    )

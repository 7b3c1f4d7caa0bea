"""The demo as a process: it completes on any host, and leaves no files."""

import asyncio
import shutil
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest

from rdma_dp.errors import RdmaDpError
from simulator import demo, scratch
from simulator import host as simulated_host
from tests.paths import CONFIGS

DEADLINE = 120.0  # seconds; only a failure waits that long


async def shown(*arguments: str) -> tuple[int, list[str]]:
    """The exit code and output of the demo."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator", "demo", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(DEADLINE):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode().splitlines()


async def test_it_shows_everything_from_registration_to_exit() -> None:
    code, lines = await shown()
    text = " ".join(" ".join(lines).split())  # without the wrapping
    assert code == 0
    for step in (
        "kubelet has registered rdma/rdma_shared_device_a: 63 allocatable",
        "a container asks for rdma/rdma_shared_device_a: 1 and gets slot 0",
        "lost mlx5_11",
        "found mlx5_11",
        "kubelet counts 0 of 63 healthy",
        "kubelet counts 63 of 63 healthy",
        "exit code 0",
    ):
        assert step in text
    assert max(map(len, lines)) <= 100
    assert "Traceback" not in text


async def test_with_another_config() -> None:
    code, lines = await shown("--config", str(CONFIGS / "seed-ifnames.json"), "--host", "seed")
    text = "\n".join(lines)
    assert code == 0
    assert "rdma/rdma_shared_device_a takes mlx5_0" in text
    assert "not mlx5_1: ifNames wants ens1f0np0" in text
    assert "kubelet counts 63 of 63 healthy" in text


async def test_on_a_captured_host() -> None:
    """The demo copies the host and does not change it."""
    captured = Path(tempfile.mkdtemp(prefix="captured-"))
    try:
        simulated_host.build(simulated_host.load("seed"), captured / "host")
        before = _files(captured)
        code, lines = await shown("--host", str(captured / "host"))
        assert code == 0
        assert f"The host: captured in {captured / 'host'}" in "\n".join(lines)
        assert "kubelet counts 63 of 63 healthy" in "\n".join(lines)
        after = _files(captured)
        assert after == before
    finally:
        shutil.rmtree(captured)


async def test_on_a_host_without_an_hca_it_shows_that_and_exits_with_0() -> None:
    code, lines = await shown("--host", "empty")
    assert code == 0
    assert "kubelet has registered rdma/rdma_shared_device_a: 0 allocatable" in "\n".join(lines)


@pytest.mark.parametrize("arguments", [("--host", "no-such-sample"), ("--host", "/")])
async def test_a_wrong_host_is_one_line_and_code_1(arguments: tuple[str, str]) -> None:
    code, lines = await shown(*arguments)
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("simulator: ")


@pytest.mark.parametrize("host", ["seed", "no-such-sample"])
async def test_it_leaves_no_files(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Path(tempfile.mkdtemp(prefix="demo-"))
    monkeypatch.setattr(scratch, "_MEMORY", str(place))
    try:
        said: list[str] = []
        with pytest.raises(RdmaDpError) if host == "no-such-sample" else nullcontext():
            await demo.run(host, None, said.append)
        assert bool(said) == (host == "seed")
        assert _entries(place) == []
    finally:
        shutil.rmtree(place)


async def test_an_invalid_config_is_reported_with_code_1(tmp_path: Path) -> None:
    bad = tmp_path / "config.json"
    bad.write_text('{"configList": [{"resourceName": "a", "rdmaHcaMax": -1}]}')
    code, lines = await shown("--config", str(bad))
    assert code == 1
    assert "rdmaHcaMax" in "\n".join(lines)
    assert "Traceback" not in "\n".join(lines)


def _entries(directory: Path) -> list[Path]:
    return list(directory.iterdir())


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if not path.is_symlink())


@pytest.mark.parametrize("name", ["per-hca.yaml", "all-mellanox.yaml", "cdi.yaml"])
async def test_the_daemon_reports_no_problem_of_a_valid_config(name: str) -> None:
    code, lines = await shown("--config", str(CONFIGS / name))
    assert code == 0
    assert not [line for line in lines if "configList" in line]


async def test_slots_per_hca() -> None:
    code, lines = await shown("--config", str(CONFIGS / "per-hca.yaml"))
    text = " ".join(" ".join(lines).split())
    assert code == 0
    assert "504 allocatable, 63 per HCA" in text
    assert "RDMA_DP_COMPUTE_HCAS=mlx5_0,mlx5_3,mlx5_4,mlx5_5" in text
    assert "441 of 504 slots healthy" in text


async def test_an_invalid_name_of_a_host_is_one_line() -> None:
    code, (line,) = await shown("--host", "a" * 300)
    assert code == 1
    assert line.startswith("simulator: cannot read aaa")
    assert "File name too long" in line

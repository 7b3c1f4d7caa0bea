"""What the daemon imports: nothing that its configuration does not need."""

import json
from pathlib import Path

import pytest

from tests.conftest import Sample
from tests.paths import REPO
from tests.unit.cli.process import MODULE, rdma_dp

# Replaces the work of the daemon by a function that scans the host once, parses the config once and
# prints the loaded modules. The verb runs as it is.
_LOADED_BY_RUN = """
import sys
from rdma_dp import config
import rdma_dp.daemon.run
from rdma_dp.daemon.daemon import Daemon
from rdma_dp.discovery import polling
from rdma_dp.host.files import Host

async def print_modules(settings):
    Daemon(settings)
    settings.parse(config.read(settings.config_file), settings.defaults)
    polling.scan_with_fingerprint(Host(settings.root))
    print(*sys.modules)

rdma_dp.daemon.run.run = print_modules
from rdma_dp.cli.main import main
sys.exit(main(sys.argv[1:]))
"""

# What only the verbs for people use, and what only some configurations need.
_FOR_PEOPLE = ("rdma_dp.node", "rdma_dp.doctor", "rdma_dp.render", "rich", "shtab", "tarfile")
_FOR_TESTS = ("simulator", "pytest")
_FOR_METRICS = ("prometheus_client", "http.server", "rdma_dp.monitoring.listeners")
_FOR_DRA = (
    "aiohttp",
    "rdma_dp.api_server.api_client",
    "rdma_dp.kubelet.dra",
    "rdma_dp.kubelet.api.dra_pb2",
)
_FOR_YAML = ("yaml", "rdma_dp.config.yaml_text")
_FOR_PARSING = ("pydantic", "pydantic_core", "rdma_dp.config.reading", "rdma_dp.config.loading")
_FOR_RDMA_NETLINK = ("pyroute2",)
_AFTER_THE_FIRST_LISTS = ("rdma_dp.daemon.state_warnings", "rdma_dp.sharing.advice")

_UNWANTED = (
    *(*_FOR_PEOPLE, *_FOR_TESTS, *_FOR_METRICS, *_FOR_DRA),
    *(*_FOR_YAML, *_FOR_PARSING, *_FOR_RDMA_NETLINK),
    *_AFTER_THE_FIRST_LISTS,
)

_CONFIG = {
    "configList": [{"resourceName": "a", "rdmaHcaMax": 1, "selectors": {"vendors": ["15b3"]}}]
}


def loaded(*arguments: str | Path) -> list[str]:
    """The modules of a daemon that runs with these arguments."""
    ended = rdma_dp("run", *arguments, command=(MODULE[0], "-c", _LOADED_BY_RUN))
    assert ended.code == 0, ended.err
    return ended.out.split()


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(_CONFIG))
    return file


@pytest.mark.parametrize("live", [True, False])
def test_the_daemon_loads_nothing_that_its_configuration_does_not_need(
    live: bool, sample: Sample, config_file: Path
) -> None:
    modules = loaded("--config-file", config_file, "--root", "/" if live else sample("seed"))
    assert "rdma_dp.daemon.daemon" in modules
    assert ("rdma_dp.host.netlink.rdma_queries" in modules) == live
    may_be_needed = _FOR_RDMA_NETLINK if live else ()
    assert [name for name in _UNWANTED if name in modules and name not in may_be_needed] == []


def test_a_config_in_yaml_loads_its_reader_in_another_process(sample: Sample) -> None:
    config = REPO / "configs/all-mellanox.yaml"
    modules = loaded("--config-file", config, "--root", sample("seed"))
    assert [name for name in _UNWANTED if name in modules] == []

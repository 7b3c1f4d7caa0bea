"""What the verb `run` imports before the daemon starts."""

from tests.conftest import Sample
from tests.unit.cli.process import MODULE, rdma_dp

# Replaces the daemon by a function that prints the loaded modules, and runs the verb as it is.
_LOADED_BY_RUN = """
import sys
import rdma_dp.daemon.run

async def print_modules(settings):
    print(*sys.modules)

rdma_dp.daemon.run.run = print_modules
from rdma_dp.cli.main import main
sys.exit(main(sys.argv[1:]))
"""

# What only the verbs for people use.
_UNWANTED = (
    "rdma_dp.node",
    "rdma_dp.doctor",
    "rdma_dp.render",
    "rich",
    "tarfile",
    "simulator",
    "aiohttp",
    "rdma_dp.api_server.api_client",
    "rdma_dp.kubelet.dra",
    "rdma_dp.kubelet.api.dra_pb2",
)


def test_the_daemon_loads_nothing_that_is_for_people(sample: Sample) -> None:
    command = (MODULE[0], "-c", _LOADED_BY_RUN)
    ended = rdma_dp("run", "--root", sample("seed"), command=command)
    assert ended.code == 0
    loaded = ended.out.split()
    assert "rdma_dp.daemon.daemon" in loaded
    assert [name for name in _UNWANTED if name in loaded] == []

"""Of the environment of a process a snapshot keeps a few variables of NCCL, and nothing else."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.config.loading import find_config
from rdma_dp.doctor.catalogue import CATALOGUE
from rdma_dp.doctor.examination import examine, examine_node
from rdma_dp.host.environments import GDR_LEVEL, GID_INDEX, HCAS, ODD, variables, without_secrets
from rdma_dp.host.files import Host
from rdma_dp.node.capture import KubeletPlaces, take
from rdma_dp.node.snapshot.anonymous import anonymous
from rdma_dp.node.snapshot.archive_writing import write
from rdma_dp.node.snapshot.contents import Contents, Directory, File, with_parents
from rdma_dp.node.snapshot.model import Snapshot
from rdma_dp.node.source import NodeSource, open_source
from rdma_dp.node.view import view_node
from tests.conftest import Fresh
from tests.unit.doctor.test_pods import PID, Node

SECRET = "hunter2-do-not-keep"
ENVIRON = (
    f"AWS_SECRET_ACCESS_KEY={SECRET}\0NCCL_IB_HCA=mlx5_0\0NCCL_IB_HCA_PASSWORD={SECRET}\0"
    f"NCCL_IB_GID_INDEX={SECRET}\0NCCL_NET_GDR_LEVEL=LOC\0ncclNCCL_IB_HCA={SECRET}\0{SECRET}\0"
    f"NCCL_NET_GDR_LEVEL={SECRET}\0"
)
KEPT = {HCAS: "mlx5_0", GID_INDEX: ODD, GDR_LEVEL: "LOC"}


@pytest.mark.parametrize("raw", [True, False])
def test_no_snapshot_keeps_a_secret(raw: bool, fresh: Fresh, tmp_path: Path) -> None:
    node = Node(fresh("mixed-boards").root)
    node.file(f"{PID}/environ", ENVIRON)
    source, config = NodeSource(Host(node.root), node.answers), find_config(node.config)
    taken = take(source, config, KubeletPlaces(Path("/nowhere")), [examine_node], raw=raw)
    content = gzip.decompress(taken.packed)
    assert SECRET.encode() not in content
    assert b"NCCL_IB_HCA=mlx5_0\0NCCL_IB_GID_INDEX=?\0NCCL_NET_GDR_LEVEL=LOC\0" in content
    write(taken.packed, tmp_path / "it.tar.gz", replace=True)
    checks = [check for check in CATALOGUE if check.id.startswith("pod-nccl")]
    replayed = open_source(tmp_path / "it.tar.gz")
    assert examine(view_node(replayed, config), checks) == examine(
        view_node(source, config), checks
    )


def test_an_anonymous_snapshot_of_another_programs_files_is_filtered_too() -> None:
    contents = Contents(with_parents({"proc/7/environ": File(ENVIRON.encode())}, Directory()))
    found = anonymous(Snapshot(contents), []).snapshot.contents.entries["proc/7/environ"]
    assert isinstance(found, File)
    assert found.content is not None
    assert SECRET.encode() not in found.content
    assert variables(found.content) == KEPT


def test_only_known_names_with_known_forms_are_read() -> None:
    assert variables(ENVIRON.encode()) == KEPT


def test_a_variable_that_may_be_cut_off_is_left_out() -> None:
    assert variables(b"NCCL_IB_HCA=mlx5_0\0NCCL_NET_GDR_LEVEL=PI") == {HCAS: "mlx5_0"}


PIECES = st.sampled_from(
    [b"NCCL_IB_HCA", b"NCCL_NET_GDR_LEVEL", b"=", b"\0", b"PIX", b"\n", b"\xff"]
)


@given(st.binary(max_size=60) | st.lists(PIECES, max_size=12).map(b"".join))
def test_filtering_changes_nothing_that_is_read(environ: bytes) -> None:
    once = without_secrets(environ)
    assert variables(once) == variables(environ)
    assert without_secrets(once) == once
    assert {each.partition(b"=")[0] for each in once.split(b"\0")} <= {
        b"", *(name.encode() for name in KEPT)
    }  # fmt: skip

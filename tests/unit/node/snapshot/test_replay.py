"""Every verb shows the same of a snapshot as of its node.

A verb that reads something that a snapshot does not record makes these tests fail.
"""

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from rdma_dp.config.loading import FoundConfig, find_config
from rdma_dp.node.source import NodeSource, open_source
from simulator.host import sample_names
from tests.conftest import Sample
from tests.paths import CONFIGS
from tests.unit.node.snapshot.shown import CAPTURES, shown, snapshot_of

every_sample = pytest.mark.parametrize("name", sample_names())
every_capture = pytest.mark.parametrize(
    "capture", sorted(CAPTURES.glob("*.tar.gz")), ids=lambda path: path.name
)


def recorded(root: NodeSource) -> FoundConfig:
    assert root.config is not None
    return root.config


def named_alone(config: FoundConfig) -> FoundConfig:
    """Without its directory, which an anonymous snapshot does not hold."""
    return replace(config, file=Path(config.file.name))


@every_sample
@pytest.mark.parametrize("raw", [True, False])
def test_every_sample_host_is_replayed(
    name: str, raw: bool, sample: Sample, tmp_path: Path
) -> None:
    config = named_alone(find_config(CONFIGS / "several-resources.yaml"))
    root = open_source(sample(name))
    replayed = open_source(snapshot_of(root, config, tmp_path / "it.tar.gz", raw=raw))
    assert shown(replayed, recorded(replayed)) == shown(root, config)


@every_capture
@pytest.mark.parametrize("raw", [True, False])
def test_every_capture_is_replayed_and_can_be_read_packed(
    capture: Path, raw: bool, tmp_path: Path
) -> None:
    config = named_alone(find_config(CONFIGS / "all-mellanox.yaml"))
    with tarfile.open(capture) as archive:
        archive.extractall(tmp_path, filter="tar")
    directory = open_source(tmp_path / capture.name.removesuffix(".tar.gz"))
    packed = open_source(capture)
    replayed = open_source(snapshot_of(directory, config, tmp_path / "it.tar.gz", raw=raw))
    of_the_packed = open_source(snapshot_of(packed, config, tmp_path / "too.tar.gz", raw=raw))
    wanted = shown(directory, config)
    assert shown(packed, config) == wanted
    assert shown(replayed, recorded(replayed)) == wanted
    assert shown(of_the_packed, recorded(of_the_packed)) == wanted

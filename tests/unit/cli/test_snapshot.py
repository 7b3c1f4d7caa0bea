import io
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.conftest import Golden, Sample
from tests.paths import CONFIGS
from tests.unit.cli.process import rdma_dp

CONFIG = CONFIGS / "all-mellanox.yaml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "node.tar.gz"


def taken(file: Path, root: Path, *more: str | Path) -> str:
    ended = rdma_dp("snapshot", file, "--root", root, "--config", CONFIG, *more)
    assert (ended.code, ended.err) == (0, "")
    return ended.out.replace(str(file), "node.tar.gz")


def test_it_says_what_it_wrote_and_how_to_look_at_it(
    file: Path, sample: Sample, golden: Golden
) -> None:
    said = taken(file, sample("dgx-h100"))
    golden("dgx-h100.snapshot.txt", re.sub(r"in [0-9,]+ bytes", "in SIZE bytes", said))


def test_it_says_that_a_raw_one_names_the_node(file: Path, sample: Sample) -> None:
    assert "\nnothing is replaced: this file contains the node's" in taken(
        file, sample("seed"), "--raw"
    )


@pytest.mark.parametrize("verb", [("discover",), ("topo",), ("dry-run",), ("doctor",), ("cdi",)])
def test_every_verb_shows_of_it_what_it_showed_of_the_node(
    verb: tuple[str, ...], file: Path, sample: Sample
) -> None:
    taken(file, sample("dgx-b200"))
    output = () if verb == ("cdi",) else ("-o", "json")
    config = () if verb in (("discover",), ("topo",)) else ("--config", CONFIG)
    live = rdma_dp(*verb, "--root", sample("dgx-b200"), *config, *output)
    replayed = rdma_dp(*verb, "--root", file, *output)
    # A directory may have the name of a person: no snapshot keeps it.
    assert (replayed.out, replayed.code) == (live.out.replace(str(CONFIG), CONFIG.name), live.code)
    said = f"rdma-dp: using the config {CONFIG.name} from {file}\n" if config else ""
    assert replayed.err.startswith(said)


def test_another_config_can_be_tried_on_it(file: Path, sample: Sample) -> None:
    taken(file, sample("seed"))
    ended = rdma_dp("dry-run", "--root", file, "--config", CONFIGS / "seed-ifnames.json")
    assert (ended.code, ended.err) == (0, "")
    assert "mlx5_0" in ended.out


def test_a_config_that_was_not_there_is_not_there(file: Path, sample: Sample) -> None:
    ended = rdma_dp("snapshot", file, "--root", sample("seed"), "--config", "/none/config.json")
    assert ended.code == 0
    ended = rdma_dp("dry-run", "--root", file)
    assert (ended.code, "config.json: there is no such file" in ended.out) == (1, True)


def test_the_daemon_does_not_run_on_it(file: Path, sample: Sample) -> None:
    taken(file, sample("seed"))
    ended = rdma_dp("run", "--root", file)
    assert ended.code == 1
    assert "a snapshot never changes, so the daemon cannot run on it" in ended.err


def test_a_file_that_is_there_stays_unless_told(file: Path, sample: Sample) -> None:
    file.write_text("mine")
    ended = rdma_dp("snapshot", file, "--root", sample("seed"))
    assert (ended.code, file.read_text()) == (1, "mine")
    assert ended.err == f"rdma-dp: {file} is there already (--force replaces it)\n"
    taken(file, sample("seed"), "--force")
    assert file.stat().st_mode & 0o777 == 0o600


def test_names_can_be_hidden(file: Path, sample: Sample, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("# of acme-cloud\nconfigList: [{resourceName: acme, selectors: {}}]\n")
    for hidden, wanted in (((), True), (("--hide", "acme"), False)):
        ended = rdma_dp(
            *("snapshot", file, "--root", sample("seed"), "--config", config, "--force", *hidden)
        )
        assert ended.code == 0
        with tarfile.open(file) as archive:
            member = archive.extractfile("config")
            assert member is not None
            assert (b"acme" in member.read()) == wanted


def test_plain_tar_reads_it(file: Path, sample: Sample, tmp_path: Path) -> None:
    taken(file, sample("seed"))
    subprocess.run(["tar", "xzf", file, "-C", tmp_path], check=True)
    ended = rdma_dp("discover", "--root", tmp_path / "host", "-o", "json")
    assert ended.out == rdma_dp("discover", "--root", sample("seed"), "-o", "json").out


def test_an_archive_that_cannot_be_read_is_said_in_one_line(file: Path) -> None:
    file.write_bytes(os.urandom(100))
    for verb in ("discover", "topo", "dry-run", "doctor", "cdi", "snapshot"):
        words = (file.with_suffix(".copy"),) if verb == "snapshot" else ()
        ended = rdma_dp(verb, *words, "--root", file)
        assert (ended.code, ended.out) == (3 if verb == "doctor" else 1, "")
        assert ended.err.startswith(f"rdma-dp: {file} is not a tar.gz archive: ")
        assert ended.err.count("\n") == 1


def test_a_path_that_no_file_can_have_is_said_in_one_line(file: Path) -> None:
    long = file.with_name(300 * "a")
    for words in (("discover", "--root", long), ("run", "--root", long)):
        ended = rdma_dp(*words)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == f"rdma-dp: cannot read {long}: File name too long\n"
    ended = rdma_dp("snapshot", long, "--root", file)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"rdma-dp: cannot write {long}: File name too long\n"


def test_nothing_in_a_strangers_snapshot_is_obeyed_by_the_terminal(file: Path) -> None:
    escape = "\x1b]0;mine\x07"
    texts = {
        "snapshot.json": json.dumps(
            {
                "format": 1,
                "raw": True,
                "members": 8,
                "versions": {},
                "answers": {},
                "config": {"file": escape, "failure": escape},
                "unread": {"sys": [escape]},
            }
        ),
        "host/sys/class/infiniband/mlx5_0/node_desc": "",
        "host/sys/class/infiniband/mlx5_0/fw_ver": escape,
        "host/sys/class/infiniband/mlx5_0/hca_type": escape,
    }
    with tarfile.open(file, "w:gz") as archive:
        for name, text in texts.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    for words in (["discover", "-o", "wide"], ["topo"], ["dry-run"], ["doctor"]):
        ended = rdma_dp(*words, "--root", file)
        assert not {"\x1b", "\x07"} & {*ended.out, *ended.err}
        assert "Traceback" not in ended.err
        told = r"\x1b]0;mine\x07" in ended.out + ended.err
        assert told == (words[0] in ("dry-run", "doctor"))

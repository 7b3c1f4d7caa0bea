import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Fresh, Sample
from tests.paths import CONFIGS, REPO
from tests.unit.cli.process import DEADLINE, MODULE, environment, rdma_dp

HCA = {
    "name", "pciAddress", "subfunction", "vendor", "deviceID", "driver", "numaNode", "netdevs",
    "linkTypes", "ports", "uverbs", "umad", "issm", "shareable", "reason", "functionType", "vf",
    "pfNames", "altNames", "code",
}  # fmt: skip
PORT = {"number", "state", "physState", "linkLayer", "rate", "netdevs"}
OTHER = {"pciAddress", "vendor", "deviceID", "driver", "netdevs", "reason", "remedy", "code"}
SYSTEM = {"netnsMode", "rdmaCm", "modules"}


def test_the_document_of_a_plain_server(sample: Sample) -> None:
    ended = rdma_dp("discover", "--root", sample("seed"), "-o", "json")
    assert (ended.code, ended.err) == (0, "")
    document = ended.document
    assert set(document) == {"hcas", "others", "system"}
    hca = document["hcas"][0]
    assert {key: hca[key] for key in HCA} == {
        "name": "mlx5_0",
        "pciAddress": "0000:3b:00.0",
        "subfunction": None,
        "vendor": "15b3",
        "deviceID": "101b",
        "driver": "mlx5_core",
        "numaNode": 0,
        "netdevs": ["ens1f0np0"],
        "linkTypes": ["ether"],
        "ports": [
            {
                "number": 1, "state": "ACTIVE", "physState": "LinkUp", "linkLayer": "Ethernet",
                "rate": 200.0, "netdevs": ["ens1f0np0"],
            }
        ],
        "uverbs": "uverbs0",
        "umad": ["umad0"],
        "issm": [],
        "shareable": True,
        "reason": None,
        "code": None,
        "functionType": "pf",
        "vf": None,
        "pfNames": ["ens1f0np0"],
        "altNames": [],
    }  # fmt: skip
    assert document["others"] == []
    assert document["system"]["netnsMode"] == "shared"
    assert document["system"]["rdmaCm"] == "rdma_cm"
    assert document["system"]["modules"]["ib_uverbs"] is True


def test_absent_is_null_and_never_a_missing_key(sample: Sample) -> None:
    document = rdma_dp("discover", "--root", sample("soft"), "-o", "json").document
    rxe = document["hcas"][0]
    assert set(rxe) >= HCA
    absent = ("pciAddress", "subfunction", "vendor", "deviceID", "driver", "numaNode", "reason")
    assert {key: rxe[key] for key in absent} == dict.fromkeys(absent)
    assert all(set(port) >= PORT for port in rxe["ports"])
    assert all(set(other) >= OTHER for other in document["others"])
    assert set(document["system"]) >= SYSTEM


def test_a_subfunction_is_named_by_its_auxiliary_device(sample: Sample) -> None:
    document = rdma_dp("discover", "--root", sample("subfunctions"), "-o", "json").document
    found = {hca["name"]: hca["subfunction"] for hca in document["hcas"]}
    assert found["mlx5_2"] == "mlx5_core.sf.2"
    assert found["mlx5_0"] is None


def test_a_vf_has_its_number_and_the_name_of_its_pf(sample: Sample) -> None:
    document = rdma_dp("discover", "--root", sample("sriov"), "-o", "json").document
    found = [(hca["functionType"], hca["vf"], hca["pfNames"]) for hca in document["hcas"]]
    assert found == [
        (*kind, ["ens3f0np0"]) for kind in (("pf", None), ("vf", 0), ("vf", 1), ("vf", 4))
    ]


def test_a_host_without_rdma_is_no_failure(sample: Sample) -> None:
    ended = rdma_dp("discover", "--root", sample("empty"))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("no RDMA device on this node\n")


@pytest.mark.parametrize("output", ["table", "wide"])
def test_no_terminal_no_colour(output: str, sample: Sample) -> None:
    ended = rdma_dp("discover", "--root", sample("gb300"), "-o", output)
    assert "\x1b" not in ended.out
    assert not [line for line in ended.out.splitlines() if line != line.rstrip()]


def test_wide_shows_nodes_and_drivers(sample: Sample) -> None:
    wide = rdma_dp("discover", "--root", sample("seed"), "-o", "wide").out
    assert "DRIVER" in wide.splitlines()[0]
    assert "uverbs0 umad0" in wide


def test_a_terminal_gets_colour(sample: Sample) -> None:
    primary, secondary = pty.openpty()
    with subprocess.Popen(
        [*MODULE, "discover", "--root", str(sample("seed"))],
        stdin=subprocess.DEVNULL, stdout=secondary, stderr=subprocess.DEVNULL, cwd=REPO,
        env=environment(TERM="xterm-256color"),
    ) as process:  # fmt: skip
        os.close(secondary)
        shown = _everything_of(primary)
        assert process.wait(DEADLINE) == 0
    os.close(primary)
    assert b"\x1b[32myes" in shown


def _everything_of(terminal: int) -> bytes:
    """Until the last writer has gone, which Linux tells by EIO."""
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            return b"".join(parts)
        if not part:
            return b"".join(parts)
        parts.append(part)


def test_a_wrong_root_is_one_line_with_what_to_do(tmp_path: Path) -> None:
    for arguments in (
        ("discover", "--root", tmp_path),
        ("dry-run", "--config", CONFIGS / "seed-ifnames.json", "--root", tmp_path),
    ):
        ended = rdma_dp(*arguments)
        assert (ended.code, ended.out) == (1, "")
        (line,) = ended.err.splitlines()
        assert line.startswith(f"rdma-dp: {tmp_path} is not the root of a host")
        assert "--root takes a directory that holds sys" in line
    ended = rdma_dp("discover", "--root", tmp_path / "nodee.tar.gz")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"rdma-dp: there is no {tmp_path}/nodee.tar.gz")


def test_a_root_with_one_dash_is_read_too(sample: Sample) -> None:
    assert rdma_dp("discover", "-root", sample("seed")).code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["discvoer"],
        ["discover", "-o", "yaml"],
        ["discover", "extra"],
        ["dry-run", "--conf", "x"],
    ],
)
def test_a_wrong_command_line_is_exit_2_and_one_line(arguments: list[str]) -> None:
    ended = rdma_dp(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("rdma-dp")
    assert ended.err.endswith(" --help)\n")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("command", ["rdma-dp", "k8s-rdma-shared-dp"])
def test_the_installed_commands_say_their_version(command: str) -> None:
    from rdma_dp import __version__

    installed = (str(Path(MODULE[0]).parent / command),)
    for flag in ("-v", "-version", "--version"):
        ended = rdma_dp(flag, command=installed)
        assert (ended.code, ended.out.split()[:2]) == (0, ["rdma-dp", __version__])


def test_the_installed_command_is_the_same_program(sample: Sample) -> None:
    installed = (str(Path(MODULE[0]).parent / "rdma-dp"),)
    arguments = ("discover", "--root", sample("seed"), "-o", "json")
    assert rdma_dp(*arguments, command=installed) == rdma_dp(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("discover", "--root", "SEED"),
        ("discover", "--root", "SEED", "-o", "json"),
        ("check-config", str(CONFIGS / "seed-ifnames.json")),
        ("schema",),
    ],
)
def test_a_reader_that_has_gone_is_no_error(arguments: tuple[str, ...], sample: Sample) -> None:
    """`rdma-dp discover | head -1`: neither a traceback nor an exit code of its own."""
    filled = [str(sample("seed")) if word == "SEED" else word for word in arguments]
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [*MODULE, *filled],
        stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE, cwd=REPO,
        env=environment(), timeout=DEADLINE, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_help_names_every_verb() -> None:
    ended = rdma_dp("--help")
    assert ended.code == 0
    for verb in ("run", "discover", "dry-run", "check-config", "schema"):
        assert f"\n    {verb} " in ended.out


def test_json_and_tables_of_odd_names_are_printable(fresh: Fresh) -> None:
    """A4, A10: the kernel allows such names for HCAs."""
    root = fresh("seed").root
    name = "a\nb\x1b\x9b\u202e\udcff"
    directory = root / "sys/class/infiniband"
    (directory / "mlx5_0").rename(directory / name)
    for verb in ("discover", "topo"):
        ended = rdma_dp(verb, "--root", root, "-o", "json")
        assert all(line.isprintable() for line in ended.out.splitlines())
        assert name in [hca["name"] for hca in ended.document["hcas"]]
        ended = rdma_dp(verb, "--root", root)
        assert all(line.isprintable() for line in ended.out.splitlines())
        assert r"a\nb\x1b\x9b\u202e\udcff" in ended.out.replace("\n", "")

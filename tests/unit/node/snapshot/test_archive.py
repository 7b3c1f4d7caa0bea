"""Archives: a snapshot is read as it was written, and harmful files are refused in one sentence."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdma_dp.config.loading import FoundConfig
from rdma_dp.discovery.char_devices import char_device
from rdma_dp.errors import RdmaDpError
from rdma_dp.host.files import HostError
from rdma_dp.node.snapshot import archive_reading, archive_writing, limits
from rdma_dp.node.snapshot.archive_reading import ArchiveError
from rdma_dp.node.snapshot.archive_writing import pack
from rdma_dp.node.snapshot.contents import (
    CharNode,
    Contents,
    Directory,
    Entry,
    File,
    Operation,
    Special,
    Symlink,
    with_parents,
)
from rdma_dp.node.snapshot.model import Snapshot
from rdma_dp.node.source import open_source

ENTRIES: dict[str, Entry] = {
    "sys/a": File(b"1\n"),
    "sys/b": File(None),
    "sys/c": Symlink("a"),
    "sys/d": Directory(("listed", "of which no more is known")),
    "sys/d/hidden": File(b""),
    "dev/n": CharNode(231, 192, 0o020600),
    "dev/s": Special(0o140777),
    "sys/\udcff \u00e9%41": File(b"\xff\0"),
}
SNAPSHOT = Snapshot(
    Contents(
        with_parents(ENTRIES, Directory()),
        {(Operation.READ, "sys/e"): 13, (Operation.NAMES, "sys/\udcff"): 5},
        {"proc/1/ns/net": "net:[4026531840]"},
    ),
    config=FoundConfig(Path("/etc/config.json"), b"{}"),
    versions={"kernel": "6.12"},
)


def member(name: str, content: bytes = b"", **more: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as made:
        for info, content in members:
            made.addfile(info, io.BytesIO(content))
    return packed.getvalue()


SYS = member("sys", type=tarfile.DIRTYPE)


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[[bytes], str]:
    """The message when a file with these bytes is opened."""

    def said(content: bytes) -> str:
        file = tmp_path / "node.tar.gz"
        file.write_bytes(content)
        with pytest.raises(RdmaDpError) as error:
            open_source(file)
        assert str(file) in error.value.message
        assert "\n" not in str(error.value)
        return str(error.value).replace(str(file), "FILE")

    return said


Refusal = Callable[[bytes], str]


def test_a_snapshot_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "node.tar.gz"
    archive_writing.write(pack(SNAPSHOT), file, replace=False)
    assert archive_reading.read(file) == SNAPSHOT


names = st.text(
    st.characters(exclude_characters="/\x7f", exclude_categories=["Cs"], min_codepoint=32),
    min_size=1,
    max_size=8,
).filter(lambda name: name not in (".", ".."))
kinds = st.one_of(
    st.builds(File, st.one_of(st.none(), st.binary(max_size=50))),
    st.builds(Symlink, names),
    st.builds(CharNode, st.integers(0, 4095), st.integers(0, (1 << 20) - 1), st.just(0o020666)),
    st.builds(lambda found: Directory(tuple(sorted(found))), st.sets(names, max_size=3)),
)


@given(st.dictionaries(names, kinds, max_size=5), st.dictionaries(names, kinds, max_size=5))
def test_any_contents_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, top: dict[str, Entry], below: dict[str, Entry]
) -> None:
    entries = {f"sys/{name}": entry for name, entry in top.items()}
    entries |= {f"sys/a/b/{name}": entry for name, entry in below.items()}
    entries.pop("sys/a", None)
    snapshot = Snapshot(Contents(with_parents(entries, Directory())))
    file = tmp_path_factory.mktemp("any") / "node.tar.gz"
    archive_writing.write(pack(snapshot), file, replace=False)
    assert archive_reading.read(file) == snapshot


def test_what_the_reader_would_refuse_is_not_written() -> None:
    entries = with_parents({"sys/class/net/a\x1b[1m": File(b"")}, Directory())
    with pytest.raises(RdmaDpError, match=r"'sys/class/net/a\\x1b\[1m' has a control character"):
        pack(Snapshot(Contents(entries)))


def test_the_same_snapshot_makes_the_same_bytes() -> None:
    assert pack(SNAPSHOT) == pack(SNAPSHOT)


@pytest.mark.parametrize("top", ["", "./", "node17/", "./node17/"])
def test_a_tree_packed_by_hand_can_be_read(top: str, tmp_path: Path) -> None:
    file = tmp_path / "node.tar.gz"
    file.write_bytes(
        archive(
            member(f"{top}SOURCE.txt", b"by hand"),
            member(f"{top}sys/class/infiniband/mlx5_0", type=tarfile.SYMTYPE, linkname="../../x"),
            member(f"{top}sys/x/node_desc", b"node\n"),
        )
    )
    host = open_source(file).host
    assert host.entries("sys/class/infiniband") == ("mlx5_0",)
    assert host.read("sys/class/infiniband/mlx5_0/node_desc") == "node"
    assert host.entries("sys/none") == ()


@pytest.mark.parametrize(
    ("members", "why"),
    [
        (
            [SYS, member("/etc/passwd")],
            "/etc/passwd is an absolute path (tar stores one only",
        ),
        ([SYS, member("sys/../../x")], "sys/../../x leads out of the archive"),
        ([SYS, member("sys/x", type=tarfile.LNKTYPE, linkname="sys")], "sys/x is neither a file"),
        ([SYS, member("sys/x", type=tarfile.BLKTYPE)], "sys/x is neither a file"),
        ([SYS, member("sys/x", type=tarfile.FIFOTYPE)], "sys/x is neither a file"),
        (
            [SYS, member("sys/x", type=tarfile.SYMTYPE, linkname="../../etc")],
            "sys/x is a link that leads out of the tree: ../../etc",
        ),
        (
            [member("n/sys/x", type=tarfile.SYMTYPE, linkname="../../etc")],
            "sys/x is a link that leads out of the tree: ../../etc",
        ),
        ([SYS, member("sys/\x1b[31m")], r"sys/\x1b[31m has a control character in its name"),
        (
            [SYS, member("sys/x", type=tarfile.CHRTYPE, devmajor=1 << 20)],
            "sys/x is a device with invalid numbers: (1048576, 0)",
        ),
        ([SYS, member("sys/x"), member("./sys//x")], "sys/x is in it twice"),
        (
            [SYS, member("sys/x"), member("sys/x/y")],
            "sys/x/y is not below a directory",
        ),
        (
            [SYS, member("sys/l", type=tarfile.SYMTYPE, linkname="."), member("sys/l/y")],
            "sys/l/y is not below a directory",
        ),
        ([SYS, member("sys/" + "a/" * 80)], "is too long or too deep a path"),
        ([SYS, member("sys/" + "a" * 5000)], "is too long or too deep a path"),
        ([SYS, member("sys/x", bytes(limits.FILE_BYTES + 1))], "sys/x is larger than"),
        ([member("etc/hostname")], "does not hold one host's tree, but none with a directory sys"),
        ([member("a/sys/x"), member("b/sys/x")], "but several: a, b"),
        ([SYS, member("snapshot.json", b"{")], "snapshot.json is not JSON"),
        ([SYS, member("snapshot.json", b"[" * 100_000)], "snapshot.json"),
        ([SYS, member("snapshot.json", b'{"format": 2}')], "this rdma-dp reads format 1"),
        ([SYS, member("snapshot.json", b'{"format": 1}')], "snapshot.json: raw: Field required"),
    ],
)
def test_members_that_are_not_part_of_a_hosts_tree_are_refused(
    members: Iterable[tuple[tarfile.TarInfo, bytes]], why: str, refusal: Refusal
) -> None:
    assert why in refusal(archive(*members))


def test_a_sparse_file_is_refused(refusal: Refusal) -> None:
    headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9999999"}
    content = b"0\n".ljust(512, b"\0")
    assert "sparse" in refusal(archive(SYS, member("sys/x", content, pax_headers=headers)))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "FILE is damaged, or not a tar.gz archive: "),
        (b"hello", "FILE is not a tar.gz archive: Not a gzipped file"),
        (gzip.compress(b"hello"), "FILE is damaged, or not a tar.gz archive: "),
        (archive(SYS)[:-5], "FILE is damaged, or not a tar.gz archive: "),
        (
            archive(SYS, member("sys/x", bytes(9999)))[:60],
            "FILE is damaged, or not a tar.gz archive: ",
        ),
    ],
    ids=["empty", "no-gzip", "no-tar", "without-its-end", "cut-off"],
)
def test_a_file_that_is_no_archive_is_refused(content: bytes, why: str, refusal: Refusal) -> None:
    assert refusal(content).startswith(why)


def test_an_incomplete_snapshot_is_refused(refusal: Refusal) -> None:
    whole = gzip.decompress(pack(SNAPSHOT))
    with tarfile.open(fileobj=io.BytesIO(whole)) as found:
        cut = found.getmembers()[-1].offset
    assert "a part is missing" in refusal(gzip.compress(whole[:cut] + bytes(1024)))


def test_an_archive_that_unpacks_to_too_much_is_refused(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = archive(SYS, member("sys/x", bytes(64 << 20)))
    assert len(bomb) < 100_000
    assert "is larger than" in refusal(bomb)
    many = archive(SYS, *(member(f"sys/{n}", bytes(1 << 20)) for n in range(64)))
    assert "times its size: a bomb?" in refusal(many)
    monkeypatch.setattr(limits, "RATIO", 10_000)
    monkeypatch.setattr(limits, "BYTES", 32 << 20)
    assert "unpacks to more than 32 MiB" in refusal(many)


def test_zeros_after_the_end_count_too(refusal: Refusal) -> None:
    assert "times its size" in refusal(archive(SYS) + gzip.compress(bytes(64 << 20)))


def test_too_many_members_are_refused(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MEMBERS", 10)
    assert "more than 10 members" in refusal(archive(*(member(f"sys/{n}") for n in range(11))))


def test_endless_nested_headers_are_refused(refusal: Refusal) -> None:
    longname = tarfile.TarInfo("././@LongLink")
    longname.type, longname.size = tarfile.GNUTYPE_LONGNAME, 10
    one = longname.tobuf(tarfile.GNU_FORMAT) + b"x".ljust(512, b"\0")
    refusal(gzip.compress(one * 5000 + bytes(1024)))


NAMES = ("a", "b", "c", "d", "n", "s")


def extended(kind: bytes, content: bytes) -> bytes:
    """An extended header."""
    info, _ = member("about", content, type=kind)
    return info.tobuf() + content + bytes(-len(content) % tarfile.BLOCKSIZE)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_huge_header_is_refused(kind: bytes, refusal: Refusal) -> None:
    content = b"11 a=bcdef\n" * 10_000
    packed = gzip.compress(extended(kind, content) + gzip.decompress(archive(SYS)))
    assert "a header in it is larger than 65536 bytes" in refusal(packed)


def test_headers_that_slow_down_every_member_are_refused(refusal: Refusal) -> None:
    content = b"".join(b"11 a%04d=b\n" % number for number in range(5000))
    packed = extended(tarfile.XGLTYPE, content) + gzip.decompress(archive(SYS))
    assert "it has more global headers" in refusal(gzip.compress(packed))


DOCUMENT = {"format": 1, "raw": True, "members": 2, "versions": {}, "answers": {}}
HOST_SYS = member("host/sys", type=tarfile.DIRTYPE)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"unread": {"sys": ["a%00b"]}}, "'a%00b' is not a valid file name"),
        ({"magicLinks": {"proc/1/exe": "/a" * 3000}}, "is not a valid file name"),
        ({"magicLinks": {"sys/x": "y"}}, "'sys/x' is not a link that the kernel makes"),
    ],
)
def test_invalid_names_are_refused(more: dict[str, object], why: str, refusal: Refusal) -> None:
    text = json.dumps(DOCUMENT | more).encode()
    assert why in refusal(archive(member("snapshot.json", text), HOST_SYS))


@pytest.mark.parametrize("links", [1, 39])
def test_links_that_lead_deeper_than_any_tree_are_an_error(links: int, tmp_path: Path) -> None:
    """Without a limit, they take minutes or exhaust the stack."""
    chain = [
        member(f"l{n}", type=tarfile.SYMTYPE, linkname=f"/l{n + 1}" + "/a" * 2000)
        for n in range(links)
    ]
    last = member(f"l{links}", type=tarfile.DIRTYPE)
    file = tmp_path / "node.tar.gz"
    file.write_bytes(archive(SYS, last, *chain))
    with pytest.raises(HostError, match="cannot read /l0/x: File name too long"):
        open_source(file).host.read("l0/x")


def open_anyway(directory: Path, content: bytes) -> None:
    file = directory / "node.tar.gz"
    file.write_bytes(content)
    try:
        root = open_source(file)
        root.scan()
        for path in ("sys", *(f"{top}/{name}" for top in ("sys", "dev") for name in NAMES)):
            root.host.entries(path)
            root.host.is_directory(path)
            root.host.follow(path)
            char_device(root.host, "uverbs0", path)
    except RdmaDpError:
        pass


patient = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
GOOD = gzip.decompress(pack(SNAPSHOT))
edits = st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.binary(max_size=8)), max_size=6)


@patient
@given(edits)
def test_no_damage_to_a_snapshot_makes_a_traceback(
    tmp_path: Path, edits: list[tuple[int, bytes]]
) -> None:
    damaged = bytearray(GOOD)
    for place, patch in edits:
        damaged[place : place + len(patch)] = patch
    open_anyway(tmp_path, gzip.compress(bytes(damaged), 1))
    open_anyway(tmp_path, bytes(damaged))


@patient
@given(st.integers(0, 400), st.binary(max_size=20))
def test_no_damage_to_the_compressed_file_makes_a_traceback(
    tmp_path: Path, place: int, patch: bytes
) -> None:
    packed = pack(SNAPSHOT)
    open_anyway(tmp_path, packed[:place] + patch + packed[place + len(patch) :])
    open_anyway(tmp_path, packed[:place])


fields = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from([bytes([n]) for n in b"\x0001234567SLKxgNMV"]),
        "linkname": st.text(max_size=20),
        "mode": st.integers(0, 0o7777),
        "devmajor": st.integers(0, 1 << 20),
        "pax_headers": st.dictionaries(
            st.sampled_from(["path", "size", "linkpath", "GNU.sparse.map", "GNU.sparse.size"]),
            st.text(max_size=10),
            max_size=2,
        ),
    },
)
made = st.builds(
    lambda name, content, more: member(name, content, **more),
    st.text(max_size=30),
    st.binary(max_size=30),
    fields,
)


@patient
@given(st.lists(made, max_size=5))
def test_no_members_make_a_traceback(
    tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    try:
        packed = archive(SYS, *members)
    except (ValueError, UnicodeError):  # tar itself cannot store it
        return
    open_anyway(tmp_path, packed)


OPTIONAL = (
    *("answers", "versions", "config", "unlisted", "unread", "hidden", "unopened", "special"),
    *("magicLinks", "failures"),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@patient
@given(
    st.fixed_dictionaries(
        {"format": st.just(1), "raw": st.just(True), "members": st.just(1)},
        optional=dict.fromkeys(OPTIONAL, json_values),
    )
)
def test_no_document_makes_a_traceback(tmp_path: Path, document: dict[str, object]) -> None:
    base: dict[str, object] = {"answers": {}, "versions": {}}
    text = json.dumps(base | document).encode()
    host = member("host/sys", type=tarfile.DIRTYPE)
    open_anyway(tmp_path, archive(member("snapshot.json", text), host))


def test_an_existing_file_is_replaced_only_with_replace(tmp_path: Path) -> None:
    file = tmp_path / "node.tar.gz"
    file.write_bytes(b"mine")
    with pytest.raises(RdmaDpError, match="is there already"):
        archive_writing.write(b"ours", file, replace=False)
    assert file.read_bytes() == b"mine"
    archive_writing.write(b"ours", file, replace=True)
    assert file.read_bytes() == b"ours"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["node.tar.gz"]


def test_a_place_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(RdmaDpError, match="there is no directory"):
        archive_writing.check_place(tmp_path / "none/node.tar.gz", replace=True)
    with pytest.raises(RdmaDpError, match="it is a directory"):
        archive_writing.check_place(tmp_path, replace=True)
    with pytest.raises(ArchiveError, match="cannot read"):
        archive_reading.read(tmp_path)

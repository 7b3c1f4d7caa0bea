"""snapshot.json: everything in a snapshot that is not a file of the node."""

import errno
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from rdma_dp.config.loading import FoundConfig
from rdma_dp.errors import RdmaDpError
from rdma_dp.host.netlink.values import NetlinkView
from rdma_dp.host.symlinks import is_magic
from rdma_dp.node.answers import Answers
from rdma_dp.node.snapshot import limits
from rdma_dp.node.snapshot.contents import Contents, Directory, Entry, File, Operation, Special
from rdma_dp.node.snapshot.model import Snapshot

FORMAT: Literal[1] = 1

T = TypeVar("T")

_ANSWERS = TypeAdapter(Answers)
_NETLINK = TypeAdapter[NetlinkView | None](NetlinkView | None)

# Characters of a path that are written unchanged. Others are written as %XX: names are bytes.
_PLAIN = "/:.-_~!$&'()*+,;=@[]{}<>^|#? "


class _Config(BaseModel):
    model_config = ConfigDict(strict=True)

    file: str
    failure: str | None = None


class Document(BaseModel):
    """The stored format. Paths are relative to host/, with %XX for what is not printable ASCII.

    The members below host/ do not show everything: `unlisted` are directories that were not listed,
    and `unopened` files that were not read. `unread` maps a directory to listed names of which
    nothing else is known, and `hidden` to members that its list lacked. `deleted` are directories
    that were deleted, but are still mounted.
    """

    model_config = ConfigDict(strict=True, populate_by_name=True)

    format: Literal[1]
    raw: bool
    members: int
    versions: dict[str, str]
    answers: dict[str, Any]
    config: _Config | None = None
    unlisted: list[str] = Field(default_factory=list)
    unread: dict[str, list[str]] = Field(default_factory=dict)
    hidden: dict[str, list[str]] = Field(default_factory=dict)
    unopened: list[str] = Field(default_factory=list)
    special: dict[str, Annotated[int, Field(ge=0, le=0o177777)]] = Field(default_factory=dict)
    magic_links: dict[str, str] = Field(default_factory=dict, alias="magicLinks")
    deleted: list[str] = Field(default_factory=list)
    failures: dict[Operation, dict[str, str]] = Field(default_factory=dict)


def write(snapshot: Snapshot, members: int) -> bytes:
    """The text, for an archive with this number of members below host/."""
    contents = snapshot.contents
    entries = contents.entries
    config = snapshot.config
    children = _children(entries)
    found = Document(
        format=FORMAT,
        raw=snapshot.raw,
        members=members,
        versions=dict(snapshot.versions),
        answers={**_plain(snapshot.answers), "netlink": _plain(snapshot.netlink)},
        config=None if config is None else _Config(file=str(config.file), failure=config.failure),
        unlisted=_paths(entries, lambda entry: entry == Directory(None)),
        unread=_names(entries, lambda path, names: names - children[path]),
        hidden=_names(entries, lambda path, names: children[path] - names),
        unopened=_paths(entries, lambda entry: entry == File(None)),
        special={_written(p): e.mode for p, e in entries.items() if isinstance(e, Special)},
        magic_links={_written(p): _written(to) for p, to in contents.magic_links.items()},
        deleted=sorted(map(_written, contents.deleted)),
        failures=_failures(contents.failures),
    )
    plain = found.model_dump(mode="json", by_alias=True)
    return (json.dumps(plain, indent=1, sort_keys=True) + "\n").encode()


def read(text: bytes) -> Document:
    """The document in a text. Raises RdmaDpError for anything else."""
    try:
        found = json.loads(text)
        if isinstance(found, dict) and isinstance(found.get("format"), int):
            _check_format(found["format"])
        return Document.model_validate_json(text)
    except ValidationError as error:
        raise _refusal(error) from None
    except (ValueError, RecursionError) as error:
        raise RdmaDpError(f"snapshot.json is not JSON: {error}") from None


def restored(found: Document, entries: Mapping[str, Entry], config: bytes | None) -> Snapshot:
    """The snapshot, from its document, the members below host/ and the config's bytes.

    Raises RdmaDpError for an invalid document.
    """
    failures = {
        (operation, _read(path)): _errno(name)
        for operation, by_path in found.failures.items()
        for path, name in by_path.items()
    }
    magic_links = {_magic(path): _read(target) for path, target in found.magic_links.items()}
    deleted = frozenset(map(_read, found.deleted))
    contents = Contents(_restored(found, entries), failures, magic_links, deleted)
    recorded = None
    if found.config is not None:
        recorded = FoundConfig(Path(found.config.file), config, found.config.failure)
    netlink = _validated(_NETLINK, found.answers.get("netlink"), "answers", "netlink")
    answers = _validated(_ANSWERS, found.answers, "answers")
    return Snapshot(contents, netlink, answers, recorded, found.versions, found.raw)


def _plain(value: Any) -> Any:
    # pydantic cannot serialize the read-only mappings of frozen values.
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return to_jsonable_python(value)


def _validated(adapter: TypeAdapter[T], plain: object, *above: str) -> T:
    """The opposite of _plain. Raises RdmaDpError."""
    try:
        return adapter.validate_json(json.dumps(plain))
    except ValidationError as error:
        raise _refusal(error, *above) from None


def _check_format(number: int) -> None:
    if number != FORMAT:
        raise RdmaDpError(
            f"its format is {number}, and this rdma-dp reads format {FORMAT}",
            "read it with the version that made it, or with a newer one",
        )


def _refusal(error: ValidationError, *above: str) -> RdmaDpError:
    first = error.errors(include_url=False)[0]
    place = ".".join([*above, *map(str, first["loc"])])
    return RdmaDpError(f"snapshot.json: {place}: {first['msg']}" if place else first["msg"])


def _restored(found: Document, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    restored_ = dict(entries)
    restored_ |= {_read(path): Special(mode) for path, mode in found.special.items()}
    restored_ |= {_read(path): File(None) for path in found.unopened}
    children = _children(restored_)
    unlisted = set(map(_read, found.unlisted))
    unread, hidden = _by_directory(found.unread), _by_directory(found.hidden)
    for path, names in children.items():
        if path in unlisted:
            restored_[path] = Directory(None)
        else:
            listed = (names | unread.get(path, set())) - hidden.get(path, set())
            restored_[path] = Directory(tuple(sorted(listed)))
    return restored_


def _children(entries: Mapping[str, Entry]) -> dict[str, set[str]]:
    """The names of the known entries in each directory."""
    found: dict[str, set[str]] = {p: set() for p, e in entries.items() if isinstance(e, Directory)}
    for path in entries:
        parent, _, name = path.rpartition("/")
        if path and parent in found:
            found[parent].add(name)
    return found


def _paths(entries: Mapping[str, Entry], fits: Callable[[Entry], bool]) -> list[str]:
    return sorted(_written(path) for path, entry in entries.items() if fits(entry))


def _names(
    entries: Mapping[str, Entry], wanted: Callable[[str, set[str]], set[str]]
) -> dict[str, list[str]]:
    def found() -> Iterator[tuple[str, list[str]]]:
        for path, entry in entries.items():
            if isinstance(entry, Directory) and entry.names is not None:
                yield _written(path), sorted(map(_written, wanted(path, set(entry.names))))

    return {path: names for path, names in found() if names}


def _failures(
    failures: Mapping[tuple[Operation, str], int],
) -> dict[Operation, dict[str, str]]:
    found: dict[Operation, dict[str, str]] = {}
    for (operation, path), code in failures.items():
        name = errno.errorcode.get(code, f"E{code}")
        found.setdefault(operation, {})[_written(path)] = name
    return found


def _by_directory(names: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    return {_read(path): set(map(_read, each)) for path, each in names.items()}


def _written(path: str) -> str:
    return quote(path, safe=_PLAIN, errors="surrogateescape")


def _read(path: str) -> str:
    found = unquote(path, errors="surrogateescape")
    if "\0" in found or len(found) > limits.PATH_BYTES:
        raise RdmaDpError(f"snapshot.json: {path[:100]!r} is not a valid file name")
    return found


def _magic(path: str) -> str:
    found = _read(path)
    if not is_magic(found):
        raise RdmaDpError(
            f"snapshot.json: magicLinks: {path[:100]!r} is not a link that the kernel makes"
        )
    return found


def _errno(name: str) -> int:
    """The number of "EACCES", or of "E13" where the writing machine had no name for it."""
    code = getattr(errno, name, name.removeprefix("E")) if name.startswith("E") else None
    if isinstance(code, int) or (code and code.isascii() and code.isdigit() and len(code) < 5):
        return int(code)
    raise RdmaDpError(f"snapshot.json: failures: {name!r} is not an errno")

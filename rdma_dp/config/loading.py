"""The config that a verb reads, also inside Kubernetes objects and Helm values.

The daemon does not import this module: it reads a plain config alone (reading.py).
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from rdma_dp.config import foreign, manifests, network_operator, syntax
from rdma_dp.config.command_line import NO_DEFAULTS, Defaults
from rdma_dp.config.embedded_places import Embedded
from rdma_dp.config.file_content import MAX_BYTES, read
from rdma_dp.config.problems import ConfigError, ConfigMissing, Problem
from rdma_dp.config.reading import Loaded, parse, parse_bytes

STANDARD_INPUT = Path("-")


@dataclass(frozen=True, slots=True)
class FoundConfig:
    """`content` is None when there was no such file, or when `failure` says why none was read.

    `file` is as it was given: with `word` behind a # if that chose one of several configs. `inside`
    is the place of a config in a larger file; `content` is the config alone. `without_slotless` is
    as in `parse`.
    """

    file: Path
    content: bytes | None = None
    failure: str | None = None
    inside: Embedded | None = field(default=None, compare=False)
    word: str = ""
    without_slotless: bool = field(default=False, compare=False)

    @property
    def name(self) -> str:
        """What messages call the file."""
        name = str(self.file)
        if self.word:
            name = name.removesuffix(f"#{self.word}")
        return "standard input" if name == str(STANDARD_INPUT) else name

    def load(self, defaults: Defaults = NO_DEFAULTS) -> Loaded:
        """What it says. Raises ConfigMissing when there was none, else ConfigError."""
        if self.failure is not None:
            raise ConfigError([Problem("", self.failure)])
        if self.content is None:
            raise ConfigMissing("there is no such file")
        if self.inside is None:
            return parse_bytes(self.content, defaults, without_slotless=self.without_slotless)
        return _load_inside(self.inside, defaults)


def find_config(
    file: Path, standard_input: BinaryIO | None = None, *, as_the_daemon: bool = False
) -> FoundConfig:
    """Looks for it once, also inside Kubernetes objects and Helm values.

    The file "-" is `standard_input`. FILE#WORD chooses one of several configs in a file.
    `as_the_daemon` takes only a plain config in a file, as the daemon does.
    """
    if as_the_daemon:
        return _found(file)
    path, word = _chosen(file)
    try:
        content = _piped(standard_input) if path == STANDARD_INPUT else read(path)
        inside = _inside(content, word, file)
    except ConfigMissing:
        return FoundConfig(file, word=word)
    except ConfigError as error:
        return FoundConfig(file, failure=str(error.problems[0]), word=word)
    if inside is None:
        return FoundConfig(file, content, word=word)
    return FoundConfig(file, inside.text.encode(errors="surrogatepass"), inside=inside, word=word)


def _found(file: Path) -> FoundConfig:
    try:
        return FoundConfig(file, read(file), without_slotless=True)
    except ConfigMissing:
        return FoundConfig(file)
    except ConfigError as error:
        return FoundConfig(file, failure=str(error.problems[0]))


def _chosen(file: Path) -> tuple[Path, str]:
    """The file, and the word that chooses a config in it. A file can have a # in its name."""
    path, _, word = str(file).partition("#")
    exists = os.path.exists(file)  # noqa: PTH110 - Path.exists raises some errors before 3.14
    return (file, "") if not word or exists else (Path(path), word)


def _piped(stream: BinaryIO | None) -> bytes:
    if stream is None or stream.closed:
        raise ConfigError([Problem("", "is closed", "pipe a config into it, or name a file")])
    if stream.isatty():
        raise ConfigError([Problem("", "is a terminal", "pipe a config into it, or name a file")])
    content = stream.read(MAX_BYTES + 1)
    if not content.strip():
        raise ConfigError([Problem("", "is empty", "nothing was piped into it")])
    return content


def _inside(content: bytes, word: str, file: Path) -> Embedded | None:
    """The config inside a larger file; None if it is a plain config, or unreadable as a whole.

    Raises ConfigError when there is none, or when it is unclear which one.
    """
    try:
        text = syntax.decode(content).removeprefix("\ufeff")
    except ConfigError:
        return None  # loading it gives the same error
    found = manifests.search(text)
    configs = [each for each in found.configs if not word or word in each.words]
    if len(configs) == 1:
        return configs[0]
    if found.configs:
        raise ConfigError([manifests.unclear(found, word, str(file).removesuffix(f"#{word}"))])
    if found.objects:
        raise ConfigError([foreign.of_objects([str(each) for each in found.objects])])
    if word:
        raise ConfigError([Problem("", "is a plain config", f"name it without #{word}")])
    return None


def _located(inside: Embedded, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    if inside.in_policy:
        problems = map(network_operator.advised, problems)
    return inside.located(problems)


def _load_inside(inside: Embedded, defaults: Defaults) -> Loaded:
    if inside.problems and not inside.text:
        raise ConfigError(inside.located(inside.problems))  # that there is none says enough
    own = list(inside.warnings)
    if inside.in_policy:
        own += network_operator.refused_by_webhook(inside.text)
    try:
        loaded = parse(inside.text, defaults)
    except ConfigError as error:
        problems = _located(inside, [*inside.problems, *error.problems])
        raise ConfigError(problems, _located(inside, [*own, *error.warnings])) from None
    warnings = _located(inside, [*own, *loaded.warnings])
    if inside.problems:
        raise ConfigError(inside.located(inside.problems), warnings)
    return replace(loaded, warnings=warnings)

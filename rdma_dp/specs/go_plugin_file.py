"""The file that defines the Go plugin's CDI names (see go_plugin_names), beside its own files."""

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rdma_dp.host.descriptors import raise_if_exhausted
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.log import Notice
from rdma_dp.specs import go_plugin_names
from rdma_dp.specs.directory import FileState, OwnFiles, file_state
from rdma_dp.specs.file_errors import FileError

logger = logging.getLogger(__name__)

_LARGEST = 1024 * 1024  # bytes of a file that are read

_WITHOUT = "containers that the Go plugin started with CDI may fail to restart"


class GoPluginFile:
    """Keeps our spec of the Go plugin's CDI names, in the directory of the CDI specs."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files = OwnFiles(directory)
        self._others: Mapping[str, FileState] = {}
        self._failure = Notice(logger.warning)
        self._foreign = Notice(logger.warning)

    def write(self, inventory: Inventory | None, *, make: bool) -> bool:
        """Writes the file for the HCAs of a node, if there are any; None stands for no file.

        Without `make`, a file that exists is updated, and none is created. Returns whether a file
        may be there. A failure is logged: no new container needs the file. Raises ExhaustedError.
        """
        self._others = self._others_now()
        nodes = {} if inventory is None else go_plugin_names.nodes_by_address(inventory)
        others = {name: self._content(name) for name in self._others} if nodes else {}
        self._report(sorted(name for name, text in others.items() if go_plugin_names.defines(text)))
        text = go_plugin_names.text(nodes, others.values())
        wanted = {} if text is None else {go_plugin_names.FILE_NAME: text}
        if_there = () if make else wanted.keys()
        with suppress(FileError):  # of the directory: each resource reports it
            failures = self._files.write(wanted, go_plugin_names.is_ours, if_there=if_there)
            failure = next((f"{error}; {_WITHOUT}" for error in failures.values()), None)
            self._failure.set(failure)
        return bool(wanted)

    def _report(self, foreign: Sequence[str]) -> None:
        """Logs, once, that files of the Go plugin are there: nothing keeps them current."""
        self._foreign.set(
            f"{', '.join(foreign)} in {self._directory} define CDI names of the Go plugin, and stay"
            " as they are; remove them if the Go plugin does not run any more"
            if foreign
            else None
        )

    def intact(self) -> bool:
        """Whether our file and the Go plugin's own are as they were after the last `write`."""
        return self._files.intact() and self._others == self._others_now()

    def _others_now(self) -> Mapping[str, FileState]:
        """The Go plugin's own files, by name."""
        found = {}
        try:
            with os.scandir(self._directory) as entries:
                for entry in entries:
                    if go_plugin_names.may_be_the_go_plugins(entry.name):
                        with suppress(FileNotFoundError):
                            found[entry.name] = file_state(entry.stat())
        except OSError as error:
            raise_if_exhausted(error, f"read {self._directory}")
        return found

    def _content(self, name: str) -> bytes:
        """What a file holds; nothing if it cannot be read."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(self._directory / name, flags), "rb") as file:
                return file.read(_LARGEST)
        except OSError as error:
            raise_if_exhausted(error, f"read {self._directory / name}")
            return b""

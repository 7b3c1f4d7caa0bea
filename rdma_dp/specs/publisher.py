"""The files beside kubelet's lists: CDI specs for the runtime, device-info files for Multus.

They stay when the daemon stops, because containers restart while it is away.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from rdma_dp.config import CdiMode, Resource
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.log import Notice
from rdma_dp.sharing.pool import Pool
from rdma_dp.specs import cdi, device_info, go_plugin_names
from rdma_dp.specs.directory import IsOurs, OwnFiles
from rdma_dp.specs.file_errors import FileError, UnreadError
from rdma_dp.specs.go_plugin_file import GoPluginFile

logger = logging.getLogger(__name__)

Texts = Callable[[Pool], Mapping[str, str]]  # by file name


class SpecFiles:
    """Keeps the files what the pools want.

    Call `follow` before kubelet learns of the pools and `tidy` afterwards: the container runtime
    must know every CDI name that a container may get.
    """

    def __init__(self, cdi_directory: Path, device_info_directory: Path) -> None:
        # With CDI off, no spec is made. One that exists is kept current: containers have its names.
        self._cdi = _Files(cdi_directory, _spec, _is_our_spec, _with_cdi)
        self._device_info = _Files(
            device_info_directory,
            device_info.documents,
            self._is_our_device_info,
            lambda pool: pool.resource.device_info,
        )
        self._go_plugin = GoPluginFile(cdi_directory)
        self._go_plugin_wanted = False
        # Every resource since the process began: only files of these can be recognized as ours.
        self._resources: dict[str, Resource] = {}
        self._followed: frozenset[str] = frozenset()

    def follow(
        self, pools: Sequence[Pool], go_plugin_names_for: Inventory | None = None
    ) -> Mapping[str, str]:
        """Writes the files that these pools want.

        The HCAs of the inventory also get the Go plugin's CDI names; None means no file for them.
        Returns, by the full name of a resource, why its files could not be written. Raises
        ExhaustedError.
        """
        self._followed = frozenset(pool.resource.full_name for pool in pools)
        self._resources |= {pool.resource.full_name: pool.resource for pool in pools}
        found: dict[str, list[str]] = {}
        for files in (self._cdi, self._device_info):
            for name, failure in files.write(pools).items():
                found.setdefault(name, []).append(failure)
        self._go_plugin_wanted = self._go_plugin.write(
            go_plugin_names_for, make=any(map(_with_cdi, pools))
        )
        return MappingProxyType({name: "; ".join(reasons) for name, reasons in found.items()})

    def tidy(self, served: Collection[str] = ()) -> None:
        """Removes our files that none of these pools wants.

        `served` are full names. Files of resources that have left the config stay for as long as
        they are served: kubelet may still ask for them. Then their specs go, because nothing would
        keep them current. Files of resources that this process never had may be another plugin's,
        and stay. Raises ExhaustedError.
        """
        leaving = [self._resources[name] for name in served if name not in self._followed]
        specs = {cdi.file_name(resource.full_name) for resource in leaving}
        if self._go_plugin_wanted:
            specs.add(go_plugin_names.FILE_NAME)
        self._cdi.clear(specs.__contains__)
        self._device_info.clear(
            lambda name: any(device_info.is_ours(name, resource) for resource in leaving)
        )

    def intact(self) -> bool:
        """Whether our files are as we wrote them."""
        every = (self._cdi, self._device_info, self._go_plugin)
        return all(files.intact() for files in every)

    def _is_our_device_info(self, file_name: str, _read: Callable[[], bytes]) -> bool:
        return any(device_info.is_ours(file_name, each) for each in self._resources.values())


def _with_cdi(pool: Pool) -> bool:
    return pool.cdi is not CdiMode.OFF


def _spec(pool: Pool) -> Mapping[str, str]:
    document = cdi.spec(pool)
    return {} if document is None else {cdi.file_name(pool.resource.full_name): cdi.text(document)}


def _is_our_spec(file_name: str, read: Callable[[], bytes]) -> bool:
    if cdi.is_our_name(file_name):
        return cdi.is_ours(file_name, read())
    return go_plugin_names.is_ours(file_name, read)


class _Files:
    """The files of one kind, in one directory."""

    def __init__(
        self, directory: Path, texts: Texts, is_ours: IsOurs, makes: Callable[[Pool], bool]
    ) -> None:
        self._files = OwnFiles(directory)
        self._texts = texts
        self._is_ours = is_ours
        self._makes = makes
        self._wanted: Mapping[str, str] = {}
        self._ever: set[str] = set()  # written once: they come back with their HCA
        self._left_over = Notice(logger.warning)
        self._unread = Notice(logger.warning)

    def write(self, pools: Sequence[Pool]) -> Mapping[str, str]:
        """Returns, by the full name of a resource, why not all of its files are current."""
        made = {p.resource.full_name: self._texts(p) for p in pools if self._makes(p)}
        kept = [self._texts(pool) for pool in pools if not self._makes(pool)]
        if_there = {name for texts in kept for name in texts} - self._ever
        self._wanted = {n: text for texts in (*made.values(), *kept) for n, text in texts.items()}
        try:
            failures = self._files.write(self._wanted, self._is_ours, if_there=if_there)
            self._ever |= set(self._files.names)
            self._unread.set(None)
        except FileError as error:
            if isinstance(error, UnreadError) and self._files.has_written(self._wanted):
                self._unread.set(f"{error}; its files are taken as unchanged")
                return {}
            return {resource: str(error) for resource, texts in made.items() if texts}
        found = {
            resource: [str(failures[name]) for name in texts if name in failures]
            for resource, texts in made.items()
        }
        return {resource: reasons[0] for resource, reasons in found.items() if reasons}

    def clear(self, stays: Callable[[str], bool]) -> None:
        """Removes what is not wanted and does not stay. What cannot be removed is logged once."""

        def is_left_over(name: str, read: Callable[[], bytes]) -> bool:
            return not stays(name) and self._is_ours(name, read)

        try:
            failure = _in_one_line(self._files.clear(self._wanted, is_left_over))
        except FileError:
            return  # `write` has reported it for each resource that wants files there
        self._left_over.set(failure)

    def intact(self) -> bool:
        """Whether the files are as they were written."""
        return self._files.intact()


def _in_one_line(failures: Mapping[str, FileError]) -> str | None:
    if not failures:
        return None
    first, *others = failures.values()
    more = f" (and {len(others)} more)" if others else ""
    return f"{first}{more}; its content is outdated"

"""The files beside kubelet's lists: CDI specs for the runtime, device-info files for Multus.

They stay when the daemon stops: containers restart while it is away.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from rdma_dp.config import CdiMode, Resource
from rdma_dp.sharing.pool import Pool
from rdma_dp.specs import cdi, device_info
from rdma_dp.specs.directory import FileError, IsOurs, OwnFiles

logger = logging.getLogger(__name__)

Texts = Callable[[Pool], Mapping[str, str]]  # by file name


class SpecFiles:
    """Follows the pools of the config that is in force.

    `follow` belongs before kubelet hears of the pools and `tidy` behind it: what a container may be
    told must be known to its runtime.
    """

    def __init__(self, cdi_directory: Path, device_info_directory: Path) -> None:
        # With CDI off no spec is made, but one that is there is kept right: containers have names.
        self._cdi = _Files(
            cdi_directory, _spec, _is_our_spec, lambda pool: pool.cdi is not CdiMode.OFF
        )
        self._device_info = _Files(
            device_info_directory,
            device_info.documents,
            self._is_our_device_info,
            lambda pool: pool.resource.device_info,
        )
        # Every resource since the process began: theirs are the files that we can tell for ours.
        self._resources: dict[str, Resource] = {}
        self._followed: frozenset[str] = frozenset()

    def follow(self, pools: Sequence[Pool]) -> Mapping[str, str]:
        """Makes the files that these pools want.

        Returns why those of a resource could not be made, by its full name.
        """
        self._followed = frozenset(pool.resource.full_name for pool in pools)
        self._resources |= {pool.resource.full_name: pool.resource for pool in pools}
        found: dict[str, list[str]] = {}
        for files in (self._cdi, self._device_info):
            for name, trouble in files.write(pools).items():
                found.setdefault(name, []).append(trouble)
        return MappingProxyType({name: "; ".join(reasons) for name, reasons in found.items()})

    def tidy(self, served: Collection[str] = ()) -> None:
        """Removes our files that none of these pools wants.

        `served` are full names. Files of resources that have left the config stay for as long as
        they are served: kubelet may still ask for them. Then their specs go, because nothing would
        keep them current. Files of resources that this process never had may be another plugin's,
        and stay.
        """
        leaving = [self._resources[name] for name in served if name not in self._followed]
        specs = {cdi.file_name(resource.full_name) for resource in leaving}
        self._cdi.clear(specs.__contains__)
        self._device_info.clear(
            lambda name: any(device_info.is_ours(name, resource) for resource in leaving)
        )

    def intact(self) -> bool:
        """Whether nobody has touched our files since."""
        return self._cdi.intact() and self._device_info.intact()

    def _is_our_device_info(self, file_name: str, _read: Callable[[], bytes]) -> bool:
        return any(device_info.is_ours(file_name, each) for each in self._resources.values())


def _spec(pool: Pool) -> Mapping[str, str]:
    document = cdi.spec(pool)
    return {} if document is None else {cdi.file_name(pool.resource.full_name): cdi.text(document)}


def _is_our_spec(file_name: str, read: Callable[[], bytes]) -> bool:
    return cdi.is_our_name(file_name) and cdi.is_ours(file_name, read())


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
        self._ever: set[str] = set()  # what was there once comes back with its HCA
        self._said: str | None = None

    def write(self, pools: Sequence[Pool]) -> Mapping[str, str]:
        """Returns why not all files of a resource that makes them are right, by its full name."""
        made = {p.resource.full_name: self._texts(p) for p in pools if self._makes(p)}
        kept = [self._texts(pool) for pool in pools if not self._makes(pool)]
        if_there = {name for texts in kept for name in texts} - self._ever
        self._wanted = {n: text for texts in (*made.values(), *kept) for n, text in texts.items()}
        try:
            failures = self._files.write(self._wanted, self._is_ours, if_there=if_there)
            self._ever |= set(self._files.names)
        except FileError as error:
            return {resource: str(error) for resource, texts in made.items() if texts}
        troubles = {
            resource: [str(failures[name]) for name in texts if name in failures]
            for resource, texts in made.items()
        }
        return {resource: found[0] for resource, found in troubles.items() if found}

    def clear(self, stays: Callable[[str], bool]) -> None:
        """Removes what is not wanted and does not stay. What cannot be removed is logged once."""

        def is_left_over(name: str, read: Callable[[], bytes]) -> bool:
            return not stays(name) and self._is_ours(name, read)

        try:
            told = _told(self._files.clear(self._wanted, is_left_over))
        except FileError:
            return  # whoever wants files there has been told by `write`
        if told is not None and told != self._said:
            logger.warning("%s", told)
        self._said = told

    def intact(self) -> bool:
        """Whether nobody has touched the files since they were written."""
        return self._files.intact()


def _told(failures: Mapping[str, FileError]) -> str | None:
    if not failures:
        return None
    first, *others = failures.values()
    more = f" (and {len(others)} more)" if others else ""
    return f"{first}{more}; what it says is outdated"

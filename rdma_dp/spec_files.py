"""The files beside kubelet's lists: CDI specs for the runtime, device-info files for Multus.

They stay when the daemon stops: containers restart while it is away.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from rdma_dp import cdi, device_info
from rdma_dp.config import CdiMode, Resource
from rdma_dp.own_files import FileError, IsOurs, OwnFiles
from rdma_dp.pool import Pool

logger = logging.getLogger(__name__)

Owns = Callable[[str, Resource], bool]


class SpecFiles:
    """Follows the pools of the config that is in force."""

    def __init__(self, cdi_directory: Path, device_info_directory: Path) -> None:
        self._cdi = OwnFiles(cdi_directory)
        self._device_info = OwnFiles(device_info_directory)
        # Every resource with slots per HCA since the process began: their files we can tell.
        self._per_hca: dict[str, Resource] = {}

    def follow(self, pools: Sequence[Pool]) -> Mapping[str, str]:
        """Makes the files what these pools want, and removes those that none of them wants.

        Returns why the files of a resource could not be written, by its full name.
        """
        troubles = [self._follow_cdi(pools), self._follow_device_info(pools)]
        found: dict[str, list[str]] = {}
        for name, trouble in (item for each in troubles for item in each.items()):
            found.setdefault(name, []).append(trouble)
        return MappingProxyType({name: "; ".join(reasons) for name, reasons in found.items()})

    def _follow_cdi(self, pools: Sequence[Pool]) -> Mapping[str, str]:
        """Specs of resources that left the config go: nobody would keep them from getting stale.

        With CDI off, the directory is not even looked at.
        """
        concerned = [pool for pool in pools if pool.cdi is not CdiMode.OFF]
        return _keep(self._cdi, concerned, _spec, _is_our_spec, _names_spec) if concerned else {}

    def _follow_device_info(self, pools: Sequence[Pool]) -> Mapping[str, str]:
        """Files of resources of which we do not know can be another plugin's, and stay."""
        self._per_hca |= {
            pool.resource.full_name: pool.resource for pool in pools if pool.resource.per_hca
        }
        if not self._per_hca:
            return {}

        def is_ours(file_name: str, _read: Callable[[], bytes]) -> bool:
            return any(device_info.is_ours(file_name, each) for each in self._per_hca.values())

        concerned = [pool for pool in pools if pool.resource.device_info]
        return _keep(
            self._device_info, concerned, device_info.documents, is_ours, device_info.is_ours
        )


def _spec(pool: Pool) -> Mapping[str, str]:
    document = cdi.spec(pool)
    return {} if document is None else {cdi.file_name(pool.resource): cdi.text(document)}


def _is_our_spec(file_name: str, read: Callable[[], bytes]) -> bool:
    return cdi.is_our_name(file_name) and cdi.is_ours(file_name, read())


def _names_spec(file_name: str, resource: Resource) -> bool:
    return file_name == cdi.file_name(resource)


def _keep(
    files: OwnFiles,
    pools: Sequence[Pool],
    documents: Callable[[Pool], Mapping[str, str]],
    is_ours: IsOurs,
    owns: Owns,
) -> Mapping[str, str]:
    """Brings a directory to what these pools want. Returns why not, by the resources' names."""
    wanted = {name: text for pool in pools for name, text in documents(pool).items()}
    try:
        failures = files.keep(wanted, is_ours)
    except FileError as error:
        return {pool.resource.full_name: str(error) for pool in pools}
    troubles: dict[str, str] = {}
    for file_name, failure in failures.items():
        owners = [pool.resource for pool in pools if owns(file_name, pool.resource)]
        for resource in owners:
            troubles.setdefault(resource.full_name, str(failure))
        if not owners:
            logger.warning("a file of a resource that is gone stays: %s", failure)
    return troubles

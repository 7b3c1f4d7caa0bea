"""Asks the API server what only it knows: the DeviceClasses. Only with the token of our pod."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from rdma_dp.errors import FAILED_READ, reason_of

_TIMEOUT = 5.0  # seconds; a person waits


@dataclass(frozen=True, slots=True)
class ClusterClasses:
    """The names of all DeviceClasses, and the full names of the resources that they give.

    `failure` is why they were not read, None if they were.
    """

    names: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    failure: str | None = None


def ask_classes(environment: Mapping[str, str]) -> ClusterClasses:
    """The classes of the cluster. `environment` is that of the process: it names the server."""
    try:
        return asyncio.run(_asked(environment))
    except FAILED_READ as error:
        return ClusterClasses(failure=reason_of(error))


async def _asked(environment: Mapping[str, str]) -> ClusterClasses:
    """Raises RdmaDpError and OSError."""
    from rdma_dp.api_server.credentials import credentials_of  # noqa: PLC0415

    credentials_of(environment).token()  # elsewhere than in the pod, nothing more is imported
    from rdma_dp.api_server.api_client import ApiClient  # noqa: PLC0415
    from rdma_dp.api_server.dra_api import DraApi  # noqa: PLC0415

    async with ApiClient(partial(credentials_of, environment), timeout=_TIMEOUT) as client:
        found = await DraApi(client, "", "").device_classes()
    given = ((each.get("spec") or {}).get("extendedResourceName") for each in found)
    return ClusterClasses(
        frozenset(str((each.get("metadata") or {}).get("name")) for each in found),
        frozenset(str(each) for each in given if each),
    )

"""What an allocated ResourceClaim gives its containers on this node. Pure.

Of several CDI devices that set one variable, the last one wins. So each variable has one value in a
whole claim: it lists the HCAs of all requests. A variable of the request's own lists its HCAs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from rdma_dp.config import EnvForm
from rdma_dp.dra.claim_shape import allocation_of, misshapen
from rdma_dp.dra.devices import DraDevice
from rdma_dp.dra.parameters import Parameters, read_parameters
from rdma_dp.errors import RdmaDpError
from rdma_dp.formats.names import hcas_variable
from rdma_dp.inventory.hardware import Hca, natural_key
from rdma_dp.sharing.allocation import Grant

_SHOWN = 4  # problems in one event of a pod
_ANEW = "delete the pod, and its claim if you made it yourself, so that both are scheduled anew"


class ClaimError(RdmaDpError):
    """A claim that cannot be prepared. The pod's owner reads the text in the events of the pod."""


@dataclass(frozen=True, slots=True)
class ClaimDevice:
    """A device that a request of a claim got.

    `request` is the name without a subrequest. `share_id` is set for a device that other claims
    share. `admin` is whether it was given for administration, beside all other claims.
    """

    request: str
    pool: str
    device: str
    share_id: str | None
    admin: bool
    hcas: tuple[str, ...]
    grant: Grant


@dataclass(frozen=True, slots=True)
class PreparedClaim:
    """What a claim gives: devices in the order of the allocation, and environment variables.

    `env` are the variables that every container with the claim gets. `request_env` are further ones
    by request.
    """

    uid: str
    namespace: str
    name: str
    devices: tuple[ClaimDevice, ...]
    env: Mapping[str, str]
    request_env: Mapping[str, Mapping[str, str]]

    def env_of(self, request: str) -> Mapping[str, str]:
        """All variables of a container with this request."""
        return {**self.request_env.get(request, {}), **self.env}


@dataclass(frozen=True, slots=True)
class Holding:
    """A device that a claim was given before."""

    claim_uid: str
    claim: str  # "namespace/name"
    pool: str
    device: str
    admin: bool = False


def prepared(
    claim: Mapping[str, Any],
    devices: Iterable[DraDevice],
    driver: str,
    pool: str,
    uid: str | None = None,
) -> PreparedClaim:
    """What an allocated claim gives on this node, whose pool is `pool`.

    `claim` is the object of the API server. `uid` is the one that kubelet named; None: not checked.
    Results of other drivers are left out. Raises ClaimError with all problems.
    """
    if wrong := misshapen(claim):
        raise ClaimError(f"the API server sends a claim that cannot be read: {wrong}")
    metadata = claim.get("metadata") or {}
    name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
    if uid is not None and metadata.get("uid") != uid:
        raise _error(name, [f"another claim of this name has replaced the one of the pod; {_ANEW}"])
    allocated = allocation_of(claim).get("devices")
    if not allocated:
        raise _error(name, ["not allocated; kubelet tries again when the scheduler has done it"])
    known = {device.name: device for device in devices}
    results = [each for each in allocated.get("results") or () if each.get("driver") == driver]
    parameters, problems = read_parameters(allocated, driver)
    problems = (*(text for each in results for text in _lost(each, known, pool)), *problems)
    if problems:
        raise _error(name, problems)
    given = tuple(_given(each, known[each["device"]], parameters) for each in results)
    return PreparedClaim(
        uid=str(metadata.get("uid", "")),
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata.get("name", "")),
        devices=given,
        env=MappingProxyType(_claim_env(given, parameters)),
        request_env=MappingProxyType(_request_env(given)),
    )


def check_free(claim: PreparedClaim, devices: Iterable[DraDevice], held: Iterable[Holding]) -> None:
    """Raises ClaimError if another claim holds a device that only one claim may have.

    The scheduler takes care of that. This is the last check before a container gets the device.
    """
    alone = {device.name for device in devices if device.slots is None}
    holders = {
        (each.pool, each.device): each.claim
        for each in held
        if not each.admin and each.claim_uid != claim.uid
    }
    problems = [
        f"{_subject(each.request, each.device)} is held by claim {holder}; the device is given"
        " again when the pods of that claim have ended"
        for each in claim.devices
        if not each.admin
        and each.device in alone
        and (holder := holders.get((each.pool, each.device)))
    ]
    if problems:
        raise _error(f"{claim.namespace}/{claim.name}", problems)


def _error(claim: str, problems: Sequence[str]) -> ClaimError:
    left = len(problems) - _SHOWN
    more = f"; and {left} more" if left > 0 else ""
    return ClaimError(f"claim {claim}: {'; '.join(problems[:_SHOWN])}{more}")


def _subject(request: str, device: str) -> str:
    return f"request {request}: device {device}"


def _lost(result: Mapping[str, Any], known: Mapping[str, DraDevice], pool: str) -> Iterator[str]:
    subject = _subject(str(result.get("request")), str(result.get("device")))
    if result.get("pool") != pool:
        yield f"{subject} is in pool {result.get('pool')}, not on this node, {pool}; {_ANEW}"
    elif result.get("device") not in known:
        yield (
            f"{subject} is gone: its HCA, or its resource in the config; {_ANEW}; the node's"
            " administrator sees the devices with `rdma-dp slices`"
        )


def _given(
    result: Mapping[str, Any], device: DraDevice, parameters: Sequence[Parameters]
) -> ClaimDevice:
    request = str(result.get("request", ""))
    env = dict(device.grant.env)
    for each in parameters:
        if each.concern(request):
            env |= each.env
    return ClaimDevice(
        request=request.partition("/")[0],
        pool=str(result["pool"]),
        device=device.name,
        share_id=result.get("shareID") or None,
        admin=result.get("adminAccess") is True,
        hcas=device.hcas,
        grant=replace(device.grant, env=MappingProxyType(env)),
    )


def _claim_env(given: Sequence[ClaimDevice], parameters: Sequence[Parameters]) -> dict[str, str]:
    """Each resource's variable with its HCAs, and each variable of `env` with those that set it.

    If two resources of the claim give one variable different forms, the first one's counts, and
    what parameters say counts over both.
    """
    forms: dict[str, EnvForm] = {}
    for each in reversed(given):
        forms |= each.grant.env
    for written in parameters:
        forms |= {name: form for name, form in written.env.items() if name in forms}
    found: dict[str, str] = {}
    for name in dict.fromkeys(each.grant.name for each in given):
        found |= _merged([each.grant for each in given if each.grant.name == name], {}).envs
    for variable, form in forms.items():
        grants = [each.grant for each in given if variable in each.grant.env]
        envs = _merged(grants, {variable: form}).envs
        found |= {variable: envs[variable]} if variable in envs else {}
    return found


def _request_env(given: Iterable[ClaimDevice]) -> dict[str, Mapping[str, str]]:
    """For each request the variable that lists its HCAs."""
    grants: dict[str, list[Grant]] = {}
    for each in given:
        grants.setdefault(each.request, []).append(each.grant)
    return {
        request: {hcas_variable(request): _merged(own, {}).envs[hcas_variable(own[0].name)]}
        for request, own in grants.items()
    }


def _merged(grants: Sequence[Grant], env: Mapping[str, EnvForm]) -> Grant:
    """One grant with the HCAs of several, each once, in the order of their names."""
    hcas: dict[Hca, None] = {hca: None for grant in grants for hca in grant.hcas}
    in_order = tuple(sorted(hcas, key=lambda hca: natural_key(hca.name)))
    in_part = frozenset[str]().union(*(grant.in_part for grant in grants))
    return replace(grants[0], hcas=in_order, env=env, in_part=in_part)

"""What an allocated claim gives, as devices for the runtime: names, nodes, variables. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from rdma_dp.dra.claims import ClaimDevice, ClaimError, PreparedClaim
from rdma_dp.kubelet.dra.claim_record import HeldDevice
from rdma_dp.sharing.allocation import Grant
from rdma_dp.specs.claim_spec import SpecDevice, device_name


def held_devices(claim: PreparedClaim) -> tuple[HeldDevice, ...]:
    """The devices of a claim in the order of its allocation. Raises ClaimError."""
    names = _names(claim.uid, claim.devices)
    return tuple(_held(claim, *each) for each in zip(claim.devices, names, strict=True))


def _held(claim: PreparedClaim, device: ClaimDevice, name: str) -> HeldDevice:
    nodes = _nodes(device.grant)
    if not any(nodes.values()):
        raise ClaimError(
            f"claim {claim.namespace}/{claim.name}: request {device.request}: the HCA"
            f" {', '.join(device.hcas)} has no device nodes",
            "the node's administrator sees more with `rdma-dp doctor`",
        )
    return HeldDevice(
        request=device.request,
        pool=device.pool,
        device=device.device,
        share_id=device.share_id,
        admin=device.admin,
        hcas=device.hcas,
        nodes=nodes,
        cdi=SpecDevice(name, device.grant.devices, claim.env_of(device.request)),
    )


def _nodes(grant: Grant) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for hca in grant.hcas:
        found.setdefault(hca.stable_key, set()).update(d.path for d in grant.devices_of(hca))
    return MappingProxyType({key: tuple(sorted(paths)) for key, paths in found.items()})


def _names(uid: str, devices: Iterable[ClaimDevice]) -> Iterator[str]:
    """A CDI name for each device, which names its HCA. Those of one claim all differ.

    kubelet shows them in the status of the pod, and shows devices with equal names as one.
    """
    seen: dict[str, int] = {}
    for device in devices:
        what = device.hcas[0] if len(device.hcas) == 1 else device.device
        name = device_name(uid, device.request, what)
        seen[name] = number = seen.get(name, 0) + 1
        yield name if number == 1 else f"{name}:{number}"

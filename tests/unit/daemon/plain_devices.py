"""A device of DRA without hardware, for tests of what is published."""

from types import MappingProxyType

from rdma_dp.dra.devices import DeviceKind, DraDevice
from rdma_dp.sharing.allocation import Grant


def plain_device(
    name: str, resource: str, hca: str = "mlx5_0", *, slots: int | None = 4, down: bool = False
) -> DraDevice:
    """A device that is the HCA `hca`."""
    return DraDevice(
        name=name,
        resource=resource,
        kind=DeviceKind.HCA,
        hcas=(hca,),
        attributes=MappingProxyType({"rdmaDevice": hca}),
        slots=slots,
        down=down,
        healthy=not down,
        message="",
        grant=Grant("rdma/a", "a", {}, (), None),
    )

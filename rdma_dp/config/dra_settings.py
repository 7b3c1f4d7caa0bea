"""What a config says about Dynamic Resource Allocation (DRA)."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from rdma_dp.config.node_config import DEFAULT_DRIVER, DraSettings, DraSlots, LinkDown
from rdma_dp.config.types import (
    ConfigModel,
    Flag,
    Text,
    described_pattern,
    enum,
    one_of,
    values_of,
)
from rdma_dp.config.values import kubernetes, pci_addresses

DriverName = Annotated[
    Text,
    AfterValidator(kubernetes.validated_driver),
    described_pattern(kubernetes.PREFIX_PATTERN, kubernetes.LONGEST_DRIVER),
]
PciAddress = Annotated[
    Text,
    AfterValidator(pci_addresses.validated_one),
    described_pattern(pci_addresses.ONE_PATTERN),
]
PcieRoot = Annotated[
    Text,
    AfterValidator(pci_addresses.validated_root),
    described_pattern(pci_addresses.ROOT_PATTERN),
]


class DraSettingsDocument(ConfigModel):
    """How resources with `"via": "dra"` are offered. Without such a resource it has no effect."""

    driver_name: DriverName = Field(
        default=DEFAULT_DRIVER,
        description="The name of the DRA driver, a DNS name. Device classes, claims and CEL "
        "expressions contain it, so do not change it later. Change it only if two installations "
        "must share a cluster.",
        examples=[DEFAULT_DRIVER],
    )
    link_down: Annotated[LinkDown, one_of(LinkDown), enum(LinkDown)] = Field(
        default=LinkDown.NO_SCHEDULE,
        description="The taint of a device whose HCAs have had no ACTIVE port for downSeconds. "
        "NoSchedule: new pods get another device, and running pods keep theirs. none: no taint.",
        examples=["NoSchedule"],
    )
    pcie_roots: Mapping[PciAddress, PcieRoot] = Field(
        default={},
        description="The PCIe root that is published for an HCA, by the PCI address of the HCA, "
        "where the PCIe tree does not show which GPU is near: on GB300 and in virtual machines. "
        "Write the root of that GPU, as `rdma-dp topo` shows it.",
        examples=[{"0002:03:00.0": "pci0009:00"}],
        json_schema_extra={"additionalProperties": False},
    )
    claim_status: Flag = Field(
        default=False,
        description="Whether to write the facts of each HCA into status.devices of its claims. "
        "This is one more request to the API server for each pod.",
        examples=[True],
    )
    slots: Annotated[DraSlots, one_of(DraSlots), enum(DraSlots)] = Field(
        default=DraSlots.SHARED,
        description="How slots become devices. shared: one device that up to rdmaHcaMax claims "
        "share. It needs the feature gate DRAConsumableCapacity, which is on since Kubernetes "
        "1.36. each: one device for each slot, also for clusters without the gate, and for pods "
        "that request more than one of the resource.",
        examples=["each"],
    )

    @property
    def value(self) -> DraSettings:
        """The settings as values."""
        return DraSettings(**values_of(self))

"""Verdicts on hardware: a code for programs and a text for people.

Code compares codes only. Texts are for logs, tables and the status of pods; their wording may
change. The codes are part of the JSON outputs and stay as they are (docs/codes.md lists them).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """A stable name in kebab case, with its meaning for docs/codes.md."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """A member: its value, and what it means."""
        code = str.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code


class IneligibleCode(Code):
    """Why an HCA cannot be shared."""

    UNREADABLE = "unreadable", "a file in /sys of the HCA cannot be read"
    NAME = "name", "the HCA's name has a character that lists of HCAs cannot hold"
    SMI = "smi", "the HCA only serves another HCA for subnet management (SMI)"
    NO_VERBS = "no-verbs", "the kernel offers no verbs on this device"
    UVERBS_NOT_LOADED = "uverbs-not-loaded", "the module ib_uverbs is not loaded"
    NO_UVERBS_CLASS = (
        "no-uverbs-class",
        "there is neither /sys/class/infiniband_verbs nor /sys/module",
    )
    NVLINK_SWITCH_MANAGEMENT = "nvlink-switch-management", "management function of an NVLink switch"
    SWITCHDEV = "switchdev", "the function is in switchdev mode: raw Ethernet only, no GIDs"
    UVERBS_NODE = "uverbs-node", "the node in /dev/infiniband is missing or is another device"
    STALE_MOUNT = "stale-mount", "the mount of /dev/infiniband is a directory that was deleted"
    NETNS_EXCLUSIVE = "netns-exclusive", "RDMA network namespaces are in exclusive mode"


class SuspicionCode(Code):
    """What may be wrong with an HCA that is shared all the same."""

    MAYBE_NVLINK_SWITCH_MANAGEMENT = (
        "maybe-nvlink-switch-management",
        "it may be a management function of an NVLink switch: its VPD cannot be read",
    )


class NoInterfaceCode(Code):
    """Why an HCA has no network interface that selectors could compare."""

    OTHER_NETNS = "interface-in-other-netns", "the interface is in another network namespace"
    NOT_HOST_NETNS = (
        "not-in-host-netns",
        "no interface of the node is in this network namespace: no hostNetwork",
    )
    MODULE = "interface-module-not-loaded", "the module that makes the interface is not loaded"


class UnusedCode(Code):
    """Why a network function has no HCA."""

    UNREADABLE = "unreadable", "a file in /sys of the function cannot be read"
    JOINED = "joined", "its port belongs to the HCA of another function, as in a RoCE bond"
    MULTIPORT = "multiport", "its port belongs to the HCA of another function: multi-port RoCE"
    NO_DRIVER = "no-driver", "no driver is bound to the function"
    PASSED_THROUGH = "passed-through", "bound to a driver for virtual machines or user space"
    HCA_WITHOUT_FUNCTION = "hca-without-function", "its HCA exists, but names no PCI function"
    DRIVER_WITHOUT_RDMA = "driver-without-rdma", "its driver is not known to support RDMA"
    FUNCTION_WITHOUT_RDMA = (
        "function-without-rdma",
        "its driver supports RDMA, but does not offer it on this function",
    )
    MODULE_NOT_LOADED = "module-not-loaded", "the RDMA module of its driver is not loaded"
    MODULES_UNKNOWN = "modules-unknown", "there is no /sys/module that shows the loaded modules"
    OTHER_NETNS = "other-netns", "the HCA may be in another network namespace (exclusive mode)"
    MADE_NO_HCA = "made-no-hca", "driver and module are loaded, but made no HCA"


class UnhealthyCode(Code):
    """Why slots are unhealthy, or will be soon."""

    NO_ACTIVE_PORT = "no-active-port", "no HCA of the slots has an ACTIVE port"
    SPEC_FILES = "spec-files", "a CDI spec or a device-info file cannot be written"
    HANDED_OVER = "handed-over", "this rdma-dp ends, and no other one serves the resource"


class MismatchCode(Code):
    """Why a resource does not take an HCA that can be shared."""

    SELECTOR = "selector", "a selector of the resource does not match"
    EXCLUDED = "excluded", "a selector below `exclude` matches"


class AdviceCode(Code):
    """What may be wrong with the selectors of a resource."""

    OTHER_SELECTOR = (
        "other-selector",
        "a value of a selector matches nothing on the node, but it is right for another selector",
    )
    MIXED_LINK_TYPES = (
        "mixed-link-types",
        "the resource has HCAs of InfiniBand, RoCE, iWARP or Omni-Path",
    )
    MIXED_FUNCTION_TYPES = (
        "mixed-function-types",
        "the resource has HCAs in hardware and HCAs in software",
    )
    MIXED_DRIVERS = "mixed-drivers", "the resource has HCAs of several drivers"
    MIXED_SPEEDS = "mixed-speeds", "the resource has kinds of HCAs with very different speeds"


@dataclass(frozen=True, slots=True)
class Ineligible:
    """Why an HCA cannot be shared."""

    code: IneligibleCode
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What may be wrong with an HCA that is shared all the same."""

    code: SuspicionCode
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class NoInterface:
    """Why an HCA has no network interface here; `remedy` is a command that changes that."""

    code: NoInterfaceCode
    text: str
    remedy: str | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether there is an interface, but in another network namespace."""
        return self.code is not NoInterfaceCode.MODULE

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Unused:
    """Why a network function has no HCA; `remedy` is a command that changes that."""

    code: UnusedCode
    text: str
    remedy: str | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Unhealthy:
    """Why slots are unhealthy, or will be soon."""

    code: UnhealthyCode
    text: str

    def __str__(self) -> str:
        return self.text

"""HCAs without a VPD that may be management functions of NVLink switches: the board shows it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rdma_dp.discovery.eligibility import may_manage_switch, read_vpd
from rdma_dp.discovery.pci_functions import parsed_hex_id
from rdma_dp.discovery.sources import Sources
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import PCI_DEVICES
from rdma_dp.inventory.hardware import Hca, PciFunction
from rdma_dp.inventory.pci_ids import MELLANOX, NVIDIA
from rdma_dp.inventory.verdicts import IneligibleCode, Suspicion, SuspicionCode

FUNCTIONS_OF_A_BOARD = 4  # Fabric Manager User Guide, fourth-generation NVSwitches
_CONNECTX7 = "1021"
_SUBSYSTEM = (MELLANOX, "0087")  # of the ConnectX-7 on such boards

# GPUs of boards that have them: B100, B200, B300 (pci.ids). Older generations have lower ids, and
# their NVLink switches are PCI devices of their own.
_GPUS = {"2901": "B200", "29bc": "B100", "3182": "B300"}


def with_suspicions(sources: Sources, hcas: tuple[Hca, ...]) -> tuple[Hca, ...]:
    """The HCAs, with a suspicion for each that may be such a function.

    Those are the ones with the subsystem id 15b3:0087, else the four functions of one card, else
    all without a VPD. GPUs are not read if each HCA has a VPD.
    """
    host = sources.host
    candidates = tuple(unread_candidates(host, [hca for hca in hcas if hca.suspicion is None]))
    if not candidates or sum(map(_is_known, hcas)) >= FUNCTIONS_OF_A_BOARD:
        return hcas
    gpu = _gpu_of_board(sources)
    if gpu is None:
        return hcas
    suspicion = Suspicion(
        SuspicionCode.MAYBE_NVLINK_SWITCH_MANAGEMENT,
        "it may be a management function of an NVLink switch, which a board with"
        f" {gpu} GPUs has: there is no VPD that shows it",
    )
    names = {hca.name for hca, _ in _likely(host, candidates)}
    return tuple(replace(hca, suspicion=suspicion) if hca.name in names else hca for hca in hcas)


def unread_candidates(host: Host, hcas: Sequence[Hca]) -> Iterator[tuple[Hca, PciFunction]]:
    """The HCAs without a VPD that would show what they are, each with its function."""
    for hca, function in switch_candidates(hcas):
        try:
            if read_vpd(host, function) is None:
                yield hca, function
        except HostError:  # the HCA has a suspicion of its own
            continue


def switch_candidates(hcas: Sequence[Hca]) -> Iterator[tuple[Hca, PciFunction]]:
    """The HCAs whose VPD shows whether they are such functions, each with its function."""
    for hca in hcas:
        function = hca.function
        if function is None or function.device != _CONNECTX7 or hca.subfunction is not None:
            continue
        if may_manage_switch(function):
            yield hca, function


def is_switch_function(hca: Hca) -> bool:
    """Whether its VPD shows that it is a management function of an NVLink switch."""
    ineligible = hca.ineligible
    return ineligible is not None and ineligible.code is IneligibleCode.NVLINK_SWITCH_MANAGEMENT


def _is_known(hca: Hca) -> bool:
    return is_switch_function(hca) or hca.suspicion is not None


def _gpu_of_board(sources: Sources) -> str | None:
    """The model of the first GPU whose boards have such functions; None if there is none."""
    for address in sources.functions.displays():
        vendor, device = _ids(sources.host, address, "vendor", "device")
        if vendor == NVIDIA and device in _GPUS:
            return _GPUS[device]
    return None


def _ids(host: Host, address: str, vendor: str, device: str) -> tuple[str | None, str | None]:
    directory = f"{PCI_DEVICES}/{address}"
    read = (host.read_or_none(f"{directory}/{name}") for name in (vendor, device))
    first, second = map(parsed_hex_id, read)
    return first, second


def _likely(
    host: Host, unread: Sequence[tuple[Hca, PciFunction]]
) -> Sequence[tuple[Hca, PciFunction]]:
    by_subsystem = [each for each in unread if _subsystem(host, each[1]) == _SUBSYSTEM]
    functions = Counter(_card(function) for _, function in unread)
    one_card = [e for e in unread if functions[_card(e[1])] == FUNCTIONS_OF_A_BOARD]
    return by_subsystem or one_card or unread


def _subsystem(host: Host, function: PciFunction) -> tuple[str | None, str | None]:
    return _ids(host, function.address, "subsystem_vendor", "subsystem_device")


def _card(function: PciFunction) -> str:
    return function.address.rpartition(".")[0]

"""All checks, in the order in which a person would look."""

from collections.abc import Sequence

from rdma_dp.doctor.check import Check
from rdma_dp.doctor.checks import (
    config,
    drivers,
    fabric,
    gpudirect,
    hcas,
    kubelet,
    pods,
    ports,
    traffic,
)
from rdma_dp.errors import RdmaDpError

CATALOGUE: tuple[Check, ...] = (
    *drivers.CHECKS,
    *hcas.CHECKS,
    *ports.CHECKS,
    *config.CHECKS,
    *kubelet.CHECKS,
    *gpudirect.CHECKS,
    *fabric.CHECKS,
    *traffic.CHECKS,
    *pods.CHECKS,
)


def chosen(ids: Sequence[str]) -> tuple[Check, ...]:
    """The checks of these ids, all of them for none. Raises RdmaDpError for one that is not."""
    known = {check.id: check for check in CATALOGUE}
    strangers = [each for each in ids if each not in known]
    if strangers:
        raise RdmaDpError(
            f"no check is called {', '.join(strangers)}", "`rdma-dp doctor --list` has them all"
        )
    return tuple(known[each] for each in dict.fromkeys(ids)) or CATALOGUE

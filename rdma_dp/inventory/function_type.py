"""The type of a function. It has a module of its own, because the config needs nothing else."""

from enum import StrEnum


class FunctionType(StrEnum):
    """The type of the function that an HCA is on.

    A VF that is passed through to a virtual machine is a PF there: the guest cannot distinguish it.
    """

    PF = "pf"
    VF = "vf"
    SF = "sf"
    VIRTUAL = "virtual"

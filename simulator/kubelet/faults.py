"""Faults of the simulated kubelet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of a kubelet. By default there are none.

    `version` is the only API version that it accepts. `refuse_register` is the text with which it
    refuses every Register. With `hang_register` it never answers one. With `skip_notify` it does
    not call NotifyRegistrationStatus.
    """

    version: str = "v1beta1"
    refuse_register: str | None = None
    hang_register: bool = False
    skip_notify: bool = False

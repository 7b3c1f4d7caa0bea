"""What can be made to go wrong on kubelet's side."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Faults:
    """A kubelet that misbehaves; by default it does not.

    `version` is the only API version that it speaks. `refuse_register` is the text with which
    it answers every Register. `hang_register` never answers one. `skip_notify` leaves out
    NotifyRegistrationStatus.
    """

    version: str = "v1beta1"
    refuse_register: str | None = None
    hang_register: bool = False
    skip_notify: bool = False

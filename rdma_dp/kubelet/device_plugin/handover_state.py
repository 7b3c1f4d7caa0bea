"""Where one process stands in a hand-over. registration/handover.py explains the protocol."""

from dataclasses import dataclass
from enum import Enum, auto


class HandoverState(Enum):
    """The states of the hand-over; they are passed in this order, and some are left out."""

    SERVING = auto()  # no hand-over is under way
    RENEWING = auto()  # kubelet shall forget its client, because this process registers anew
    ASKING_PEERS = auto()  # this process ends and asks its peers for their status
    HANDING_OVER = auto()  # a successor is chosen: the next registration is refused on purpose
    HANDED_OVER = auto()  # kubelet has asked and was refused: it has no client of the resource
    WITHHOLDING = auto()  # no successor: every slot is listed as unhealthy until the end


@dataclass(frozen=True, slots=True)
class Handover:
    """The state, and the socket name of the successor once there is one.

    `refused` is whether kubelet has asked for the options while the process was RENEWING.
    """

    state: HandoverState = HandoverState.SERVING
    successor: str | None = None
    refused: bool = False

    @property
    def leaving(self) -> bool:
        """Whether this process ends: a peer must not choose it as its successor."""
        return self.state not in (HandoverState.SERVING, HandoverState.RENEWING)

    @property
    def refuses(self) -> bool:
        """Whether kubelet's question for the options is answered with an error."""
        return self.state in (
            HandoverState.RENEWING,
            HandoverState.HANDING_OVER,
            HandoverState.HANDED_OVER,
        )

    @property
    def withheld(self) -> bool:
        """Whether every slot is listed as unhealthy."""
        return self.state is HandoverState.WITHHOLDING

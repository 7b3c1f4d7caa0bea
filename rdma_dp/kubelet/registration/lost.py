"""Why a registration with kubelet was lost, or could not be made."""

from dataclasses import dataclass
from enum import Enum


class Lost(Enum):
    """The reasons, each with its usual text. Code compares members, never texts."""

    NEW_KUBELET = "kubelet.sock was made anew"
    NO_KUBELET = "no kubelet answers on its socket"
    NOT_FOUND = "kubelet did not look at the directory in time"
    NO_SOCKET = "the socket cannot be made"
    REFUSED = "kubelet refused the registration"
    NO_STREAM = "kubelet opened no ListAndWatch in time"
    STREAM_CLOSED = "kubelet closed ListAndWatch"
    SOCKET_GONE = "the socket was removed"
    PEER_GONE = "another rdma-dp for the same resource ended"
    RIVAL_GONE = "another plugin, which serves or may serve the same resource, ended"

    @property
    def code(self) -> str:
        """Its name in metrics: "stream-closed"."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Loss:
    """One loss: the reason, and its text for the log where that says more than the usual one."""

    lost: Lost
    detail: str = ""

    def __str__(self) -> str:
        return self.detail or self.lost.value

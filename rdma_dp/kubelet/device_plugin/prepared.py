"""The answers from one pool, each made once.

A pool never changes, so an answer that was made from it stays right as long as it is the newest.
"""

from collections.abc import Collection
from typing import NamedTuple

from rdma_dp.formats.slot_ids import HardwareKey
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.device_plugin import messages
from rdma_dp.sharing.allocation import allocate, keys_of
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.preference import SlotIndex

# Bytes of requests that are kept for one pool: more than 10,000 for one slot. Each takes some more
# than its content: two objects and a place in a dict. kubelet's own are small; a large one would
# take the place of all others.
_MOST_REQUESTS = 1 << 21
_PER_REQUEST = 170
_LONGEST_REQUEST = 1 << 16

# Bytes of answers that are kept for one pool. The answer with 512 HCAs has about 80,000.
_MOST = 1 << 18


class KnownAnswer(NamedTuple):
    """A serialized AllocateResponse for one container, and the number of slots that it is for."""

    content: bytes
    slots: int


class PreparedAnswers:
    """Answers to Allocate and GetPreferredAllocation from one pool.

    `allocations` may run in several threads: what they keep for one key is the same.
    """

    def __init__(self, pool: Pool, most: int = _MOST) -> None:
        """`most` is the number of bytes of answers that are kept."""
        self.pool = pool
        self._most = most
        self._index: SlotIndex | None = None
        self._kept: dict[frozenset[HardwareKey], bytes] = {}
        self._size = 0
        self._by_request: dict[bytes, KnownAnswer] = {}
        self._requests = 0

    @property
    def indexed(self) -> bool:
        """Whether a question for a preference needs no index of all slots any more."""
        return self._index is not None

    def known(self, request: bytes) -> KnownAnswer | None:
        """The answer to this serialized AllocateRequest, if it is kept."""
        return self._by_request.get(request)

    def keep(self, request: bytes, answer: bytes, slots: int) -> None:
        """Keeps the answer of `allocations` to a request for one container.

        For the event loop only: the answer must have been made there, too.
        """
        if len(request) > _LONGEST_REQUEST:
            return
        size = len(request) + _PER_REQUEST
        if self._requests + size > _MOST_REQUESTS:
            self._by_request, self._requests = {}, 0
        self._by_request[request] = KnownAnswer(answer, slots)
        self._requests += size

    def allocations(self, request: pb.AllocateRequest) -> bytes:
        """The answer to Allocate, serialized. Raises UnknownSlotError and NoHcaError."""
        # Joined messages are one message with the entries of all of them (protobuf.dev, Encoding,
        # "Last One Wins").
        return b"".join(self._container(each.devices_ids) for each in request.container_requests)

    def preferences(self, request: pb.PreferredAllocationRequest) -> pb.PreferredAllocationResponse:
        """The answer to GetPreferredAllocation."""
        if self._index is None:
            self._index = SlotIndex(self.pool)
        return messages.preferences(self.pool, request, self._index)

    def _container(self, ids: Collection[str]) -> bytes:
        """The answer for one container. All slots of an HCA give the same."""
        key = keys_of(self.pool, ids)
        answer = None if key is None else self._kept.get(key)
        if answer is None:
            grants = [allocate(self.pool, ids)]
            answer = messages.allocate_response(grants, self.pool.cdi).SerializeToString()
            if key is not None:
                self._keep(key, answer)
        return answer

    def _keep(self, key: frozenset[HardwareKey], answer: bytes) -> None:
        if self._size + len(answer) > self._most:
            self._kept, self._size = {}, 0
            self._by_request, self._requests = {}, 0
        self._kept[key] = answer
        self._size += len(answer)

"""Which feature gates of DRA the API server lacks, as far as our slices show it.

A server drops the fields of a gate that is off and reports success. So a new kind of device is sent
first as a dry run, which stores nothing: a shared HCA must not be published as an exclusive one.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace

from rdma_dp.api_server.dra_api import DraApi
from rdma_dp.daemon.dra.device_reader import Offer
from rdma_dp.dra.slices import Dropped, Gate, NodeIdentity, dropped_fields, resource_slices
from rdma_dp.log import Notice
from rdma_dp.metrics import SliceFacts

logger = logging.getLogger(__name__)

_HINTS = {
    Gate.CONSUMABLE_CAPACITY: "these devices are not published. Turn the gate on in the API server"
    " and the scheduler (it is on since Kubernetes 1.36), or set slots to each under dra in the"
    " config",
    Gate.DEVICE_TAINTS: "a device without a link is not published until its link is up. Turn the"
    " gate on in the API server and the scheduler (it is on since Kubernetes 1.36), or set linkDown"
    " to none under dra in the config",
}


class ServerGates:
    """`lacking` are the gates that are off. `probed` is whether the server was asked."""

    def __init__(self, api: DraApi, facts: SliceFacts) -> None:
        self._api = api
        self._facts = facts
        self._notices = {gate: Notice(logger.warning) for gate in Gate}
        self._unknown = Notice(logger.warning)
        self.lacking: frozenset[Gate] = frozenset()
        self.probed = False

    async def probe(self, offer: Offer, node: NodeIdentity) -> None:
        """Asks the server what it would keep of a device with everything. Raises ApiError."""
        if offer.settings is None or not offer.devices:
            return
        sample = max(offer.devices, key=lambda device: device.slots or 0)
        sent = resource_slices((replace(sample, down=True),), node, offer.settings)[0]
        dropped = dropped_fields(sent, await self._api.try_slice(sent))
        self.probed = True
        self.lacking = frozenset()
        self.saw(dropped)
        for gate, notice in self._notices.items():
            if gate not in self.lacking:
                notice.set(None)

    def saw(self, dropped: Iterable[Dropped]) -> bool:
        """Takes what the server has dropped. Returns whether another gate is known to be off."""
        before = self.lacking
        for each in dropped:
            if each.gate is None:
                self._unknown.set(each.text)
            else:
                self.lacking |= {each.gate}
                self._notices[each.gate].set(f"{each.text}; {_HINTS.get(each.gate, '')}")
        self._facts.lacking_gates = tuple(sorted(self.lacking))
        return self.lacking != before

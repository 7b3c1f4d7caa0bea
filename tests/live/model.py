"""What kubelet has to hold when all is at rest, in the plainest words.

Nothing here is shared with the daemon but the scan and the selectors: no pool, no health, no
history beyond which ids somebody may have been told of.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rdma_dp import config
from rdma_dp.discovery import scan
from rdma_dp.host import Host
from rdma_dp.model import Hca
from rdma_dp.selection import select


@dataclass(frozen=True)
class Wanted:
    """A resource as a person wants it."""

    slots: int
    selectors: Mapping[str, list[str]]
    require_active_port: bool = True
    down_seconds: int = 0

    def entry(self, name: str) -> dict[str, Any]:
        """Its place in the config file."""
        return {
            "resourceName": name,
            "rdmaHcaMax": self.slots,
            "selectors": dict(self.selectors),
            "health": {
                "requireActivePort": self.require_active_port,
                "downSeconds": self.down_seconds,
            },
        }


Wishes = Mapping[str, Wanted]


def text(wishes: Wishes) -> str:
    """The config file."""
    entries = [wanted.entry(name) for name, wanted in wishes.items()]
    return json.dumps({"periodicUpdateInterval": 0, "configList": entries})


@dataclass(frozen=True)
class Expected:
    """Of one resource: its HCAs, how many ids are healthy, and how many there may be at all."""

    hcas: frozenset[str]
    healthy: int
    fewest: int
    most: int

    def fits(self, devices: Mapping[str, str]) -> bool:
        """Whether kubelet's devices are these: "0", "1", ... with the lowest ones healthy."""
        ids = [str(number) for number in range(len(devices))]
        healthy = [id_ for id_, health in devices.items() if health == "Healthy"]
        return (
            sorted(devices, key=int) == ids
            and sorted(healthy, key=int) == ids[: self.healthy]
            and self.fewest <= len(devices) <= self.most
        )


@dataclass
class Model:
    """`told` are the bounds of how many ids a running daemon may have listed, by resource."""

    wishes: dict[str, Wanted] = field(default_factory=dict)
    told: dict[str, tuple[int, int]] = field(default_factory=dict)

    def wish(self, name: str, wanted: Wanted | None) -> None:
        """A new config: this resource is so from now on, or not there."""
        if wanted is None:
            self.wishes.pop(name, None)
            return
        self.wishes[name] = wanted
        fewest, most = self.told.get(name, (0, 0))
        self.told[name] = (fewest, max(most, wanted.slots))

    def process_began(self) -> None:
        """It may be the one whose list kubelet holds, and it has not listed anything yet."""
        self.told = {name: (0, most) for name, (_, most) in self.told.items()}

    def process_ended(self, *, last: bool) -> None:
        """The one that is left, or the next one, knows only of ids that it lists itself."""
        if last:
            self.told = {name: (0, wanted.slots) for name, wanted in self.wishes.items()}
        else:
            self.process_began()

    def expected(self, root: Path) -> dict[str, Expected]:
        """Every resource, from a look at the host and the config alone."""
        inventory = scan(Host(root))
        found = {}
        for resource in config.parse(text(self.wishes)).config.config_list:
            name = resource.resource_name
            fewest, most = self.told[name]
            chosen = select(inventory, resource).chosen
            wanted = self.wishes[name]
            works = any(not wanted.require_active_port or _active(hca) for hca in chosen)
            found[name] = Expected(
                hcas=frozenset(hca.name for hca in chosen),
                healthy=wanted.slots if works else 0,
                fewest=max(fewest, wanted.slots if chosen else 0),
                most=most,
            )
        return found

    def seen(self, name: str, listed: int) -> None:
        """kubelet was told of so many ids: from now on there are never fewer."""
        fewest, most = self.told[name]
        self.told[name] = (max(fewest, listed), most)

    def changed(self, name: str, **changes: Any) -> Wanted:
        """The resource with some of it otherwise."""
        return replace(self.wishes[name], **changes)


def _active(hca: Hca) -> bool:
    return not hca.ports or any(port.state in (None, "ACTIVE") for port in hca.ports)

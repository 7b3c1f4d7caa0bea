"""The expected state of a whole node at rest.

This module and expected.py share only the scan and the selectors with the daemon: no pool, no slot
group, no health, no CDI. The only history is which ids a process may have listed.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from rdma_dp import config
from rdma_dp.discovery import scan
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Hca
from rdma_dp.sharing.selection import select
from tests.integration.updates.expected import (
    CRI,
    HCA,
    OFF,
    RESOURCE,
    Expected,
    Wanted,
    key_of,
    parted,
)

# What blocks files: all specs, all device-info files, or the spec of a resource.
NO_CDI, NO_DEVICE_INFO = "CDI directory", "device-info directory"


@dataclass
class Told:
    """The least and the greatest number of ids of a resource that a running daemon has listed.

    The least is by prefix. The greatest holds for every prefix, because any HCA may have existed.
    """

    fewest: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=lambda: {RESOURCE: 0, HCA: 0})

    def wish(self, wanted: Wanted) -> None:
        self.most[wanted.slots_per] = max(self.most[wanted.slots_per], wanted.slots)

    def bounds(self, begin: str) -> tuple[int, int]:
        return self.fewest.get(begin, 0), self.most[HCA if begin else RESOURCE]


@dataclass
class Model:
    """`told` are the ids that a running daemon may have listed, by resource.

    `cdi` is the value in the config, if there is one, and `use_cdi` that of the command line.
    `keys` are those of all HCAs that ever existed. `obstacles` block files: NO_CDI, NO_DEVICE_INFO,
    or the name of a resource, for its spec. `tidied` are the resources that the only running daemon
    has known. `keeps_spec` are those of which it has seen or made the spec. `may_have_spec` are
    those of which a spec can exist.
    """

    wishes: dict[str, Wanted] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)
    cdi: str | None = None
    use_cdi: bool = False
    keys: set[str] = field(default_factory=set)
    obstacles: set[str] = field(default_factory=set)
    tidied: set[str] = field(default_factory=set)
    may_have_spec: set[str] = field(default_factory=set)
    keeps_spec: set[str] = field(default_factory=set)

    @property
    def text(self) -> str:
        """The config file."""
        entries = [wanted.entry(name) for name, wanted in self.wishes.items()]
        cdi = {} if self.cdi is None else {"cdi": self.cdi}
        return json.dumps({"periodicUpdateInterval": 0, **cdi, "configList": entries})

    @property
    def cdi_mode(self) -> str:
        """How containers get their devices."""
        return self.cdi or (CRI if self.use_cdi else OFF)

    @property
    def must_have_spec(self) -> set[str]:
        """The resources that have a spec if they have an HCA."""
        return self.keeps_spec if self.cdi_mode == OFF else {*self.wishes}

    def published(self) -> None:
        """From now on, daemons may read this state."""
        if self.cdi_mode != OFF:
            self.may_have_spec |= {*self.wishes}

    def wish(self, name: str, wanted: Wanted | None) -> None:
        """A new config: the resource has this entry from now on, or is not in it."""
        if wanted is None:
            self.wishes.pop(name, None)
            return
        self.wishes[name] = wanted
        self.told.setdefault(name, Told()).wish(wanted)

    def process_began(self) -> None:
        """kubelet may have its list, and it has not listed anything yet."""
        self.told = {name: Told(most=told.most) for name, told in self.told.items()}
        self.tidied.clear()
        self.keeps_spec.clear()

    def process_ended(self, *, last: bool) -> None:
        """The remaining process, or the next one, knows only ids that it lists itself."""
        if last:
            self.told = {name: Told() for name in self.wishes}
            for name, wanted in self.wishes.items():
                self.told[name].wish(wanted)
        self.process_began()

    def host_is_new(self, root: Path) -> None:
        """Other HCAs. A scan may miss the number of an SF that is being made."""
        for hca in scan(Host(root)).hcas:
            self.keys.add(key_of(hca))
            if hca.function and hca.subfunction:
                self.keys.add(f"{hca.function.address}-{hca.subfunction.name}")

    def expected(self, root: Path) -> dict[str, Expected]:
        """Every resource, from the host and the config only."""
        inventory = scan(Host(root))
        resources = config.parse(self.text).config.config_list
        return {
            resource.resource_name: self._of(
                resource.resource_name,
                select(inventory, resource).chosen,
                inventory.system.rdma_cm is not None,
            )
            for resource in resources
        }

    def seen(self, name: str, ids: Iterable[str]) -> None:
        """The only daemon has listed these ids. From now on there are never fewer."""
        begins = [parted(id_)[0] for id_ in ids]
        fewest = self.told[name].fewest
        fewest |= {begin: max(fewest.get(begin, 0), begins.count(begin)) for begin in begins}
        self.tidied.add(name)

    def _of(self, name: str, chosen: Iterable[Hca], rdma_cm: bool) -> Expected:
        wanted, hcas = self.wishes[name], dict[str, list[Hca]]()
        for hca in chosen:
            hcas.setdefault(key_of(hca) if wanted.slots_per == HCA else "", []).append(hca)
        listed = {begin: self.told[name].bounds(begin) for begin in ("", *self.keys)}
        for begin in hcas:
            fewest, most = listed[begin]
            listed[begin] = max(fewest, wanted.slots), most
        working = {
            begin
            for begin, those in hcas.items()
            if not wanted.require_active_port or any(map(_active, those))
        }
        found = Expected(name, wanted, self.cdi_mode, rdma_cm, hcas, frozenset(working), listed)
        return replace(found, working=frozenset()) if self._is_hindered(found) else found

    def _is_hindered(self, one: Expected) -> bool:
        """Whether a file of the resource cannot be as it should."""
        no_spec = self.cdi_mode != OFF and self.obstacles & {NO_CDI, one.name}
        return bool(no_spec) or (
            NO_DEVICE_INFO in self.obstacles and one.device_info(one.all_ids) != {}
        )


def _active(hca: Hca) -> bool:
    return not hca.ports or any(port.state in (None, "ACTIVE") for port in hca.ports)

"""Recognise the configs of other plugins, and say which keys here take the place of theirs.

Sources: k8snetworkplumbingwg/sriov-network-device-plugin (README.md, pkg/types/types.go);
Mellanox/k8s-rdma-sriov-dev-plugin (README.md, example/); NVIDIA/k8s-device-plugin (README.md); the
CNI specification (cniVersion, type).
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from rdma_dp.config.problems import Problem, shown

_SRIOV = "the SR-IOV network device plugin"

# Key of a resource or a selector of the SR-IOV network device plugin -> what takes its place here.
SRIOV_KEYS = MappingProxyType(
    {
        "devices": '"deviceIDs"',
        "isrdma": "nothing, because every HCA here has RDMA",
        "needvhostnet": "nothing, because no container gets /dev/vhost-net here",
        "rootdevices": '"pfNames" with the interface of that PF',
        "devicetype": '"functionTypes"',
        "auxtypes": '"functionTypes": ["sf"]',
        "excludetopology": '"topology": false in the resource',
        "ddpprofiles": "nothing",
        "pkeys": "nothing",
        "acpiindexes": '"pciAddresses"',
    }
)

# Objects that people mistake for the one that holds the config -> what they are for.
_KINDS = MappingProxyType(
    {
        "HostDeviceNetwork": "moves an interface of the SR-IOV plugin's resource into a pod",
        "MacvlanNetwork": "gives a pod an interface",
        "IPoIBNetwork": "gives a pod an interface",
        "NetworkAttachmentDefinition": "gives a pod an interface",
        "SriovNetworkNodePolicy": "configures the SR-IOV Network Operator",
        "SriovNetwork": "gives a pod an interface of the SR-IOV plugin's resource",
    }
)
WHERE = "a config is the key config.json of a ConfigMap, or the string in {spec.}config".replace(
    "{spec.}config", "spec.rdmaSharedDevicePlugin.config of a NicClusterPolicy or NicNodePolicy"
)


def recognised(data: object) -> Problem | None:
    """The problem of a config that is another program's; None if it is ours or unknown."""
    if isinstance(data, list):
        data = data[0] if data else None
        if isinstance(data, dict) and "devicematch" in _folded(data):
            return _of("smarter-device-manager", "a list of devicematch", _RESOURCE)
        return None
    if not isinstance(data, dict):
        return None
    keys = _folded(data)
    if "configlist" in keys:
        return None
    if "apiversion" in keys and "kind" in keys:
        return of_objects([f"{keys['kind']}"])
    if "resourcelist" in keys:
        return _of(_SRIOV, '"resourceList"', _sriov_hint(keys["resourcelist"]))
    if "mode" in keys or "pfnetdevices" in keys:
        return _of("Mellanox k8s-rdma-sriov-dev-plugin", '"mode"', _old_hint(keys))
    if "cniversion" in keys:
        what = f"CNI ({shown(keys.get('type', 'plugins'))})"
        return _of(what, '"cniVersion"', "it belongs into a NetworkAttachmentDefinition")
    if "version" in keys and keys.keys() & {"flags", "sharing", "resources", "imex"}:
        hint = "it shares GPUs, this plugin HCAs: give each plugin a config of its own"
        return _of("NVIDIA's GPU device plugin", '"version"', hint)
    return None


def of_objects(objects: list[str]) -> Problem:
    """The problem of Kubernetes objects where a config is expected."""
    listed = ", ".join(objects[:4]) + (f" and {len(objects) - 4} more" if objects[4:] else "")
    kinds = (each.partition(" ")[0] for each in objects)
    purposes = [f"a {kind} {_KINDS[kind]}" for kind in dict.fromkeys(kinds) if kind in _KINDS]
    hint = "; ".join([*purposes, WHERE])
    return Problem("", f"is no config, but Kubernetes' {listed}", hint)


def hint_for(key: str) -> str | None:
    """What to write here instead of a key of a selector of a neighbour; None for other keys."""
    place = SRIOV_KEYS.get(key.casefold())
    return f"{_SRIOV} has it; its place is taken by {place}" if place else None


_RESOURCE = '"configList": [{"resourceName": ..., "rdmaHcaMax": ..., "selectors": {...}}]'


def _of(whose: str, by: str, hint: str) -> Problem:
    return Problem("", f"is a config of {whose} ({by}), not of this plugin", hint)


def _sriov_hint(listed: object) -> str:
    used = list(dict.fromkeys(_keys_in(listed)))
    places = [
        f'for "{key}" {SRIOV_KEYS[key.casefold()]}' for key in used if key.casefold() in SRIOV_KEYS
    ]
    return ", ".join(
        [
            'write "configList" for "resourceList"',
            'add "rdmaHcaMax" to each entry, with "slotsPer": "hca" to count per HCA or VF',
            *places,
        ]
    )


def _old_hint(keys: Mapping[str, object]) -> str:
    if keys.get("mode") == "sriov" or "pfnetdevices" in keys:
        selectors = '{"pfNames": [...], "functionTypes": ["vf"]}'
        entry = (
            f'"resourceName": "vhca", "rdmaHcaMax": 1, "slotsPer": "hca", "selectors": {selectors}'
        )
        return (
            f'its resource rdma/vhca is "configList": [{{{entry}}}], with pfNetdevices in pfNames'
        )
    entry = '"resourceName": "hca", "rdmaHcaMax": 1000, "selectors": {"vendors": ["15b3"]}'
    return f'its resource rdma/hca is "configList": [{{{entry}}}]'


def _keys_in(value: object) -> Iterator[str]:
    """The keys of the resources and of their selectors."""
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, dict):
            for key, member in entry.items():
                yield key
                if key.casefold() == "selectors":
                    yield from _keys_in(member)


def _folded(data: Mapping[str, object]) -> dict[str, object]:
    return {key.casefold(): value for key, value in data.items()}

"""Recognise the configs of other plugins, and say which keys here take the place of theirs.

Sources: k8snetworkplumbingwg/sriov-network-device-plugin (README.md, pkg/types/types.go);
Mellanox/k8s-rdma-sriov-dev-plugin (README.md, example/); NVIDIA/k8s-device-plugin (README.md); the
CNI specification (cniVersion, type).
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from rdma_dp.config.problems import Problem, shown

_SRIOV = "the SR-IOV network device plugin"

# Key of a resource or a selector of that plugin, in small letters -> what becomes of it here.
_SRIOV_KEYS = MappingProxyType(
    {
        "devices": 'becomes "deviceIDs"',
        "isrdma": "is not needed, because every HCA here has RDMA",
        "needvhostnet": "has no counterpart, because no container gets /dev/vhost-net",
        "rootdevices": 'becomes "pfNames", with the interface of that PF',
        "devicetype": "is not needed, because every HCA here is a network device",
        "auxtypes": 'becomes "functionTypes": ["sf"]',
        "excludetopology": 'becomes "topology": false in the resource',
        "ddpprofiles": "has no counterpart",
        "pkeys": "has no counterpart",
        "acpiindexes": 'becomes "pciAddresses"',
        "additionalinfo": "has no counterpart",
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
_WHERE = (
    "a config is the key config.json of a ConfigMap, or spec.rdmaSharedDevicePlugin.config of a "
    "NicClusterPolicy or NicNodePolicy"
)
_RESOURCE = '"configList": [{"resourceName": ..., "rdmaHcaMax": ..., "selectors": {...}}]'


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
        return _of_an_object(keys)
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
    """The problem of Kubernetes objects ("ConfigMap kube-system/a") without a config in them."""
    listed = ", ".join(objects[:4]) + (f" and {len(objects) - 4} more" if objects[4:] else "")
    kinds = dict.fromkeys(each.partition(" ")[0] for each in objects)
    purposes = [f"{kind} {_KINDS[kind]}" for kind in kinds if kind in _KINDS]
    return Problem("", f"holds no config, only {listed}", "; ".join([*purposes, _WHERE]))


def _of_an_object(keys: Mapping[str, object]) -> Problem:
    """The problem of a daemon whose file is a whole object."""
    metadata = keys.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    what = " ".join(str(each) for each in (keys["kind"], name) if each is not None)
    hint = "mount the key config.json of the ConfigMap as the file; check-config reads objects too"
    return Problem("", f"is the Kubernetes object {shown(what)}, not the config in it", hint)


def hints_for(key: str) -> Iterator[str]:
    """What becomes of a key that the selectors of another plugin have."""
    if becomes := _SRIOV_KEYS.get(key.casefold()):
        yield f'"{key}" of {_SRIOV} {becomes}'


def _of(whose: str, by: str, hint: str) -> Problem:
    return Problem("", f"is a config of {whose} ({by}), not of this plugin", hint)


def _sriov_hint(listed: object) -> str:
    used = [key for key in dict.fromkeys(_keys_in(listed)) if key.casefold() in _SRIOV_KEYS]
    steps = [f'"{key}" {_SRIOV_KEYS[key.casefold()]}' for key in used]
    slots = '"rdmaHcaMax": 1 and "slotsPer": "hca" give each HCA or VF to one pod, as there'
    needed = f'each entry needs "rdmaHcaMax" ({slots})'
    return "; ".join(['"resourceList" becomes "configList"', needed, *steps])


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

"""Recognise the configs of other plugins, and say which keys here take the place of theirs.

Sources: k8snetworkplumbingwg/sriov-network-device-plugin (README.md, pkg/types/types.go);
Mellanox/k8s-rdma-sriov-dev-plugin (README.md, example/); NVIDIA/k8s-device-plugin (README.md);
squat/generic-device-plugin (README.md); the CNI specification (cniVersion, type).
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from rdma_dp.config.problems import Location, Problem, path_of, shown

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
        "vdpatype": "has no counterpart, because this plugin gives no vDPA device",
        "additionalinfo": "has no counterpart",
    }
)

# Objects that people mistake for the one that holds the config -> what they are for.
_KINDS = MappingProxyType(
    {
        "Kustomization": "names the files of objects; check the file with the config",
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
_SRIOV_HINT = (
    '"resourceList" becomes "configList"; each entry needs "rdmaHcaMax" ("rdmaHcaMax": 1 and'
    ' "slotsPer": "hca" give each HCA or VF to one pod, as there)'
)
_RESOURCE = '"configList": [{"resourceName": ..., "rdmaHcaMax": ..., "selectors": {...}}]'


def recognised(data: object) -> tuple[Problem, ...]:
    """The problems of a config that is another program's; () if it is ours or unknown.

    The first one says whose it is. The others say what becomes of a key.
    """
    if isinstance(data, list):
        if "devicematch" in _keys_of_first(data):
            return (_of("smarter-device-manager", "a list of devicematch", _RESOURCE),)
        return ()
    if not isinstance(data, dict) or "configlist" in _folded(data):
        return ()
    if listed := _folded(data).get("resourcelist"):
        return (_of(_SRIOV, '"resourceList"', _SRIOV_HINT), *_sriov_keys(listed))
    found = _named(_folded(data))
    return () if found is None else (found,)


def _named(keys: Mapping[str, object]) -> Problem | None:
    """The problem of a config that is known by the keys of its object."""
    if "apiversion" in keys and "kind" in keys:
        return _of_an_object(keys)
    if "resourcelist" in keys:
        return _of(_SRIOV, '"resourceList"', _SRIOV_HINT)
    if "mode" in keys or "pfnetdevices" in keys:
        by = '"mode"' if "mode" in keys else '"pfNetdevices"'
        return _of("Mellanox k8s-rdma-sriov-dev-plugin", by, _old_hint(keys))
    if _keys_of_first(keys.get("devices")) & {"groups", "paths"}:
        return _of("generic-device-plugin", '"devices" with paths', _RESOURCE)
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
    if key.casefold() == "devices":
        yield 'names of interfaces belong into "ifNames"'


def _of(whose: str, by: str, hint: str) -> Problem:
    return Problem("", f"is a config of {whose} ({by}), not of this plugin", hint)


def _sriov_keys(listed: object) -> Iterator[Problem]:
    """One problem for each key that has another name here, at its first place."""
    places: dict[str, Location] = {}
    for place in _keys_in(listed, ("resourceList",)):
        places.setdefault(str(place[-1]), place)
    for key, place in places.items():
        if becomes := _SRIOV_KEYS.get(key.casefold()):
            yield Problem(path_of(place), f'"{key}" {becomes}')


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


def _keys_in(value: object, place: Location) -> Iterator[Location]:
    """The places of the keys of the resources and of their selectors."""
    for at, entry in enumerate(value) if isinstance(value, list) else [(None, value)]:
        inner = place if at is None else (*place, at)
        for key, member in entry.items() if isinstance(entry, dict) else ():
            yield (*inner, key)
            if key.casefold() == "selectors":
                yield from _keys_in(member, (*inner, key))


def _keys_of_first(value: object) -> set[str]:
    """The keys of the first object in a list."""
    first = value[0] if isinstance(value, list) and value else None
    return set(_folded(first)) if isinstance(first, dict) else set()


def _folded(data: Mapping[str, object]) -> dict[str, object]:
    return {key.casefold(): value for key, value in data.items()}

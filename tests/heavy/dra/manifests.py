"""Configs and classes for the tests. The others are in deploy/."""

from typing import Any

Object = dict[str, Any]

DRIVER = "hca.rdma-dp.dev"
ALL = "rdma_shared_device_a"


def config_of(via: str = "dra", **dra: Any) -> Object:
    """All HCAs as one device, and each InfiniBand HCA as one."""
    return {
        "periodicUpdateInterval": 1,
        "dra": dra,
        "configList": [
            {
                "resourceName": ALL,
                "rdmaHcaMax": 63,
                "selectors": {"vendors": ["15b3"]},
                "via": via,
                "health": {"downSeconds": 1},
            },
            {
                "resourceName": "hca",
                "rdmaHcaMax": 63,
                "slotsPer": "hca",
                "selectors": {"linkTypes": ["infiniband"]},
                "via": via,
                "health": {"downSeconds": 1},
                "env": {"NCCL_IB_HCA": "hcas"},
            },
        ],
    }


def device_class(name: str, expression: str, **spec: Any) -> Object:
    """A DeviceClass that selects devices by a CEL expression."""
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": name},
        "spec": {**spec, "selectors": [{"cel": {"expression": expression}}]},
    }

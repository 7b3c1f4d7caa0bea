"""What an administrator applies: the DaemonSet with DRA, the classes, the config."""

import json
from typing import Any

import yaml

from tests.heavy.node.cluster.cluster import DEPLOY

Object = dict[str, Any]

DRIVER = "hca.rdma-dp.dev"
ALL = "rdma_shared_device_a"
HCA_DEVICES, ALL_DEVICES = 8, 1

_ACCOUNT = {"name": "rdma-dp", "namespace": "kube-system"}
_GROUP = "resource.k8s.io"
_RULES = [
    {"apiGroups": [_GROUP], "resources": ["resourceclaims"], "verbs": ["get"]},
    {
        "apiGroups": [_GROUP],
        "resources": ["resourceslices"],
        "verbs": ["list", "watch", "create", "update", "delete"],
    },
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
]
_DIRECTORIES = {
    "plugins": f"/var/lib/kubelet/plugins/{DRIVER}",
    "cdi": "/var/run/cdi",
}


def config_of(via: str = "dra", **dra: Any) -> Object:
    """All HCAs as one device, and each InfiniBand HCA as one."""
    return {
        "periodicUpdateInterval": 1,
        "health": {"requireActivePort": True, "downSeconds": 1},
        "dra": dra,
        "configList": [
            {
                "resourceName": ALL,
                "rdmaHcaMax": 63,
                "selectors": {"vendors": ["15b3"]},
                "via": via,
            },
            {
                "resourceName": "hca",
                "rdmaHcaMax": 63,
                "slotsPer": "hca",
                "selectors": {"linkTypes": ["infiniband"]},
                "via": via,
                "env": {"NCCL_IB_HCA": "hcas"},
            },
        ],
    }


def deployed() -> str:
    """deploy/base with what DRA needs."""
    config_map, daemon_set = yaml.safe_load_all((DEPLOY / "base" / "daemonset.yaml").read_text())
    config_map["data"]["config.json"] = json.dumps(config_of())
    pod = daemon_set["spec"]["template"]["spec"]
    pod["serviceAccountName"] = "rdma-dp"
    pod["automountServiceAccountToken"] = True
    (container,) = pod["containers"]
    container["env"] = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in (("NODE_NAME", "spec.nodeName"), ("POD_UID", "metadata.uid"))
    ]
    for name, path in _DIRECTORIES.items():
        container["volumeMounts"].append({"name": name, "mountPath": path})
        place = {"path": path, "type": "DirectoryOrCreate"}
        pod["volumes"].append({"name": name, "hostPath": place})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _ACCOUNT}
    rbac = "rbac.authorization.k8s.io"
    role = {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "rdma-dp-dra"},
        "rules": _RULES,
    }
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "rdma-dp-dra"},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "rdma-dp-dra"},
        "subjects": [{"kind": "ServiceAccount", **_ACCOUNT}],
    }
    policies = _policies()
    return yaml.safe_dump_all([account, role, binding, *policies, config_map, daemon_set])


def _policies() -> list[Object]:
    name = {"name": "rdma-dp-resourceslices"}
    versions = ["v1", "v1beta1", "v1beta2"]
    node = "request.userInfo.extra[?'authentication.kubernetes.io/node-name'][0].orValue('')"
    variables = {
        "userNode": node,
        "slice": "request.operation == 'DELETE' ? oldObject : object",
    }
    expressions = (
        "variables.userNode != ''",
        "variables.slice.spec.?nodeName.orValue('') == variables.userNode",
        f"variables.slice.spec.driver == '{DRIVER}'",
    )
    account = "system:serviceaccount:kube-system:rdma-dp"
    rule = {
        "apiGroups": [_GROUP],
        "apiVersions": versions,
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": ["resourceslices"],
    }
    ours = {"name": "ours", "expression": f"request.userInfo.username == '{account}'"}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [ours],
        "variables": [{"name": key, "expression": text} for key, text in variables.items()],
        "validations": [{"expression": text} for text in expressions],
    }
    bound = {"policyName": name["name"], "validationActions": ["Deny"]}
    version = "admissionregistration.k8s.io/v1"
    kind = "ValidatingAdmissionPolicy"
    return [
        {"apiVersion": version, "kind": kind, "metadata": name, "spec": spec},
        {"apiVersion": version, "kind": f"{kind}Binding", "metadata": name, "spec": bound},
    ]


def device_class(name: str, expression: str, **spec: str) -> Object:
    """A DeviceClass that selects devices by a CEL expression."""
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "DeviceClass",
        "metadata": {"name": name},
        "spec": {**spec, "selectors": [{"cel": {"expression": expression}}]},
    }


def classes() -> str:
    """The two classes of docs/dra.md."""
    ours = f"device.driver == '{DRIVER}' && device.attributes['{DRIVER}']"
    return yaml.safe_dump_all(
        [
            device_class("rdma-hca", f"{ours}.kind == 'hca'"),
            device_class(
                "rdma-shared-device-a",
                f"{ours}.resourceName == '{ALL}'",
                extendedResourceName=f"rdma/{ALL}",
            ),
        ]
    )

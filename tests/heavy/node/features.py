"""What releases of kubelet lack. The tests skip it by its name."""

import functools
import re
import subprocess
from dataclasses import dataclass

import pytest

LACKS = "lacks"  # the property of a test that did not test a feature


@dataclass(frozen=True)
class Feature:
    """Something of Kubernetes that a release has, by default, since `since`."""

    name: str
    since: tuple[int, int]
    gate: str  # in pkg/features/kube_features.go of k8s.io/kubernetes, where `since` is from
    without: str  # what is different on older releases

    @property
    def first(self) -> str:
        """The first release, as 1.29."""
        return ".".join(map(str, self.since))


CDI_FIELD = Feature(
    "CDI field",
    (1, 29),
    "DevicePluginCDIDevices",
    "With `cri` for `cdi`, or with `--use-cdi`, containers get no device. The daemon cannot know "
    "it: kubelet does not report it to plugins. The check `pod-processes` of `rdma-dp doctor` "
    "warns once such a pod runs. Set `cdi` to `annotations`, or switch the feature gate on.",
)
POD_STATUS = Feature(
    "pod status",
    (1, 36),
    "ResourceHealthStatus",
    "The status of a pod does not show whether its HCAs are healthy. The metrics do.",
)
ACTIVE_PODS = Feature(
    "active pods",
    (1, 34),
    "KubeletPodResourcesListUseActivePods",
    "`rdma-dp pods` also lists pods that have ended, until they are deleted.",
)
DRA = Feature(
    "DRA",
    (1, 34),
    "DynamicResourceAllocation",
    "`via` can only be `plugin`, the default.",
)
DRA_SHARED = Feature(
    "DRA shared slots",
    (1, 36),
    "DRAConsumableCapacity",
    "Set `slots` of `dra` to `each`, or switch the feature gate on.",
)
ALL = (CDI_FIELD, ACTIVE_PODS, DRA, POD_STATUS, DRA_SHARED)


@functools.cache
def release() -> str:
    """The release of the kubelet on the PATH, as 1.28.15."""
    return _version("kubelet")


@functools.cache
def containerd_release() -> str:
    """The release of the containerd on the PATH, as 2.2.9."""
    return _version("containerd")


def has(feature: Feature) -> bool:
    """Whether the kubelet on the PATH has it."""
    major, minor, _ = release().split(".")
    return (int(major), int(minor)) >= feature.since


def need(test: pytest.Item, feature: Feature) -> None:
    """Skip the test if kubelet lacks the feature."""
    if not has(feature):
        test.user_properties.append((LACKS, feature.name))
        pytest.skip(
            f"kubelet {release()} lacks {feature.name} ({feature.gate}, since {feature.first})"
        )


def _version(program: str) -> str:
    said = subprocess.run((program, "--version"), capture_output=True, text=True, check=True).stdout
    found = re.search(r"\bv?(\d+\.\d+\.\d+)", said)
    assert found, f"{program} --version says {said!r}"
    return found[1]

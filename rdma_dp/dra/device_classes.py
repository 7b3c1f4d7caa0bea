"""The DeviceClasses of a config: what an administrator applies once in a cluster. Pure."""

import re
from collections.abc import Iterable
from typing import Any

from rdma_dp.config import Config, Resource
from rdma_dp.dra.devices import DeviceKind
from rdma_dp.dra.slices import API_VERSION

Document = dict[str, Any]

HCA_CLASS = "rdma-hca"


def device_classes(config: Config) -> tuple[Document, ...]:
    """One class for single HCAs, and one for each resource, which pods get by their old limits.

    The classes of resources that go through kubelet's device plugins are among them: a class has no
    effect on a node that has the resource in its status, so it can be applied before a migration.
    """
    driver = config.dra.driver_name
    single = _class(HCA_CLASS, _expression(driver, "kind", str(DeviceKind.HCA)))
    return (
        single,
        *(
            _class(
                name,
                _expression(driver, "resourceName", resource.resource_name),
                extendedResourceName=resource.full_name,
            )
            for name, resource in _named(config.config_list)
        ),
    )


def class_name(resource: Resource) -> str:
    """The name of a resource's class: "rdma-shared-device-a" for rdma_shared_device_a."""
    return re.sub(r"[^a-z0-9]", "-", resource.resource_name.lower())


def _named(resources: Iterable[Resource]) -> Iterable[tuple[str, Resource]]:
    """The resources with names that differ: of two alike, the later one has a number."""
    taken = {HCA_CLASS}
    for resource in resources:
        name, number = class_name(resource), 2
        while name in taken:
            name, number = f"{class_name(resource)}-{number}", number + 1
        taken.add(name)
        yield name, resource


def _expression(driver: str, attribute: str, value: str) -> str:
    # Without the first part, reading the attribute of another driver's device would be an error,
    # and no pod would be scheduled.
    return f"device.driver == '{driver}' && device.attributes['{driver}'].{attribute} == '{value}'"


def _class(name: str, expression: str, **spec: str) -> Document:
    return {
        "apiVersion": API_VERSION,
        "kind": "DeviceClass",
        "metadata": {"name": name},
        "spec": {**spec, "selectors": [{"cel": {"expression": expression}}]},
    }

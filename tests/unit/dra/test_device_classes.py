"""The DeviceClasses of a config."""

import re

from rdma_dp.config import Config, DraSettings
from rdma_dp.dra.device_classes import HCA_CLASS, device_classes
from tests.makers import resource
from tests.unit.dra.makers import via_dra


def test_a_class_for_single_hcas_and_one_for_each_resource() -> None:
    single, shared = device_classes(Config((via_dra(name="rdma_shared_device_a"),)))
    assert single == {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": "rdma-hca"},
        "spec": {
            "selectors": [
                {
                    "cel": {
                        "expression": "device.driver == 'hca.rdma-dp.dev' &&"
                        " device.attributes['hca.rdma-dp.dev'].kind == 'hca'"
                    }
                }
            ]
        },
    }
    assert shared["metadata"]["name"] == "rdma-shared-device-a"
    assert shared["spec"]["extendedResourceName"] == "rdma/rdma_shared_device_a"
    (selector,) = shared["spec"]["selectors"]
    assert selector["cel"]["expression"] == (
        "device.driver == 'hca.rdma-dp.dev' &&"
        " device.attributes['hca.rdma-dp.dev'].resourceName == 'rdma_shared_device_a'"
    )


def test_the_driver_of_the_config_is_in_every_expression() -> None:
    made = device_classes(Config((via_dra(),), dra=DraSettings(driver_name="rdma.example.com")))
    assert all(
        each["spec"]["selectors"][0]["cel"]["expression"].count("rdma.example.com") == 2
        for each in made
    )


def test_names_are_dns_names_that_differ() -> None:
    names = ("A_b", "a-b", "a.b", HCA_CLASS, "9")
    made = device_classes(Config(tuple(resource(name=name) for name in names)))
    found = [each["metadata"]["name"] for each in made]
    assert len(set(found)) == len(found) == len(names) + 1
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) for name in found)
    assert [each["spec"].get("extendedResourceName") for each in made[1:]] == [
        f"rdma/{name}" for name in names
    ]

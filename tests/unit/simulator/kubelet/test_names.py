import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.kubelet.names import resource_name_fault


@pytest.mark.parametrize(
    "name",
    [
        "rdma/a",
        "rdma/rdma_shared_device_a",
        "nvidia.com/hca_shared_devices.B-2",
        "r-1.example/A",
        "rdma/" + "n" * 63,
        ".".join(["p" * 48] * 5) + "/a",  # 244: what "requests." leaves of 253
    ],
)
def test_extended_resource_names_are_taken(name: str) -> None:
    assert resource_name_fault(name) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "no prefix"),
        ("cpu", "no prefix"),
        ("rdma/a/b", "more than one slash"),
        ("kubernetes.io/a", "reserved"),
        ("node.kubernetes.io/a", "reserved"),
        ("requests.rdma/a", "quotas"),
        ("RDMA/a", "lowercase DNS"),
        ("rdma_x/a", "lowercase DNS"),
        ("rdma./a", "lowercase DNS"),
        ("-rdma/a", "lowercase DNS"),
        ("/a", "lowercase DNS"),
        (".".join(["p" * 48] * 5) + "p/a", "244 characters"),
        ("rdma/", "not allowed"),
        ("rdma/_a", "not allowed"),
        ("rdma/a-", "not allowed"),
        ("rdma/a b", "not allowed"),
        ("rdma/a\n", "not allowed"),
        ("rdma/" + "n" * 64, "63 characters"),
    ],
)
def test_other_names_are_refused_with_the_reason(name: str, why: str) -> None:
    assert why in (resource_name_fault(name) or "")


ALNUM = string.ascii_letters + string.digits


@given(
    prefix=st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True),
    first=st.sampled_from(ALNUM),
    middle=st.text(ALNUM + "-_.", max_size=61),
    last=st.sampled_from(ALNUM),
)
def test_every_qualified_name_is_taken(prefix: str, first: str, middle: str, last: str) -> None:
    assert resource_name_fault(f"{prefix}/{first}{middle}{last}") is None

"""Errors of the API server: what they are called, and what they say to do."""

from typing import Any

import pytest

from rdma_dp.api_server.api_errors import (
    KINDS,
    ApiError,
    BusyError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    UnauthorizedError,
    error_of,
)
from rdma_dp.api_server.api_request import Request

CREATE = Request("create", "resource.k8s.io", "v1", "resourceslices")


@pytest.mark.parametrize(
    ("status", "kind", "passing"),
    [
        (400, InvalidError, False),
        (401, UnauthorizedError, True),
        (403, ForbiddenError, False),
        (404, NotFoundError, False),
        (409, ConflictError, False),
        (410, GoneError, False),
        (418, ApiError, False),
        (422, InvalidError, False),
        (429, BusyError, True),
        (500, BusyError, True),
        (504, BusyError, True),
        (302, ApiError, False),
    ],
)
def test_the_status_decides(status: int, kind: type[ApiError], passing: bool) -> None:
    error = error_of(CREATE, status, {"message": "because"})
    assert (type(error), error.passing) == (kind, passing)
    assert error.message == (f"the API server answers {status} to create resourceslices: because")
    assert error.kind in KINDS


@pytest.mark.parametrize("answer", [None, "", [], {}, {"message": None}, {"message": ""}, " \n"])
def test_an_answer_without_a_message(answer: Any) -> None:
    assert error_of(CREATE, 500, answer).message.endswith(": no message")


def test_a_page_of_a_proxy_is_cut() -> None:
    assert len(str(error_of(CREATE, 502, "<html>" * 10_000))) < 1200


def test_what_rbac_lacks_is_named() -> None:
    message = 'resourceslices is forbidden: User "x" cannot create resource "resourceslices"'
    error = error_of(CREATE, 403, {"message": message})
    rule = '{apiGroups: ["resource.k8s.io"], resources: [resourceslices], verbs: [create]}'
    assert rule in str(error)
    node = error_of(Request("get", "", "v1", "nodes", "n"), 403, {"message": message})
    assert '{apiGroups: [""], resources: [nodes], verbs: [get]}' in str(node)


def test_a_policy_that_refuses_is_no_matter_of_rbac() -> None:
    message = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: another node"
    assert "ClusterRole" not in str(error_of(CREATE, 403, {"message": message}))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0", 0.0),
        (None, None),
        ("", None),
        ("-1", None),
        ("inf", 60.0),
        ("86400", 60.0),
        ("x", None),
    ],
)
def test_the_delay_that_the_server_asks_for(header: str | None, seconds: float | None) -> None:
    assert error_of(CREATE, 429, {}, header).retry_after == seconds


def test_paths() -> None:
    status = Request("patch", "g.io", "v1", "resourceclaims/status", "a/b", "ns")
    assert status.path == "/apis/g.io/v1/namespaces/ns/resourceclaims/a%2Fb/status"
    assert str(status) == "patch resourceclaims/status ns/a/b"
    assert Request("get", "", "v1", "nodes", "n").path == "/api/v1/nodes/n"
    assert CREATE.path == "/apis/resource.k8s.io/v1/resourceslices"

"""What a request to the API server can fail with."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from rdma_dp.api_server.api_request import Request
from rdma_dp.errors import RdmaDpError, reason_of

_LONGEST_WAIT = 60.0  # seconds; a proxy may ask for hours
_LONGEST = 1000  # characters of a message; a proxy may answer with a page


class ApiError(RdmaDpError):
    """A request to the API server failed. `kind` is its label in the metrics.

    `retry_after` is the delay that the server asks for, in seconds, or None.
    """

    kind = "error"
    passing = False  # whether the same request may succeed later

    def __init__(
        self, message: str, hint: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after


class UnreachableError(ApiError):
    """No answer: no connection, a broken one, or none in time."""

    kind = "unreachable"
    passing = True


class NoCredentialsError(ApiError):
    """The address of the API server, the token or the CA certificate cannot be read."""

    kind = "no-credentials"
    passing = True


class BusyError(ApiError):
    """429, or 5xx: the server asks to wait or has a fault."""

    kind = "busy"
    passing = True


class UnauthorizedError(ApiError):
    """401: the token is not valid, or not any more."""

    kind = "unauthorized"
    passing = True


class ForbiddenError(ApiError):
    """403: RBAC or an admission policy does not allow it."""

    kind = "forbidden"


class NotFoundError(ApiError):
    """404: there is no such object."""

    kind = "not-found"


class NoObjectError(NotFoundError):
    """404, and the API server itself says that it has no object of this name.

    Without the kind, as in an older cluster, it does not say that, nor does a proxy.
    """


class ConflictError(ApiError):
    """409: the object exists already, or is not the one that was read."""

    kind = "conflict"


class GoneError(ApiError):
    """410: the changes since a resource version are no longer known."""

    kind = "gone"


class InvalidError(ApiError):
    """400 or 422: the API server or an admission policy refuses the object."""

    kind = "invalid"


_BY_STATUS: Mapping[int, type[ApiError]] = {
    HTTPStatus.BAD_REQUEST: InvalidError,
    HTTPStatus.UNAUTHORIZED: UnauthorizedError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.GONE: GoneError,
    HTTPStatus.UNPROCESSABLE_ENTITY: InvalidError,
    HTTPStatus.TOO_MANY_REQUESTS: BusyError,
}

_ALL: tuple[type[ApiError], ...] = (
    UnreachableError,
    NoCredentialsError,
    ApiError,
    *_BY_STATUS.values(),
)

# The labels of the metrics.
KINDS = tuple(dict.fromkeys(each.kind for each in _ALL))


def error_of(
    request: Request, status: int, answer: object, retry_after: str | None = None
) -> ApiError:
    """The error of an answer with this HTTP status. `answer` is its body: JSON, or a text."""
    made = _BY_STATUS.get(status, BusyError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else None)
    if made is NotFoundError and _names_object(request, answer):
        made = NoObjectError
    text = f"the API server answers {status} to {request}: {_message(answer)}"
    return (made or ApiError)(text, _hint(request, status, answer), _seconds(retry_after))


def _names_object(request: Request, answer: object) -> bool:
    """Whether a Status is about the object (apimachinery pkg/api/errors, NewNotFound)."""
    details = answer.get("details") if isinstance(answer, Mapping) else None
    return isinstance(details, Mapping) and details.get("name") == request.name != ""


def _message(answer: object) -> str:
    """The message of a Status object, else the body itself."""
    text = answer.get("message") if isinstance(answer, Mapping) else answer
    return (str(text or "").strip() or "no message")[:_LONGEST]


def _hint(request: Request, status: int, answer: object) -> str | None:
    if status == HTTPStatus.UNAUTHORIZED:
        return "the token of the ServiceAccount is not valid; it is read again before each request"
    if status != HTTPStatus.FORBIDDEN or _of_a_policy(answer):
        return None
    return (
        f"the ClusterRole of rdma-dp's ServiceAccount lacks {request.rbac_rule}; deploy/ has all"
        " rules"
    )


def _of_a_policy(answer: object) -> bool:
    """Whether an admission policy or webhook refused: no rule of RBAC is missing then.

    Their texts: k8s.io/apiserver pkg/admission/plugin/policy/validating/dispatcher.go and
    pkg/admission/plugin/webhook/errors/statuserror.go.
    """
    message = _message(answer)
    return "ValidatingAdmissionPolicy" in message or "admission webhook" in message


def _seconds(retry_after: str | None) -> float | None:
    """The header in seconds. The API server sends no dates."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return min(seconds, _LONGEST_WAIT) if seconds >= 0 else None


def message_of(error: BaseException) -> str:
    """What went wrong with a connection, in words."""
    return reason_of(error)[:_LONGEST]


def status_code(answer: Mapping[str, Any]) -> int:
    """The HTTP status of a Status object, 500 if it has none."""
    code = answer.get("code")
    return code if isinstance(code, int) else HTTPStatus.INTERNAL_SERVER_ERROR

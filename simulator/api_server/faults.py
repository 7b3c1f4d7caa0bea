"""What a test lets the fake API server do wrong."""

from dataclasses import dataclass
from http import HTTPStatus


@dataclass(slots=True)
class ApiFault:
    """Answers some requests with an error, or with none at all.

    `verb` and `resource` are those of RBAC; "" stands for all. `times` requests are concerned.
    `status` None closes the connection instead; with `carried_out`, the request takes effect
    before. `retry_after` is in seconds.
    """

    status: int | None = HTTPStatus.SERVICE_UNAVAILABLE
    verb: str = ""
    resource: str = ""
    times: int = 1
    retry_after: int | None = None
    carried_out: bool = False

    def concerns(self, verb: str, resource: str) -> bool:
        """Whether this fault is for such a request."""
        return self.times > 0 and self.verb in ("", verb) and self.resource in ("", resource)

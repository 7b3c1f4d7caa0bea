"""The API server's audit log: who asked what, and when."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

ACCOUNT = "system:serviceaccount:kube-system:rdma-dp"

_LOG = Path("/run/audit.log")
_POLICY = Path("/run/audit.yaml")
_RULES = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "users": [ACCOUNT]},
        {
            "level": "Metadata",
            "verbs": ["delete", "deletecollection"],
            "resources": [{"group": "resource.k8s.io", "resources": ["resourceslices"]}],
        },
        {"level": "None"},
    ],
}


@dataclass(frozen=True)
class Call:
    """One request. `at` is when it came, in seconds since 1970. The verb of a dry run is "try"."""

    at: float
    user: str
    verb: str
    resource: str
    code: int
    stage: str

    @property
    def ours(self) -> bool:
        return self.user == ACCOUNT


def write_policy() -> tuple[str, ...]:
    """Write the policy. Returns the flags of the API server."""
    _POLICY.write_text(yaml.safe_dump(_RULES))
    return ("--audit-policy-file", str(_POLICY), "--audit-log-path", str(_LOG))


def calls(since: float = 0.0) -> list[Call]:
    """The requests since a time, in the order of the log. A watch is listed when it has begun."""
    return [call for call in _read() if call.at >= since]


def ours(since: float = 0.0) -> list[Call]:
    """The requests of our driver, each once."""
    return [
        call
        for call in calls(since)
        if call.ours and (call.verb == "watch") == (call.stage == "ResponseStarted")
    ]


def _read() -> Iterator[Call]:
    for line in _LOG.read_text().splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # the last line is being written
        what = event.get("objectRef", {})
        yield Call(
            at=datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp(),
            user=event["user"]["username"],
            verb="try" if "dryRun=All" in event["requestURI"] else event["verb"],
            resource=what.get("resource", ""),
            code=event.get("responseStatus", {}).get("code", 0),
            stage=event["stage"],
        )

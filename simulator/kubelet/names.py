"""The resource names that kubelet accepts (its pkg/apis/core/v1/helper, IsExtendedResourceName)."""

import re

QUOTA_PREFIX = "requests."  # what a quota puts before the name; the whole must stay valid

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_PREFIX = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_LONGEST_PREFIX = 253 - len(QUOTA_PREFIX)  # of a DNS subdomain, in characters
_LONGEST_NAME = 63


def resource_name_fault(resource: str) -> str | None:
    """Why kubelet refuses `resource`. None if it accepts it."""
    prefix, slash, name = resource.partition("/")
    rules = {
        "it has no prefix with a slash": not slash,
        "it has more than one slash": "/" in name,
        "kubernetes.io/ is reserved": "kubernetes.io/" in resource,
        f"{QUOTA_PREFIX} is reserved for quotas": resource.startswith(QUOTA_PREFIX),
        "its prefix is no lowercase DNS name": not _PREFIX.fullmatch(prefix),
        f"its prefix is longer than {_LONGEST_PREFIX} characters": len(prefix) > _LONGEST_PREFIX,
        "its name has characters that are not allowed": not _NAME.fullmatch(name),
        f"its name is longer than {_LONGEST_NAME} characters": len(name) > _LONGEST_NAME,
    }
    return next((why for why, broken in rules.items() if broken), None)

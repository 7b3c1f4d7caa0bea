"""A request to the API server, as RBAC names it, and its path. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import quote

_NO_QUERY: Mapping[str, str] = MappingProxyType({})

# Methods of HTTP by the verbs of RBAC.
_METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A verb on an object or, without a name, on all objects of a kind.

    `group` is "" for the core API, `resource` the plural, with the subresource if there is one:
    "resourceclaims/status". `namespace` is "" for objects of the cluster.
    """

    verb: str
    group: str
    version: str
    resource: str
    name: str = ""
    namespace: str = ""
    query: Mapping[str, str] = field(default_factory=lambda: _NO_QUERY)

    @property
    def method(self) -> str:
        """The method of HTTP."""
        return _METHODS[self.verb]

    @property
    def path(self) -> str:
        """The path of the URL, without the query."""
        plural, _, subresource = self.resource.partition("/")
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespace:
            parts += ["namespaces", self.namespace]
        parts += [plural, self.name, subresource]
        return "/" + "/".join(quote(part, safe="") for part in parts if part)

    @property
    def rbac_rule(self) -> str:
        """The rule of a ClusterRole that allows it."""
        return (
            f'{{apiGroups: ["{self.group}"], resources: [{self.resource}], verbs: [{self.verb}]}}'
        )

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.verb} {self.resource}{f' {place}' if place else ''}"

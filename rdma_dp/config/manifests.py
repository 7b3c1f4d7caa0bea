"""Find configs inside Kubernetes objects and Helm values: what people keep in a repository.

A config is an object with the key configList, or a string with such an object, at any depth: the
key of a ConfigMap, the string in a NicClusterPolicy, Helm values, in a List or in several
documents. The daemon does not use this: kubelet gives it the key of a ConfigMap as a file.
"""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import yaml

from rdma_dp.config import json_text, network_operator, syntax
from rdma_dp.config.embedded_places import POLICIES, Embedded, Owner, documents, scalar_index
from rdma_dp.config.problems import ConfigError, Location, Problem, path_of
from rdma_dp.config.trees import Pairs

_DEEPEST = 64  # keys; custom resource definitions go to about 40
_WANTED = "configlist"
_POLICY_KEY = ("spec", "rdmaSharedDevicePlugin", "config")
_SRIOV_KEY = ("spec", "sriovDevicePlugin", "config")  # named if it is the only one
_USUAL = ("config.json", "config")  # the last key of a config in a ConfigMap and in a policy
_DOCUMENT = "document"  # in place of the kind of an object
_NOT_SEARCHED = ("metadata", "status")  # the annotation of kubectl apply holds a copy of the object

# The chart of Network Operator (templates/mellanox.com_v1alpha1_nicclusterpolicy_cr.yaml) makes the
# config of a NicClusterPolicy from these keys, and from no other ones.
_CHART = "rdmaSharedDevicePlugin"
_CHART_SELECTORS = network_operator.SELECTORS
_CHART_SLOTS = 63

_LITERAL = re.compile(
    r"[\w.-]+=(?=\s*[{\[])"
)  # config.json={...} of a configMapGenerator of kustomize
_GENERATOR = "configMapGenerator"
_LISTED = 8  # configs in a message


@dataclass(frozen=True, slots=True)
class Manifests:
    """What a file holds beside or instead of a plain config."""

    configs: tuple[Embedded, ...] = ()
    objects: tuple[Owner, ...] = ()


def search(text: str) -> Manifests:
    """The configs inside a file. None for a plain config, and for a text with a syntax error."""
    try:
        if _is_plain_json(text):
            return Manifests()
        roots = documents(text)
    except (ConfigError, RecursionError):
        return Manifests()
    if len(roots) == 1 and _is_config(roots[0]):
        return Manifests()
    search = _Search(text)
    for index, root in enumerate(roots):
        search.walk(root, (), Owner() if len(roots) == 1 else Owner(_DOCUMENT, "", str(index + 1)))
    places = [each for each in search.places if each.keys != _SRIOV_KEY] or search.places
    usual = [each for each in places if each.keys[-1] in _USUAL] or places
    configs = search.configs or (usual if len(usual) == 1 else [])
    return Manifests(tuple(configs), tuple(search.objects))


def unclear(found: Manifests, word: str, file: object) -> Problem:
    """The problem of a file with several configs, when `word` does not choose one of them."""
    chosen = [each for each in found.configs if word in each.words] if word else []
    listed = chosen or found.configs
    lines = [f"{_word(each, found)} ({each}, line {_line(each)})" for each in listed[:_LISTED]]
    more = f" and {len(listed) - _LISTED} more" if listed[_LISTED:] else ""
    what = f"holds {len(listed)} configs" + (f' for "{word}"' if chosen else "")
    if word and not chosen:
        what = f'holds no config "{word}"'
    hint = f"choose one: {file}#{_word(listed[0], found)}"
    return Problem("", f"{what}: {', '.join(lines)}{more}", hint)


def _word(wanted: Embedded, found: Manifests) -> str:
    """The shortest word that chooses a config and no other one of the file."""
    others = [each for each in found.configs if each is not wanted]
    free = (word for word in wanted.words if not any(word in each.words for each in others))
    return next(free, wanted.words[-1] if wanted.words else "")


def _line(found: Embedded) -> int:
    return found.source.count("\n", 0, found.begin) + 1


@dataclass
class _Search:
    """Configs by their key configList, and strings in the places where a config is expected."""

    source: str
    configs: list[Embedded] = field(default_factory=list)
    places: list[Embedded] = field(default_factory=list)
    objects: list[Owner] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)  # an alias of YAML is a node that was seen

    def walk(self, node: yaml.Node, keys: Location, owner: Owner) -> None:
        if id(node) in self._seen or len(keys) > _DEEPEST:
            return
        self._seen.add(id(node))
        match node:
            case yaml.MappingNode():
                self._mapping(node, keys, owner)
            case yaml.SequenceNode(value=items):
                for index, item in enumerate(items):
                    self.walk(item, (*keys, index), owner)
            case yaml.ScalarNode():
                self._scalar(node, keys, owner)

    def _mapping(self, node: yaml.MappingNode, keys: Location, owner: Owner) -> None:
        members = _members(node)
        if own := _owner(members, owner) or _kustomization(members, keys):
            owner, keys = own, ()
            self.objects.append(own)
        if _is_config(node) and (owner.kind or any(isinstance(key, str) for key in keys)):
            self.configs.append(self._from_nodes(node, keys, owner))
            return
        resources = _members(members.get(_CHART)).get("resources")
        if isinstance(resources, yaml.SequenceNode) and owner.kind not in POLICIES:
            self.configs.append(self._from_chart(resources, (*keys, _CHART, "resources"), owner))
        for key, member in members.items():
            if not (own and key in _NOT_SEARCHED):
                self.walk(member, (*keys, key), owner)

    def _scalar(self, node: yaml.ScalarNode, keys: Location, owner: Owner) -> None:
        begin, index_of = node.start_mark.index, scalar_index(self.source, node)
        name = _LITERAL.match(node.value)
        skipped = name.end() if name else 0
        found = Embedded(
            owner,
            keys,
            node.value[skipped:],
            self.source,
            begin,
            index_of=lambda at: index_of(at + skipped),
        )
        if owner.kind == "ConfigMap" and keys[:1] == ("binaryData",):
            found = _decoded(found)
        if owner.kind in POLICIES:
            found = replace(found, problems=tuple(network_operator.breaks(found.text)))
        if _WANTED in found.text.casefold() and (keys or owner.kind):
            self.configs += _in_text(found)
        elif _is_expected(found):
            self.places.append(found)

    def _from_nodes(self, node: yaml.MappingNode, keys: Location, owner: Owner) -> Embedded:
        """A config that is part of the YAML around it, not a string."""
        begin = node.start_mark.index
        if owner.kind == _DOCUMENT and not keys:
            text = self.source[begin : node.end_mark.index]
            return Embedded(owner, keys, text, self.source, begin, index_of=lambda at: begin + at)
        found = Embedded(owner, keys, "", self.source, begin, tree=node)
        try:
            reading = syntax.plain(node)
        except ConfigError as error:
            return replace(found, problems=error.problems)
        if owner.kind in ("ConfigMap", *POLICIES):
            message = f"{path_of(keys)} must be a string with the config, not an object"
            problem = Problem("", message, f"write {keys[-1]}: | and the JSON below it")
            found = replace(found, problems=(problem,))
        text = json.dumps(_as_helm(reading.data))
        return replace(found, text=text, warnings=reading.warnings)

    def _from_chart(self, node: yaml.SequenceNode, keys: Location, owner: Owner) -> Embedded:
        """The config that the chart of Network Operator makes from its values."""
        begin = node.start_mark.index
        found = Embedded(owner, keys, "", self.source, begin)
        try:
            reading = syntax.plain(node)
        except ConfigError as error:
            return replace(found, tree=node, problems=error.problems)
        warnings = list(reading.warnings)
        entries = _as_helm(reading.data)
        made = [
            _resource(entry, index, warnings) if isinstance(entry, dict) else entry
            for index, entry in enumerate(entries if isinstance(entries, list) else [])
        ]
        return replace(found, text=json.dumps({"configList": made}), warnings=tuple(warnings))


def _resource(entry: dict[str, object], index: int, warnings: list[Problem]) -> dict[str, object]:
    for key in entry.keys() - {"name", "rdmaHcaMax", *_CHART_SELECTORS}:
        message = "is ignored by the chart of Network Operator"
        hint = f"it knows name, rdmaHcaMax, {', '.join(_CHART_SELECTORS)}"
        warnings.append(Problem(path_of((index, key)), message, hint))
    selectors = {key: entry[key] for key in _CHART_SELECTORS if entry.get(key)}
    slots = entry.get("rdmaHcaMax") or _CHART_SLOTS
    return {"resourceName": entry.get("name"), "rdmaHcaMax": slots, "selectors": selectors}


def _as_helm(value: object) -> object:
    """As Helm writes YAML to JSON: 1017 without quotes is a number there, and no device ID."""
    if isinstance(value, dict):
        return {key: _as_helm(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_as_helm(item) for item in value]
    return syntax.flag(syntax.number(value))


def _in_text(found: Embedded) -> Iterator[Embedded]:
    """The string itself if it is a config, else the configs in it (Helm values as a string)."""
    try:
        roots = documents(found.text)
    except (ConfigError, RecursionError):
        if json_text.begins_as_json(found.text) or re.search(r"(?mi)^configlist\s*:", found.text):
            yield found  # with a syntax error, which the loader reports
        return
    if len(roots) == 1 and _is_config(roots[0]):
        yield found
    elif any(isinstance(root, yaml.CollectionNode) for root in roots):
        for inner in search(found.text).configs:
            yield replace(
                found, keys=(*found.keys, *inner.keys), text=inner.text, index_of=None,
                problems=inner.problems, warnings=inner.warnings,
            )  # fmt: skip


def _decoded(found: Embedded) -> Embedded:
    try:
        text = base64.b64decode("".join(found.text.split()), validate=True).decode()
    except ValueError:
        problem = Problem("", "is not text in base64", "put plain text into data, not binaryData")
        return replace(found, text="", index_of=None, problems=(problem,))
    return replace(found, text=text, index_of=None)


def _is_expected(found: Embedded) -> bool:
    """Whether a config is expected here, though the string does not look like one."""
    keys, kind = found.keys, found.owner.kind
    if kind == "ConfigMap" and len(keys) == 2 and keys[0] in ("data", "binaryData"):
        named = str(keys[1]).endswith((".json", ".yaml", ".yml"))
        return named or json_text.begins_as_json(found.text)
    return kind in POLICIES and keys in (_POLICY_KEY, _SRIOV_KEY)


def _members(node: yaml.Node | None) -> dict[str, yaml.Node]:
    pairs: Sequence[tuple[yaml.Node, yaml.Node]] = (
        node.value if isinstance(node, yaml.MappingNode) else ()
    )
    return {key.value: value for key, value in pairs if isinstance(key, yaml.ScalarNode)}


def _is_plain_json(text: str) -> bool:
    """Whether a text is JSON and a config. Reading it as YAML takes much longer."""
    tree = json_text.parse_json(text)[0] if json_text.begins_as_json(text) else None
    return isinstance(tree, Pairs) and _WANTED in {key.casefold() for key, _ in tree}


def _is_config(node: yaml.Node) -> bool:
    return any(key.casefold() == _WANTED for key in _members(node))


def _text(node: yaml.Node | None) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else ""


def _kustomization(members: dict[str, yaml.Node], keys: Location) -> Owner | None:
    """The owner for a file of kustomize, which needs no kind."""
    resources = members.get("resources")
    named = resources.value if isinstance(resources, yaml.SequenceNode) else ()
    files = bool(named) and all(isinstance(each, yaml.ScalarNode) for each in named)
    return Owner("Kustomization") if not keys and (files or _GENERATOR in members) else None


def _owner(members: dict[str, yaml.Node], around: Owner) -> Owner | None:
    """The Kubernetes object that a mapping is. The items of a raw List have no kind."""
    metadata = _members(members.get("metadata"))
    kind = _text(members.get("kind")) if "apiVersion" in members else ""
    if not kind and metadata and around.kind.endswith("List"):
        kind = around.kind.removesuffix("List")
    return (
        Owner(kind, _text(metadata.get("namespace")), _text(metadata.get("name"))) if kind else None
    )

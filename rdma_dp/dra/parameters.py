"""The opaque parameters of claims and device classes: HcaConfig. Pure.

    {"apiVersion": "hca.rdma-dp.dev/v1", "kind": "HcaConfig", "env": {"NCCL_IB_HCA": "hcas"}}

The API server does not check them. So a pod's owner reads the problems in the events of the pod.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from rdma_dp.config import EnvForm
from rdma_dp.config.problems import InvalidValue
from rdma_dp.config.values.kubernetes import validated_text, validated_variable
from rdma_dp.text import few, one_line

KIND = "HcaConfig"
_FIELDS = ("apiVersion", "kind", "env")
_FROM_CLASS = "FromClass"
_SHOWN = 80  # characters of a value


@dataclass(frozen=True, slots=True)
class Parameters:
    """The variables that one config of a claim adds, and the requests that it is for.

    `requests` is empty for all requests. A name covers its subrequests as well.
    """

    requests: tuple[str, ...]
    env: Mapping[str, EnvForm]

    def concern(self, request: str) -> bool:
        """Whether they are for a request, "name" or "name/subrequest"."""
        return not self.requests or not {request, request.partition("/")[0]}.isdisjoint(
            self.requests
        )


def read_parameters(
    allocated: Mapping[str, Any], driver: str
) -> tuple[tuple[Parameters, ...], tuple[str, ...]]:
    """The parameters for our driver in an allocation, and their problems in words.

    Those of classes come first: what the claim says counts over them.
    """
    found: list[Parameters] = []
    problems: list[str] = []
    configs = [each for each in allocated.get("config") or () if _driver(each) == driver]
    for config in sorted(configs, key=lambda each: each.get("source") != _FROM_CLASS):
        requests = tuple(config.get("requests") or ())
        written = config["opaque"].get("parameters")
        wrong = list(_problems(written, driver))
        problems += (f"{_place(config, requests)}: {text}" for text in wrong)
        if not wrong:
            env = {name: EnvForm(form) for name, form in (written.get("env") or {}).items()}
            found.append(Parameters(requests, env))
    return tuple(found), tuple(problems)


def _driver(config: Mapping[str, Any]) -> object:
    return (config.get("opaque") or {}).get("driver")


def _place(config: Mapping[str, Any], requests: tuple[str, ...]) -> str:
    source = "the device class" if config.get("source") == _FROM_CLASS else "the claim"
    of = f" for request {few(requests, ', ')}" if requests else ""
    return f"parameters of {source}{of}"


def _problems(written: Any, driver: str) -> Iterator[str]:
    if not isinstance(written, dict):
        yield f"not an object; write apiVersion: {driver}/v1, kind: {KIND}, env: {{...}}"
        return
    for key, wanted in (("apiVersion", f"{driver}/v1"), ("kind", KIND)):
        if written.get(key) != wanted:
            yield f"{key} is {_shown(written.get(key))}; write {wanted}"
    for key in written:
        if key not in _FIELDS:
            yield f"unknown field {_shown(key)}; {_hint(key, _FIELDS)}"
    env = written.get("env")
    if env is not None and not isinstance(env, dict):
        yield f"env is {_shown(env)}; write env: {{NCCL_IB_HCA: hcas}}"
    elif env:
        yield from _env_problems(env)


def _env_problems(env: Mapping[str, Any]) -> Iterator[str]:
    forms = tuple(map(str, EnvForm))
    for name, form in env.items():
        try:
            validated_variable(validated_text(name))
        except InvalidValue as error:
            yield f"env: {_shown(name)} {error.message} ({error.hint})"
        if form not in forms:
            yield f"env.{_shown(name)} is {_shown(form)}; {_hint(form, forms)}"


def _hint(word: object, known: tuple[str, ...]) -> str:
    near = get_close_matches(str(word)[:_SHOWN].lower(), known, 1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"


def _shown(value: object) -> str:
    return "missing" if value is None else one_line(repr(value)[:_SHOWN])

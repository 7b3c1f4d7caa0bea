"""The API server's answers, asked for without a process for each."""

import json
import signal
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.node.cluster.control_plane import CERTIFICATE, KUBECONFIG, SERVER, TOKEN
from tests.node.process import DEADLINE, Process, wait_until

Object = dict[str, Any]


def get(path: str) -> Object | None:
    """An object or a list of objects; None if there is none."""
    try:
        with _open(path) as answer:
            found: Object = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


@contextmanager
def watched(path: str) -> Iterator[list[Object]]:
    """Every state of one object while the block runs; they are in the list when it has ended."""
    place, _, name = path.rpartition("/")
    query = f"{place}?watch=1&fieldSelector=metadata.name={name}"
    command = ("kubectl", "--kubeconfig", str(KUBECONFIG), "get", "--raw", query)
    watch = Process(f"watch-{name}", command)
    wait_until(lambda: "{" in watch.said)
    states: list[Object] = []
    try:
        yield states
        assert watch.runs, f"the watch has ended: {watch.said[-500:]}"
    finally:
        watch.end(signal.SIGKILL)
        states += [json.loads(line)["object"] for line in watch.said.splitlines()]


def _open(path: str) -> Any:
    request = urllib.request.Request(
        f"{SERVER}{path}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    trusted = ssl.create_default_context(cafile=str(CERTIFICATE))
    return urllib.request.urlopen(request, timeout=DEADLINE, context=trusted)

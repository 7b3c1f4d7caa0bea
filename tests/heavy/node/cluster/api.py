"""Requests to the API server, without a kubectl process for each."""

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from tests.heavy.node.cluster.control_plane import CERTIFICATE, SERVER, TOKEN
from tests.heavy.node.process import DEADLINE

Object = dict[str, Any]


def get(path: str) -> Object | None:
    """An object or a list of objects. None if there is none."""
    try:
        with _open(path) as answer:
            found: Object = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


def post(path: str, made: Object) -> Object:
    """Creates an object. Returns it as the server keeps it."""
    return request("POST", path, made)


def delete(path: str) -> None:
    """Deletes an object, if there is one."""
    try:
        request("DELETE", path)
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise


def request(method: str, path: str, body: Object | None = None, token: str = TOKEN) -> Object:
    """The answer to a request of the caller with this token. Raises HTTPError.

    A PATCH is a merge patch.
    """
    with _open(path, method, body, token) as answer:
        found: Object = json.load(answer)
        return found


def _open(path: str, method: str = "GET", body: Object | None = None, token: str = TOKEN) -> Any:
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"{SERVER}{path}", method=method, data=data, headers=headers)
    trusted = ssl.create_default_context(cafile=str(CERTIFICATE))
    return urllib.request.urlopen(asked, timeout=DEADLINE, context=trusted)

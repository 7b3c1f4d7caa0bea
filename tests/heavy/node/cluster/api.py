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


def _open(path: str) -> Any:
    request = urllib.request.Request(
        f"{SERVER}{path}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    trusted = ssl.create_default_context(cafile=str(CERTIFICATE))
    return urllib.request.urlopen(request, timeout=DEADLINE, context=trusted)

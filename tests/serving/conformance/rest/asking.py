"""HTTP requests, as a client without a library sends them."""

import http.client
import json
from collections.abc import Mapping
from typing import Any

Answer = tuple[int, str]


def send(
    rest: str, method: str, path: str, body: bytes | str = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body of a request of its own connection."""
    connection = http.client.HTTPConnection(rest, timeout=30)
    connection.request(method, path, body, dict(headers or {}))
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, response.headers, content


def get(rest: str, path: str) -> Answer:
    status, _, content = send(rest, "GET", path)
    return status, content.decode()


def post(rest: str, path: str, body: Any) -> Answer:
    """POST a JSON value, or text as it is."""
    text = body if isinstance(body, str) else json.dumps(body)
    status, _, content = send(rest, "POST", path, text.encode())
    return status, content.decode()


def error(answer: Answer) -> tuple[int, str]:
    """Status and message of a refusal, whose only key is `error`."""
    status, text = answer
    (item,) = json.loads(text).items()
    assert item[0] == "error"
    return status, item[1]

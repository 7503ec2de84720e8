"""Finds the storm's events in whatever a tracker sends."""

import base64
import binascii
import gzip
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

Delivery = tuple[int, str]
"""An event's number, and the id that its tracker gave it, or "" if it has none."""

GZIP = b"\x1f\x8b"


def deliveries(body: bytes, id_key: str) -> list[Delivery]:
    """The events in a request's body: JSON, or a form with JSON in it, plain, base64 or gzipped.

    An event is an object with the storm's `n` and `page`; its id is at `id_key` there, or in the
    nearest object around it. Nothing is found in a body of another kind.
    """
    if body.startswith(GZIP):
        body = gzip.decompress(body)
    text = body.decode(errors="replace")
    value = _json(text)
    return list(_events(dict(parse_qsl(text)) if value is None else value, id_key, ""))


def _events(value: Any, id_key: str, found: str) -> Iterator[Delivery]:
    if isinstance(value, dict):
        found = str(value.get(id_key, found))
        if isinstance(value.get("n"), int) and "page" in value:
            yield value["n"], found
        children = list(value.values())
    else:
        children = value if isinstance(value, list) else []
    for child in children:
        yield from _events(_opened(child) if isinstance(child, str) else child, id_key, found)


def _opened(text: str) -> Any:
    """The JSON in a string, also in base64; None if there is none."""
    value = _json(text)
    if value is not None:
        return value
    try:
        return _json(base64.b64decode(text, validate=True).decode())
    except (binascii.Error, ValueError):  # most strings are no base64, or not of text
        return None


def _json(text: str) -> Any:
    """An object or an array; None if it is neither."""
    if text[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None

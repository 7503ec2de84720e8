"""A session's context: how pages add to it, and what it says of where the visitor came from."""

import msgspec
from msgspec import Raw, Struct

from .types import is_valid_id


class _Campaign(Struct):
    utm: Raw = Raw(b"")


_decode_campaign = msgspec.json.Decoder(_Campaign).decode
_decode_dict = msgspec.json.Decoder(dict[str, Raw]).decode


def utm_of(context: str) -> str | None:
    """The campaign in a session's context, as JSON text of an object."""
    if '"utm"' not in context:
        return None
    utm = str(_decode_campaign(context).utm, "utf-8")
    return utm if utm[:1] == "{" and utm != "{}" else None


def passed_profile(context: str) -> str | None:
    """`__tt_pid` in a session's context, by itself or within `pass`: the visitor's profile on the
    site they come from."""
    if "__tt_pid" not in context:
        return None
    parts = _decode_dict(context)
    for text in (context, str(parts.get("pass", Raw(b"")), "utf-8")):
        try:
            value = msgspec.json.decode(_decode_dict(text).get("__tt_pid", Raw(b"null")), type=str)
        except msgspec.DecodeError:
            continue
        if value and is_valid_id(value):
            return value
    return None


def merge_contexts(context: str, patch: str) -> str:
    """A session's context with what a later page says (RFC 7396): objects are merged, null removes
    a key, and anything else replaces what was there. Numbers keep their digits."""
    return msgspec.json.encode(_merge(context, patch)).decode()


def _merge(target: str, patch: str) -> dict[str, Raw]:
    merged = _decode_dict(target)
    for key, raw in _decode_dict(patch).items():
        value = str(raw, "utf-8")
        if value == "null":
            merged.pop(key, None)
        elif value[:1] == "{":
            old = str(merged.get(key, Raw(b"{}")), "utf-8")
            inner = _merge(old if old[:1] == "{" else "{}", value)
            merged[key] = Raw(msgspec.json.encode(inner))
        else:
            merged[key] = raw
    return merged

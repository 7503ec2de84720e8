"""A session's context: how pages add to it, and what it says of where the visitor came from."""

from urllib.parse import urlsplit

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
    """`__tt_pid` in a session's context: the visitor's profile on the site they come from."""
    return _passed(context, "__tt_pid")


def passed_source(context: str) -> str | None:
    """`__tt_src` in a session's context: the source of the site they come from."""
    return _passed(context, "__tt_src")


def _passed(context: str, name: str) -> str | None:
    """What the address of a visitor's first page has passed on, by itself or within `pass`."""
    if name not in context:
        return None
    parts = _decode_dict(context)
    for text in (context, str(parts.get("pass", Raw(b"")), "utf-8")):
        try:
            value = msgspec.json.decode(_decode_dict(text).get(name, Raw(b"null")), type=str)
        except msgspec.DecodeError:
            continue
        if value and is_valid_id(value):
            return value
    return None


class _PageOf(Struct, frozen=True):
    referrer: str = ""


class _OfPage(Struct):
    page: _PageOf = _PageOf()


_decode_page = msgspec.json.Decoder(_OfPage).decode


def referrer_origin(context: str) -> str:
    """The origin of the page that a visitor came from, in an event's context; empty if it does not
    say. A page cannot claim another's: browsers set it."""
    try:
        parts = urlsplit(_decode_page(context).page.referrer)
    except (msgspec.DecodeError, ValueError):
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.netloc else ""


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

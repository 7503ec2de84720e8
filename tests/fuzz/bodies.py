"""Requests that are HTTP as it should be, with anything in them: Hypothesis makes them up, and
finds the smallest that goes wrong."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import brotli
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from .target import (
    LIMITED,
    LISTED,
    OFF,
    PLAIN,
    REDIRECT,
    STRICT,
    UNSTORED,
    Problem,
    Silence,
    Target,
)

TEXTS = st.text(max_size=12) | st.sampled_from(
    ["", " ", "\0", "\x1b[2J", "\ud800", "\U0001f600", "a" * 128, "a" * 129, "é" * 64, "__proto__",
     "constructor", "{", "[", '"', "\\", "null", "%00", "../..", "<script>", "'; --", "=1+1"]
)  # fmt: skip
NUMBERS = st.integers() | st.floats() | st.sampled_from(
    [0, -0.0, 1e308, 5e-324, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**400]
)  # fmt: skip
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)
_ZONES = st.sampled_from(["", "Z", "z", "+00:00", "-00:00", "+14:00", "-14:00", "+23:59", "-23:59",
                          "+24:00", "+0000", " UTC", "+00:00:30"])  # fmt: skip
_DAYS = st.dates().map(str) | st.sampled_from(
    ["9999-12-31", "0001-01-01", "0000-01-01", "10000-01-01", "1970-01-01", "2000-01-01", "2026-W01-1",
     "2026-001", "2024-02-29", "2023-02-29", "2026-00-10", "20261127", "2026-11-31"]
)  # fmt: skip
_HOURS = st.times().map(str) | st.sampled_from(
    ["00:00:00.000", "00:00:00,000", "23:59:59.999", "23:59:60", "24:00:00", "23:59:59.9999999999", "10", "1000"]
)  # fmt: skip
TIMES = st.builds("{}{}{}{}".format, _DAYS, st.sampled_from(["T", "t", " ", "_"]), _HOURS, _ZONES)
A_TIME = TIMES | JSON


def _some(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def _reference(ids: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"id": ids}, optional={"x": JSON}) | JSON


IDS = st.sampled_from(["one", "two", "three"]) | st.uuids().map(str) | TEXTS
_PAGE = _some(
    dict.fromkeys(("url", "path", "hash", "title", "referer", "history"), TEXTS | JSON)
    | {"referer": st.fixed_dictionaries({"host": TEXTS}) | JSON}
)
CONTEXTS = (
    _some(
        {
            "page": _PAGE | JSON,
            "utm": _some(dict.fromkeys(("source", "medium", "campaign", "term"), JSON)) | JSON,
            "browser": JSON,
            "screen": _some({"width": JSON, "height": JSON}) | JSON,
            "__tt_pid": IDS | JSON,
            "__tt_src": st.sampled_from([PLAIN, LISTED]) | JSON,
            "time": JSON,
            "tz": TEXTS,
        }
    )
    | JSON
)
TYPES = st.sampled_from(["a", "order", "page-view", " a "]) | TEXTS | JSON
PROPERTIES = st.fixed_dictionaries({"price": JSON}, optional={"s": TEXTS, "n": JSON}) | JSON
EVENTS = _some(
    {
        "type": TYPES,
        "id": IDS | JSON,
        "time": st.fixed_dictionaries({"create": A_TIME}, optional={"x": JSON}) | JSON,
        "properties": PROPERTIES,
        "context": CONTEXTS,
        "options": JSON,
        "tags": st.lists(JSON, max_size=3) | JSON,
        "unknown": JSON,
    }
)
GOOD_EVENTS = st.builds(
    lambda event, kind: {**event, "type": kind}, EVENTS, st.sampled_from(["a", "order"])
)
SOURCES = st.sampled_from([PLAIN] * 4 + [STRICT] * 3 + [LISTED, LIMITED, UNSTORED, OFF])
ENVELOPES = st.builds(
    lambda source, rest: {"source": {"id": source}, **rest},
    SOURCES,
    _some(
        {
            "session": _reference(IDS),
            "profile": _reference(IDS),
            "device": _reference(IDS),
            "context": CONTEXTS,
            "properties": JSON,
            "options": JSON,
            "sentAt": A_TIME,
            "known": st.lists(IDS, max_size=4) | JSON,
            "dropped": NUMBERS | JSON,
            "unknown": JSON,
            "events": st.lists(GOOD_EVENTS, max_size=3) | st.lists(GOOD_EVENTS | EVENTS | JSON, max_size=4) | JSON,
        }
    ),
)  # fmt: skip


def _plain(body: bytes) -> bytes:
    return body


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": _plain,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "identity": _plain,
    "gzip, br": lambda body: brotli.compress(gzip.compress(body)),
}
HEADERS = _some(
    {
        "Origin": st.sampled_from(["https://shop.example.com", "null", "http://\xff"]) | TEXTS,
        "Referer": TEXTS,
        "User-Agent": st.sampled_from(["Mozilla/5.0 (X11) Firefox/128.0", "Googlebot/2.1"]) | TEXTS,
        "X-Forwarded-For": st.ip_addresses().map(str) | TEXTS,
        "Content-Type": st.sampled_from(["application/json", "text/plain", "text/plain; charset=x"]) | TEXTS,
        "Content-Encoding": st.sampled_from([*ENCODINGS, "zip"]) | TEXTS,
        "Cookie": TEXTS,
    }
)  # fmt: skip


def request(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A request as bytes; header values lose what would end the line."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    for name, value in headers.items():
        lines.append(f"{name}: " + "".join(c for c in value if c.isprintable()))
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
    return head.encode("utf-8", "surrogateescape" if head.isascii() else "replace") + body


@st.composite
def tracked(draw: st.DrawFn) -> bytes:
    """A request to /track."""
    text = json.dumps(draw(ENVELOPES), ensure_ascii=draw(st.booleans()))
    body = text.encode("utf-8", draw(st.sampled_from(["surrogatepass", "replace"])))
    headers = draw(HEADERS)
    if encode := ENCODINGS.get(headers.get("Content-Encoding", "")):
        body = encode(body)
    if draw(st.integers(0, 9)) == 0:  # damaged on its way
        damaged = bytearray(body)
        damaged[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
        body = bytes(damaged)
    return request("POST", draw(st.sampled_from(["/track", "/track?x=1"])), headers, body)


_WORDS = TEXTS.map(lambda text: quote(text, safe="", errors="surrogatepass"))
_QUERIES = st.lists(st.tuples(_WORDS, _WORDS), max_size=3).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)


@st.composite
def bridged(draw: st.DrawFn) -> bytes:
    """A request to a webhook, a pixel or a redirect."""
    word = draw(_WORDS.filter(bool))
    session = draw(st.just("") | _WORDS.filter(bool).map("/{}".format))
    path = draw(
        st.sampled_from(
            [
                f"/collect/{word}/{draw(SOURCES)}{session}",
                f"/collect/a/{draw(SOURCES)}/pixel.gif",
                f"/redirect/{REDIRECT}{session}",
            ]
        )
    )
    body = draw(
        JSON.map(lambda value: json.dumps(value).encode("utf-8", "replace"))
        | _QUERIES.map(str.encode)
        | st.binary(max_size=30)
    )
    kinds = [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=a",
    ]
    headers = {**draw(HEADERS), "Content-Type": draw(st.sampled_from(kinds))}
    method = draw(st.sampled_from(["GET", "POST", "HEAD", "OPTIONS"]))
    return request(method, f"{path}?{draw(_QUERIES)}", headers, body)


@st.composite
def administered(draw: st.DrawFn) -> bytes:
    """A request to the API that reads; `@TOKEN@` stands for a token."""
    names = ("events", "rejected", "sources", "stats", f"sources/{PLAIN}", f"sources/{PLAIN}/schemas",
             f"sources/{PLAIN}/reports", f"sources/{PLAIN}/reports/pages", "redirects", "profiles/one")  # fmt: skip
    keys = ("limit", "cursor", "type", "source_id", "session_id", "profile_id", "since", "until", "by", "from", "to")  # fmt: skip
    values = st.sampled_from(["1", "0", "-1", "1001", "9" * 30, "2026-11-27", "day", PLAIN, ""]) | _WORDS  # fmt: skip
    pairs = draw(st.lists(st.tuples(st.sampled_from(keys), values), max_size=3))
    query = "&".join(f"{key}={value}" for key, value in pairs)
    word = draw(st.sampled_from(names) | _WORDS)
    return request("GET", f"/api/{word}?{query}", {"Authorization": "Bearer @TOKEN@"}, b"")


REQUESTS = st.one_of(tracked(), tracked(), tracked(), bridged(), administered())


def run(target: Target, number: int, examples: int) -> None:
    """Sends made-up requests. Raises Problem, with the smallest request that shows it."""
    smallest: list[Problem] = []

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.target, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(REQUESTS)
    def send(data: bytes) -> None:
        if smallest and isinstance(smallest[0], Silence):
            return  # looking for a smaller one would take hours
        try:
            target.exchange([target.reveal(data)])
        except Problem as problem:
            smallest[:] = [problem]
            raise

    try:
        send()
    except Flaky as error:  # seen once, and not again
        raise smallest[0] from error

"""Bytes on a connection: recorded requests and hostile ones, damaged, glued together, and cut in
pieces. How they are cut must not change the answers."""

import copy
import json
import random
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ..http.test_strict_http import SMUGGLING, chunked, get, post
from .target import LISTED, PLAIN, REDIRECT, STRICT, Answer, Problem, Target

T = TypeVar("T")

RECORDINGS = Path(__file__).parent.parent / "recordings"
MAX_INPUT = 300_000  # bytes
TOKENS = [
    b"\r\n", b"\n", b"\r", b"\0", b"\x7f", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r\n\r\n", b" ", b"\t", b":",
    b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"0\r\n\r\n", b"5;x=y\r\n",
    b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"Host: y\r\n",
    b"Content-Encoding: gzip\r\n", b"Content-Encoding: br\r\n", b"X-Forwarded-For: ::1, [::1], 1.2.3.4:5, unknown\r\n",
    b"Origin: http://\xff\r\n", b"Content-Type: multipart/form-data; boundary=x\r\n", b"--x\r\n", b"--x--\r\n",
    b"GET ", b"POST ", b"HEAD ", b"OPTIONS ", b"DELETE ", b"* ", b"http://x/track ", b"//", b"/../", b"%2e%2e/", b"%00", b"%ff", b"%0a", b"?", b"#", b";",
    b'"', b"\\", b"\\u0000", b"\\ud800", b"{", b"}", b"[", b"]", b",", b"null", b"true", b"1e999", b"-0", b"9" * 40, b'{"id":null}',
    b'"__proto__":{},', b'"sentAt":"2020-01-01T00:00:00Z",', b"9999-12-31T23:59:59.999Z", b"0001-01-01T00:00:00+14:00", b"x" * 17_000, b"[" * 40,
]  # fmt: skip
VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 10**30, "", "a", "\0", "\ud800", "x" * 200, [], {}, [[]], [None], {"id": None}, {"id": 5}, {"id": ""},
    {"": ""}, {"__proto__": {}}, "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-11-27T05:00:00,000Z", ["a"] * 20,
]  # fmt: skip


def recorded(folders: Iterable[Path]) -> list[bytes]:
    """The requests of recordings, and plain bodies, as bytes."""
    found = []
    for file in sorted(file for folder in folders for file in folder.rglob("*.json")):
        recording = json.loads(file.read_text(encoding="utf-8"))
        for item in recording.get("requests", []) if isinstance(recording, dict) else []:
            body = item.get("body")
            if isinstance(body, dict):
                body["source"] = {"id": PLAIN}
            text = json.dumps(body).encode() if "body" in item else b""
            headers = [f"{name}: {value}" for name, value in item["headers"].items()]
            request = post(text, *headers, target=item["path"])
            found.append(item["method"].encode() + request.removeprefix(b"POST"))
    return found


def others(token: str) -> list[bytes]:
    """Requests to the other routes, and requests with two readings."""
    authorized = f"Authorization: Bearer {token}"
    targets = [
        "/health", "/ready", "/metrics", "/docs", "/docs/openapi.json", "/tracker/tracker.min.js", "/tracker/loader.min.js", "/qa/events",
        f"/collect/hook/{PLAIN}?a=1&b=2&b=3", f"/collect/hook/{PLAIN}/one", f"/collect/hook/{PLAIN}/pixel.gif?x=%F0%9F%98%80",
        f"/redirect/{REDIRECT}", f"/redirect/{REDIRECT}/one", "/api/sources", "/nothing", "/",
    ]  # fmt: skip
    api = ["/api/events?limit=2", "/api/rejected?limit=2", f"/api/sources/{PLAIN}", "/api/stats"]
    form = post(b"a=1&a=2&b=%ff", "Content-Type: application/x-www-form-urlencoded", target=f"/collect/form/{PLAIN}")  # fmt: skip
    parts = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'
    multipart = post(parts, "Content-Type: multipart/form-data; boundary=x", target=f"/collect/parts/{PLAIN}")  # fmt: skip
    order = json.dumps({"source": {"id": STRICT}, "session": {"id": "one"}, "events": [{"type": "order", "properties": {"price": 1}}]}).encode()  # fmt: skip
    listed = json.dumps({"source": {"id": LISTED}, "known": ["x"], "dropped": 3, "events": [{"type": "a"}, {"type": ""}]}).encode()  # fmt: skip
    reads = [*map(get, targets), *(get(path, authorized) for path in api)]
    return [
        *(read.replace(b"Host: x", b"Host: localhost") for read in reads),
        form,
        multipart,
        chunked(order),
        post(order, "Expect: 100-continue"),
        post(listed, "Origin: https://a.example.com:8"),
        *(hostile.replace(b"@", b"POST /track") for hostile in SMUGGLING.values()),
    ]


class Mutator:
    """Makes inputs of seeds."""

    def __init__(self, chance: random.Random, seeds: list[bytes]) -> None:
        self._chance = chance
        self._seeds = seeds

    def input(self) -> bytes:
        """One or several requests, most of them damaged."""
        chance = self._chance
        data = b"".join(self._request() for _ in range(chance.choice((1, 1, 1, 2, 3, 8))))
        for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
            data = self._damage(data)
        return data[:MAX_INPUT]

    def _request(self) -> bytes:
        seed = self._chance.choice(self._seeds)
        if not seed.endswith(b"}") or self._chance.random() < 0.3:
            return seed
        head, _, body = seed.partition(b"\r\n\r\n")
        try:
            value = json.loads(body)
        except ValueError:
            return seed
        for _ in range(self._chance.choice((1, 1, 2, 5))):
            self._change(value)
        text = json.dumps(value, ensure_ascii=self._chance.random() < 0.5)
        body = text.encode("utf-8", "surrogatepass")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]  # fmt: skip
        if self._chance.random() < 0.2:
            sized = chunked(body, size=self._chance.choice((1, 7, 100, 5000)))
            coding = b"Transfer-Encoding: chunked"
            return b"\r\n".join([*lines, coding, b"", sized.partition(b"\r\n\r\n")[2]])
        return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", b""]) + body

    def _change(self, value: Any) -> None:
        """Changes something somewhere inside of a JSON value."""
        chance = self._chance
        while isinstance(value, dict | list) and value:
            key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
            inner = value[key]
            if isinstance(inner, dict | list) and inner and chance.random() < 0.75:
                value = inner
                continue
            match chance.randrange(4):
                case 0:
                    del value[key]
                case 1 if isinstance(value, dict):
                    value[chance.choice(("id", "type", "x", "__proto__", "\0"))] = inner
                case _:
                    value[key] = copy.deepcopy(chance.choice(VALUES))
            return

    def _damage(self, data: bytes) -> bytes:
        chance = self._chance
        at = chance.randrange(len(data) + 1)
        if chance.random() < 0.5:  # in a head
            at = min(at, chance.randrange(200))
        end = min(len(data), at + chance.choice((1, 1, 2, 8, 100)))
        match chance.randrange(7):
            case 0:
                return data[:at] + chance.randbytes(1) + data[at + 1 :]
            case 1:
                return data[:at] + data[end:]
            case 2:
                return data[:end] + data[at:end] * chance.choice((1, 3)) + data[end:]
            case 3:
                return data[:at]
            case 4:
                other = chance.choice(self._seeds)
                return data[:at] + other[chance.randrange(len(other)) :]
            case _:
                return data[:at] + chance.choice(TOKENS) + data[at:]

    def pieces(self, data: bytes) -> list[bytes]:
        """An input cut somewhere; small ones byte by byte now and then."""
        if len(data) < 3000 and self._chance.random() < 0.3:
            return [data[at : at + 1] for at in range(len(data))]
        cuts = sorted(self._chance.randrange(len(data) + 1) for _ in range(self._chance.choice((1, 1, 2, 10))))  # fmt: skip
        return [data[a:b] for a, b in zip((0, *cuts), (*cuts, len(data)), strict=True)]


def outline(answers: Iterable[Answer]) -> list[tuple[int, str]]:
    """What must not depend on how an input is cut: statuses and reasons. A repeat may be a
    duplicate."""
    return [
        (answer.status, answer.headers.get("x-collector-reason", "").replace("duplicate", "stored"))
        for answer in answers
    ]


def send(target: Target, data: bytes, ways: Iterable[list[bytes]]) -> None:
    """Sends an input at once, then in each of these ways. Raises Problem if answers differ."""
    expected = outline(target.exchange([data]))
    for pieces in ways:
        _compare(target, data, expected, pieces)


def every_cut(data: bytes, step: int = 1) -> Iterable[list[bytes]]:
    """An input in two pieces, cut at each place."""
    return ([data[:at], data[at:]] for at in range(1, len(data), step))


def run(target: Target, number: int, inputs: int, seeds: list[bytes]) -> None:
    """Sends damaged requests, 16 at a time, each in two ways. Raises Problem."""
    mutator = Mutator(random.Random(number), seeds)
    work = [(data, [mutator.pieces(data)]) for data in (mutator.input() for _ in range(inputs))]
    _all(lambda item: send(target, *item), work)


def cut(target: Target, number: int, seeds: list[bytes], inputs: int = 10) -> None:
    """Sends inputs, cut at each of their places, or at 200 of them. Raises Problem."""
    mutator = Mutator(random.Random(number), seeds)
    for data in (mutator.input() for _ in range(inputs)):
        expected = outline(target.exchange([data]))
        cuts = list(every_cut(data, max(1, len(data) // 200)))
        _all(partial(_compare, target, data, expected), cuts)


def _compare(
    target: Target, data: bytes, expected: list[tuple[int, str]], pieces: list[bytes]
) -> None:
    found = outline(target.exchange(pieces))
    if found != expected:
        cuts = [len(piece) for piece in pieces][:20]
        raise Problem(f"{expected} at once, {found} in pieces of {cuts}", data)


def _all(work: Callable[[T], None], items: list[T]) -> None:
    with ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(work, item) for item in items]:
            done.result()

"""Requests as bytes on a bare connection: what can be read in two ways is refused on every route,
slow senders are ended, and answers come in the order of the requests."""

import contextlib
import gzip
import json
import select
import socket
import sqlite3
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ..support import Collector, wait_for

PATIENCE = 15.0  # seconds a test waits for an answer
ORIGIN = "https://shop.example.com"


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that gives a request one second to arrive."""
    folder = tmp_path_factory.mktemp("hurried")
    collector = Collector(folder, options=("--request-seconds", "1")).start()
    yield collector
    collector.end()


class Answer:
    """A response: status, headers, body."""

    def __init__(self, status: int, headers: Message, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """A connection to a collector, on which bytes are sent and answers read."""

    def __init__(self, collector: Collector) -> None:
        address = urlsplit(collector.url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._got = b""

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes, *, bytewise: bool = False) -> None:
        """Sends bytes, one at a time if asked to. Stops when the other side has hung up."""
        with contextlib.suppress(ConnectionError):
            for piece in [data[at : at + 1] for at in range(len(data))] if bytewise else [data]:
                self.socket.sendall(piece)

    def _more(self) -> bytes:
        part = self.socket.recv(65536)
        self._got += part
        return part

    def answer(self) -> Answer:
        """The next answer."""
        while b"\r\n\r\n" not in self._got:
            assert self._more(), f"closed after {self._got!r}"
        head, _, self._got = self._got.partition(b"\r\n\r\n")
        line, _, lines = head.partition(b"\r\n")
        headers = BytesParser().parsebytes(lines)
        length = int(headers["Content-Length"] or 0)
        while len(self._got) < length:
            assert self._more(), "closed within a body"
        body, self._got = self._got[:length], self._got[length:]
        return Answer(int(line.split(b" ")[1]), headers, body)

    def is_closed(self) -> bool:
        """Whether the other side has closed the connection, and has said nothing else before."""
        with contextlib.suppress(ConnectionError):
            self._more()
        return self._got == b""


def post(body: bytes, *headers: str, target: str = "/track", version: str = "1.1") -> bytes:
    lines = [f"POST {target} HTTP/{version}", "Host: x", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(body: bytes, *headers: str, target: str = "/track", size: int = 7) -> bytes:
    lines = [f"POST {target} HTTP/1.1", "Host: x", *headers, "Transfer-Encoding: chunked"]
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return "\r\n".join([*lines, "", ""]).encode() + chunks + b"0\r\n\r\n"


def get(target: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def event(source: str, kind: str = "a", more: dict[str, Any] | None = None) -> bytes:
    events = [{"id": str(uuid.uuid4()), "type": kind}]
    return json.dumps({"source": {"id": source}, "events": events, **(more or {})}).encode()


# `@` stands for the method and the address.
SMUGGLING = {
    "a blank before the colon": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a folded header": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a continued header": b"@ HTTP/1.1\r\nHost: x\r\nX: a\r\n\tb\r\n\r\n",
    "a blank before the first header": b"@ HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n",
    "no Host": b"@ HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "two Hosts": b"@ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "two equal Hosts": b"@ HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "a line feed alone": b"@ HTTP/1.1\r\nHost: x\r\nX: a\nContent-Length: 0\r\n\r\n",
    "a line feed alone after the request line": b"@ HTTP/1.1\nHost: x\r\n\r\n",
    "line feeds alone at the end": b"@ HTTP/1.1\r\nHost: x\r\n\n",
    "a carriage return alone": b"@ HTTP/1.1\r\nHost: x\r\nX: a\rContent-Length: 0\r\n\r\n",
    "a length and chunks": b"@ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"@ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
    "a signed length": b"@ HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
    "a negative length": b"@ HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "a list of lengths": b"@ HTTP/1.1\r\nHost: x\r\nContent-Length: 5,5\r\n\r\nhello",
    "a length with a blank inside": b"@ HTTP/1.1\r\nHost: x\r\nContent-Length: 5 5\r\n\r\nhello",
    "a hexadecimal length": b"@ HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello",
    "an underscore in a length": b"@ HTTP/1.1\r\nHost: x\r\nContent-Length: 0_5\r\n\r\nhello",
    "an empty length": b"@ HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n",
    "a length beyond 64 bits": b"@ HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551617\r\n\r\n",
    "another coding before chunked": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "another coding": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n",
    "nearly chunked": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a vertical tab before chunked": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"@ HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "NUL in a header": b"@ HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    "a control character in a header": b"@ HTTP/1.1\r\nHost: x\r\nX: a\x01b\r\n\r\n",
    "DEL in a header": b"@ HTTP/1.1\r\nHost: x\r\nX: a\x7fb\r\n\r\n",
    "a header without a name": b"@ HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n",
    "a header without a colon": b"@ HTTP/1.1\r\nHost: x\r\nabc\r\n\r\n",
    "a name that is no token": b"@ HTTP/1.1\r\nHost: x\r\nX(y): a\r\n\r\n",
    "a byte beyond ASCII in a name": b"@ HTTP/1.1\r\nHost: x\r\nX\xff: a\r\n\r\n",
    "two blanks in the request line": b"@  HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tab in the request line": b"@\tHTTP/1.1\r\nHost: x\r\n\r\n",
    "a third word in the request line": b"@ x HTTP/1.1\r\nHost: x\r\n\r\n",
    "a byte beyond ASCII in the address": b"@\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method that is no token": b"PO(T /track HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method in lower case": b"post /track HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/2 in the request line": b"@ HTTP/2.0\r\nHost: x\r\n\r\n",
    "HTTP/0.9": b"@ HTTP/0.9\r\nHost: x\r\n\r\n",
    "HTTP/1.2": b"@ HTTP/1.2\r\nHost: x\r\n\r\n",
    "another protocol": b"@ XTTP/1.1\r\nHost: x\r\n\r\n",
    "an empty line before the request": b"\r\n\r\n@ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a chunk size with 0x": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "a signed chunk size": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
    "a negative chunk size": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "a blank before a chunk size": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n",
    "a blank after a chunk size": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
    "an underscore in a chunk size": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0_5\r\nhello\r\n0\r\n\r\n",
    "an empty chunk size": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n",
    "a chunk size beyond 32 bits": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100000005\r\nhello\r\n0\r\n\r\n",
    "a line feed alone after a chunk size": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "a line feed alone in a chunk extension": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;\nx\r\nhello\r\n0\r\n\r\n",
    "a carriage return alone in a chunk extension": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a\rb\r\nhello\r\n0\r\n\r\n",
    "an endless chunk extension": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"x" * 200 + b"\r\nhello\r\n0\r\n\r\n",
    "a chunk longer than its size": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n",
    "a line feed alone after a chunk": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n",
    "a trailer": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n\r\n",
    "a trailer that is a request": b"@ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("bytewise", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("route", ["POST /track", "GET /health", "POST /api/sources"])
@pytest.mark.parametrize("name", SMUGGLING)
def test_what_can_be_read_in_two_ways_is_refused_on_every_route(
    shared_collector: Collector, name: str, route: str, bytewise: bool
) -> None:
    """With one answer, which is the connection's last: what follows is never a request."""
    with Wire(shared_collector) as wire:
        request = SMUGGLING[name].replace(b"@", route.encode())
        wire.send(request + get("/smuggled"), bytewise=bytewise)
        answer = wire.answer()
        assert answer.status == 400, answer.body
        assert list(answer.json()) == ["detail"]
        assert answer.headers["Connection"] == "close"
        assert wire.is_closed()


HOPELESS = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a line feed alone": b"POST /track HTTP/1.1\nHost: x\n\n",
    "a bad header": b"GET /health HTTP/1.1\r\nHost : x\r\n",
    "a bad chunk": chunked(b"").removesuffix(b"0\r\n\r\n") + b"0x5\r\n",
}


@pytest.mark.parametrize("name", HOPELESS)
def test_what_cannot_become_a_request_is_refused_at_once(
    shared_collector: Collector, name: str
) -> None:
    """Nobody waits for the rest."""
    with Wire(shared_collector) as wire:
        wire.send(HOPELESS[name])
        assert wire.answer().status == 400
        assert wire.is_closed()


HARMLESS = {
    "bytes beyond ASCII in a header": ("X: \xff\xed\xa0\x80",),
    "blanks around a value": ("X: \t a \t ",),
    "an offer of HTTP/2": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ"),
    "an empty header": ("X:",),
    "many headers": tuple(f"X-{n}: {'x' * 100}" for n in range(100)),
    "cookies": ("Cookie: " + "a=b; " * 1500,),
}  # fmt: skip


@pytest.mark.parametrize("target", ["/track", "/track?hot=no"])
@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_only_unusual_is_served(
    shared_collector: Collector, name: str, target: str
) -> None:
    source = shared_collector.add_source()
    with Wire(shared_collector) as wire:
        wire.send(post(event(source), *HARMLESS[name], target=target))
        assert wire.answer().status == 200
    assert len(shared_collector.events(source)) == 1


def same(answer: Answer) -> tuple[int, dict[str, str], Any]:
    """What must not depend on the way: status, headers, body, but for the ids that are made."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    body = answer.json()
    for made in ("task", "request"):
        body.pop(made, None)
    return answer.status, headers, body


def variants(source: str, nobody: str) -> dict[str, tuple[bytes, tuple[str, ...]]]:
    session = {"session": {"id": source}, "profile": {"id": source}}
    good = event(source, more=session)
    origin = f"Origin: {ORIGIN}"
    return {
        "stored": (good, (origin,)),
        "a repeat": (good, ()),
        "an origin of bytes": (good, ("Origin: http://\xff\xed\xa0\x80",)),
        "an empty origin": (good, ("Origin:",)),
        "gzip": (gzip.compress(good, mtime=0), ("Content-Encoding: gzip",)),
        "gzip in disguise": (gzip.compress(good, mtime=0), ()),
        "no gzip": (good, ("Content-Encoding: gzip", origin)),
        "an unknown encoding": (good, ("Content-Encoding: zip",)),
        "an unknown source": (event(nobody), (origin,)),
        "an unknown source, late": (event(nobody).replace(b'{"source"', b'{ "source"'), ()),
        "a bad event": (good.replace(b'"type": "a"', b'"type": 5'), (origin,)),
        "no JSON": (b"{", (origin,)),
        "no UTF-8": (b"\xff\xff", ()),
        "empty": (b"", ()),
        "too deep": (b"[" * 200, ()),
        "too large": (b"x" * 300_000, (origin,)),
        "close": (good, ("Connection: close",)),
        "keep-alive": (good, ("Connection: Keep-Alive",)),
    }


@pytest.mark.parametrize("name", variants("", ""))
def test_answers_do_not_depend_on_the_way(shared_collector: Collector, name: str) -> None:
    """A length or chunks, and an address that only Sanic serves."""
    source = shared_collector.add_source()
    shared_collector.post(event(source, more={"session": {"id": source}}))
    body, headers = variants(source, str(uuid.uuid4()))[name]
    requests = [
        post(body, *headers),
        post(body, *headers),  # the first may have stored what the others repeat
        post(body, *headers, target="/track?hot=no"),
    ]
    if body and all(header.isascii() for header in headers):
        requests += [chunked(body, *headers, size=4000)]
    answers = []
    for request in requests:
        with Wire(shared_collector) as wire:
            wire.send(request)
            answers.append(same(wire.answer()))
    assert answers[2:] == [answers[1]] * (len(answers) - 2)


@pytest.mark.parametrize("bytewise", [False, True], ids=["at once", "byte by byte"])
def test_pipelined_requests_are_answered_in_order(
    shared_collector: Collector, bytewise: bool
) -> None:
    source = shared_collector.add_source(bridges=("rest", "webhook"))
    requests: list[tuple[bytes, str]] = []
    for number in range(40):
        body = event(source, f"type-{number}")
        identity = json.loads(body)["events"][0]["id"]
        request = [
            post(body),
            get("/health"),
            chunked(body),
            get(f"/collect/hook/{source}?n={number}"),
            post(body, target="/track?hot=no"),
            get(f"/nothing-{number}"),
        ][number % 6]
        requests.append((request, identity if request.startswith(b"POST") else ""))
    with Wire(shared_collector) as wire:
        wire.send(b"".join(request for request, _ in requests), bytewise=bytewise)
        answers = [wire.answer() for _ in requests]
        wire.send(get("/health", "Connection: close"))
        assert wire.answer().json()["status"] == "ok"
        assert wire.is_closed()
    for number, ((_, identity), answer) in enumerate(zip(requests, answers, strict=True)):
        told = answer.json()
        match number % 6:
            case 0 | 2 | 4:
                assert told["events"] == [identity]
            case 1:
                assert told["status"] == "ok"
            case 3:
                assert (len(told["events"]), told["profile"]) == (1, None)
            case 5:
                assert (answer.status, told) == (404, {"detail": "Not Found."})
    kinds = [row["type"] for row in shared_collector.events(source)]
    assert kinds == [
        "hook" if number % 6 == 3 else f"type-{number}"
        for number in range(40)
        if number % 6 in (0, 2, 3, 4)
    ]


def test_requests_that_come_faster_than_they_are_served_wait(shared_collector: Collector) -> None:
    """In the sender's buffers in the end, and each is answered."""
    source = shared_collector.add_source()
    bodies = [event(source, more={"context": {"text": "x" * 20_000}}) for _ in range(100)]
    with Wire(shared_collector) as wire, ThreadPoolExecutor(1) as pool:
        sent = pool.submit(wire.send, b"".join(post(body) for body in bodies))
        answers = [wire.answer().json()["events"] for _ in bodies]
        sent.result()
    assert answers == [[json.loads(body)["events"][0]["id"]] for body in bodies]
    assert len(shared_collector.events(source)) == len(bodies)


@pytest.mark.parametrize("way", ["length", "chunks"])
def test_requests_that_come_byte_by_byte_are_served(shared_collector: Collector, way: str) -> None:
    source = shared_collector.add_source()
    body = event(source)
    request = post(body) if way == "length" else chunked(body, size=5)
    with Wire(shared_collector) as wire:
        for _ in range(3):
            wire.send(request, bytewise=True)
            assert wire.answer().json()["events"] == [json.loads(body)["events"][0]["id"]]
    assert len(shared_collector.events(source)) == 1


@pytest.mark.parametrize("target", ["/track", "/track?hot=no"])
def test_a_connection_is_kept_until_the_sender_wants_it_closed(
    shared_collector: Collector, target: str
) -> None:
    source = shared_collector.add_source()
    with Wire(shared_collector) as wire:
        for _ in range(5):
            wire.send(post(event(source), target=target))
            assert wire.answer().headers["Connection"] == "keep-alive"
        wire.send(post(event(source), "Connection: close", target=target) + get("/health"))
        assert wire.answer().headers["Connection"] == "close"
        assert wire.is_closed()
    assert len(shared_collector.events(source)) == 6


def test_http_1_0_is_served_without_host_and_closed(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    body = event(source)
    with Wire(shared_collector) as wire:
        wire.send(post(body, version="1.0").replace(b"Host: x\r\n", b""))
        answer = wire.answer()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert wire.is_closed()
    assert len(shared_collector.events(source)) == 1


@pytest.mark.parametrize("target", ["/track", "/track?hot=no"])
@pytest.mark.parametrize("way", ["length", "chunks"])
def test_a_sender_that_waits_for_100_continue_gets_it_once(
    shared_collector: Collector, target: str, way: str
) -> None:
    source = shared_collector.add_source()
    body = event(source)
    make = post if way == "length" else chunked
    head, _, rest = make(body, "Expect: 100-continue", target=target).partition(b"\r\n\r\n")
    with Wire(shared_collector) as wire:
        wire.send(head + b"\r\n\r\n")
        assert wire.answer().status == 100
        wire.send(rest)
        assert wire.answer().status == 200
        wire.send(head + b"\r\n\r\n" + rest)  # one that does not wait needs none
        assert wire.answer().json()["duplicate"] is True


def test_other_expectations_are_refused(shared_collector: Collector) -> None:
    with Wire(shared_collector) as wire:
        wire.send(post(b"{}", "Expect: a miracle"))
        assert wire.answer().status == 417
        assert wire.is_closed()


TOO_LARGE = {
    "by length": post(b"").replace(b"Content-Length: 0", b"Content-Length: 999999999"),
    "by length, with 100-continue": post(b"", "Expect: 100-continue").replace(
        b"Content-Length: 0", b"Content-Length: 999999999"
    ),
    "in one chunk": chunked(b"").replace(b"0\r\n\r\n", b"fffffff\r\n"),
    "in many chunks": chunked(b"x" * 300_000, size=4000),
    "in too many chunks": chunked(b"x" * 20_000, size=1),
    "headers": post(b"", "X: " + "x" * 20_000),
    "headers that never end": post(b"", "X: " + "x" * 20_000).rstrip(),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_is_too_large_is_refused_while_it_is_read(
    shared_collector: Collector, name: str
) -> None:
    """A sender that goes on sending can still read why."""
    with Wire(shared_collector) as wire:
        wire.send(TOO_LARGE[name] + b"x" * 500_000)
        answer = wire.answer()
        assert (answer.status, answer.headers["Connection"]) == (413, "close")
        assert answer.headers["X-Collector-Reason"] == "too_large"
        assert wire.socket.recv(1) == b""  # closed, not reset
        wire.socket.sendall(b"x" * 500_000)


BEGINNINGS = {
    "a request line": b"POST /track HTTP/1.1\r\n",
    "headers": b"GET /health HTTP/1.1\r\nHost: x\r\nX: ",
    "a body": post(b"", f"Origin: {ORIGIN}").replace(
        b"Content-Length: 0", b"Content-Length: 100000"
    ),
    "a body for Sanic": post(b"", target="/collect/a/b").replace(
        b"Content-Length: 0", b"Content-Length: 100000"
    ),
    "chunks": chunked(b"").removesuffix(b"0\r\n\r\n") + b"ffff\r\n",
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_dripping_sender_is_ended_while_others_are_served(hurried: Collector, name: str) -> None:
    """A byte now and then buys no time."""
    source = hurried.add_source()
    served = 0
    with Wire(hurried) as dripping, Wire(hurried) as healthy:
        dripping.send(BEGINNINGS[name])
        started = time.monotonic()
        while not select.select([dripping.socket], [], [], 0.05)[0]:
            assert time.monotonic() - started < PATIENCE
            dripping.send(b"x")
            healthy.send(post(event(source)))
            assert healthy.answer().status == 200
            served += 1
        answer = dripping.answer()
        assert (answer.status, answer.json()) == (408, {"detail": "Request Timeout."})
        assert answer.headers["Connection"] == "close"
        assert answer.headers["Access-Control-Allow-Origin"] == (
            ORIGIN if name == "a body" else None
        )
        assert dripping.is_closed()
        assert time.monotonic() - started > 0.9
    assert served > 1
    assert len(hurried.events(source)) == served


def test_the_time_to_arrive_is_each_requests_own(hurried: Collector) -> None:
    """A connection may last longer than that, and may be silent between requests."""
    source = hurried.add_source()
    started, sent = time.monotonic(), 0
    with Wire(hurried) as wire:
        while time.monotonic() - started < 1.5:
            request = post(event(source))
            wire.send(request[:20])
            assert not select.select([wire.socket], [], [], 0.3)[0]
            wire.send(request[20:])
            assert wire.answer().status == 200
            assert not select.select([wire.socket], [], [], 0.3)[0]
            sent += 1
    assert len(hurried.events(source)) == sent


def test_senders_that_leave_in_the_middle_leave_no_trace(collector: Collector) -> None:
    source = collector.add_source()
    request, cold = post(event(source)), post(event(source), target="/track?hot=no")
    for cut in (10, 40, len(request) - 5, len(request)):
        for whole in (request, cold, chunked(event(source), size=5)):
            with Wire(collector) as wire:
                wire.send(whole[:cut])
    with Wire(collector) as wire:
        wire.send(post(event(source, "last")))
        assert wire.answer().status == 200
    assert collector.stop() == 0
    assert not [line for line in collector.log if "Traceback" in line or "Error" in line]
    assert [row["type"] for row in collector.events(source)][-1] == "last"


def test_a_sender_that_reads_no_answers_is_held_back(collector: Collector) -> None:
    """Its requests wait in its own buffers, not in the collector's memory."""
    source = collector.add_source()
    (worker,) = collector.children("collector.child\0worker")

    def memory() -> int:
        return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * 4096

    with Wire(collector) as wire:
        wire.socket.settimeout(1)
        wire.send(post(event(source)))
        assert wire.answer().status == 200
        before, sent = memory(), 0
        request = get("/docs/openapi.json")
        with contextlib.suppress(TimeoutError):
            while sent < 200 * 2**20:
                sent += wire.socket.send(request * 5000)
        assert sent < 200 * 2**20
        assert memory() - before < 30 * 2**20
        with Wire(collector) as other:
            other.send(post(event(source)))
            assert other.answer().status == 200


@pytest.mark.parametrize("target", ["/track", "/track?hot=no"])
def test_what_is_served_at_sigterm_is_answered_and_closed(
    collector: Collector, target: str
) -> None:
    """One request waits for the disk, another has half arrived; a third connection is idle."""
    source = collector.add_source()
    waiting, half = event(source, "waiting"), post(event(source, "half"), target=target)
    with (
        Wire(collector) as first,
        Wire(collector) as second,
        Wire(collector) as idle,
        contextlib.closing(sqlite3.connect(collector.db, isolation_level=None)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        idle.send(post(event(source, "before"), target=target))
        assert idle.answer().headers["Connection"] == "keep-alive"
        second.send(half[:60])
        other.execute("BEGIN IMMEDIATE")
        first.send(post(waiting, target=target))
        wait_for(lambda: waits(collector), "the request to wait for the disk")
        stopped = pool.submit(collector.stop)
        assert idle.is_closed()
        second.send(half[60:])
        other.execute("COMMIT")
        for wire in (first, second):
            assert wire.answer().status == 200
            assert wire.is_closed()
        assert stopped.result() == 0
    assert {row["type"] for row in collector.events(source)} == {"before", "waiting", "half"}
    assert not [line for line in collector.log if "Traceback" in line]


def waits(collector: Collector) -> bool:
    """Whether a request waits for the disk."""
    with Wire(collector) as wire:
        wire.send(get("/ready"))
        return bool(wire.answer().json()["waiting"]["requests"])


def test_answers_say_close_while_draining(tmp_path: Path) -> None:
    collector = Collector(tmp_path)
    collector.options = ("--drain-seconds", "30")
    collector.start()
    source = collector.add_source()
    with Wire(collector) as hot, Wire(collector) as cold, ThreadPoolExecutor(1) as pool:
        for wire, request in ((hot, post(event(source))), (cold, get("/health"))):
            wire.send(request)
            assert wire.answer().headers["Connection"] == "keep-alive"
        assert collector.process
        collector.process.terminate()
        wait_for(lambda: is_draining(collector), "/ready to say so")
        for wire, request in ((hot, post(event(source))), (cold, get("/health"))):
            wire.send(request)
            answer = wire.answer()
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
            assert wire.is_closed()
        assert pool.submit(collector.stop).result() == 0
    assert len(collector.events(source)) == 2


def is_draining(collector: Collector) -> bool:
    with Wire(collector) as wire:
        wire.send(get("/ready"))
        return wire.answer().status == 503

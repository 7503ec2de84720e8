"""The log tells what happened, in the collector's own lines: senders can neither forge nor fill
it."""

import json
import os
import pty
import re
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from collector import store

from ..support import COMMAND, ROOT, Collector, wait_for

OURS = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info|warning|error) +[\w.]+: [^\x00-\x1f\x7f-\x9f]*"
)
FORGED = "2026-11-27T00:00:00.000000Z info    collector: forged"


def send(collector: Collector, raw: bytes) -> bytes:
    host, port = collector.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as sock:
        sock.sendall(raw)
        sock.shutdown(socket.SHUT_WR)
        parts = []
        while part := sock.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.fixture
def with_site(tmp_path: Path) -> Iterator[Collector]:
    (tmp_path / "site").mkdir()
    options = ("--site", str(tmp_path / "site"), "--qa", "--log-level", "info")
    collector = Collector(tmp_path, options=options).start()
    yield collector
    collector.end()


SHORT = [
    *(f"GET {target} HTTP/1.0\r\n\r\n".encode() for target in (
        "/", "*", "/%00", "/%ff", "/..", "/%2e%2e", "/a%0ab", "/%1b[2J", "//[", "http://[", "http://a:b",
        "/?%ff", "/qa/events?session_id=%00", "/collect/%ff/a", "/collect/a/%0a", "/redirect/%00", "/\x7f",
        "/api/%ff", "/api/sources/%00", "/track", "/;;", "/#", "/tracker/%00", "/docs/%00",
    )),
    b"\x1b[2J\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \x1b[2J\r\n\r\n",
    f"GET /\n{FORGED} HTTP/1.1\r\n\r\n".encode(),
    f"GET / HTTP/1.1\r\nHost: x\r\nCookie: a\n{FORGED}\r\n\r\n".encode(),
    b"GET / HTTP/1.0\r\nIf-Modified-Since: \x1b[2J\r\n\r\n",
    b"GET / HTTP/1.0\r\nCookie: \x1b[2J\r\n\r\n",
    b"GET / HTTP/1.0\r\nX-Request-ID: \x1b[2J\r\n\r\n",
    b"GET / HTTP/1.0\r\nForwarded: \x1b[2J\r\n\r\n",
    b"POST /api/sources HTTP/1.0\r\nContent-Length: 1\r\n\r\n{",
]  # fmt: skip


def test_small_requests_write_no_log_and_forge_nothing(with_site: Collector) -> None:
    answers = [(raw, send(with_site, raw)[:15]) for raw in SHORT]
    assert [a for a in answers if not re.match(rb"HTTP/1\.1 [1234]\d\d ", a[1])] == []
    log = with_site.settled_log()
    assert "forged" not in "\n".join(log)
    assert [line for line in log if not OURS.fullmatch(line)] == []
    said = "401 from no page: no valid source id: `thamesthrive source list`"
    assert [line.partition(": ")[2] for line in log[1:]] == [said]


def refusals(collector: Collector) -> list[str]:
    lines = (line.partition("collector.ingestion: ")[2] for line in collector.log)
    return [line for line in lines if line]


def test_refusals_are_a_line_for_each_reason_and_minute(collector: Collector) -> None:
    source = collector.add_source()
    for _ in range(40):
        collector.post({"source": {"id": source}, "events": 7})
    collector.stop()
    wait_for(lambda: "39 more" in "\n".join(collector.log), "the last line")
    first, last = refusals(collector)
    assert first.endswith(": 422 invalid")
    assert last == "invalid: 39 more within a minute, not logged"


SHOP = "https://shop.example"


def test_refused_senders_are_a_line_for_each_source_and_origin_with_the_cure(
    collector: Collector,
) -> None:
    listed = collector.add_source(origins=("https://other.example",))
    disabled, bridge = collector.add_source(), collector.add_source(bridges=("webhook",))
    with collector.database() as database:
        store.update_source(database, disabled, {"enabled": False})

    def send(source: str, origin: str = SHOP) -> int:
        body = {"source": {"id": source}, "events": [{"type": "a"}]}
        return collector.post(body, headers={"Origin": origin}).status_code

    unknown = "12345678-0000-4000-8000-000000000000"
    for _ in range(13):
        send(unknown)
    send(unknown, "https://www.shop.example:8443")
    send(listed)
    wait_for(lambda: send(disabled) == 401, "the source to be disabled")
    send(bridge)
    collector.stop()
    wait_for(lambda: "×12" in "\n".join(collector.log), "the last line")
    list_ = "unknown source 12345678…: `thamesthrive source list`"
    for line in (
        f"401 from {SHOP}: {list_}",
        f"401 ×12 from {SHOP}: {list_}",
        f"401 from https://www.shop.example:8443: {list_}",
        f"403 from {SHOP}: source {listed} does not list this origin:"
        f" `thamesthrive source show {listed}`",
        f"401 from {SHOP}: source {disabled} is disabled: `thamesthrive source enable {disabled}`",
        f"401 from {SHOP}: source {bridge} does not accept this bridge:"
        f" `thamesthrive source show {bridge}`",
    ):
        assert refusals(collector).count(line) == 1, line


def test_strangers_cannot_fill_the_log_or_write_in_it(collector: Collector) -> None:
    hosts, port = collector.url.removeprefix("http://").split(":")[0], collector.port
    for origin in (f"x\x1b[2J {FORGED}", "\xff\xfe", "https://" + "a" * 300, "run `rm -r` now"):
        body = b'{"source": {"id": "`rm -r`\\n"}, "events": []}'
        head = (
            f"POST /track HTTP/1.0\r\nHost: {hosts}:{port}\r\nContent-Length: {len(body)}\r\n"
            f"Origin: {origin}\r\n\r\n"
        )
        send(collector, head.encode("latin-1") + body)
    for number in range(200):
        unknown = {"source": {"id": str(uuid.uuid4())}, "events": [{"type": "a"}]}
        collector.post(unknown, headers={"Origin": f"https://{number}.example"})
    collector.stop()
    wait_for(lambda: "more within" in "\n".join(collector.log), "the last line")
    said = "\n".join(refusals(collector))
    assert "`rm" not in said
    assert "forged" not in said
    assert "aaa" not in said
    assert "401 ×" in said  # the odd ones are one sender
    assert len(refusals(collector)) < 25
    (rest,) = [line for line in refusals(collector) if "more within" in line]
    assert int(rest.split()[1]) > 150


BOUNDARY = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", PART + b"--b--\r\n"),
        ("multipart/form-data; boundary=", PART + b"--b--\r\n"),
        ("multipart/form-data; boundary=other", PART + b"--b--\r\n"),
        (BOUNDARY, b"x"),
        (BOUNDARY, PART),
        (BOUNDARY, PART + b"--b"),
        (BOUNDARY, b"--b\r\nno colon\r\n\r\n1\r\n--b--\r\n"),
        (BOUNDARY, b"--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--\r\n"),
        (BOUNDARY, b"--b\r\nContent-Disposition: form-data; name=a\r\n--b--\r\n"),
        (BOUNDARY, PART.replace(b"1", b"\xff") + b"--b--\r\n"),
        (BOUNDARY, PART.replace(b'"a"', b'"\xff"') + b"--b--\r\n"),
        ("application/x-www-form-urlencoded", b"a=\xff"),
    ],
)
def test_malformed_forms_are_refused_and_explained(
    shared_collector: Collector, kind: str, body: bytes
) -> None:
    source = shared_collector.add_source(bridges=("webhook",))
    lines = len(shared_collector.log)
    answer = httpx.post(
        f"{shared_collector.url}/collect/a/{source}", content=body, headers={"Content-Type": kind}
    )
    assert (answer.status_code, answer.headers["X-Collector-Reason"]) == (422, "invalid")
    assert "form" in answer.json()["detail"] or "multipart" in answer.json()["detail"]
    assert shared_collector.events(source) == []
    assert "Traceback" not in "\n".join(shared_collector.log[lines:])


def test_forms_with_fields_and_files_are_stored(shared_collector: Collector) -> None:
    source = shared_collector.add_source(bridges=("webhook",))
    answer = httpx.post(
        f"{shared_collector.url}/collect/a/{source}",
        data={"ü": "a\r\nb", "list": ["1", "2"], "empty": ""},
        files={"file": ("f.txt", b"left out")},
    )
    assert answer.status_code == 200, answer.text
    (row,) = shared_collector.events(source)
    assert json.loads(row["properties"]) == {"ü": "a\r\nb", "list": ["1", "2"], "empty": ""}


def test_logs_are_json_where_nobody_looks(tmp_path: Path) -> None:
    collector = Collector(tmp_path, options=("--log-format", "auto")).start()
    collector.stop()
    wait_for(lambda: "SIGTERM" in "\n".join(collector.log), "the last line")
    events = [json.loads(line)["event"] for line in collector.log]
    assert events[0].startswith("listening on http://127.0.0.1:")


def test_logs_are_text_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [*COMMAND, "serve", "--db", str(tmp_path / "x.db"), "--port", "0", "--workers", "1"]
    with subprocess.Popen(command, cwd=ROOT, stderr=theirs, stdout=subprocess.DEVNULL) as process:
        os.close(theirs)
        seen = b""

        def look() -> bool:
            nonlocal seen
            seen += os.read(ours, 65536)
            return b"\n" in seen

        wait_for(look, "a line")
        process.terminate()
    os.close(ours)
    assert OURS.fullmatch(seen.decode().splitlines()[0])


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_forges_no_line(form: str) -> None:
    code = (
        "import logging\n"
        "from collector import Settings\n"
        "from collector.logs import log_to_stderr\n"
        f"log_to_stderr(Settings(log_format={form!r}))\n"
        f"try: raise ValueError('x\\n{FORGED}\\x1b[2J\\x9b2J')\n"
        "except ValueError: logging.getLogger('collector').exception('it\\n%s', 'failed\\x1b')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    lines = done.stderr.decode().splitlines()
    assert "forged" in done.stderr.decode()
    assert not [line for line in lines if line.startswith("2026-11-27T00:00:00")]
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stderr.decode())

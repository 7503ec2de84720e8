"""The log tells what happened, in the collector's own lines: senders can neither forge nor fill
it."""

import json
import os
import pty
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

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
    assert [line.rpartition(": ")[2] for line in log[1:]] == ["401 unknown_source"]


def test_refusals_are_a_line_for_each_reason_and_minute(collector: Collector) -> None:
    source = collector.add_source()
    for _ in range(40):
        collector.post({"source": {"id": f"nobody\n{FORGED}"}, "events": [{"type": "a"}]})
    collector.post({"source": {"id": source}, "events": 7})
    collector.stop()
    wait_for(lambda: "39 more" in "\n".join(collector.log), "the last line")
    said = [line for line in collector.log if "collector.ingestion" in line]
    assert [line.rpartition(": ")[2] for line in said] == [
        "401 unknown_source",
        "422 invalid",
        "39 more within a minute, not logged",
    ]
    assert "forged" not in "\n".join(collector.log)


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

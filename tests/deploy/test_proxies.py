"""The examples for nginx and Caddy, run before a real collector, if they are installed."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from ..http.test_strict_http import SMUGGLING, Wire, get, post
from ..support import ROOT, Collector, wait_for

NAME = "events.example.com"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def nginx(folder: Path, port: int, upstream: int) -> list[str]:
    """Writes the example with other ports and its own certificate, without TLS for bytes that
    tests write; returns the command."""
    certificate = folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}", "-days", "2",
         "-keyout", str(folder / "key.pem"), "-out", str(certificate)],
        capture_output=True, check=True,
    )  # fmt: skip
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    for old, new in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{free_port()} ssl; listen 127.0.0.1:{port};"),
        ("listen [::]:443 ssl;", ""),
        ("/etc/ssl/events.example.com.pem", str(certificate)),
        ("/etc/ssl/events.example.com.key", str(folder / "key.pem")),
        ("127.0.0.1:8686", f"127.0.0.1:{upstream}"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    temporary = " ".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"{'user root;' if os.geteuid() == 0 else ''} daemon off; pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{text}\n}}"
    )
    command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(file)]
    subprocess.run([*command, "-t"], capture_output=True, check=True)
    return command


def caddy(folder: Path, port: int, upstream: int) -> list[str]:
    """Writes the example with other ports and without TLS; returns the command."""
    text = (ROOT / "deploy" / "Caddyfile").read_text()
    for old, new in (
        ("events.example.com {", f"http://:{port} {{\n\tbind 127.0.0.1"),
        ("127.0.0.1:8686", f"127.0.0.1:{upstream}"),
    ):
        assert old in text, old
        text = text.replace(old, new, 1)
    file = folder / "Caddyfile"
    file.write_text("{\n\tadmin off\n\tauto_https off\n}\n" + text)
    validate = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(file)]
    subprocess.run(validate, capture_output=True, check=True)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]


PROXIES: dict[str, Callable[[Path, int, int], list[str]]] = {"nginx": nginx, "caddy": caddy}


class Behind:
    """A collector behind a proxy. `url` is the proxy's."""

    def __init__(self, collector: Collector, port: int) -> None:
        self.collector = collector
        self.url = f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module", params=PROXIES)
def behind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Behind]:
    if not shutil.which(request.param):
        pytest.skip(f"there is no {request.param} here")
    folder = tmp_path_factory.mktemp(request.param)
    options = ("--proxies", "1", "--allowed-hosts", NAME)
    collector = Collector(folder, options=options).start()
    port = free_port()
    log = folder / "log"
    with log.open("w") as output:
        command = PROXIES[request.param](folder, port, collector.port)
        proxy = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "HOME": str(folder)}, cwd=folder)  # fmt: skip
    made = Behind(collector, port)

    def answers() -> bool:
        assert proxy.poll() is None, log.read_text()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{made.url}/health").status_code == 200
        return False

    wait_for(answers, "the proxy to answer")
    yield made
    proxy.terminate()
    proxy.wait(20)
    collector.end()


def event(source: str) -> bytes:
    events = [{"id": str(uuid.uuid4()), "type": "a"}]
    return json.dumps({"source": {"id": source}, "events": events}).encode()


def test_events_go_through_with_the_senders_own_address(behind: Behind) -> None:
    """Whatever the sender says it is."""
    source = behind.collector.add_source(ip_policy="full")
    for forged in ("203.0.113.7", "203.0.113.7, 198.51.100.8", "127.0.0.2", "unknown"):
        answer = httpx.post(
            f"{behind.url}/track",
            content=event(source),
            headers={"X-Forwarded-For": forged, "Origin": "https://shop.example.com", "Host": NAME},
        )
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example.com"
    assert [row["ip"] for row in behind.collector.events(source)] == ["127.0.0.1"] * 4


def test_administration_is_for_this_machine_by_its_name(behind: Behind) -> None:
    """The examples let this machine in, and the collector wants a name it was told."""
    for path in ("/metrics", "/api/sources"):
        told = httpx.get(f"{behind.url}{path}", headers={"Host": NAME}).status_code
        assert told == (200 if path == "/metrics" else 401)
        other = httpx.get(f"{behind.url}{path}", headers={"Host": "evil.example.com"})
        assert other.status_code == 421, path


def test_what_is_too_large_is_answered_413(behind: Behind) -> None:
    source = behind.collector.add_source()
    for size in (300_000, 5_000_000):
        large = event(source) + b" " * size
        chunks = (large[at : at + 50_000] for at in range(0, len(large), 50_000))
        for content in (large, chunks):
            answer = httpx.post(f"{behind.url}/track", content=content)
            assert answer.status_code == 413  # which has the tracker send less, anything else again


@pytest.mark.parametrize("route", ["POST /track", "GET /health"])
@pytest.mark.parametrize("name", SMUGGLING)
def test_ambiguous_requests_have_one_reading(behind: Behind, name: str, route: str) -> None:
    """What the proxy takes for a request, the collector does, too: those who come after on the same
    connections get their own answers."""
    source = behind.collector.add_source()
    hostile = SMUGGLING[name].replace(b"@", route.encode())
    hidden = post(event(source), target="/track?smuggled")
    with Wire(behind) as wire:  # type: ignore[arg-type]
        wire.socket.settimeout(3)  # Caddy waits for chunks of four gigabytes
        wire.send(hostile + hidden + get("/health", "Connection: close"))
        statuses = []
        with contextlib.suppress(AssertionError, TimeoutError, ConnectionError):
            while True:
                statuses.append(wire.answer().status)
    assert 500 not in statuses
    stored = len(behind.collector.events(source))
    # It is stored if the sender was told so, and by nobody else's request.
    assert stored <= statuses.count(200)
    for _ in range(4):
        body = event(source)
        mine = httpx.post(f"{behind.url}/track", content=body)
        assert mine.json()["events"] == [json.loads(body)["events"][0]["id"]]
        assert httpx.get(f"{behind.url}/health").json()["status"] == "ok"
    assert len(behind.collector.events(source)) == stored + 4

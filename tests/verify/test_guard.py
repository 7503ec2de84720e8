"""What a guarded verification refuses: private addresses, whatever way leads there, and servers that
never end."""

import socket
import time
from collections.abc import Iterator

import pytest

from collector.verify import Check, Guard, Limits, Report, verify
from collector.verify.guard import is_public

from .hostile import (
    Behaviour,
    bomb,
    bomb_in_bomb,
    drip_body,
    drip_head,
    endless_body,
    hostile,
    no_http,
    redirect_to,
)

SHORT = Limits(seconds=1.5, answer_seconds=1, size=200_000, redirects=2)


def look(url: str, *allowed: str, limits: Limits | None = SHORT) -> Report:
    guard = Guard(guarded=True, allowed=frozenset(allowed), limits=limits)
    return verify(Check(url, guard=guard), ["static"])


@pytest.fixture
def trap() -> Iterator[tuple[int, list[bytes]]]:
    """A server that nobody may reach: its port, and what it was sent all the same."""
    reached: list[bytes] = []

    def note(_: socket.socket, head: bytes, __: int) -> None:
        reached.append(head)

    with hostile(note) as port:
        yield port, reached


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
        "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1", "2002:7f00:1::", "2002:0a00:0001::", "2001:0:53aa:64c:0:0:80ff:fffe",
    ],
)  # fmt: skip
def test_private_addresses_are_refused_in_every_form(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_public_addresses_are_not(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0",
        "[::ffff:127.0.0.1]",
    ],
)
def test_no_name_of_this_machine_is_reached(trap: tuple[int, list[bytes]], host: str) -> None:
    port, reached = trap
    # As if the port were the web's: it is the address that must be refused.
    report = look(f"http://{host}:{port}/")
    assert report.exit_code == 2
    assert reached == []


def test_the_address_is_refused_also_at_an_allowed_port() -> None:
    for host in ("localhost", "127.0.0.1", "[::1]", "127.1"):
        report = look(f"http://{host}/")
        (stage,) = report.stages
        assert "is no address of the public internet" in stage.detail


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "file:///etc/passwd", "gopher://127.0.0.1/", "http://8.8.8.8:25/"]
)
def test_other_schemes_and_ports_are_refused(url: str) -> None:
    report = look(url)
    assert report.exit_code == 2
    assert "is not" in report.stages[0].detail


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:TRAP/",
        "http://localhost:TRAP/",
        "//127.0.0.1:TRAP/",
        "http://[::ffff:127.0.0.1]:TRAP/",
    ],
)
def test_a_redirect_leads_nowhere_else(trap: tuple[int, list[bytes]], target: str) -> None:
    port, reached = trap
    with hostile(redirect_to(target.replace("TRAP", str(port)))) as door:
        report = look(f"http://127.0.0.1:{door}/", f"127.0.0.1:{door}")
    assert report.exit_code == 2
    assert reached == []


def test_a_name_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it cannot mean a public address when it is judged, and a private one when it is used."""
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def counted(host: str, *rest: object, **options: object) -> object:
        asked.append(host)
        return resolve(host, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", counted)
    with hostile(redirect_to("/again")) as port:
        report = look(f"http://localhost:{port}/", f"localhost:{port}")
    assert [one.code for one in report.findings] == ["V003"]
    assert asked.count("localhost") == 1
    assert set(asked) <= {"localhost", "127.0.0.1", "::1"}


def test_two_redirects_are_followed_and_no_third() -> None:
    with hostile(redirect_to("http://localhost:PORT/again")) as port:
        report = look(f"http://localhost:{port}/", f"localhost:{port}")
    (finding,) = report.findings
    assert finding.code == "V003"
    assert "redirects more than 2 times" in finding.problem


@pytest.mark.parametrize("behave", [drip_body, drip_head], ids=lambda behave: behave.__name__)
def test_who_drips_is_left_when_the_time_is_over(behave: Behaviour) -> None:
    with hostile(behave) as port:
        started = time.monotonic()
        report = look(f"http://127.0.0.1:{port}/", f"127.0.0.1:{port}")
        took = time.monotonic() - started
    assert report.exit_code == 2
    assert "took longer than 1.5 seconds" in report.stages[0].detail
    assert took < 10  # of a machine under load; without the deadline it never ends


@pytest.mark.parametrize("behave", [endless_body, bomb, bomb_in_bomb], ids=lambda b: b.__name__)
def test_no_more_is_kept_than_the_limit(behave: Behaviour) -> None:
    from collector.verify.fetch import Client

    limits = Limits(seconds=30, answer_seconds=10, size=200_000, redirects=2)
    with hostile(behave) as port:
        guard = Guard(guarded=True, allowed=frozenset({f"127.0.0.1:{port}"}), limits=limits)
        with Client(guard) as client:
            response = client.request("GET", f"http://127.0.0.1:{port}/")
    assert len(response.body) <= 200_000
    assert not response.is_whole


def test_what_is_no_http_is_told() -> None:
    with hostile(no_http) as port:
        report = look(f"http://127.0.0.1:{port}/", f"127.0.0.1:{port}")
    assert report.exit_code == 2
    assert "cannot be fetched" in report.stages[0].detail


def test_a_page_cannot_send_the_collector_stage_into_the_network(
    trap: tuple[int, list[bytes]],
) -> None:
    """The address of the collector comes from the page, which anybody may have written."""
    port, reached = trap
    tag = f'<script src="http://127.0.0.1:{port}/tracker/tracker.min.js" data-source="x"></script>'

    def page(connection: socket.socket, _: bytes, __: int) -> None:
        body = f"<!doctype html><head>{tag}</head>".encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % len(body) + body)

    with hostile(page) as door:
        allowed = frozenset({f"127.0.0.1:{door}"})
        guard = Guard(guarded=True, allowed=allowed, limits=SHORT)
        report = verify(Check(f"http://127.0.0.1:{door}/", guard=guard))
    assert [one.state for one in report.stages] == ["done", "failed"]
    assert "may not be asked" in report.stages[1].detail
    assert reached == []


def test_guarded_limits_are_those_that_are_documented() -> None:
    bounds = Guard(guarded=True).bounds
    assert (bounds.seconds, bounds.size, bounds.redirects) == (10, 2_000_000, 2)
    assert Guard().bounds.redirects == 10

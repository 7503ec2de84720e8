"""Megabytes a minute, of a source and of an address, through the front door."""

import gzip
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector import store

from ..support import Collector, wait_for

MB = 1024 * 1024
ADDRESS = {"detail": "Too many megabytes from this address. Try again later."}
SOURCE = {"detail": "Too many megabytes for this source. Try again later."}


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Two workers behind a proxy, a megabyte a minute for each address."""
    folder = tmp_path_factory.mktemp("proxied")
    options = ("--proxies", "1", "--address-quota-mb", "1")
    collector = Collector(folder, workers=2, options=options).start()
    yield collector
    collector.end()


def body(source: str, size: int, **more: Any) -> bytes:
    """A request of about this many bytes, inflated: small on the wire."""
    event = {"type": "a", "properties": {"text": text(size)}}
    return gzip.compress(json.dumps({"source": {"id": source}, "events": [event], **more}).encode())


def text(size: int) -> str:
    """A text that gzip makes 40 times smaller."""
    return (os.urandom(5000).hex() * (size // 10_000 + 1))[:size]


def send(collector: Collector, source: str, size: int, address: str = "", **more: Any) -> httpx.Response:  # fmt: skip
    headers = {"Content-Encoding": "gzip", **({"X-Forwarded-For": address} if address else {})}
    return collector.post(body(source, size, **more), headers=headers)


def test_an_address_that_has_sent_its_megabytes_waits_and_others_do_not(proxied: Collector) -> None:
    source = proxied.add_source()
    answers = [send(proxied, source, MB * 2 // 5, "203.0.113.1") for _ in range(8)]
    assert [answer.status_code for answer in answers] == [200, 200] + [429] * 6
    for refused in answers[2:]:
        assert refused.json() == ADDRESS
        assert refused.headers["X-Collector-Reason"] == "rate_limited"
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert send(proxied, source, MB * 2 // 5, "203.0.113.2").status_code == 200
    assert len(proxied.events(source)) == 3


def test_an_address_may_not_go_on_with_another_source(proxied: Collector) -> None:
    for _ in range(2):
        send(proxied, proxied.add_source(), MB * 2 // 5, "203.0.113.3")
    assert send(proxied, proxied.add_source(), MB * 2 // 5, "203.0.113.3").json() == ADDRESS


def test_a_household_of_ipv6_is_one_address(proxied: Collector) -> None:
    source = proxied.add_source()
    codes = [
        send(proxied, source, MB * 2 // 5, f"2001:db8:1:2::{n:x}").status_code for n in range(4)
    ]
    assert codes == [200, 200, 429, 429]
    assert send(proxied, source, MB * 2 // 5, "2001:db8:1:3::1").status_code == 200


def test_what_senders_write_into_x_forwarded_for_changes_nothing(proxied: Collector) -> None:
    """The proxy adds the address at the right, and only that counts."""
    source = proxied.add_source()
    codes = [
        send(proxied, source, MB * 2 // 5, f"198.51.100.{n}, 127.0.0.1, 203.0.113.4").status_code
        for n in range(4)
    ]
    assert codes == [200, 200, 429, 429]


def test_what_is_refused_writes_nothing(proxied: Collector) -> None:
    source = proxied.add_source()
    for _ in range(3):
        send(proxied, source, MB * 2 // 5, "203.0.113.5")
    (writer,) = proxied.children("collector.child\0writer")

    def written() -> int:
        lines = Path(f"/proc/{writer}/io").read_text().splitlines()
        return int(dict(line.split(": ") for line in lines)["wchar"])

    def settled() -> bool:
        """Counts of the events before are written soon after them."""
        before = written()
        threading.Event().wait(0.3)
        return written() == before

    wait_for(settled, "the writer to have nothing to do")
    rows, before = proxied.counts(), written()
    answers = [
        send(proxied, source, MB * 2 // 5, "203.0.113.5", session={"id": "new"}) for _ in range(50)
    ]
    assert {answer.status_code for answer in answers} == {429}
    assert proxied.counts() == rows
    # Each worker asks the writer once, which answers with a few bytes.
    assert written() - before < 50 * 100


@pytest.mark.parametrize("route", ["webhook", "form", "query", "pixel", "redirect"])
def test_the_other_ways_in_have_the_same_quota(proxied: Collector, route: str) -> None:
    source = proxied.add_source(bridges=("webhook", "redirect"))
    address = f"203.0.113.{100 + len(route) * 8 + ord(route[0]) % 8}"
    with proxied.database() as database:
        redirect = store.add_redirect(database, source, "https://example.com/", "click").id
    value = text(14_000)
    size, number = (14 * 14_000, 8) if route in ("webhook", "form") else (14_000, 85)
    headers = {"X-Forwarded-For": address, "Content-Encoding": "gzip"}
    with httpx.Client(base_url=proxied.url, headers=headers, timeout=20) as client:

        def call() -> httpx.Response:
            match route:
                case "webhook":
                    sent = gzip.compress(json.dumps({"text": value * 14}).encode())
                    return client.post(f"/collect/a/{source}", content=sent)
                case "form":
                    form = {"Content-Type": "application/x-www-form-urlencoded"}
                    sent = gzip.compress(f"text={value * 14}".encode())
                    return client.post(f"/collect/a/{source}", content=sent, headers=form)
                case "query":
                    return client.get(f"/collect/a/{source}?text={value}")
                case "pixel":
                    return client.get(f"/collect/a/{source}/pixel.gif?text={value}")
                case _:
                    return client.get(f"/redirect/{redirect}?text={value}")

        begun = time.monotonic()
        answers = [call() for _ in range(number)]
        regained = (time.monotonic() - begun) * MB / 60  # bytes
    reasons = [answer.headers["X-Collector-Reason"] for answer in answers]
    stored = reasons.count("stored")
    assert reasons == ["stored"] * stored + ["rate_limited"] * (len(reasons) - stored)
    assert MB // size - 2 <= stored <= (MB + regained) // size + 2
    assert len(proxied.events(source)) == stored < number
    # The visitor goes on all the same.
    expected = 307 if route == "redirect" else 429
    assert answers[-1].status_code == expected
    assert route == "redirect" or "Retry-After" in answers[-1].headers


def test_rejected_events_count(proxied: Collector) -> None:
    source = proxied.add_source()
    more = {"events": [{"type": "", "properties": {"text": text(MB * 2 // 5)}}]}
    codes = [send(proxied, source, 0, "203.0.113.6", **more).status_code for _ in range(4)]
    assert codes == [200, 200, 429, 429]


def test_a_source_has_a_quota_for_all_its_senders_and_workers_together(tmp_path: Path) -> None:
    collector = Collector(tmp_path, workers=2, options=("--source-quota-mb", "2")).start()
    source, other = collector.add_source(), collector.add_source()
    answers = [send(collector, source, MB * 2 // 5) for _ in range(12)]
    codes = [answer.status_code for answer in answers]
    # Five fit into two megabytes at once; they refill at 33 KB a second.
    assert codes[:4] == [200] * 4
    assert codes.count(200) <= 6
    assert answers[-1].json() == SOURCE
    assert send(collector, other, MB * 2 // 5).status_code == 200
    assert len(collector.events(source)) == codes.count(200)
    # One that is given more may send at once.
    with collector.database() as database:
        store.update_source(database, source, {"quota_mb": 100})
    wait_for(lambda: send(collector, source, 1000).status_code == 200, "the change to be noticed", 5)  # fmt: skip


def test_a_source_may_have_a_smaller_quota_than_the_others(collector: Collector) -> None:
    small, usual = collector.add_source(quota_mb=1), collector.add_source()
    assert [send(collector, small, MB * 2 // 5).status_code for _ in range(3)] == [200, 200, 429]
    assert [send(collector, usual, MB * 2 // 5).status_code for _ in range(3)] == [200] * 3


def test_programs_on_the_same_machine_have_no_quota_of_their_address(tmp_path: Path) -> None:
    """Nor do those who say they were sent by somebody, where there is no proxy."""
    collector = Collector(tmp_path, options=("--address-quota-mb", "1")).start()
    source = collector.add_source()
    codes = [send(collector, source, MB * 2 // 5, "203.0.113.9").status_code for _ in range(5)]
    assert codes == [200] * 5


def own_address() -> str:
    """An address of this machine that others could use; empty if there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # nothing is sent
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def test_without_a_proxy_nobody_can_claim_another_address(tmp_path: Path) -> None:
    address = own_address()
    if not address or address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    options = ("--host", address, "--address-quota-mb", "1")
    collector = Collector(tmp_path, options=options).start()
    source = collector.add_source()
    codes = [send(collector, source, MB * 2 // 5, f"203.0.113.{n}").status_code for n in range(4)]
    assert codes == [200, 200, 429, 429]
    assert {row["ip"] for row in collector.events(source)} == {address.rpartition(".")[0] + ".0"}


def test_full_speed_from_one_address_of_this_machine_is_not_refused(collector: Collector) -> None:
    """By default: more in a few seconds than another address may send in a minute."""
    source = collector.add_source()
    large = body(source, MB * 9 // 10)
    headers = {"Content-Encoding": "gzip"}
    with httpx.Client(headers=headers, timeout=20) as client:
        answers = [client.post(f"{collector.url}/track", content=large) for _ in range(400)]
    assert {answer.status_code for answer in answers} == {200}

"""/console: who reaches it and who is logged in. Its pages in a browser are in tests/console."""

import os
import re
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from collector import store
from collector.store.console_sessions import create_link

from ..support import Collector, run, wait_for

PROCESS = "collector.child\0console"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector whose log has all that it can say."""
    options = ("--log-level", "debug")
    collector = Collector(tmp_path_factory.mktemp("console"), workers=2, options=options).start()
    yield collector
    collector.end()


def client(collector: Collector, **options: object) -> httpx.Client:
    return httpx.Client(base_url=f"{collector.url}/console", timeout=20, **options)  # type: ignore[arg-type]


def token_of(collector: Collector, **options: str) -> tuple[str, str]:
    """The id and the secret of a new token."""
    with collector.database() as database:
        token, secret = store.create_token(database, "test", **options)
    return token.id, secret


def link_of(collector: Collector) -> str:
    with collector.database() as database:
        return create_link(database.conn)


@contextmanager
def logged_in(collector: Collector, **options: str) -> Iterator[httpx.Client]:
    """A browser that has logged in with a new token."""
    with client(collector) as browser:
        answer = browser.post("/login", data={"token": token_of(collector, **options)[1]})
        assert answer.status_code == 303, answer.text
        yield browser


def csrf_of(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert found, page.text
    return found[1]


def change_sessions(collector: Collector, statement: str) -> None:
    connection = sqlite3.connect(collector.db)
    connection.execute(statement)
    connection.commit()
    connection.close()


def is_in(browser: httpx.Client) -> bool:
    answer = browser.get("")
    assert answer.status_code in (200, 303), answer.text
    return answer.status_code == 200 and "Inbound traffic" in answer.text


def test_nothing_is_shown_to_somebody_who_is_not_logged_in(console: Collector) -> None:
    with client(console) as browser:
        for path in ("", "/live", "/live/stored/1", "/live/stream", "/sources/new"):
            answer = browser.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")
        answer = browser.post("/sources/new", data={"name": "x"})
        assert answer.status_code == 303
    assert not console.rows("SELECT * FROM sources WHERE name = 'x'")


def test_a_token_logs_in_and_its_end_logs_out(console: Collector) -> None:
    token, secret = token_of(console)
    with client(console) as browser:
        answer = browser.post("/login", data={"token": secret})
        cookie = answer.headers["set-cookie"]
        assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/console"))
        assert secret not in cookie
        assert is_in(browser)
        with console.database() as database:
            store.revoke_token(database, token)
        assert not is_in(browser)


@pytest.mark.parametrize(
    "secret", ["", "tt_nothing", "x" * 10_000, "\0\ud800".encode("utf-8", "surrogatepass")]
)
def test_what_is_no_token_does_not_log_in(console: Collector, secret: str) -> None:
    with client(console) as browser:
        answer = browser.post("/login", data={"token": secret})
        assert answer.status_code == 403
        assert "There is no such token" in answer.text
        assert not is_in(browser)


def test_an_expired_token_does_not_log_in(console: Collector) -> None:
    _, secret = token_of(console, expires="90d")
    change_sessions(console, "UPDATE tokens SET expires_at = '2020' WHERE expires_at IS NOT NULL")
    with client(console) as browser:
        assert browser.post("/login", data={"token": secret}).status_code == 403


def test_a_session_ends_when_its_token_expires(console: Collector) -> None:
    with logged_in(console, expires="90d") as browser:
        assert is_in(browser)
        change_sessions(console, "UPDATE tokens SET expires_at = '2020' WHERE expires_at > '2021'")
        assert not is_in(browser)


def test_a_link_is_good_once_and_looking_at_it_uses_nothing_up(console: Collector) -> None:
    secret = link_of(console)
    with client(console) as browser, client(console) as other:
        for _ in range(2):  # as programs do that show what is behind a link
            assert browser.get(f"/login/{secret}").status_code == 200
        assert browser.post("/login", data={"link": secret}).status_code == 303
        assert is_in(browser)
        answer = other.post("/login", data={"link": secret})
        assert answer.status_code == 403
        assert "has been used" in answer.text
        assert not is_in(other)


def test_a_link_is_good_for_a_minute(console: Collector) -> None:
    secret = link_of(console)
    (row,) = console.rows("SELECT * FROM console_links")
    assert secret not in str(row)
    change_sessions(console, "UPDATE console_links SET expires_at = '2020'")
    with client(console) as browser:
        assert browser.post("/login", data={"link": secret}).status_code == 403


def test_the_command_prints_a_link_that_logs_in(console: Collector) -> None:
    place = ("--db", str(console.db), "--port", str(console.port))
    done = run("console", *place, "--no-open")
    assert done.returncode == 0, done.stderr
    path = urlsplit(done.stdout.strip()).path
    with client(console) as browser:
        secret = path.rpartition("/")[2]
        assert browser.post("/login", data={"link": secret}).status_code == 303
        assert is_in(browser)


def test_the_command_says_when_no_collector_is_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    done = run("console", "--db", str(tmp_path / "e.db"), "--port", port, "--no-open")
    assert done.returncode == 1
    assert "thamesthrive serve" in done.stderr
    assert not (tmp_path / "e.db").exists()


def test_logging_in_begins_a_new_session_whatever_cookie_there_was(console: Collector) -> None:
    with client(console) as browser:
        name = f"thamesthrive_console_{console.port}"
        planted = {"Cookie": f"{name}=planted"}
        answer = browser.post("/login", data={"token": token_of(console)[1]}, headers=planted)
        assert answer.status_code == 303
        assert "planted" not in answer.headers["set-cookie"]
    with client(console) as attacker:
        assert attacker.get("", headers=planted).status_code == 303


@pytest.mark.parametrize("column", ["used_at", "created_at"])
def test_a_session_ends_when_it_is_not_used_and_when_it_is_old(
    console: Collector, column: str
) -> None:
    with logged_in(console) as browser:
        assert is_in(browser)
        hours = {"used_at": 13, "created_at": 24 * 7 + 1}[column]
        at = f"strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-{hours} hours')"
        change_sessions(console, f"UPDATE console_sessions SET {column} = {at}")
        assert not is_in(browser)


def test_using_a_session_keeps_it(console: Collector) -> None:
    with logged_in(console) as browser:
        change_sessions(
            console,
            "UPDATE console_sessions SET used_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-11 hours')",
        )
        assert is_in(browser)
        hour_ago = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 hours')"
        wait_for(
            lambda: console.rows(f"SELECT 1 FROM console_sessions WHERE used_at > {hour_ago}"),
            "its use to be noted",
        )


def test_logging_out_everywhere_ends_all_sessions_of_the_token(console: Collector) -> None:
    _, secret = token_of(console)
    with client(console) as one, client(console) as two, logged_in(console) as other:
        for browser in (one, two):
            browser.post("/login", data={"token": secret})
        page = one.get("")
        one.post("/logout", data={"csrf": csrf_of(page)})
        assert not is_in(one)
        assert is_in(two)
        one.post("/login", data={"token": secret})
        two.post("/logout", data={"csrf": csrf_of(two.get("")), "everywhere": "yes"})
        assert not is_in(one)
        assert not is_in(two)
        assert is_in(other)


def test_a_stream_ends_with_its_session(console: Collector) -> None:
    source = console.add_source()
    for end in ("logout", "revoke"):
        token, secret = token_of(console)
        with client(console) as browser:
            browser.post("/login", data={"token": secret})
            with browser.stream("GET", "/live/stream") as stream:
                lines = stream.iter_lines()
                assert next(lines) == ": here"
                if end == "logout":
                    browser.post("/logout", data={"csrf": csrf_of(browser.get(""))})
                else:
                    with console.database() as database:
                        store.revoke_token(database, token)
                console.post({"source": {"id": source}, "events": [{"type": "after-the-end"}]})
                assert "after-the-end" not in "".join(lines)


def test_logins_of_one_token_end_no_session_of_others(console: Collector) -> None:
    _, secret = token_of(console)
    with logged_in(console) as other, client(console) as first:
        first.post("/login", data={"token": secret})
        for _ in range(20):
            with client(console) as more:
                assert more.post("/login", data={"token": secret}).status_code == 303
        assert not is_in(first)
        assert is_in(other)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/live?minute=9999-12-31T23:59", 422),
        ("/live?minute=x", 422),
        ("/live?run=*", 422),
        ("/live/stream?status=x", 422),
        ("/explore/retention?until=0001-01-01", 200),
        ("/explore?where=a" + ".    b" * 200, 422),
        ("/explore?where=a" + ".    b" * 200 + "=1", 422),
    ],
)
def test_odd_addresses_are_answered(console: Collector, path: str, status: int) -> None:
    with logged_in(console) as browser:
        assert browser.get(path).status_code == status


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_form_of_another_site_changes_nothing(
    console: Collector, headers: dict[str, str]
) -> None:
    with logged_in(console) as browser:
        form = {"csrf": csrf_of(browser.get("/sources/new")), "name": "Foreign"}
        answer = browser.post("/sources/new", data=form, headers=headers)
        assert answer.status_code == 403
        assert "nothing was changed" in answer.text
        login = browser.post("/login", data={"token": token_of(console)[1]}, headers=headers)
        assert login.status_code == 403
    assert not console.rows("SELECT * FROM sources WHERE name = 'Foreign'")


def test_a_form_without_the_sessions_secret_changes_nothing(console: Collector) -> None:
    with logged_in(console) as browser, logged_in(console) as other:
        for secret in ("", "x", csrf_of(other.get("/sources/new"))):
            form = {"csrf": secret, "name": "Forged"}
            assert browser.post("/sources/new", data=form).status_code == 403
    assert not console.rows("SELECT * FROM sources WHERE name = 'Forged'")


def test_who_may_only_read_changes_nothing(console: Collector) -> None:
    with logged_in(console, role="read") as browser:
        csrf = csrf_of(browser.get(""))
        assert browser.get("/sources/new").status_code == 403
        answer = browser.post("/sources/new", data={"csrf": csrf, "name": "Read"})
        assert answer.status_code == 403
        assert "role read" in answer.text
    assert not console.rows("SELECT * FROM sources WHERE name = 'Read'")


def test_a_session_that_is_limited_to_a_source_sees_that_one_alone(console: Collector) -> None:
    with console.database() as database:
        mine = store.add_source(database, "Mine").id
        other = store.add_source(database, "Theirs").id
    console.post({"source": {"id": other}, "events": [{"type": "secret-plan"}]})
    (event,) = console.wait_for_events(other, 1)
    with logged_in(console, source_id=mine) as browser:
        page = browser.get("").text
        assert "Mine" in page
        assert "Theirs" not in page
        assert "secret-plan" not in browser.get("/live").text
        paths = (f"/sources/{other}", f"/live?source={other}", f"/live/stored/{event['seq']}")
        for path in (*paths, f"/live/stream?source={other}"):
            assert browser.get(path).status_code == 403
        form = {"csrf": csrf_of(browser.get("")), "name": "More"}
        assert browser.post("/sources/new", data=form).status_code == 403


def test_an_added_source_is_there_and_in_the_audit(console: Collector) -> None:
    with logged_in(console) as browser:
        form = {"csrf": csrf_of(browser.get("/sources/new")), "name": "Shop"}
        wrong = browser.post("/sources/new", data={**form, "origins": "shop.example.com"})
        assert wrong.status_code == 422
        assert "shop.example.com" in wrong.text
        done = browser.post("/sources/new", data={**form, "origins": "https://shop.example.com"})
        assert done.status_code == 303
    (source,) = console.rows("SELECT * FROM sources WHERE name = 'Shop'")
    assert source["origins"] == '["https://shop.example.com"]'
    entry = console.rows("SELECT * FROM audit WHERE object = ?", source["id"])[-1]
    assert (entry["action"], entry["actor"]) == ("source.add", "test")


def test_sources_are_listed_while_a_large_database_is_counted_again(tmp_path: Path) -> None:
    collector = Collector(tmp_path).start()
    with collector.database() as database:
        store.add_source(database, "Counted later")
    change_sessions(
        collector, "INSERT INTO sqlite_sequence (name, seq) VALUES ('event_rows', 200000)"
    )
    collector.stop()
    collector.start()
    source = collector.add_source()
    collector.post({"source": {"id": source}, "events": [{"type": "a"}]})
    counted = "SELECT 1 FROM rollup_marks WHERE seq > 200000"
    wait_for(lambda: collector.rows(counted), "the event to be counted")
    (writer,) = collector.children("collector.child\0writer")
    with logged_in(collector) as browser:
        os.kill(writer, signal.SIGSTOP)  # or it would have counted before anybody looks
        try:
            # As an update leaves it, with more events than a reader counts by itself.
            change_sessions(collector, "UPDATE rollup_marks SET seq = 0")
            page = browser.get("")
            assert page.status_code == 200
            assert "are being prepared" in page.text
            assert "Counted later" in page.text
            assert browser.get("/overview").status_code == 503
        finally:
            os.kill(writer, signal.SIGCONT)


def test_no_secret_is_in_the_log(console: Collector) -> None:
    _, secret = token_of(console)
    link = link_of(console)
    with client(console) as browser:
        browser.get(f"/login/{link}")
        browser.post("/login", data={"link": link})
        answer = browser.post("/login", data={"token": secret})
        browser.get("/live?text=x")
        cookie = answer.headers["set-cookie"].split(";")[0].partition("=")[2]
    assert console.log
    for part in (secret, link, cookie):
        assert not [line for line in console.log if part in line]


def test_it_answers_this_machine_alone_unless_it_is_told_otherwise(
    console: Collector, tmp_path: Path
) -> None:
    for headers in (
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=203.0.113.7"},
        {"X-Real-IP": "203.0.113.7"},
        {"Via": "1.1 proxy"},
    ):
        answer = httpx.get(f"{console.url}/console/login", headers=headers)
        assert answer.status_code == 403
        assert "--console everywhere" in answer.text
    rebound = httpx.get(f"{console.url}/console/login", headers={"Host": "evil.example"})
    assert rebound.status_code == 421
    for setting, status in (("everywhere", 200), ("off", 404)):
        options = ("--console", setting, "--proxies", "1")
        other = Collector(tmp_path, options=options).start()
        headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
        answer = httpx.get(f"{other.url}/console/login", headers=headers)
        assert answer.status_code == status
        if status == 200:
            secret = token_of(other)[1]
            login = httpx.post(
                f"{other.url}/console/login", data={"token": secret}, headers=headers
            )
            assert "Secure" in login.headers["set-cookie"]
        other.stop()


def test_pages_may_do_nothing_that_was_not_written_for_them(console: Collector) -> None:
    with logged_in(console) as browser:
        for path in ("", "/live", "/login", "/nothing"):
            headers = browser.get(path).headers
            policy = headers["content-security-policy"]
            assert policy.startswith(
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
                " img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
            )
            assert "require-trusted-types-for 'script'" in policy
            assert headers["cache-control"] == "no-store"


# --- The way from a worker to the console's process ---


def exchange(collector: Collector, *parts: bytes) -> bytes:
    """What comes back for bytes that are sent piece by piece."""
    with socket.create_connection(("127.0.0.1", collector.port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while data := connection.recv(65536):
            answer += data
        return answer


def test_its_process_starts_when_it_is_asked_for(tmp_path: Path) -> None:
    collector = Collector(tmp_path).start()
    assert not collector.children(PROCESS)
    for path in ("", "/login", "/files/x"):  # a stranger's, through a proxy
        headers = {"x-forwarded-for": "203.0.113.7"}
        answer = httpx.get(f"{collector.url}/console{path}", headers=headers)
        assert (answer.status_code, "--console everywhere" in answer.text) == (403, True)
    assert not collector.children(PROCESS)
    assert httpx.get(f"{collector.url}/console/login", timeout=20).status_code == 200
    (process,) = collector.children(PROCESS)
    os.kill(process, signal.SIGKILL)
    assert httpx.get(f"{collector.url}/console/login", timeout=20).status_code == 200
    assert collector.children(PROCESS) != [process]
    source = collector.add_source()
    assert collector.post({"source": {"id": source}, "events": [{"type": "a"}]}).status_code == 200
    assert collector.stop() == 0


def test_a_request_is_whole_however_it_arrives(console: Collector) -> None:
    secret = token_of(console)[1]
    body = f"token={secret}".encode()
    head = (
        b"POST /console/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" % len(body)
    )
    whole = head + body
    for parts in ([whole], [head, body], [whole[n : n + 1] for n in range(len(whole))]):
        assert exchange(console, *parts).startswith(b"HTTP/1.1 303 ")


def test_a_connection_that_a_worker_has_served_is_passed_on_as_well(console: Collector) -> None:
    health = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    login = b"GET /console/login HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", console.port), timeout=20) as connection:
        connection.sendall(health)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(login)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"<h1>Log in</h1>" in answer


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /console HTTP/1.1\r\n\r\n", 400),
        (b"GET /console HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /console/%00%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
        (b"BREW /console HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"DELETE /console HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (
            b"POST /console/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n",
            413,
        ),
    ],
)
def test_hostile_requests_are_refused(console: Collector, request_: bytes, status: int) -> None:
    assert int(exchange(console, request_).split(b" ", 2)[1]) == status
    assert httpx.get(f"{console.url}/console/login", timeout=20).status_code == 200


def test_hostile_headers_are_nothing_special(console: Collector) -> None:
    for name in (b"Cookie", b"Accept-Encoding", b"Origin", b"HX-Request", b"Last-Event-ID"):
        for value in (b"\xff\xfe", b"a=\xc3\x28;b", b"x" * 4000, b"=;=;;="):
            head = b"GET /console/login HTTP/1.1\r\nHost: localhost\r\n%b: %b\r\n\r\n"
            status = int(exchange(console, head % (name, value)).split(b" ", 2)[1])
            assert status == 200, (name, value)


def test_a_run_is_on_the_live_page_only_when_it_is_asked_for(tmp_path: Path) -> None:
    collector = Collector(tmp_path, options=("--qa",)).start()
    source = collector.add_source()
    for kind, run_of in (("tested", "checkout-1"), ("tested-too", "other"), ("real", None)):
        events = [{"type": kind}, {"type": kind, "properties": 7}]
        body = {"source": {"id": source}, "events": events, "options": {"run": run_of}}
        assert collector.post(body).status_code == 200

    def shown(page: httpx.Response) -> list[str]:
        return re.findall(
            r'hx-swap="innerHTML">([^<]+)</a>(?: <span class="badge">run)?', page.text
        )

    with logged_in(collector) as browser:
        assert shown(browser.get("/live")) == ["real", "real"]
        page = browser.get("/live?run=checkout-1")
        assert shown(page) == ["tested", "tested"]
        assert page.text.count('<span class="badge">run</span>') == 2
        assert re.search(r'name="run" value="checkout-1"', page.text)
        seq = collector.rows("SELECT seq FROM events WHERE type = 'tested'")[0]["seq"]
        drawer = browser.get(f"/live/stored/{seq}").text
        assert 'href="/console/live?run=checkout-1"' in drawer
    collector.end()

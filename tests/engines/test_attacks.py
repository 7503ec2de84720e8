"""What was found by attacking the forwarder: each of these lost, leaked, kept or blocked something."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from collector.errors import CollectorError, SettingsError
from collector.forward.destination import destination_for
from collector.forward.forwarder import Forwarder
from collector.ids import uuid7
from collector.store.edge import add_forgotten
from collector.store.forward_state import list_aside, list_destinations, state_path
from collector.targets import parse_targets

from ..bench.console_pages import logged_in
from ..support import Collector, QuietServer, run, running
from .clickhouse_server import ClickHouseServer
from .edges import ClickHouse, Postgres, Store, body, collecting, ids_in, send
from .postgres_server import PostgresServer


def forwarder_to(collector: Collector, url: str) -> Forwarder:
    (target,) = parse_targets(url)
    return Forwarder(collector.db, target, destination_for(target))


def drain(forwarder: Forwarder) -> int:
    return forwarder.drain(lambda *_: None)


class Edge(NamedTuple):
    """A collector, a source of it with events, their ids, and what has sent them."""

    collector: Collector
    source: str
    ids: list[str]
    forwarder: Forwarder


@contextmanager
def sent(folder: Path, engine: Store, count: int) -> Iterator[Edge]:
    """Some events that are in the store as well."""
    with collecting(folder) as collector:
        source = collector.add_source()
        ids = send(collector, source, count)
        with closing(forwarder_to(collector, engine.url)) as forwarder:
            drain(forwarder)
            yield Edge(collector, source, ids, forwarder)


def connect(address: str) -> None:
    (target,) = parse_targets(address)
    with closing(destination_for(target)) as destination:
        destination.open()


def forget(collector: Collector, profile: str) -> None:
    done = run("profile", "forget", profile, "--yes", "--db", str(collector.db))
    assert done.returncode == 0, done.stderr


def profile_of(collector: Collector, source: str) -> str:
    return str(collector.events(source)[-1]["profile_id"])


def test_a_visitor_is_forgotten_after_the_edge_was_restored(tmp_path: Path, engine: Store) -> None:
    """The backup gives numbers of forgotten profiles again, which the state has behind it."""
    backup = tmp_path / "backup.db"
    with collecting(tmp_path) as collector:
        source = collector.add_source()
        send(collector, source, 1)
        first = profile_of(collector, source)
        send(collector, source, 1)
        second = profile_of(collector, source)
        forwarder = forwarder_to(collector, engine.url)
        drain(forwarder)
        assert run("db", "backup", str(backup), "--db", str(collector.db)).returncode == 0
        forget(collector, first)
        drain(forwarder)
        forwarder.close()
        db = collector.db
    for suffix in ("", "-wal", "-shm"):
        db.with_name(db.name + suffix).unlink(missing_ok=True)
    backup.rename(db)
    with collecting(tmp_path) as collector:
        forget(collector, second)
        forwarder = forwarder_to(collector, engine.url)
        drain(forwarder)
        forwarder.close()
        assert second not in str(engine.rows("SELECT profile_id FROM {}.event_rows"))
        assert collector.rows("SELECT * FROM forgotten_profiles") == []


def test_a_visitor_whose_events_expired_here_is_forgotten_there(
    tmp_path: Path, engine: Store
) -> None:
    """The store keeps what the collector no longer has."""
    with sent(tmp_path, engine, 2) as (collector, source, _, forwarder):
        profile = profile_of(collector, source)
        with collector.database() as database:
            for table in ("event_rows", "request_rows", "session_rows", "profile_rows"):
                database.conn.execute(f"DELETE FROM {table}")
        run("profile", "forget", profile, "--yes", "--db", str(collector.db))
        drain(forwarder)
        assert profile not in str(engine.rows("SELECT profile_id FROM {}.event_rows"))


def test_a_visitor_is_forgotten_although_the_state_was_lost(tmp_path: Path, engine: Store) -> None:
    with sent(tmp_path, engine, 2) as (collector, source, _, forwarder):
        profile = profile_of(collector, source)
        forwarder.close()
        for suffix in ("", "-wal", "-shm"):
            path = state_path(collector.db)
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        forget(collector, profile)
        again = forwarder_to(collector, engine.url)
        drain(again)
        again.close()
        assert profile not in str(engine.rows("SELECT profile_id FROM {}.event_rows"))


def test_ids_are_not_kept_for_a_destination_that_was_removed(tmp_path: Path, engine: Store) -> None:
    with collecting(tmp_path) as collector:
        source = collector.add_source()
        send(collector, source, 1)
        forwarder = forwarder_to(collector, engine.url)
        gone = forwarder_to(collector, "postgresql://127.0.0.1:1/gone")
        gone.close()
        drain(forwarder)
        forget(collector, profile_of(collector, source))
        drain(forwarder)
        done = run(
            "forward", "postgresql://127.0.0.1:1/gone", "--remove", "--db", str(collector.db)
        )
        assert done.returncode == 0, done.stderr
        drain(forwarder)
        forwarder.close()
        assert collector.rows("SELECT * FROM forgotten_profiles") == []


def test_once_forgets_all_who_wait(tmp_path: Path, engine: Store) -> None:
    with sent(tmp_path, engine, 1) as (collector, _, _, forwarder):
        with collector.database() as database:
            for _ in range(250):
                add_forgotten(database.conn, uuid7())
        drain(forwarder)
        assert collector.rows("SELECT * FROM forgotten_profiles") == []


@pytest.mark.parametrize("mark", ['"', "\\", "'", "é", "`", "{", "☃"])
def test_ids_may_have_any_character(tmp_path: Path, engine: Store, mark: str) -> None:
    with collecting(tmp_path) as collector:
        source = collector.add_source()
        ids = [f"a{mark}n", f"b{mark}", f"{mark}0"]
        events = [{"id": id_, "type": f"t{mark}"} for id_ in ids]
        answer = collector.post(body(source, events))
        assert answer.status_code == 200, answer.text
        forwarder = forwarder_to(collector, engine.url)
        assert drain(forwarder) == 3
        assert ids_in(engine) == sorted(ids)
        assert forwarder.check(None, lambda *_: None).missing == []
        forwarder.close()


def test_a_profile_with_a_quote_in_its_id_holds_up_no_other(tmp_path: Path, engine: Store) -> None:
    """In ClickHouse, none of the hundred that are forgotten at once would be."""
    with sent(tmp_path, engine, 1) as (collector, source, _, forwarder):
        profile = profile_of(collector, source)
        with collector.database() as database:
            add_forgotten(database.conn, 'a"b')
        forget(collector, profile)
        drain(forwarder)
        assert ids_in(engine) == []


def test_a_store_that_was_restored_while_the_forwarder_runs(
    tmp_path: Path, clickhouse: ClickHouseServer
) -> None:
    """ClickHouse is reached over a new connection without a look at what it has."""
    engine = ClickHouse(clickhouse, clickhouse.add_database())
    with sent(tmp_path, engine, 10) as (collector, source, ids, forwarder):
        clickhouse.stop()
        clickhouse.start()
        engine.lose_after(4)
        more = send(collector, source, 1)
        drain(forwarder)
        assert ids_in(engine) == sorted(ids + more)


def test_a_store_that_was_restored_while_it_is_connected(tmp_path: Path, engine: Store) -> None:
    """Without a new connection, which would have told."""
    with sent(tmp_path, engine, 10) as (collector, source, ids, forwarder):
        engine.lose_after(4)
        more = send(collector, source, 1)
        drain(forwarder)
        assert ids_in(engine) == sorted(ids + more)


def test_a_visitor_whom_nobody_knows_is_not_shown(tmp_path: Path, engine: Store) -> None:
    """Who may be forgotten in a store is still unknown here."""
    with collecting(tmp_path) as collector:
        collector.add_source()
        forwarder_to(collector, engine.url).close()
        words = ("--db", str(collector.db))
        done = run("profile", "show", "nobody", *words)
        assert done.returncode == 1
        assert done.stderr.startswith("Error: There is no profile 'nobody'")
        page = httpx.get(
            f"{collector.url}/console/profiles/nobody", headers={"Cookie": logged_in(collector)}
        )
        assert page.status_code == 404
        done = run("profile", "forget", "nobody", "--yes", *words)
        assert done.returncode == 0
        assert "Stores that get the events as well" in done.stderr


def test_a_date_after_the_last_event_sends_nothing_again(tmp_path: Path, engine: Store) -> None:
    with sent(tmp_path, engine, 5) as (_, _, _, forwarder):
        forwarder.rewind("2100-01-01T00:00:00.000Z", retry=False)
        assert drain(forwarder) == 0
        assert forwarder.check("2100-01-01T00:00:00.000Z", lambda *_: None).checked == 0


def test_runs_of_tests_at_the_end_are_not_looked_for_in_the_store(
    tmp_path: Path, engine: Store
) -> None:
    """A batch without rows moves the cursor here, and has to move it there."""
    with collecting(tmp_path, "--qa") as collector:
        source = collector.add_source()
        send(collector, source, 2)
        forwarder = forwarder_to(collector, engine.url)
        drain(forwarder)
        of_run = body(source, [{"type": "page-view"}])
        assert collector.post(of_run, headers={"X-ThamesThrive-Run": "r"}).status_code == 200
        drain(forwarder)
        forwarder.close()
        (before,) = list_destinations(collector.db)
        forwarder = forwarder_to(collector, engine.url)
        forwarder.open()
        forwarder.close()
        (after,) = list_destinations(collector.db)
        assert after.cursor == before.cursor


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:hunter2/x@host/db",
        "postgresql://u:hunter2#x@host/db",
        "postgresql://u:hunter2 x@host/db",
        "clickhouse://u:hunter2?x@host/db",
        "//u:hunter2@host/db",
        "password=hunter2",
        "postgresql://host/db?scram_client_key=hunter2",
        "postgresql://u:1234567/hunter2@host/db",
        "postgresql://u:123/hunter2@host/db",
    ],
)
def test_an_address_that_cannot_be_read_says_no_password(address: str) -> None:
    try:
        said = str([target.name for target in parse_targets(address)])
    except SettingsError as error:
        said = str(error)
    assert "hunter2" not in said
    assert "1234567" not in said


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:hunter2%zz@127.0.0.1:1/db",
        "postgresql://u:hunter2%@127.0.0.1:1/db",
        "postgresql://u@127.0.0.1:1/db?password=hunter2%zz",
        "clickhouse://u:hunter2%0Ax@127.0.0.1:1/db",
        "clickhouse://u:hunter2%E2%98%83@127.0.0.1:1/db",
        "clickhouse://u:x@a..b:1/db",
        f"clickhouse://u:x@{'a' * 70}:1/db",
        "clickhouse://u:x@[::1]:1/db",
        "postgresql://[::1]:1/db",
        "postgresql://%2Fnowhere/db",
        "clickhouse://u@127.0.0.1:1/a%0Ab",
    ],
)
def test_what_a_client_says_is_an_error_without_the_password(address: str) -> None:
    with pytest.raises(CollectorError) as raised:
        connect(address)
    assert "hunter2" not in str(raised.value)


class Page(BaseHTTPRequestHandler):
    """A proxy whose store is away, and that says so with 200."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        text = b"<html>We will be back soon</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        pass


def test_a_page_is_no_clickhouse(tmp_path: Path) -> None:
    with running(QuietServer(("127.0.0.1", 0), Page)) as port:
        (target,) = parse_targets(f"clickhouse://127.0.0.1:{port}/x")
        with (
            closing(destination_for(target)) as destination,
            pytest.raises(CollectorError, match="Something else than ClickHouse"),
        ):
            destination.open()


def test_a_page_in_place_of_an_answer_acknowledges_nothing(
    tmp_path: Path, clickhouse: ClickHouseServer
) -> None:
    with (
        collecting(tmp_path) as collector,
        running(QuietServer(("127.0.0.1", 0), Page)) as port,
    ):
        source = collector.add_source()
        send(collector, source, 2)
        engine = ClickHouse(clickhouse, clickhouse.add_database())
        forwarder = forwarder_to(collector, engine.url)
        drain(forwarder)
        send(collector, source, 2)
        # As a proxy does from one request to the next.
        destination: Any = forwarder._destination
        destination._port = port
        destination._connect()
        with pytest.raises(CollectorError):
            drain(forwarder)
        forwarder.close()


def test_an_owners_constraint_does_not_hold_up_other_rows(tmp_path: Path, engine: Store) -> None:
    with sent(tmp_path, engine, 2) as (collector, source, ids, forwarder):
        engine.change("ALTER TABLE {}.event_rows ADD CONSTRAINT c CHECK (type <> 'bad')")
        assert collector.post(body(source, [{"type": "bad"}])).status_code == 200
        more = send(collector, source, 2)
        drain(forwarder)
        assert ids_in(engine) == sorted(ids + more)


def test_a_session_that_was_refused_is_tried_again(
    tmp_path: Path, postgres: PostgresServer, database: str
) -> None:
    engine = Postgres(postgres, database)
    with collecting(tmp_path) as collector:
        source = collector.add_source()
        send(collector, source, 1)
        forwarder = forwarder_to(collector, engine.url)
        forwarder.open()
        engine.change("ALTER TABLE {}.session_rows ADD CONSTRAINT c CHECK (false)")
        engine.change("ALTER TABLE {}.profile_rows ADD CONSTRAINT c CHECK (false)")
        for _ in range(3):
            drain(forwarder)
            forwarder.rewind("2020-01-01T00:00:00.000Z", retry=False)
        drain(forwarder)
        kinds = sorted(row.kind for row in list_aside(collector.db, engine.url))
        engine.change("ALTER TABLE {}.session_rows DROP CONSTRAINT c")
        engine.change("ALTER TABLE {}.profile_rows DROP CONSTRAINT c")
        forwarder.rewind(None, retry=True)
        drain(forwarder)
        forwarder.close()
        assert len(engine.rows("SELECT * FROM {}.sessions")) == 1
        assert kinds == ["profiles", "sessions"]


def test_a_forgotten_visitor_is_not_among_the_refused_rows(
    tmp_path: Path, postgres: PostgresServer, database: str
) -> None:
    engine = Postgres(postgres, database)
    with collecting(tmp_path) as collector:
        source = collector.add_source()
        send(collector, source, 1)
        profile = profile_of(collector, source)
        forwarder = forwarder_to(collector, engine.url)
        forwarder.open()
        engine.change("ALTER TABLE {}.profile_rows ADD CONSTRAINT c CHECK (false)")
        drain(forwarder)
        forget(collector, profile)
        drain(forwarder)
        assert profile not in str(list_aside(collector.db, engine.url))
        forwarder.close()


@pytest.mark.parametrize(
    "properties",
    [
        r'{"a":"\ud800"}',
        r'{"\u0000":1}',
        r'{"\u0000":1,"\ufffd":2}',
        '{"a":1e400}',
        '{"a":%s}' % ("9" * 5000),
        '{"a":' + "[" * 26 + "1" + "]" * 26 + "}",
        r'{"a":"\\\u0000\\u0000"}',
    ],
)
def test_odd_json_holds_nothing_up(tmp_path: Path, engine: Store, properties: str) -> None:
    with collecting(tmp_path) as collector:
        source = collector.add_source()
        text = '{"source":{"id":"%s"},"session":{"id":"s"},"context":%s,"events":[{"type":"t","properties":%s}]}'
        answer = collector.post((text % (source, properties, properties)).encode())
        ids = send(collector, source, 3)
        forwarder = forwarder_to(collector, engine.url)
        drain(forwarder)
        forwarder.close()
        assert set(ids_in(engine)) >= set(ids)
        assert answer.status_code in (200, 400)


def test_a_clock_that_was_ahead_does_not_keep_the_cursor(
    tmp_path: Path, clickhouse: ClickHouseServer
) -> None:
    engine = ClickHouse(clickhouse, clickhouse.add_database())
    with sent(tmp_path, engine, 2) as (collector, source, _, forwarder):
        edge = engine.rows("SELECT id FROM {}.edges FINAL")[0]
        engine.change(f"INSERT INTO {{}}.edges VALUES ('{edge}', 2, '2099-01-01 00:00:00')")
        send(collector, source, 2)
        drain(forwarder)
        assert engine.rows("SELECT cursor FROM {}.edges FINAL") == [4]


def test_a_broken_state_is_an_error_of_one_line(tmp_path: Path, engine: Store) -> None:
    with collecting(tmp_path) as collector:
        source = collector.add_source()
        send(collector, source, 2)
        state_path(collector.db).write_bytes(b"no database" * 1000)
        for words in (("--status",), (engine.url, "--once"), (engine.url, "--remove")):
            done = run("forward", *words, "--db", str(collector.db))
            assert done.returncode == 1, done.stderr
            assert "Traceback" not in done.stderr
            assert "-forward" in done.stderr
        done = run("doctor", "--db", str(collector.db))
        assert "-forward" in done.stdout + done.stderr
        cookie = logged_in(collector)
        page = httpx.get(f"{collector.url}/console/system", headers={"Cookie": cookie})
        assert page.status_code == 200
        assert "events.db-forward cannot be used" in page.text
        assert "-forward" in str(httpx.get(f"{collector.url}/ready").json()["warnings"])
        assert httpx.get(f"{collector.url}/metrics").status_code == 200

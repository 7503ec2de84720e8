"""A source gets another id: the former one is accepted for a while, and everything stays with it."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlite_utils import Database

from collector import store
from collector.errors import NotFound, StoreError
from collector.event.timestamps import iso
from collector.event.types import Event, Payload
from collector.ipc import SenderInfo, WriteRequest
from collector.store.analyses import Explore
from collector.store.saved_reports import add_saved_report, list_saved_reports
from collector.writer.group import Writer

from ..support import Collector, run, wait_for


def send(collector: Collector, source: str, event_id: str = "", **more: Any) -> httpx.Response:
    event = {"type": "a", **({"id": event_id} if event_id else {})}
    return collector.post({"source": {"id": source}, "events": [event], **more})


def rotate(collector: Collector, source: str, grace: str = "7d") -> str:
    with collector.database() as database:
        return store.rotate_source(database, source, grace).id


def wait_until_refused(collector: Collector, source: str) -> None:
    """By both workers: each connection may be another's."""

    def refused() -> bool:
        answers = [send(collector, source) for _ in range(8)]
        return all(
            (a.status_code, a.json()) == (401, {"detail": "Access denied. Invalid source."})
            for a in answers
        )

    wait_for(refused, "the former id to be refused")


def wait_until_rejected(collector: Collector, source: str) -> None:
    """An order without a total: a worker knows a schema within half a second."""
    order = {"source": {"id": source}, "events": [{"type": "order"}]}
    wait_for(lambda: collector.post(order).json()["errors"], "the schema to count")


def test_events_of_the_former_id_are_the_sources_until_the_grace_is_over(
    shared_collector: Collector,
) -> None:
    source = shared_collector.add_source()
    session = {"session": {"id": f"visit-{source}"}}
    first = send(shared_collector, source, "e1", **session).json()
    ends = datetime.now(UTC) + timedelta(seconds=3)
    new = rotate(shared_collector, source, iso(ends))
    for number, name in enumerate([source, new, f" {source.upper()}"]):
        answer = send(shared_collector, name, f"e{number + 2}", **session)
        assert answer.json()["profile"] == first["profile"]
    assert send(shared_collector, source, "e1", **session).json()["duplicate"] is True
    assert shared_collector.events(source) == []
    assert {row["id"] for row in shared_collector.events(new)} == {"e1", "e2", "e3", "e4"}
    wait_until_refused(shared_collector, source)
    assert datetime.now(UTC) >= ends
    assert send(shared_collector, new).status_code == 200


def test_without_a_grace_the_former_id_is_refused_within_a_second(
    shared_collector: Collector,
) -> None:
    source = shared_collector.add_source()
    new = rotate(shared_collector, source, "0")
    wait_until_refused(shared_collector, source)
    assert send(shared_collector, new).status_code == 200
    assert shared_collector.events(source) == []


def test_a_source_may_be_rotated_again(shared_collector: Collector) -> None:
    ids = [shared_collector.add_source()]
    for _ in range(2):
        ids.append(rotate(shared_collector, ids[-1]))
    for name in ids:
        assert send(shared_collector, name).status_code == 200
    assert len(shared_collector.events(ids[-1])) == 3
    with shared_collector.database() as database:
        former = store.list_former_ids(database.conn, ids[-1])
        assert {one.id for one in former} == set(ids[:-1])
        with pytest.raises(NotFound):
            store.rotate_source(database, ids[0])
        store.remove_source(database, ids[-1], with_events=True)
        assert store.list_former_ids(database.conn, ids[-1]) == []
    wait_until_refused(shared_collector, ids[0])


def test_everything_that_names_a_source_stays_with_it(shared_collector: Collector) -> None:
    source = shared_collector.add_source(
        bridges=["rest", "redirect", "webhook"], profiles="per-source"
    )
    profile = send(shared_collector, source, "e1", session={"id": f"s-{source}"}).json()["profile"]
    with shared_collector.database() as database:
        store.set_schema(database, source, "order", '{"required": ["total"]}')
        redirect = store.add_redirect(database, source, "https://a.example.com/")
        _, secret = store.create_token(database, "own", source_id=source, role=store.READ)
        add_saved_report(database, source, Explore(source=source))
    wait_until_rejected(shared_collector, source)
    new = rotate(shared_collector, source)
    with shared_collector.database() as database:
        assert [one.type for one in store.list_schemas(database, new)] == ["order"]
        (report,) = list_saved_reports(database, [new])
        assert (report.source_id, report.analysis.source) == (new, new)
        assert store.get_source(database, new).profile_scope == f"source:{source}"
        assert database.conn.execute("PRAGMA foreign_key_check").fetchall() == []
    count = "SELECT count(*) AS n FROM rejected WHERE source_id = ? AND type = 'order'"
    (rejected,) = shared_collector.rows(count, new)
    assert rejected["n"] >= 1
    wait_until_rejected(shared_collector, source)
    assert shared_collector.rows(count, source) == [{"n": 0}]
    # A visitor of this source alone is known in a new visit.
    again = send(shared_collector, new, session={"id": f"t-{source}"}, profile=profile)
    assert again.json()["profile"] == profile
    httpx.get(f"{shared_collector.url}/redirect/{redirect.id}", follow_redirects=False)
    httpx.get(f"{shared_collector.url}/collect/hook/{source}")
    types = [row["type"] for row in shared_collector.events(new) if row["type"] != "order"]
    assert types == ["a", "a", "redirect", "hook"]

    def own() -> dict[str, Any]:
        """What its own token reads. A worker knows within half a second that the token follows."""
        answer = httpx.get(
            f"{shared_collector.url}/api/sources/{new}",
            headers={"Authorization": f"Bearer {secret}"},
        )
        return answer.json() if answer.status_code == 200 else {}

    read = wait_for(own, "its token to reach it")
    assert read["id"] == new
    assert "first_id" not in read
    with shared_collector.database() as database:
        last, *before = store.iter_audit(database.conn, source_id=new)
        assert list(store.iter_audit(database.conn, source_id=source)) == before
    assert [entry.action for entry in before] == [
        "report.add", "token.create", "redirect.add", "schema.set", "source.add",
    ]  # fmt: skip
    assert (last.action, last.changes["id"]) == ("source.rotate", {"from": source, "to": new})


def test_forgotten_events_stay_forgotten(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    profile = send(shared_collector, source, "f1").json()["profile"]["id"]
    other = send(shared_collector, source, "f2").json()["profile"]["id"]
    with shared_collector.database() as database:
        store.forget_profile(database.conn, profile)
    new = rotate(shared_collector, source)
    with shared_collector.database() as database:
        store.forget_profile(database.conn, other)
    newest = rotate(shared_collector, new)
    for name in (source, new, newest):
        for event_id in ("f1", "f2"):
            assert send(shared_collector, name, event_id).json()["duplicate"] is True
    assert shared_collector.events(newest) == []


def request(source: str, number: int = 1) -> WriteRequest:
    """One that a worker has admitted."""
    event = Event(0, f"e{number}", "a", iso(datetime.now(UTC)), "{}", "{}")
    return WriteRequest(
        number=number,
        source_id=source,
        request_id=f"r{number}",
        received_at=event.occurred_at,
        sender=SenderInfo(None, None, False),
        payload=Payload(source, events=(event,), anonymous=True),
        static_profiles=False,
        profile_scope="",
        rate_limit=None,
        quota_mb=None,
    )


def test_a_request_that_was_admitted_before_is_stored_after(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    store.migrate(db)
    with closing(store.connect(db)) as connection, closing(Writer(db)) as writer:
        source = store.add_source(Database(connection), "A").id
        new = store.rotate_source(Database(connection), source).id
        stored, other = writer.write([request(source), request("nobody", 2)])
        assert (stored.refused, other.refused) == (None, "unknown_source")
        (found,) = connection.execute("SELECT source_id FROM events").fetchall()
        assert tuple(found) == (new,)


def test_retention_removes_a_former_id_whose_grace_is_over(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    store.migrate(db)
    with closing(store.connect(db)) as connection, closing(Writer(db)) as writer:
        source = store.add_source(Database(connection), "A").id
        new = store.rotate_source(Database(connection), source).id
        assert not writer.expire_rows()
        end_grace(connection)
        assert writer.write([request(source)])[0].refused == "unknown_source"
        while writer.expire_rows():
            pass
        assert connection.execute("SELECT count(*) FROM former_ids").fetchone() == (0,)
        assert store.get_source(Database(connection), new).name == "A"


def end_grace(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE former_ids SET accepted_until = replaced_at")


@pytest.mark.parametrize("grace", ["soon", "-1d", "2001-01-01", ""])
def test_a_grace_that_is_none_changes_nothing(tmp_path: Path, grace: str) -> None:
    db = tmp_path / "x.db"
    store.migrate(db)
    with closing(store.connect(db)) as connection:
        source = store.add_source(Database(connection), "A")
        with pytest.raises(StoreError):
            store.rotate_source(Database(connection), source.id, grace)
        assert store.get_source(Database(connection), source.id) == source


def test_the_command_prints_the_new_id(tmp_path: Path) -> None:
    db = ["--db", str(tmp_path / "x.db")]
    source = run("source", "add", "A", *db).stdout.strip()
    rotated = run("source", "rotate", source, "--grace", "12h", *db)
    new = rotated.stdout.strip()
    assert rotated.stderr.startswith(f"{source} is accepted until 2")
    found = json.loads(run("source", "rotate", new, "--grace", "0", "--json", *db).stdout)
    assert found["former"] is None
    assert run("source", "show", found["id"], *db).returncode == 0
    unknown = run("source", "rotate", source, *db)
    assert (unknown.returncode, "There is no event source" in unknown.stderr) == (1, True)

"""What the collector remembers of pages that send nothing, or are refused, and what it says of them."""

import json
import re
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlite_utils import Database

from collector import store
from collector.errors import StoreError
from collector.event.timestamps import iso, now
from collector.store.sightings import (
    MAX_DAYS,
    MAX_ROWS,
    MAX_UNKNOWN,
    Sighting,
    add_sightings,
    list_sightings,
)
from collector.worker.sightings import MAX_KEYS

from ..support import COMMAND, ROOT, Collector, run, wait_for
from ..unit.test_layout import let_time_pass
from .test_replaced_database import replace_folder

SHOP, WRONG = "https://shop.example.com", "https://www.example.org"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
PAGE = {"Sec-Fetch-Dest": "script"}


def sightings(collector: Collector, **equal: str) -> list[dict[str, Any]]:
    """Those whose columns have these values, without times."""
    rows = collector.rows("SELECT source_id, origin, what, count FROM sightings ORDER BY 1, 2, 3")
    return [row for row in rows if all(row[name] == value for name, value in equal.items())]


def wait_for_sighting(collector: Collector, count: int, **equal: str) -> None:
    wait_for(
        lambda: sum(row["count"] for row in sightings(collector, **equal)) >= count,
        f"{count} times {equal}",
    )


def send(collector: Collector, source: str, origin: str | None, **event: Any) -> httpx.Response:
    body = {"source": {"id": source}, "events": [{"type": "page-view", **event}]}
    return collector.post(body, headers={"Origin": origin} if origin else {})


def fetch(collector: Collector, name: str = "tracker.min.js", **headers: str) -> None:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    httpx.get(f"{collector.url}/tracker/{name}", headers=named).raise_for_status()


def test_a_refusal_is_remembered_by_source_origin_and_reason(collector: Collector) -> None:
    listed = collector.add_source(origins=[SHOP])
    disabled = collector.add_source(enabled=False)
    webhook = collector.add_source(bridges=["webhook"])
    limited = collector.add_source(rate_limit=1)
    assert [send(collector, listed, WRONG).status_code for _ in range(3)] == [403] * 3
    assert send(collector, UNKNOWN.upper(), SHOP).status_code == 401
    assert send(collector, disabled, None).status_code == 401
    assert send(collector, webhook, SHOP).status_code == 401
    assert [send(collector, limited, SHOP).status_code for _ in range(2)] == [200, 429]
    wait_for(lambda: len(sightings(collector)) >= 5, "five kinds of refusals")
    expected = [
        (listed, WRONG, "origin_not_allowed", 3),
        (UNKNOWN, SHOP, "unknown_source", 1),
        (disabled, "", "disabled_source", 1),
        (webhook, SHOP, "bridge_not_allowed", 1),
        (limited, SHOP, "rate_limited", 1),
    ]
    assert [tuple(row.values()) for row in sightings(collector)] == sorted(expected)


def test_accepted_requests_leave_no_sighting(collector: Collector) -> None:
    source = collector.add_source(origins=[SHOP])
    assert send(collector, source, SHOP).status_code == 200
    assert send(collector, source, WRONG).status_code == 403
    wait_for_sighting(collector, 1, what="origin_not_allowed")
    assert len(sightings(collector)) == 1


def test_a_page_that_fetches_the_tracker_is_remembered_by_its_origin(
    collector: Collector,
) -> None:
    fetch(collector, Referer=f"{SHOP}/basket?customer=4711")
    fetch(collector, Origin=SHOP, Referer=f"{WRONG}/")
    fetch(collector, Sec_Fetch_Dest="script")  # a page that sends no referrer
    fetch(collector, Sec_Fetch_Dest="document", Referer=f"{WRONG}/")  # somebody looks at the file
    fetch(collector)  # some program
    fetch(collector, "tracker.min.js.map", Referer=f"{WRONG}/")
    wait_for_sighting(collector, 3, what="tracker_file")
    found = [(row["source_id"], row["origin"], row["count"]) for row in sightings(collector)]
    assert found == [("", "", 1), ("", SHOP, 2)]
    assert "4711" not in collector.db.read_bytes().decode("latin-1")


HOSTILE = (
    "<script>alert(1)</script>", "https://a b", "javascript:alert(1)", "https://x/" + "y" * 5000,
    "https://shop.example.com/basket?customer=4711", "\x1b[2J", "https://" + "a" * 6000, "https://é.example",
    "https://user:secret@shop.example.com",
)  # fmt: skip


def test_what_is_no_origin_is_not_repeated(collector: Collector) -> None:
    source = collector.add_source(origins=[SHOP])
    for text in HOSTILE:
        body = {"source": {"id": source}, "events": [{"type": "a"}]}
        headers = [(b"Origin", text.encode())]
        if "\x1b" not in text:
            assert collector.post(body, headers=headers).status_code == 403
    for text in ("<b>" * 10, "4711 4711", "tt_secret", UNKNOWN + UNKNOWN):
        assert send(collector, text, SHOP).status_code == 401
    wait_for_sighting(collector, len(HOSTILE) - 1, source_id=source)
    wait_for_sighting(collector, 4, what="unknown_source")
    found = {(row["source_id"], row["origin"]) for row in sightings(collector)}
    assert found == {(source, "(odd)"), ("", SHOP)}


def test_a_refused_source_costs_no_write(collector: Collector) -> None:
    """It is stored with what is stored anyway, and never by itself."""
    disabled = collector.add_source(enabled=False)
    for source in (UNKNOWN, disabled):
        assert send(collector, source, SHOP).status_code == 401
    collector.stop()
    assert sightings(collector) == []


def test_many_kinds_at_once_are_counted_together(collector: Collector) -> None:
    source = collector.add_source(origins=[SHOP])
    sent = 150
    # While nothing can be stored, all of them are held at once, however long sending takes.
    with collector.database() as database, httpx.Client() as client:
        database.conn.execute("BEGIN IMMEDIATE")
        for number in range(sent):
            body = {"source": {"id": source}, "events": [{"type": "a"}]}
            headers = {"Origin": f"https://{number}.example.org"}
            answer = client.post(f"{collector.url}/track", json=body, headers=headers)
            assert answer.status_code == 403
        database.conn.rollback()
    wait_for_sighting(collector, sent)
    found = sightings(collector)
    assert sum(row["count"] for row in found) == sent
    assert any(row["origin"] == "(other)" for row in found)
    assert len(found) <= MAX_KEYS + 1


def test_sightings_are_stored_when_the_collector_stops(collector: Collector) -> None:
    source = collector.add_source(origins=[SHOP])
    assert send(collector, source, WRONG).status_code == 403
    assert collector.stop() == 0
    assert sightings(collector, origin=WRONG)[0]["count"] == 1


def test_what_could_not_be_stored_is_stored_later(collector: Collector) -> None:
    source = collector.add_source(origins=[SHOP])
    with collector.database() as database:
        database.conn.execute("BEGIN IMMEDIATE")
        assert [send(collector, source, WRONG).status_code for _ in range(3)] == [403] * 3
        failed = "sightings of refused pages were not stored: database is locked"
        wait_for(lambda: any(failed in line for line in collector.log), "it to fail")
        assert send(collector, source, WRONG).status_code == 403
        database.conn.rollback()
    wait_for_sighting(collector, 4, origin=WRONG)
    assert sightings(collector)[0]["count"] == 4


def test_two_workers_add_to_the_same_counts(shared_collector: Collector) -> None:
    source = shared_collector.add_source(origins=[SHOP])
    for _ in range(40):  # each on a connection of its own
        assert send(shared_collector, source, WRONG).status_code == 403
    wait_for_sighting(shared_collector, 40, source_id=source)
    assert [row["count"] for row in sightings(shared_collector, source_id=source)] == [40]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "x.db"
    store.migrate(path)
    return path


def seen(source: str, origin: str, what: str, minute: int, count: int = 1) -> Sighting:
    at = iso(datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=minute))
    return Sighting(source, origin, what, count, at, at)


def stored(db: Path, source: str | None = None, **more: Any) -> list[Sighting]:
    with closing(store.connect_readonly(db)) as connection:
        return list_sightings(connection, source, **more)


def test_the_oldest_rows_go_first(db: Path) -> None:
    for source in range(30):
        rows = [
            seen(f"source-{source}", f"https://{n}.example", "disabled_source", 1000 * source + n)
            for n in range(120)
        ]
        add_sightings(db, rows)
        assert {s.origin for s in stored(db, f"source-{source}")} == {
            f"https://{n}.example" for n in range(20, 120)
        }
    assert len(stored(db)) == MAX_ROWS
    assert {s.source_id for s in stored(db)} == {f"source-{n}" for n in range(20, 30)}
    unknown = [seen(f"{n:08}", SHOP, "unknown_source", 50_000 + n) for n in range(70)]
    add_sightings(db, unknown)
    left = stored(db, what="unknown_source")
    assert [s.source_id for s in left] == [f"{n:08}" for n in range(69, 69 - MAX_UNKNOWN, -1)]


def test_counts_and_times_add_up(db: Path) -> None:
    add_sightings(db, [seen("a", SHOP, "disabled_source", 5, 3)])
    add_sightings(db, [seen("a", SHOP, "disabled_source", 2, 4)])
    (found,) = stored(db, "a")
    assert (found.count, found.first_at[14:16], found.last_at[14:16]) == (7, "05", "05")
    assert stored(db, "a", since=found.last_at) == [found]
    assert stored(db, "a", since=found.last_at.replace(":05:", ":06:")) == []


def test_sightings_expire_and_go_with_their_source(db: Path) -> None:
    day = timedelta(days=1)
    with closing(store.connect(db)) as connection:
        let_time_pass(connection)
        source = store.add_source(Database(connection), "Shop").id
        for origin, days in ((SHOP, MAX_DAYS + 1), (WRONG, MAX_DAYS - 1)):
            at = iso(datetime.now(UTC) - days * day)
            add_sightings(db, [Sighting(source, origin, "disabled_source", 1, at, at)])
        while store.expire_rows(connection):
            pass
        assert [s.origin for s in stored(db)] == [WRONG]
        store.remove_source(Database(connection), source)
    assert stored(db) == []


def test_a_collector_never_writes_sightings_to_another_database(
    collector: Collector,
) -> None:
    source = collector.add_source(origins=[SHOP])
    assert send(collector, source, WRONG).status_code == 403
    replace_folder(collector.db)
    wait_for(lambda: any("sightings" in line for line in collector.log), "the collector to say so")
    assert sightings(collector) == []


# How far a snippet has come, and why it comes no further.


def lamps(collector: Collector, source: str, since: str = "") -> list[str | None]:
    """The origin that each lamp shows; None for those that are not lit."""
    with collector.database() as db:
        state = store.install_state(db, source, since)
    return [(lamp.origin or "?") if lamp.is_lit else None for lamp in state.lamps]


def causes(collector: Collector, source: str, **more: Any) -> list[store.Cause]:
    with collector.database() as db:
        return store.likely_causes(db, source, **more)


def test_the_lamps_go_on_one_by_one(collector: Collector) -> None:
    source = collector.add_source(origins=[SHOP])
    assert lamps(collector, source) == [None, None, None]
    fetch(collector, Referer=f"{WRONG}/")
    wait_for_sighting(collector, 1, what="tracker_file")
    assert lamps(collector, source) == [WRONG, None, None]
    assert send(collector, source, WRONG).status_code == 403
    wait_for_sighting(collector, 1, what="origin_not_allowed")
    assert lamps(collector, source) == [WRONG, WRONG, None]
    context = {"page": {"url": f"{SHOP}/basket?customer=4711"}}
    assert send(collector, source, SHOP, context=context).status_code == 200
    collector.wait_for_events(source, 1)
    later = now()
    assert lamps(collector, source)[1:] == [SHOP, SHOP] or lamps(collector, source)[2] == SHOP
    assert lamps(collector, source, later) == [None, None, None]


def test_pages_of_other_sources_light_no_lamp(collector: Collector) -> None:
    source = collector.add_source()
    collector.add_source(origins=[WRONG])
    fetch(collector, Referer=f"{WRONG}/")
    wait_for_sighting(collector, 1, what="tracker_file")
    assert lamps(collector, source) == [None, None, None]
    fetch(collector, Referer=f"{SHOP}/")
    wait_for_sighting(collector, 1, origin=SHOP)
    assert lamps(collector, source) == [SHOP, None, None]


def test_a_refused_origin_is_a_cause_that_allowing_cures(collector: Collector) -> None:
    source = collector.add_source(origins=[SHOP])
    assert [send(collector, source, WRONG).status_code for _ in range(3)] == [403] * 3
    wait_for_sighting(collector, 3, origin=WRONG)
    (cause,) = causes(collector, source)
    assert (
        cause.text == f"3 requests from {WRONG} were refused: the source does not list this origin."
    )
    assert (cause.action, cause.origin) == (store.ALLOW_ORIGIN, WRONG)
    (command,) = re.findall("`thamesthrive (.*)`", cause.cure)
    assert run(*command.split(), "--db", str(collector.db)).returncode == 0
    wait_for(lambda: send(collector, source, WRONG).status_code == 200, "the origin to be allowed")
    assert causes(collector, source) == []
    with collector.database() as db:
        assert store.get_source(db, source).origins == (SHOP, WRONG)


def test_allowing_changes_nothing_that_is_allowed(db: Path) -> None:
    with closing(store.connect(db)) as connection:
        database = Database(connection)
        any_ = store.add_source(database, "Any")
        some = store.add_source(database, "Some", origins=["https://*.example.com"])
        assert store.allow_origin(database, any_.id, SHOP) == any_
        assert store.allow_origin(database, some.id, SHOP) == some
        for odd in ("null", "(odd)", "chrome-extension://abc", "https://a/b"):
            with pytest.raises(StoreError):
                store.allow_origin(database, some.id, odd)
        actions = [entry.action for entry in store.iter_audit(connection)]
    assert actions == ["source.add", "source.add"]


def test_each_cause_is_found(collector: Collector) -> None:
    def codes(source: str, **more: Any) -> list[str]:
        return [cause.code for cause in causes(collector, source, **more)]

    listed = collector.add_source(origins=[SHOP])
    assert codes(listed) == ["nothing_fetched"]
    assert codes(listed, address="http://127.0.0.1:8686") == ["loopback_address", "nothing_fetched"]
    assert codes(listed, address="http://events.example.com") == [
        "insecure_address",
        "nothing_fetched",
    ]
    assert codes(listed, address="https://events.example.com") == ["nothing_fetched"]
    local = collector.add_source(origins=["http://localhost:*"])
    assert codes(local, address="http://127.0.0.1:8686") == ["nothing_fetched"]
    fetch(collector, Referer=f"{SHOP}/")
    wait_for_sighting(collector, 1, what="tracker_file")
    assert codes(listed) == ["nothing_sent"]
    assert send(collector, UNKNOWN, SHOP).status_code == 401
    fetch(collector, Referer=f"{SHOP}/")
    wait_for_sighting(collector, 1, source_id=UNKNOWN)
    (cause,) = causes(collector, listed)
    assert UNKNOWN in cause.text
    assert codes(local) == ["nothing_fetched"]
    off = collector.add_source(enabled=False, validate_only=True, bridges=["webhook"])
    assert codes(off)[:3] == ["disabled_source", "bridge_not_allowed", "validate_only"]
    bad = collector.add_source()
    assert send(collector, bad, SHOP, properties=[]).json()["errors"]
    wait_for(lambda: collector.rows("SELECT 1 FROM rejected"), "the rejected event")
    assert codes(bad)[-1] == "rejected"
    assert lamps(collector, bad)[1:] == [SHOP, None]


def test_the_command_says_what_is_missing(collector: Collector) -> None:
    source = collector.add_source(origins=[SHOP])
    assert send(collector, source, WRONG).status_code == 403
    wait_for_sighting(collector, 1, origin=WRONG)
    look = run("source", "status", source, "--db", str(collector.db))
    assert look.returncode == 1
    assert re.search(rf"^script loaded  \S+Z  {WRONG}$", look.stdout, re.MULTILINE)
    assert "event stored   not yet" in look.stdout
    assert f"1 request from {WRONG} was refused" in look.stdout
    assert send(collector, source, SHOP).status_code == 200
    look = run("source", "status", source, "--db", str(collector.db), "--json")
    assert look.returncode == 0
    shown = json.loads(look.stdout)
    assert shown["event"]["at"]
    assert [cause["action"] for cause in shown["causes"]] == ["allow_origin"]
    assert run("source", "status", UNKNOWN, "--db", str(collector.db)).returncode == 1


def test_the_same_is_said_over_http(collector: Collector) -> None:
    source = collector.add_source(origins=[SHOP])
    assert send(collector, source, WRONG).status_code == 403
    wait_for_sighting(collector, 1, origin=WRONG)
    with collector.database() as database:
        token = store.create_token(database, "x", role="read", source_id=source)[1]
    look = httpx.get(
        f"{collector.url}/api/sources/{source}/status",
        headers={"Authorization": f"Bearer {token}"},
    ).json()
    command = run("source", "status", source, "--db", str(collector.db), "--json")
    shown = json.loads(command.stdout)
    assert look["causes"] == shown["causes"]
    assert (look["script"]["origin"], look["event"]["at"]) == (WRONG, None)
    look = httpx.get(
        f"{collector.url}/api/sources/{source}/status?since=2100-01-01",
        headers={"Authorization": f"Bearer {token}"},
    ).json()
    assert [cause["code"] for cause in look["causes"]] == ["nothing_fetched"]


def test_following_ends_with_the_first_event(collector: Collector) -> None:
    source = collector.add_source()
    command = [*COMMAND, "source", "status", source, "--follow", "--db", str(collector.db)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        fetch(collector, Referer=f"{SHOP}/")
        assert process.stdout.readline().startswith("page seen")
        assert send(collector, source, SHOP).status_code == 200
        assert [line.split("  ")[0] for line in process.stdout] == ["script loaded", "event stored"]
    assert process.returncode == 0


def test_doctor_mentions_refusals(collector: Collector) -> None:
    source = collector.add_source(origins=[SHOP])
    assert send(collector, source, WRONG).status_code == 403
    wait_for_sighting(collector, 1, origin=WRONG)
    found = run("doctor", "--db", str(collector.db), "--port", str(collector.port), "--json")
    (refused,) = [row for row in json.loads(found.stdout) if row["check"] == "refusals"]
    assert refused["state"] == "warning"
    assert f"those from {WRONG}: origin_not_allowed, once." in refused["detail"]
    assert f"thamesthrive source status {source}" in refused["detail"]

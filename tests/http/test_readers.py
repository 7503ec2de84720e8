"""Readers of a large database: their memory stays small, their answers are bounded and complete, and
they keep nobody from writing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlite_utils import Database

from collector import store
from collector.event.timestamps import now
from collector.event.types import Event, Payload, Rejection
from collector.ids import uuid7
from collector.ipc import SenderInfo, WriteRequest
from collector.writer.group import Writer

from ..support import COMMAND, PATIENCE, ROOT, Collector, wait_for

EVENTS = 2000
SIZE = 64 * 1024  # characters of the properties of each
SOURCES = 6  # with rejected events, 32 MB of each source
MEMORY = 120  # megabytes that a reading command may take
ANSWER = 8_100_000  # bytes, with the brackets around the rows
MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(done.returncode)
"""


def write(writer: Writer, source: str, **payload: Any) -> None:
    request = WriteRequest(source, uuid7(), now(), SenderInfo(), Payload(source, **payload))
    (result,) = writer.write([request])
    assert result.refused is None


class Large:
    """A database with 200 MB of events of one visitor, and as many rejected ones."""

    def __init__(self, path: Path) -> None:
        self.path = path
        store.migrate(path)
        with closing(store.connect(path)) as connection:
            database = Database(connection)
            self.sources = [store.add_source(database, f"Shop {n}").id for n in range(SOURCES)]
            _, self.token = store.create_token(database, "test")
        with closing(Writer(path)) as writer:
            self.fill(writer)
        self.profile = self.one("SELECT id FROM profiles WHERE events > 0")

    def fill(self, writer: Writer) -> None:
        properties = json.dumps({"text": "x" * SIZE})
        for first in range(0, EVENTS, 50):
            events = [
                Event(n, f"e{first + n}", "large", now(), properties, "{}") for n in range(50)
            ]
            write(writer, self.sources[0], session_id="s", events=tuple(events))
        for source in self.sources:
            for n in range(100):
                bad = Rejection(0, f"r{n}", "invalid", "/price: no number", None, "y" * 16_000)
                shared = json.dumps({"properties": {"text": "z" * 250_000}})
                write(writer, source, session_id="s", rejected=(bad,), request=shared)

    def one(self, sql: str) -> Any:
        with closing(store.connect_readonly(self.path)) as connection:
            return connection.execute(sql).fetchone()[0]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Large:
    return Large(tmp_path_factory.mktemp("large") / "events.db")


@pytest.fixture(scope="module")
def served(large: Large) -> Iterator[Collector]:
    collector = Collector(large.path.parent).start()
    yield collector
    collector.end()


@pytest.fixture
def api(large: Large, served: Collector) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {large.token}"}
    with httpx.Client(base_url=served.url, headers=headers, timeout=PATIENCE) as client:
        yield client


def measured(folder: Path, *args: str | Path) -> tuple[int, float]:
    """Runs a command with its output in a file. Returns how many lines it wrote, and the megabytes
    that it took at its peak."""
    peak, output = folder / "peak", folder / "output"
    with output.open("wb") as out:
        command = [sys.executable, "-c", MEASURE, peak, *COMMAND, *args]
        done = subprocess.run(
            [str(part) for part in command],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=out,
            check=False,
        )
    assert done.returncode == 0
    with output.open("rb") as lines:
        return sum(1 for _ in lines), int(peak.read_text()) / 1024


@pytest.mark.parametrize("format_", ["ndjson", "csv", "parquet"])
def test_an_export_takes_little_memory(large: Large, tmp_path: Path, format_: str) -> None:
    file = tmp_path / f"events.{format_}"
    # What is left out is what pyarrow takes for itself.
    most = MEMORY + (60 if format_ == "parquet" else 0)
    said, peak = measured(tmp_path, "events", "export", file, "--db", large.path, "--json")
    assert peak < most
    assert said > 0
    assert json.loads((tmp_path / "output").read_text())["events"] == EVENTS
    assert file.stat().st_size > (1 if format_ == "parquet" else EVENTS * SIZE)


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        (["profile", "export", "PROFILE"], 1 + EVENTS + 100 + 1),
        (["events", "list", "--json", "-n", "1000000"], None),
        (["events", "list", "-n", "1000000"], 1 + EVENTS),
        (["rejected", "list", "--json", "-n", "1000000"], None),
        (["rejected", "list", "-n", "1000000"], 1 + 100 * SOURCES),
        (["db", "backup", "COPY"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_takes_little_memory(
    large: Large, tmp_path: Path, command: list[str], lines: int | None
) -> None:
    places = {"PROFILE": large.profile, "COPY": str(tmp_path / "copy.db")}
    args = [places.get(word, word) for word in command]
    written, peak = measured(tmp_path, *args, "--db", large.path)
    assert peak < MEMORY
    assert lines is None or written == lines


def test_the_list_of_events_is_json_and_in_order(large: Large, tmp_path: Path) -> None:
    measured(tmp_path, "events", "list", "--json", "-n", "7", "--db", large.path)
    found = json.loads((tmp_path / "output").read_text())
    assert [event["id"] for event in found] == [f"e{EVENTS - 7 + n}" for n in range(7)]


def pages(api: httpx.Client, path: str, **query: Any) -> Iterator[dict[str, Any]]:
    """All pages of a list, each within the bound."""
    cursor: dict[str, Any] = {}
    while True:
        answer = api.get(path, params={**query, **cursor})
        assert answer.status_code == 200
        assert len(answer.content) < ANSWER
        page = answer.json()
        yield page
        if page["next"] is None:
            return
        cursor = {"cursor": page["next"]}


def peak_of(collector: Collector) -> float:
    """The megabytes that the worker took at its peak."""
    (worker,) = collector.children("collector.child\0worker")
    status = Path(f"/proc/{worker}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def test_a_page_of_events_ends_before_it_is_large(
    api: httpx.Client, large: Large, served: Collector
) -> None:
    found = [
        event["id"]
        for page in pages(api, "/api/events", type="large", limit=1000)
        for event in page["events"]
    ]
    assert found == [f"e{n}" for n in reversed(range(EVENTS))]
    assert peak_of(served) < 200


def test_a_page_of_rejected_events_ends_before_it_is_large(api: httpx.Client) -> None:
    found = [
        row["seq"] for page in pages(api, "/api/rejected", limit=1000) for row in page["rejected"]
    ]
    assert len(found) == 100 * SOURCES
    assert found == sorted(found, reverse=True)


def test_all_about_a_visitor_comes_in_pages(
    api: httpx.Client, large: Large, served: Collector
) -> None:
    counts: dict[str, int] = dict.fromkeys(("profiles", "sessions", "events", "rejected"), 0)
    ids = set()
    for page in pages(api, f"/api/profiles/{large.profile}"):
        for table in counts:
            counts[table] += len(page[table])
        ids |= {event["id"] for event in page["events"]}
    assert counts == {"profiles": 1, "sessions": 1, "events": EVENTS, "rejected": 100}
    assert len(ids) == EVENTS
    assert peak_of(served) < 200
    wrong = api.get(f"/api/profiles/{large.profile}", params={"cursor": "sources:1"})
    assert wrong.status_code == 422


def test_lists_that_administrators_make_come_in_pages(api: httpx.Client, large: Large) -> None:
    with closing(store.connect(large.path)) as connection, store.transaction(connection):
        connection.executemany(
            "INSERT INTO redirects VALUES (?, ?, ?, 'redirect', ?)",
            [
                (f"r{n}", large.sources[0], f"https://example.com/{'p' * 2000}", now())
                for n in range(5000)
            ],
        )
        connection.executemany(
            "INSERT INTO sources (id, name, created_at) VALUES (?, ?, ?)",
            [(f"s{n}", "n" * 2000, now()) for n in range(5000)],
        )
    for name, number in (("redirects", 5000), ("sources", 5000 + SOURCES)):
        found = [row["id"] for page in pages(api, f"/api/{name}") for row in page[name]]
        assert len(found) == len(set(found)) == number
    with closing(store.connect(large.path)) as connection:
        connection.execute("DELETE FROM redirects")
        connection.execute("DELETE FROM sources WHERE name LIKE 'nnn%'")


def test_a_report_comes_in_pages_of_whole_periods(api: httpx.Client, large: Large) -> None:
    hour = datetime.now(UTC).isoformat()[:10]
    types = [f"{n:04}{'t' * 120}" for n in range(900)]
    with closing(store.connect(large.path)) as connection, store.transaction(connection):
        (key,) = connection.execute(
            "SELECT key FROM source_keys WHERE id = ?", [large.sources[1]]
        ).fetchone()
        connection.executemany(
            "INSERT INTO rollups VALUES (?, 'types', 'hour', ?, ?, 1, 0)",
            [(key, f"{hour}T{n:02}", kind) for n in range(24) for kind in types],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO rejected_hours VALUES (?, ?, 'invalid', ?, 1)",
            [(key, f"{hour}T{n:02}", kind) for n in range(24) for kind in types],
        )
    until = datetime.now(UTC).hour + 1
    for name in ("events", "rejected"):
        path = f"/api/sources/{large.sources[1]}/reports/{name}"
        found = [
            (row["period"], row["type"])
            for page in pages(api, path, by="hour", days=1)
            for row in page[name]
            if row["type"] and row["period"].startswith(hour)
        ]
        assert len(found) == len(set(found)) == until * 900


def new_source(path: Path) -> str:
    store.migrate(path)
    with closing(store.connect(path)) as connection:
        return store.add_source(Database(connection), "Shop").id


def fill(writer: Writer, source: str, count: int) -> None:
    """Stores large events, each in a transaction."""
    properties = json.dumps({"text": "x" * SIZE})
    for _ in range(count):
        write(writer, source, events=(Event(0, uuid7(), "a", now(), properties, "{}"),))


def test_the_log_shrinks_after_a_long_read(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    log = path.with_name("events.db-wal")
    source = new_source(path)
    with closing(Writer(path)) as writer, closing(store.connect_readonly(path)) as reader:
        with store.snapshot(reader):
            fill(writer, source, 800)
            assert log.stat().st_size > 50_000_000
        fill(writer, source, 200)  # clears the log, and begins it anew
        assert log.stat().st_size <= 32 * 2**20


def test_an_export_that_nobody_reads_keeps_nobody_waiting(tmp_path: Path) -> None:
    """The write-ahead log could not be cleared while a read is open, and would grow."""
    path = tmp_path / "events.db"
    source = new_source(path)
    with closing(Writer(path)) as writer:
        fill(writer, source, 200)
        export = subprocess.Popen(
            [*COMMAND, "events", "export", "-", "--db", str(path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        assert export.stdout
        with export.stdout as lines:
            first = lines.readline()
            fill(writer, source, 500)
            assert path.with_name("events.db-wal").stat().st_size < 20_000_000
            rest = lines.readlines()
        assert export.wait(PATIENCE) == 0
    assert len([first, *rest]) == 200  # what was stored when it began
    wait_for(lambda: export.returncode == 0, "the export to end")

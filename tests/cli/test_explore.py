"""`thamesthrive stats explore|funnel|retention|saved`: questions of one's own."""

import contextlib
import csv
import io
import json
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from collector import store
from collector.errors import InUse, NotFound, StoreError
from collector.store import saved_reports
from collector.store.analyses import (
    Analysis,
    AnyAnalysis,
    Explore,
    Funnel,
    Retention,
    read_analysis,
)

from ..support import COMMAND, ROOT, Collector, on_terminal, run, wait_for

NOW = datetime.now(UTC)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, str]]:
    """Orders of two visitors, one of whom came by a campaign and returned after ten days."""
    collector = Collector(tmp_path_factory.mktemp("explore")).start()
    source = collector.add_source()
    other = collector.add_source()

    def send(session: str, *events: tuple[str, float, dict[str, Any]], of: str = source) -> None:
        body = {
            "source": {"id": of},
            "session": {"id": session},
            "context": {"utm": {"campaign": "spring"}} if session == "ann" else {},
            "events": [
                {
                    "type": kind,
                    "time": {"create": (NOW - timedelta(hours=hours)).isoformat()},
                    "properties": properties,
                }
                for kind, hours, properties in events
            ],
        }
        answer = collector.post(body, headers={"User-Agent": BROWSER})
        assert answer.json()["errors"] == []

    send("ann", ("page-view", 240, {}), ("order", 239, {"price": 10, "item": "=1+1"}))
    send("ann", ("order", 0, {"price": 30.5, "item": "hat"}))
    send("bob", ("page-view", 1, {}), ("order", 0, {"price": 2, "item": "hat"}))
    send("cat", ("page-view", 1, {}), of=other)
    yield collector, source
    collector.end()


def ask(collector: Collector, *words: str) -> dict[str, Any]:
    done = run("stats", *words, "--json", "--db", str(collector.db))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def values_of(found: dict[str, Any]) -> dict[str, float]:
    return {row["group"]: row["value"] for row in found["rows"]}


def test_how_many_purchases_from_which_campaign(shop: tuple[Collector, str]) -> None:
    collector, source = shop
    words = ("explore", "--type", "order", "--by", "campaign", "--days", "30")
    found = ask(collector, *words, "--source", source)
    assert values_of(found) == {"spring": 2, None: 1}
    assert values_of(ask(collector, *words, "--where", "price>10")) == {"spring": 1}


def test_numbers_are_added_up_and_compared(shop: tuple[Collector, str]) -> None:
    collector, _ = shop
    words = ("explore", "--type=order", "--of=price", "--by=item", "--days=30")
    for measure, expected in (("sum", 32.5), ("avg", 16.25), ("median", 16.25), ("p95", 30.5)):
        assert values_of(ask(collector, *words, "--measure", measure))["hat"] == expected


def test_what_json_says_finds_the_same_again(shop: tuple[Collector, str]) -> None:
    """The command in a shell, and the SQL in a client that knows nothing of this program."""
    collector, _ = shop
    words = ["explore", "--type", "order", "--by", "item", "--where", 'item!="it\'s"']
    found = ask(collector, *words, "--interval", "day", "--days", "20")
    assert found["rows"]
    again = shlex.split(found["command"])
    assert again[:2] == ["thamesthrive", "stats"]
    assert ask(collector, *again[2:]) == found
    with closing(sqlite3.connect(collector.db)) as connection:
        rows = connection.execute(found["sql"]).fetchall()
    shown = [(row["period"], row["group"], row["value"]) for row in found["rows"]]
    assert rows == shown


def test_a_funnel_and_retention(shop: tuple[Collector, str]) -> None:
    collector, source = shop
    found = ask(collector, "funnel", "page-view", "order where price>5", "--source", source)
    assert [row["visitors"] for row in found["rows"]] == [2, 1]
    assert found["rows"][1]["seconds"] == 3600.0
    assert found["rows"][1]["of_first"] == 0.5
    words = ("retention", "--interval", "day", "--days", "20", "--source", source)
    found = ask(collector, *words)
    first = found["rows"][0]
    assert (first["visitors"], sum(first["returned"])) == (1, 1)
    found = ask(collector, *words, "--first", "order where price<5", "--return", "order")
    assert [(row["visitors"], row["returned"]) for row in found["rows"]] == [(1, [])]


def test_people_read_tables(shop: tuple[Collector, str]) -> None:
    collector, source = shop
    tail = ("--source", source, "--db", str(collector.db))
    done = run("stats", "explore", "--type=order", "--by=item", "--days=30", *tail)
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["Group", "Events"], ["hat", "2"], ["=1+1", "1"],
    ]  # fmt: skip
    done = run("stats", "funnel", "page-view", "order", *tail)
    assert re.search(r"^order +2 +100\.0% +100\.0% +1\.0 h$", done.stdout, re.MULTILINE)
    done = run("stats", "retention", "--interval", "month", *tail)
    assert done.stdout.startswith("Month ")
    done = run("stats", "explore", "--type", "never", *tail)
    assert (done.stdout, done.returncode) == ("", 0)
    assert "No events match" in done.stderr


def test_csv_is_what_spreadsheets_take_for_no_formula(shop: tuple[Collector, str]) -> None:
    collector, _ = shop
    words = ("--type=order", "--by=item", "--days=30", "--csv", "--db", str(collector.db))
    done = run("stats", "explore", *words)
    assert [*csv.reader(io.StringIO(done.stdout))] == [
        ["group", "count"], ["hat", "2"], ["'=1+1", "1"],
    ]  # fmt: skip


def test_only_the_statement_is_printed_if_that_is_wanted(shop: tuple[Collector, str]) -> None:
    collector, _ = shop
    for words in (["explore", "--days=30"], ["funnel", "page-view", "order"], ["retention"]):
        done = run("stats", *words, "--sql", "--db", "none.db")
        with closing(sqlite3.connect(collector.db)) as connection:
            assert connection.execute(done.stdout).fetchall()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("explore --measure mean", "'mean' is not a measure. Choose from count, "),
        ("explore --measure sum", "sum needs a numeric property"),
        ("explore --of price", "count is of no property"),
        ("explore --interval year", "'year' is not a interval"),
        ("explore --by a..b", "'a..b' is not a path"),
        ("explore --where price", "'price' is not a condition"),
        ("explore --days 3 --since 3d", "but not both"),
        ("explore --since 1d --until 2d", "until is not after since"),
        ("explore --since soon", "'soon' is not a time"),
        ("explore --days 99999", "days must be from 1 to"),
        ("explore --csv --json", "choose one"),
        ("funnel page-view", "A funnel has 2 to 10 steps"),
        ("funnel a b --within 5", "'5' is not a length of time"),
        ("funnel a b --within 0d", "'0d' is not a length of time"),
        ("retention --interval hour", "'hour' is not"),
        ("retention --interval day --days 500", "These are 500 days"),
        ("retention --interval month --since 0001-01-01", "months; a table has at most 400"),
    ],
)
def test_what_cannot_be_asked_says_why(
    shop: tuple[Collector, str], words: str, message: str
) -> None:
    done = run("stats", *words.split(), "--db", str(shop[0].db))
    assert (done.returncode, done.stdout) == (2, "")
    assert message.replace("a interval", "an interval") in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_source_or_text_that_is_none_is_an_error(shop: tuple[Collector, str]) -> None:
    db = ("--db", str(shop[0].db))
    assert run("stats", "explore", "--source", "nobody", *db).returncode == 1
    command: list[str | bytes] = [*COMMAND, "stats", "explore", "--type", b"\xff", *db]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert b"is not valid Unicode" in done.stderr


def test_the_days_before_a_command_are_those_of_the_overview(shop: tuple[Collector, str]) -> None:
    """What `stats` alone takes stays as it was."""
    collector, source = shop
    found = ask(collector, "--days", "1", "--source", source)
    assert [len(one["days"]) for one in found["sources"]] == [1]


def test_reports_are_saved_run_and_removed(shop: tuple[Collector, str]) -> None:
    collector, source = shop
    db = ("--db", str(collector.db))
    name = "Orders, by item"
    words = ["explore", "--type=order", "--by=item", "--days=30", "--source", source]
    found = ask(collector, *words, "--save", name)
    assert ask(collector, "saved", "run", name) == found
    shown = ask(collector, "saved", "show", name)
    assert shown["command"] == found["command"]
    assert (shown["source_id"], shown["definition"]["types"]) == (source, ["order"])
    assert run("stats", "saved", "show", name, *db).stdout.strip() == found["command"]
    assert name in run("stats", "saved", "list", *db).stdout
    again = run("stats", "explore", "--save", name, *db)
    assert again.returncode == 1
    assert "There is a report 'Orders, by item' already." in again.stderr
    assert run("stats", "saved", "run", name, "--csv", *db).stdout.startswith("group,count\n")
    assert run("stats", "saved", "remove", name, *db).returncode == 0
    assert json.loads(run("stats", "saved", "list", "--json", *db).stdout) == []
    for command in ("run", "show", "remove"):
        assert run("stats", "saved", command, name, *db).returncode == 1


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "x.db"
    store.migrate(path)
    with closing(store.connect(path)) as connection:
        yield Database(connection)


def test_a_reader_of_one_source_sees_its_reports_only(database: Database) -> None:
    ids = [store.add_source(database, name).id for name in "AB"]
    for name, source in (("all", ""), ("a", ids[0]), ("b", ids[1])):
        saved_reports.add_saved_report(database, name, Explore(source=source))
    listed = saved_reports.list_saved_reports
    assert [report.name for report in listed(database)] == ["a", "all", "b"]
    assert [report.name for report in listed(database, [ids[0]])] == ["a"]
    with pytest.raises(NotFound):
        saved_reports.get_saved_report(database, "all", [ids[0]])
    with pytest.raises(NotFound):
        saved_reports.remove_saved_report(database, "b", [ids[0]])
    with pytest.raises(NotFound):
        Explore(source=ids[1]).query([ids[0]])
    assert Explore().query([ids[0]]).selection.sources == (ids[0],)
    store.remove_source(database, ids[0])
    assert [report.name for report in listed(database)] == ["all", "b"]


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\nb", "\x1b[0m"])
def test_a_name_is_a_line(database: Database, name: str) -> None:
    with pytest.raises(StoreError, match="name of a report"):
        saved_reports.add_saved_report(database, name, Explore())


def test_a_name_is_given_once(database: Database) -> None:
    saved_reports.add_saved_report(database, "a", Explore())
    with pytest.raises(InUse):
        saved_reports.add_saved_report(database, " a ", Retention())
    with pytest.raises(StoreError):
        saved_reports.add_saved_report(database, "b", Funnel())


HOSTILE = ("-x", "--db=x", "$(id)", "`id`", "a'b\"c", "a b", "*", "\\", "#", "ü🍀", "a;b", "!x")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_command_line_means_what_it_was_made_of(text: str) -> None:
    """In a shell, whatever is in it."""
    quoted = json.dumps(text)
    kinds: tuple[AnyAnalysis, ...] = (
        Explore(
            types=(text,), where=(f"{quoted}={quoted}",), by=quoted, since="2026-01-01", limit=3
        ),
        Funnel(steps=(quoted, f"{quoted} where {quoted}={quoted}"), within="2h"),
        Retention(first=f"{quoted} where a={quoted}", back=quoted, interval="day"),
    )
    analysis = kinds[HOSTILE.index(text) % 3]
    words = ["sh", "-c", f"thamesthrive() {{ printf '%s\\0' \"$@\"; }}; {analysis.command()}"]
    shown = subprocess.run(words, capture_output=True, check=True, text=True).stdout
    stats, command, *rest = shown.split("\0")[:-1]
    done = run(stats, command, "--sql", *rest)
    assert (done.returncode, done.stdout.rstrip("\n")) == (0, analysis.sql()), done.stderr


def test_types_that_look_like_options_are_steps() -> None:
    analysis = Funnel(steps=("-x", "--db=x"))
    done = run(*shlex.split(analysis.command().replace("funnel", "funnel --sql"))[1:])
    assert (done.returncode, done.stdout.rstrip("\n")) == (0, analysis.sql()), done.stderr


ANALYSES: tuple[AnyAnalysis, ...] = (
    Explore(types=("a",), measure="sum", of="price", by="type", interval="day", limit=3),
    Funnel(steps=("a", "b where n=1"), within="2h", days=3),
    Retention(first="a", interval="month", since="2026-01-01"),
)


@pytest.mark.parametrize("analysis", ANALYSES, ids=lambda one: type(one).__name__)
def test_a_definition_is_read_as_it_was_written(analysis: Analysis) -> None:
    assert read_analysis(json.loads(json.dumps(analysis.as_dict()))) == analysis


@pytest.mark.parametrize(
    "data",
    [
        None, [], {}, {"kind": "x"}, {"kind": "explore", "x": 1}, {"kind": "explore", "limit": "3"},
        {"kind": "explore", "limit": 0}, {"kind": "explore", "types": ["x"] * 51},
        {"kind": "explore", "by": "x" * 2001}, {"kind": "explore", "by": "\ud800"},
        {"kind": "funnel"}, {"kind": "funnel", "steps": ["a"] * 11},
    ],
)  # fmt: skip
def test_what_is_no_definition_is_refused(data: Any) -> None:
    with pytest.raises(StoreError):
        read_analysis(data)


def test_times_beyond_all_calendars_are_no_error(shop: tuple[Collector, str]) -> None:
    collector, _ = shop
    assert ask(collector, "explore", "--since", "2020-01-01", "--until", "9999-12-31")["rows"]
    assert ask(collector, "explore", "--since", "9999-12-30")["rows"] == []
    assert ask(collector, "explore", "--until", "0001-01-02")["rows"] == []
    words = ("retention", "--interval", "month", "--until", "9999-12-31")
    assert ask(collector, *words)["rows"]
    assert ask(collector, *words, "--since", "2000-01-01")["rows"]


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Events that take a while to look into."""
    path = tmp_path / "large.db"
    store.migrate(path)
    with closing(store.connect(path)) as connection, store.transaction(connection):
        numbers = "WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600000)"
        for statement in (
            "INSERT INTO source_keys VALUES (1, 's')",
            "INSERT INTO event_types VALUES (1, 'a')",
            "INSERT INTO request_rows (key, events, source, session, request_id, received_at)"
            f" {numbers} SELECT i, 1, 1, 0, i, '2026-11-01T00:00:00.000Z' FROM n",
            "INSERT INTO event_rows (request, source, type, id, occurred_at, properties)"
            f" {numbers} SELECT i, 1, 1, i, '2026-11-01T00:00:00.000Z',"
            " '{\"n\": ' || i || '}' FROM n",
        ):
            connection.execute(statement)
    return path


SLOW = ("stats", "explore", "--by=n", "--since=2026-01-01", "--measure=median", "--of=n", "-n1000")


def test_ctrl_c_ends_a_statement_that_has_no_end(large: Path) -> None:
    endless = "WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    program = f"""
from pathlib import Path
from collector import store
from cli.commands.analyses import stoppable
connection = store.connect_readonly(Path({str(large)!r}))
with stoppable(connection):
    print("begun", flush=True)
    connection.execute({endless!r})
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        try:
            said = process.communicate(timeout=20)[1]
        finally:
            process.kill()
    assert said.startswith("Stopped.\n")


def test_a_terminal_shows_how_far_it_is(large: Path) -> None:
    assert "Exploring" in on_terminal(*SLOW, "--db", str(large), until="Exploring")


def _keeps_what_it_finds(pid: int, db: Path) -> bool:
    """Whether a process has the database open, and a temporary file of SQLite's."""
    names = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            names.append(str(link.readlink()))
    return any(Path(name).name == db.name for name in names) and "etilqs" in "".join(names)


def test_ctrl_c_ends_it_cleanly(large: Path) -> None:
    command = [*COMMAND, *SLOW, "--db", str(large)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(lambda: _keeps_what_it_finds(process.pid, large), "it to keep what it finds")
        process.send_signal(signal.SIGINT)
        shown, said = process.communicate(timeout=20)
    assert (process.returncode, shown, said) == (130, "", "Stopped.\n")

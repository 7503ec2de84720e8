"""What is special about PostgreSQL as a destination."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector.ids import uuid7
from collector.store.forward_state import list_destinations

from ..bench.console_pages import logged_in
from ..support import run, wait_for
from .edges import Postgres, body, collecting, send, wait_for_ids
from .postgres_server import PostgresServer


def test_events_arrive_as_they_were_stored(
    tmp_path: Path, postgres: PostgresServer, database: str
) -> None:
    with collecting(tmp_path, "--forward", postgres.url(database)) as collector:
        source = collector.add_source()
        properties = {
            "price": 13.45,
            "name": 'quoted "thing", \\ and \u2603 \x1f\x01\n\r\t',
            "nested": {"empty": "", "none": None, "list": [1, 2, {"a": True}]},
        }
        context = {"page": {"url": "https://shop.example/?utm_source=news"}, "locale": "en"}
        answer = collector.post(
            body(
                source,
                [
                    {
                        "type": "purchase",
                        "properties": properties,
                        "context": context,
                        "tags": ["a", "b"],
                        "new": {"x": 1},
                    }
                ],
            ),
            headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/142.0"},
        )
        assert answer.status_code == 200
        wait_for_ids(Postgres(postgres, database), answer.json()["events"])
        (stored,) = collector.events(source)
        names = "id, type, source_id, session_id, profile_id, request_id, ip, bot, seq"
        (row,) = postgres.run(f"SELECT {names} FROM thamesthrive.events", database=database)
        assert [*row] == [stored[name] if name != "bot" else False for name in names.split(", ")]
        find = "SELECT properties, tags, extra, context->'page' FROM thamesthrive.events"
        assert postgres.run(find, database=database) == [
            (properties, ["a", "b"], {"new": {"x": 1}}, context["page"])
        ]
        times = (
            "SELECT to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
            " FROM thamesthrive.events"
        )
        assert postgres.run(times, database=database) == [stored["received_at"]]
        (session,) = collector.rows("SELECT * FROM sessions")
        find = "SELECT id, source_id, profile_id, dropped FROM thamesthrive.sessions"
        assert postgres.run(find, database=database) == [
            (session["id"], source, session["profile_id"], 0)
        ]
        assert postgres.run("SELECT id FROM thamesthrive.profiles", database=database) == [
            session["profile_id"]
        ]


def test_a_database_that_is_down_costs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    folder.mkdir()
    server = PostgresServer(folder)
    url = server.url()
    with collecting(tmp_path, "--forward", url) as collector:
        source = collector.add_source()
        ids = send(collector, source, 3)

        def failing() -> Any:
            return [state for state in list_destinations(collector.db) if state.error]

        (state,) = wait_for(failing, "the failed try to be noted")
        assert state.name == url
        assert (state.cursor, state.rows) == (0, 0)
        ready = httpx.get(f"{collector.url}/ready").json()
        assert ready["ready"]
        metrics = httpx.get(f"{collector.url}/metrics").text
        assert f'thamesthrive_forward_waiting_events{{destination="{url}"}} 3.0' in metrics
        cookie = logged_in(collector)
        page = httpx.get(f"{collector.url}/console/system", headers={"Cookie": cookie})
        assert page.status_code == 200
        assert url in page.text
        failures = re.search(r"thamesthrive_forward_failures_total\{.*\} ([0-9.]+)", metrics)
        assert failures
        assert float(failures[1]) >= 1
        server.start()
        try:
            ids += send(collector, source, 2)
            wait_for_ids(Postgres(server, "postgres"), ids)
            server.stop()
            ids += send(collector, source, 2)
            server.start()
            wait_for_ids(Postgres(server, "postgres"), ids)
            wait_for(lambda: not failing(), "the error to be over")
            metrics = httpx.get(f"{collector.url}/metrics").text
            assert f'thamesthrive_forward_waiting_events{{destination="{url}"}} 0.0' in metrics
            assert f'thamesthrive_forwarded_events_total{{destination="{url}"}} 7.0' in metrics
        finally:
            server.stop()


def test_a_row_that_is_refused_is_set_aside(
    tmp_path: Path, postgres: PostgresServer, database: str
) -> None:
    """PostgreSQL's numbers end at 131,072 digits before the point: JSON's do not. A NUL, which it has
    no place for, becomes U+FFFD."""
    url = postgres.url(database)
    with collecting(tmp_path, "--forward", url) as collector:
        source = collector.add_source()
        ids = send(collector, source, 5)
        poison = '{"source":{"id":"%s"},"events":[{"id":"%s","type":"t","properties":{"n":1e%s}}]}'
        bad = uuid7()
        answer = collector.post((poison % (source, bad, "200000")).encode())
        assert answer.json()["events"] == [bad]
        nul = uuid7()
        events = [
            {"id": nul, "type": "t", "properties": {"a": "x\x00y", "b": "\\u0000", "c": "\\\x00"}}
        ]
        assert collector.post(body(source, events)).json()["events"] == [nul]
        ids += [nul, *send(collector, source, 5)]
        wait_for_ids(Postgres(postgres, database), ids)
        find = "SELECT properties FROM thamesthrive.events WHERE type = 't'"
        assert postgres.run(find, database=database) == [
            {"a": "x\ufffdy", "b": "\\u0000", "c": "\\\ufffd"}
        ]
        done = run("forward", "--status", "--json", "--db", str(collector.db))
        assert done.returncode == 0
        assert f'"id": "{bad}"' in done.stdout
        assert "overflow" in done.stdout
        done = run("forward", "--status", "--db", str(collector.db))
        assert bad in done.stdout
        ready = httpx.get(f"{collector.url}/ready").json()
        assert ready["ready"]
        assert "refuses 1 row" in str(ready["warnings"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "There is no destination"),
        (["mysql://x/y"], 2, "does not know mysql://"),
        (["postgresql://a/b", "--once", "--check"], 2, "Choose one of"),
        (
            ["postgresql://127.0.0.1:1/b?connect_timeout=2", "--once"],
            1,
            "postgresql://127.0.0.1:1/b",
        ),
        (["postgresql://a:secret@127.0.0.1:1/b", "--remove"], 3, "postgresql://a@127.0.0.1:1/b"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    db = str(tmp_path / "x.db")
    assert run("source", "add", "Test", "--db", db).returncode == 0
    done = run("forward", *words, "--db", db)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "secret" not in done.stderr + done.stdout


def test_a_user_without_rights_is_told(
    tmp_path: Path, postgres: PostgresServer, database: str
) -> None:
    user = f"u_{database}"
    postgres.run(f"CREATE USER {user}")
    db = tmp_path / "x.db"
    assert run("source", "add", "Test", "--db", str(db)).returncode == 0
    done = run("forward", postgres.url(database, user), "--once", "--db", str(db))
    assert done.returncode == 1
    assert "permission denied" in done.stderr
    # The rights of the how-to are enough.
    postgres.run(f"GRANT CREATE, TEMPORARY ON DATABASE {database} TO {user}", database=database)
    done = run("forward", postgres.url(database, user), "--once", "--db", str(db))
    assert done.returncode == 0, done.stderr

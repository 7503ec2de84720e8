"""The commands of those who look after a collector."""

import csv
import io
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..support import Collector, on_terminal, run


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    collector = Collector(tmp_path_factory.mktemp("admin")).start()
    yield collector
    collector.end()


@pytest.fixture
def filled(running: Collector) -> tuple[Collector, str]:
    """A source with three events of one visitor, and one rejected."""
    source = running.add_source()
    events: list[dict[str, Any]] = [
        {
            "id": f"{source}-{n}",
            "type": "order",
            "properties": {"n": n, "text": 'a "quoted", ünïcode\nline'},
        }
        for n in range(3)
    ]
    running.post(
        {
            "source": {"id": source},
            "session": {"id": source},
            "events": [*events, {"type": "", "id": f"bad-{source}"}],
        }
    )
    return running, source


def thamesthrive(collector: Collector, *arguments: str) -> str:
    done = run(*arguments, "--db", str(collector.db))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_source_is_changed_field_by_field(tmp_path: Path) -> None:
    db = ["--db", str(tmp_path / "x.db")]
    source = run(
        "source", "add", "A", "--rate-limit", "5", "--ip-policy", "none", *db
    ).stdout.strip()
    done = run(
        "source",
        "set",
        source,
        "--rate-limit",
        "0",
        "--retention-days",
        "30",
        "--origin",
        "https://a.example.com",
        "--validate-only",
        *db,
    )
    assert done.returncode == 0
    for line in (
        "rate limit  none",
        "events kept  30 days",
        "origins  https://a.example.com",
        "not stored",
        "validates only",
    ):
        assert line.replace("  ", " ") in " ".join(done.stdout.split())
    changed = json.loads(
        run(
            "source",
            "set",
            source,
            "--any-origin",
            "--no-validate-only",
            "--name",
            "B",
            "--json",
            *db,
        ).stdout
    )
    assert (
        changed["origins"],
        changed["validate_only"],
        changed["name"],
        changed["retention_days"],
    ) == (
        [],
        False,
        "B",
        30,
    )
    nothing = run("source", "set", source, *db)
    assert (nothing.returncode, nothing.stderr) == (
        2,
        "Error: Name what to change. See: thamesthrive source set --help\n",
    )


def test_schemas_are_set_shown_listed_and_removed(tmp_path: Path) -> None:
    db = ["--db", str(tmp_path / "x.db")]
    source = run("source", "add", "A", *db).stdout.strip()
    (tmp_path / "order.json").write_text('{"required": ["price"]}')
    assert "No schemas" in run("schema", "list", *db).stderr
    assert run("schema", "set", source, "order", str(tmp_path / "order.json"), *db).returncode == 0
    assert run("schema", "show", source, "order", *db).stdout == '{"required": ["price"]}\n'
    assert "order" in run("schema", "list", *db).stdout
    assert (
        json.loads(run("schema", "list", "--json", "--source", source, *db).stdout)[0]["type"]
        == "order"
    )
    assert run("schema", "remove", source, "order", *db).returncode == 0
    assert run("schema", "remove", source, "order", *db).returncode == 1
    (tmp_path / "order.json").write_text('{"type": "nope"}')
    wrong = run("schema", "set", source, "order", str(tmp_path / "order.json"), *db)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith('Error: Not a schema of draft 2020-12: /type: "nope" is not')
    assert run("schema", "set", source, "order", str(tmp_path / "absent.json"), *db).returncode == 2


def test_redirects_are_added_listed_and_removed(tmp_path: Path) -> None:
    db = ["--db", str(tmp_path / "x.db")]
    source = run("source", "add", "A", *db).stdout.strip()
    assert "No redirects yet" in run("redirect", "list", *db).stderr
    api = ["--api", "https://events.example.com/"]
    target = "https://shop.example.com/sale"
    added = run("redirect", "add", source, target, "--type", "click", *api, *db)
    assert added.stdout.startswith("https://events.example.com/redirect/")
    assert "does not accept the bridge redirect" in added.stderr
    (redirect,) = json.loads(run("redirect", "list", "--json", *db).stdout)
    assert (redirect["target"], redirect["event_type"]) == (
        "https://shop.example.com/sale",
        "click",
    )
    assert run("redirect", "remove", redirect["id"], *db).returncode == 0
    assert run("redirect", "remove", redirect["id"], *db).returncode == 1
    assert run("redirect", "add", source, "shop", *db).returncode == 2


def test_tokens_are_shown_once(collector: Collector) -> None:
    db = ["--db", str(collector.db)]
    assert "nobody can use the management API" in run("token", "list", *db).stderr
    made = run("token", "create", "deploy", *db)
    secret = made.stdout.strip()
    assert "not shown again" in made.stderr
    answer = httpx.get(f"{collector.url}/api/stats", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200
    listed = run("token", "list", "--json", *db).stdout
    assert secret not in listed
    (token,) = json.loads(listed)
    assert run("token", "revoke", token["id"], *db).returncode == 0
    assert run("token", "revoke", token["id"], *db).returncode == 1
    assert secret.encode() not in collector.db.read_bytes()


def test_rejected_events_are_listed_shown_and_replayed(filled: tuple[Collector, str]) -> None:
    collector, source = filled
    (row,) = json.loads(thamesthrive(collector, "rejected", "list", "--source", source, "--json"))
    assert (row["event_id"], row["reason"], row["detail"]) == (
        f"bad-{source}",
        "invalid",
        "/type: must not be empty",
    )
    assert "/type: must not be empty" in thamesthrive(
        collector, "rejected", "list", "--source", source
    )
    shown = thamesthrive(collector, "rejected", "show", str(row["seq"]))
    assert json.loads(shown.splitlines()[-1]) == {"type": "", "id": f"bad-{source}"}
    assert (
        json.loads(thamesthrive(collector, "rejected", "show", str(row["seq"]), "--json"))["seq"]
        == row["seq"]
    )
    done = run("rejected", "replay", "--source", source, "--db", str(collector.db))
    assert done.stderr.splitlines()[-1] == "0 stored, 0 were stored already, 1 are still invalid."
    assert (
        json.loads(thamesthrive(collector, "rejected", "replay", str(row["seq"]), "--json"))[
            "invalid"
        ]
        == 1
    )
    assert run("rejected", "show", "999999999", "--db", str(collector.db)).returncode == 1
    none = run("rejected", "list", "--reason", "disabled_source", "--db", str(collector.db))
    assert (none.stdout, none.stderr) == ("", "No rejected events of this kind.\n")


def test_a_profile_is_exported_and_forgotten(filled: tuple[Collector, str]) -> None:
    collector, source = filled
    profile = collector.events(source)[0]["profile_id"]
    rows = [
        json.loads(line)
        for line in thamesthrive(collector, "profile", "export", profile).splitlines()
    ]
    assert [row["table"] for row in rows] == [
        "profiles",
        "sessions",
        "events",
        "events",
        "events",
        "rejected",
    ]
    refused = run("profile", "forget", profile, "--db", str(collector.db))
    assert refused.returncode != 0  # nobody said yes
    assert len(collector.events(source)) == 3
    removed = json.loads(thamesthrive(collector, "profile", "forget", profile, "--yes", "--json"))
    assert removed == {"events": 3, "rejected": 1, "sessions": 1, "profiles": 1}
    assert run("profile", "export", profile, "--db", str(collector.db)).returncode == 1
    assert collector.events(source) == []


@pytest.mark.parametrize("suffix", ["ndjson", "csv", "parquet"])
def test_events_are_exported(filled: tuple[Collector, str], tmp_path: Path, suffix: str) -> None:
    collector, source = filled
    file = tmp_path / f"events.{suffix}"
    done = run("events", "export", str(file), "--source", source, "--db", str(collector.db))
    assert (done.returncode, done.stdout, done.stderr.splitlines()[-1]) == (
        0,
        "",
        "3 events exported.",
    )
    if suffix == "ndjson":
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        texts = [row["properties"]["text"] for row in rows]
    elif suffix == "csv":
        rows = list(csv.DictReader(io.StringIO(file.read_text(), newline="")))
        texts = [json.loads(row["properties"])["text"] for row in rows]
    else:
        import pyarrow.parquet as pq

        rows = pq.read_table(file).to_pylist()
        texts = [json.loads(row["properties"])["text"] for row in rows]
    assert texts == ['a "quoted", ünïcode\nline'] * 3
    assert [row["id"] for row in rows] == [row["id"] for row in collector.events(source)]
    assert list(tmp_path.iterdir()) == [file]


def test_export_to_standard_output_and_what_cannot_be(
    filled: tuple[Collector, str], tmp_path: Path
) -> None:
    collector, source = filled
    assert (
        len(thamesthrive(collector, "events", "export", "-", "--source", source).splitlines()) == 3
    )
    db = ["--db", str(collector.db)]
    assert run("events", "export", "-", "--format", "parquet", *db).returncode == 2
    assert run("events", "export", str(tmp_path / "nowhere" / "x.csv"), *db).returncode == 2
    assert run("events", "export", "x", "--format", "xml", *db).returncode == 2
    unnamed = run("events", "export", str(tmp_path / "out.foo"), *db)
    assert unnamed.returncode == 2
    assert "Name it .ndjson, .csv or .parquet, or give --format." in unnamed.stderr
    assert not (tmp_path / "out.foo").exists()


@pytest.mark.parametrize(
    "command", [("events", "list"), ("events", "export", "-"), ("rejected", "list")]
)
def test_a_source_that_does_not_exist_is_said(
    filled: tuple[Collector, str], command: tuple[str, ...]
) -> None:
    done = run(*command, "--source", "nobody", "--db", str(filled[0].db))
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no event source 'nobody'" in done.stderr


def test_nobody_is_asked_about_a_profile_that_does_not_exist(
    filled: tuple[Collector, str],
) -> None:
    done = run("profile", "forget", "nonsense", "--db", str(filled[0].db))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == (
        "Error: There is no profile 'nonsense'. `thamesthrive events list --json` shows the"
        " profile_id of each event."
    )


def test_a_narrow_terminal_shows_the_whole_time(filled: tuple[Collector, str]) -> None:
    collector, source = filled
    (event, *_) = collector.events(source)
    shown = on_terminal("events", "list", "--source", source, "--db", str(collector.db))
    assert event["received_at"] in shown


def test_a_collector_on_a_terminal_says_nothing_of_its_framework(tmp_path: Path) -> None:
    shown = on_terminal(
        "serve", "--db", str(tmp_path / "x.db"), "--port", "0", until="listening on"
    )
    assert "listening on" in shown
    assert "Sanic" not in shown


def test_a_backup_is_a_whole_database_taken_while_events_come(
    collector: Collector, tmp_path: Path
) -> None:
    source = collector.add_source()
    for _ in range(20):
        collector.post({"source": {"id": source}, "events": [{"type": "a"}] * 50})
    copy = tmp_path / "copy.db"
    assert run("db", "backup", str(copy), "--db", str(collector.db)).returncode == 0
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (1000,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    again = run("db", "backup", str(copy), "--db", str(collector.db))
    assert (again.returncode, "exists" in again.stderr) == (2, True)
    assert run("db", "check", "--db", str(copy)).returncode == 0


def test_check_finds_what_is_wrong(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    run("source", "add", "A", "--db", str(db))
    with closing(sqlite3.connect(db)) as connection:
        connection.execute(
            "INSERT INTO session_rows (source, id, profile, first_seen_at) VALUES (1, 's', 99, '')"
        )
        connection.commit()
    done = run("db", "check", "--json", "--db", str(db))
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "ok": False,
        "findings": ["1 rows of session_rows refer to rows that are not there"],
    }


def test_config_show_tells_where_each_value_comes_from(tmp_path: Path) -> None:
    (tmp_path / "thamesthrive.toml").write_text('workers = 3\nhost = "127.0.0.2"\n')
    done = run(
        "config",
        "show",
        "--json",
        cwd=tmp_path,
        env={"THAMESTHRIVE_PORT": "9000", "THAMESTHRIVE_WORKERS": "2"},
    )
    found = json.loads(done.stdout)
    assert found["port"] == {"value": 9000, "from": "THAMESTHRIVE_PORT"}
    assert found["workers"] == {"value": 2, "from": "THAMESTHRIVE_WORKERS"}
    assert found["host"] == {"value": "127.0.0.2", "from": "thamesthrive.toml"}
    assert found["queue_mb"] == {"value": 128, "from": "default"}
    assert "THAMESTHRIVE_QUEUE_MB" in run("config", "show", cwd=tmp_path).stdout


def test_doctor_and_source_show_tell_the_quotas(tmp_path: Path) -> None:
    db = ("--db", str(tmp_path / "x.db"))
    usual = run("source", "add", "Shop", *db).stdout.strip()
    large = run("source", "add", "Bulk", "--quota-mb", "9000", *db).stdout.strip()
    shown = run("source", "show", usual, *db).stdout
    assert re.search(r"quota +4096 MB a minute, as by default", shown)
    assert re.search(r"quota +9000 MB a minute$", run("source", "show", large, *db).stdout, re.M)
    assert json.loads(run("source", "show", large, "--json", *db).stdout)["quota_mb"] == 9000
    found = " ".join(run("doctor", "--port", "0", *db).stdout.split())
    assert "4096 MB a minute for a source, 256 MB a minute for an address" in found
    env = {"THAMESTHRIVE_SOURCE_QUOTA_MB": "0", "THAMESTHRIVE_ADDRESS_QUOTA_MB": "5"}
    found = " ".join(run("doctor", "--port", "0", *db, env=env).stdout.split())
    assert "no limit for a source, 5 MB a minute for an address" in found
    assert re.search(r"quota +none", run("source", "show", usual, *db, env=env).stdout)


def test_doctor_says_what_is_in_the_way(collector: Collector, tmp_path: Path) -> None:
    port = str(collector.port)
    well = run("doctor", "--db", str(collector.db), "--port", port)
    assert well.returncode == 0, well.stdout
    assert f"A collector answers on 127.0.0.1:{port}." in well.stdout
    assert "journal mode wal" in well.stdout
    ill = run("doctor", "--db", str(tmp_path / "nowhere" / "x.db"), "--port", port, "--json")
    assert ill.returncode == 1
    (problem,) = [finding for finding in json.loads(ill.stdout) if finding["state"] == "problem"]
    assert problem["detail"].startswith("There is no folder")
    assert "mkdir -p" in ill.stderr


def test_retention_removes_old_events_and_gives_space_back(tmp_path: Path) -> None:
    from ..support import wait_for

    collector = Collector(tmp_path)
    source = collector.add_source(retention_days=10)
    other = collector.add_source()
    collector.start()
    for owner in (source, other):
        for n in range(10):
            collector.post(
                {
                    "source": {"id": owner},
                    "session": {"id": f"{owner}-{n}"},
                    "events": [{"type": "a", "properties": {"text": "x" * 2000}}] * 100,
                }
            )
    collector.stop()
    with closing(sqlite3.connect(collector.db)) as connection:
        connection.execute(
            "UPDATE request_rows SET received_at = '2020-01-01T00:00:00.000Z'"
            " WHERE key <= 550 OR key > 1500"
        )
        for table in ("session_rows", "profile_rows"):
            connection.execute(f"UPDATE {table} SET first_seen_at = '2020-01-01T00:00:00.000Z'")
        # The collector has run since then.
        connection.execute("INSERT INTO clock_marks VALUES ('2020-01-02T00:00:00.000Z', 2000, 0)")
        connection.commit()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    collector.start()
    wait_for(lambda: len(collector.events(source)) == 400, "the old events to go")
    assert len(collector.events(other)) == 1000
    # Six sessions, and the visitors they were, are gone with their events.
    left = {
        row["id"] for row in collector.rows("SELECT id FROM sessions WHERE source_id = ?", source)
    }
    assert left == {f"{source}-{n}" for n in range(6, 10)}
    assert collector.counts()["profiles"] == collector.counts()["sessions"] == 14
    wait_for(
        lambda: collector.rows("PRAGMA page_count")[0]["page_count"] < pages - 100,
        "the space to be given back",
    )


def test_output_nobody_can_take_is_one_line(filled: tuple[Collector, str]) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "cli.main", "events", "list", "--db", str(filled[0].db)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "Error: The output: No space left on device.\n")

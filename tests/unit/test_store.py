"""Opening, migrating and administering a database as a library."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlite_utils import Database

from collector import store
from collector.errors import NotFound, StoreError
from collector.ids import uuid7
from collector.settings import Settings, load_settings
from collector.store.moments import time_ago, time_ahead
from collector.worker.admission import Admission


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "x.db"
    store.migrate(path)
    return path


def test_migrating_again_changes_nothing(db: Path) -> None:
    with closing(store.connect(db)) as connection:
        before = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
        store.migrate(db)
        assert (
            connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == before
        )
        assert connection.execute("SELECT name FROM _sqlite_migrations").fetchall() == [
            ("m001_foundation",),
            ("m002_edge",),
            ("m003_names",),
            ("m004_lean",),
            ("m005_rollups",),
            ("m006_tokens_audit",),
            ("m008_profile_scopes",),
            ("m009_clock",),
            ("m010_console",),
            ("m011_sightings",),
            ("m012_rotation",),
            ("m013_visits",),
            ("m014_saved_reports",),
            ("m015_runs",),
            ("m016_countries",),
            ("m017_cluster",),
            ("m018_edge",),
        ]


def test_several_processes_may_migrate_at_once(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from collector.store import migrate; migrate(Path(sys.argv[1]))"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "x.db")]) for _ in range(6)
    ]
    assert [process.wait(60) for process in processes] == [0] * 6


def test_a_commit_is_durable(db: Path) -> None:
    """The promise rests on these two: a write-ahead log, and a sync of it at each commit."""
    with closing(store.connect(db)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_reading_needs_a_file(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        store.connect_readonly(tmp_path / "none.db")


def test_the_source_cache_sees_changes_whoever_makes_them(db: Path) -> None:
    with closing(store.connect(db)) as connection, closing(store.SourceCache(db)) as cache:
        assert cache.get("nobody") is None
        source = store.add_source(Database(connection), "A")
        cache.MAX_AGE = cache.MISS_AGE = 0.0
        assert cache.get(f" {source.id.upper()} ") == source
        connection.execute("UPDATE sources SET name = 'B'")
        assert (found := cache.get(source.id))
        assert found.name == "B"
        connection.execute("DELETE FROM sources")
        assert cache.get(source.id) is None


def test_administration_of_an_unknown_source_is_refused(db: Path) -> None:
    with closing(store.connect(db)) as connection:
        for call in (store.get_source, store.remove_source):
            with pytest.raises(NotFound):
                call(Database(connection), "nobody")
        with pytest.raises(StoreError):
            store.add_source(Database(connection), "")


@pytest.mark.parametrize(
    ("allowed", "origin", "let_in"),
    [
        ("https://shop.example.com", "https://shop.example.com", True),
        ("https://shop.example.com", "https://shop.example.com:8443", False),
        ("https://shop.example.com", "http://shop.example.com", False),
        ("https://shop.example.com", "https://shopXexample.com", False),
        ("https://*.example.com", "https://shop.example.com", True),
        ("https://*.example.com", "https://a.b.example.com", True),
        ("https://*.example.com", "https://example.com", False),
        ("https://*.example.com", "https://evil.com/.example.com", False),
        ("http://localhost:*", "http://localhost:3000", True),
        ("http://localhost:*", "http://localhost", True),
        ("http://localhost:*", "http://localhost.evil.com:3000", False),
    ],
)
def test_origins_are_exact_or_patterns(db: Path, allowed: str, origin: str, let_in: bool) -> None:
    from collector.errors import OriginNotAllowed

    with closing(store.connect(db)) as connection, closing(store.SourceCache(db)) as cache:
        source = store.add_source(Database(connection), "A", origins=[allowed])
        admission = Admission(cache)
        assert admission.find(source.id) == source
        if let_in:
            admission.admit(source, bridge="rest", origin=origin)
        else:
            with pytest.raises(OriginNotAllowed):
                admission.admit(source, bridge="rest", origin=origin)


def test_ids_are_uuids_of_version_7_and_differ() -> None:
    import uuid

    made = [uuid.UUID(uuid7()) for _ in range(2000)]
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
    assert len(set(made)) == 2000
    assert [one.int >> 80 for one in made] == sorted(one.int >> 80 for one in made)


def test_settings_come_from_flag_then_variable_then_file_then_default(tmp_path: Path) -> None:
    (tmp_path / "thamesthrive.toml").write_text('port = 1\nhost = "a"\nqa = true\ndb = "file.db"\n')
    env = {"THAMESTHRIVE_PORT": "2", "THAMESTHRIVE_HOST": "b"}
    settings = load_settings({"port": 3, "host": None}, env, tmp_path)
    assert (settings.port, settings.host, settings.qa, settings.db) == (
        3,
        "b",
        True,
        tmp_path / "file.db",
    )
    assert settings.queue_mb == Settings.queue_mb


def test_ids_of_redirects_can_stand_on_a_command_line(tmp_path: Path) -> None:
    store.migrate(tmp_path / "events.db")
    with closing(store.connect(tmp_path / "events.db")) as connection:
        database = Database(connection)
        source = store.add_source(database, "Shop").id
        made = [
            store.add_redirect(database, source, "https://example.com/", "click").id
            for _ in range(300)
        ]
    assert [one for one in made if one.startswith("-")] == []
    assert len(set(made)) == 300


@pytest.mark.parametrize(
    ("text", "length"),
    [("15min", timedelta(minutes=15)), ("2h", timedelta(hours=2)), ("3d", timedelta(days=3))],
)
def test_a_time_may_be_a_length_of_time_from_now(text: str, length: timedelta) -> None:
    before, found, ahead = datetime.now(UTC), time_ago(text), time_ahead(text)
    assert abs(datetime.fromisoformat(found) - (before - length)) < timedelta(minutes=1)
    assert abs(datetime.fromisoformat(ahead) - (before + length)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2026-11-27", "2026-11-27T00:00:00.000Z"),
        ("2026-11-27T10:00", "2026-11-27T10:00:00.000Z"),
        ("2026-11-27T10:00+02:00", "2026-11-27T08:00:00.000Z"),
        ("2026-11-27T10:00:00Z", "2026-11-27T10:00:00.000Z"),
    ],
)
def test_a_time_without_a_zone_is_in_utc(
    monkeypatch: pytest.MonkeyPatch, text: str, stored: str
) -> None:
    with monkeypatch.context() as tokyo:
        tokyo.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        assert time_ago(text) == stored
    time.tzset()


@pytest.mark.parametrize("text", ["", "2", "2m", "h", "-1h", "99999d99", "1.5h", "tomorrow"])
def test_what_is_no_time_says_what_is(text: str) -> None:
    with pytest.raises(StoreError, match=r"is not a time\. Write a date, as in 2027-01-31, a time"):
        time_ago(text)

"""Countries, where the owner names a file that knows them."""

import os
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collector import store
from collector.countries import Countries
from collector.errors import SettingsError
from collector.store import overview, ranges, reports
from collector.store.overview import Question

from ..mmdb import write_mmdb
from ..support import COMMAND, Collector, wait_for

NETWORKS: dict[str, Any] = {
    "81.2.69.142/32": {"country": {"iso_code": "GB"}},
    "89.160.20.0/24": {"country": {"iso_code": "SE"}},
    "2001:218::/32": {"country": {"iso_code": "JP"}},
    "203.0.113.0/24": {"country_code": "PL"},  # as others write it
    "198.51.100.0/24": {"autonomous_system_number": 64500},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mmdb(tmp_path_factory.mktemp("mmdb") / "countries.mmdb", NETWORKS)


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("81.2.69.142", "GB"),
        ("81.2.69.143", None),
        ("::ffff:89.160.20.7", "SE"),
        ("2001:218:1::5", "JP"),
        ("[2001:218:1::5]", "JP"),
        ("203.0.113.9", "PL"),
        ("198.51.100.1", None),
        ("10.0.0.1", None),
        ("127.0.0.1", None),
        ("::1", None),
        ("nobody", None),
        ("", None),
    ],
)
def test_an_address_is_looked_up_as_a_whole(file: Path, address: str, country: str | None) -> None:
    countries = Countries(file)
    assert countries.of(address) == country
    assert countries.of(address) == country


def send(collector: Collector, source: str, session: str, address: str) -> None:
    answer = collector.post(
        {"source": {"id": source}, "session": {"id": session}, "events": [{"type": "page-view"}]},
        headers={
            "X-Forwarded-For": address,
            "User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0",
        },
    )
    assert answer.status_code == 200, answer.text


def read(collector: Collector, source: str, **filters: str) -> overview.Overview:
    with collector.database() as database, reports.up_to_date(database.conn):
        question = Question(ranges.named_range("24h"), [source], filters)
        return overview.finish(overview.read_overview(database.conn, question))


def test_countries_are_stored_counted_and_filtered_by(tmp_path: Path, file: Path) -> None:
    options = ("--countries", str(file), "--proxies", "1")
    collector = Collector(tmp_path, workers=2, options=options).start()
    source = collector.add_source()
    send(collector, source, "a", "81.2.69.142")
    send(collector, source, "a", "89.160.20.7")  # on the way: the visit stays British
    send(collector, source, "b", "2001:218:1::5")
    send(collector, source, "c", "10.0.0.1")
    rows = collector.rows(
        "SELECT id, country FROM sessions WHERE id IN ('a', 'b', 'c') ORDER BY id"
    )
    assert {row["id"]: row["country"] for row in rows} == {"a": "GB", "b": "JP", "c": None}
    ips = collector.rows("SELECT ip FROM events WHERE session_id = 'a' ORDER BY seq")
    assert [row["ip"] for row in ips] == ["81.2.69.0", "89.160.20.0"]
    found = read(collector, source)
    assert dict(found.tops["countries"].rows) == {"GB": 1, "JP": 1, "": 1}
    assert read(collector, source, country="GB").events == 2
    assert read(collector, source, country="").sessions == 1
    command = [*COMMAND, "stats", "overview", "--db", str(collector.db), "--range", "24h"]
    shown = subprocess.run(
        [*command, "--filter", "country=JP"], capture_output=True, text=True, check=True
    )
    assert "JP" in shown.stdout
    assert "GB" not in shown.stdout
    collector.end()


def test_without_a_file_nothing_is_looked_up(collector: Collector) -> None:
    source = collector.add_source()
    answer = collector.post(
        {"source": {"id": source}, "session": {"id": "s"}, "events": [{"type": "a"}]}
    )
    assert answer.status_code == 200
    (row,) = collector.rows("SELECT country FROM sessions WHERE id = 's'")
    assert row["country"] is None


def broken(folder: Path, kind: str) -> Path:
    file = folder / f"{kind}.mmdb"
    if kind == "broken":
        file.write_bytes(b"no such file" * 100)
    elif kind == "other":
        write_mmdb(file, {"198.51.100.0/24": {"autonomous_system_number": 64500}})
    elif kind == "folder":
        file.mkdir()
    return file


@pytest.mark.parametrize("kind", ["missing", "broken", "other", "folder"])
def test_a_file_that_is_none_is_told_at_the_start_and_by_doctor(tmp_path: Path, kind: str) -> None:
    file = broken(tmp_path, kind)
    with pytest.raises(SettingsError):
        Countries(file)
    db = ["--db", str(tmp_path / "events.db")]
    serve = [*COMMAND, "serve", *db, "--port", "0", "--countries", str(file)]
    served = subprocess.run(serve, check=False, capture_output=True, text=True, timeout=60)
    assert served.returncode == 2
    assert str(file) in served.stderr
    assert "countries" in served.stderr
    examined = subprocess.run(
        [*COMMAND, "doctor", *db], check=False, capture_output=True, text=True, timeout=60,
        env={**os.environ, "THAMESTHRIVE_COUNTRIES": str(file)},
    )  # fmt: skip
    assert str(file) in examined.stdout + examined.stderr


def test_visits_of_before_have_no_country_and_are_counted_so(collector: Collector) -> None:
    source = collector.add_source()
    send(collector, source, "old", "81.2.69.142")
    wait_for(lambda: collector.rows("SELECT 1 FROM visits"), "the visit to be counted")
    collector.end()
    with closing(store.connect(collector.db)) as connection:
        for statement in (
            "DROP VIEW sessions",
            "ALTER TABLE session_rows DROP COLUMN country",
            "ALTER TABLE visits DROP COLUMN country",
            "DELETE FROM rollups WHERE kind = 'countries'",
            "CREATE VIEW sessions AS SELECT id, '' AS source_id FROM session_rows",
            "DELETE FROM _sqlite_migrations WHERE name = 'm016_countries'",
        ):
            connection.execute(statement)
    collector.start()
    send(collector, source, "new", "81.2.69.142")
    assert dict(read(collector, source).tops["countries"].rows) == {"": 2}
    collector.end()
    checked = subprocess.run(
        [*COMMAND, "db", "check", "--db", str(collector.db)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr

"""What is declared once is known everywhere: settings, fields of a source, routes, reasons."""

import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlite_utils import Database

from cli.builder.command_reference import commands
from collector import store
from collector.errors import REASONS, Internal, Refused, refusal
from collector.settings import Settings, flag_of
from collector.store.sources import SOURCE_FIELDS

from ..support import Collector, run

OPTIONS = {
    name: {flag for parameter in command.params for flag in parameter.opts}
    for name, command, _ in commands()
}


def test_a_field_of_a_source_is_a_column_an_option_and_a_part_of_the_api(
    shared_collector: Collector,
) -> None:
    document = httpx.get(f"{shared_collector.url}/docs/openapi.json").json()
    schema = document["components"]["schemas"]["Source"]["properties"]
    columns = {row["name"] for row in shared_collector.rows("PRAGMA table_info(sources)")}
    options = OPTIONS["thamesthrive source set"]
    # What a source was called at first is nobody's to know or to change.
    declared = {spec.name for spec in fields(store.Source)}
    assert columns == declared
    assert set(schema) == declared - {"first_id"}
    for name, spec in SOURCE_FIELDS.items():
        assert schema[name] == {**spec.kind.schema}
        assert name == "enabled" or flag_of(spec.flag or name) in options


def test_a_new_field_of_a_source_gets_its_column(tmp_path: Path) -> None:
    """As after an upgrade: a database in which two fields have no column yet."""
    path = tmp_path / "x.db"
    store.migrate(path)
    with closing(store.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE older AS SELECT id, name, enabled, origins, bridges, static_profiles,"
            " created_at, validate_only, retention_days, first_id FROM sources; DROP TABLE sources;"
            "ALTER TABLE older RENAME TO sources;"
            "INSERT INTO sources VALUES ('s', 'Shop', 1, '[]', '[\"rest\"]', 0, 'now', 0, NULL, NULL)"
        )
        store.migrate(path)
        source = store.get_source(Database(connection), "s")
        assert (source.rate_limit, source.ip_policy) == (None, "truncate")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("UPDATE sources SET rate_limit = 0")


@pytest.mark.parametrize("name", [spec.name for spec in fields(Settings)])
def test_a_setting_is_an_option_of_serve(name: str) -> None:
    assert flag_of(name) in OPTIONS["thamesthrive serve"]


@pytest.mark.parametrize(
    ("former", "name", "value"),
    [("keep_days", "retention_days", 30), ("transitional", "validate_only", True)],
)
def test_names_of_the_release_before_still_work_and_are_not_shown(
    tmp_path: Path, former: str, name: str, value: Any
) -> None:
    given = [] if value is True else [str(value)]
    db = ["--db", str(tmp_path / "x.db")]
    source = run("source", "add", "A", flag_of(former), *given, *db)
    assert source.returncode == 0, source.stderr
    with closing(store.connect(tmp_path / "x.db")) as connection:
        database = Database(connection)
        assert getattr(store.get_source(database, source.stdout.strip()), name) == value
        by_library = store.add_source(database, "B", **{former: value})
        assert getattr(by_library, name) == value
    shown = run("source", "add", "--help").stdout
    assert flag_of(former) not in shown
    assert flag_of(name)[:12] in shown


@pytest.mark.parametrize("code", REASONS)
def test_the_writer_may_refuse_for_any_reason(code: str) -> None:
    found = refusal(code, 7)
    known = issubclass(REASONS[code], Refused)
    assert found.code == (code if known else Internal.code)
    assert found.retry_after == 7
    assert REASONS[code].__doc__


def test_a_reason_that_nobody_knows_is_an_internal_error() -> None:
    assert (refusal("nonsense").code, refusal("nonsense").status) == ("internal", 500)

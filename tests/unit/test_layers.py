"""Imports go one way, SQL is in the store, and every test can fail."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.testing import Tracking

from ..support import ROOT

FILES = sorted([*(ROOT / "cli").rglob("*.py"), *(ROOT / "collector").rglob("*.py")])
SQL = re.compile(
    r"\s*((SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|CREATE|DROP|ALTER|PRAGMA|ATTACH|EXPLAIN|RELEASE)"
    r"\s+\S|(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|VACUUM|ANALYZE|REINDEX)\b)"
)

TEMPLATES = {"console", "install", "testing"}  # rooms that render some
# What each room of the collector may import, besides itself.
ROOMS = {
    "forward": {"errors", "event", "ipc", "store", "targets"},
    "install": {"alias", "aliased_bundle", "errors", "store"},
    "event": {"errors", "ids"},
    "plan": {"errors", "event"},
    "verify": {"errors", "event", "ids", "install", "store"},
    "store": {"database_file", "errors", "event", "ids", "ipc"},
    "worker": {
        "alias", "aliased_bundle", "collector", "countries", "database_file", "descriptors", "errors",
        "event", "ids", "ipc", "logs", "metrics", "settings", "store",
    },
    # Another process that speaks HTTP, and has requests stored: it has a worker's parts for that.
    "console": {
        "collector", "database_file", "descriptors", "doctor", "errors", "event", "ids", "install", "ipc",
        "metrics", "printable", "settings", "store", "verify", "worker",
    },
    # Other people's tests: they talk to a collector over HTTP, and start one.
    "testing": {"collector", "embedded", "errors", "install", "plan", "settings", "store"},
    "writer": {
        "cluster_secret", "database_file", "errors", "event", "ids", "ipc", "metrics", "profile_ids", "store",
    },
}  # fmt: skip


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports anywhere, with their whole names."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def rooms_of(path: Path) -> set[str]:
    """The rooms of the collector that a file imports: a folder, or a module beside the folders."""
    found = set()
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "collector":
            found.add(parts[1] if len(parts) > 1 and is_module(parts[1]) else "collector")
    return found


def is_module(name: str) -> bool:
    return (ROOT / "collector" / name).is_dir() or (ROOT / "collector" / f"{name}.py").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "collector").rglob("*.py")), ids=names)
def test_collector_never_imports_the_command_line(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path)}
    room = path.relative_to(ROOT / "collector").parts[0]
    assert roots & {"cli", "typer", "rich"} == set()
    assert "jinja2" not in roots or room in TEMPLATES


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_what_is_below_them(room: str) -> None:
    """Above all, the worker never imports the writer, nor the writer the worker."""
    imported = {
        found for path in (ROOT / "collector" / room).rglob("*.py") for found in rooms_of(path)
    }
    assert imported - {room, "collector"} <= ROOMS[room]
    assert not (imported & {"worker", "writer"}) - {room} - ROOMS[room]


@pytest.mark.parametrize("path", FILES, ids=names)
def test_sql_is_only_in_the_store(path: Path) -> None:
    """Of the product's database. What builds remember is in a file of their own, and what other engines
    are sent is theirs."""
    found = [
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
    ]
    assert (
        found == []
        or path.parent.name in ("store", "forward")
        or names(path) == "cli/builder/render_cache.py"
    )


ADMINISTERED = r"(sources|schemas|redirects|tokens|saved_reports|cluster)\b"
CHANGE = re.compile(rf"\s*(INSERT( OR \w+)? INTO|UPDATE( OR \w+)?|DELETE FROM) {ADMINISTERED}")
TABLE_CHANGES = ("insert", "upsert", "update", "delete", "insert_all", "upsert_all", "delete_where")


def changes_configuration(function: ast.FunctionDef) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if CHANGE.match(node.value):
                return True
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            table = ast.unparse(node.func.value)
            if node.func.attr in TABLE_CHANGES and re.search(f"['\"]{ADMINISTERED}", table):
                return True
    return False


def test_who_changes_what_administrators_decide_about_adds_to_the_audit() -> None:
    """In the same function. The last use of a token is nobody's decision."""
    functions = [
        node
        for path in (ROOT / "collector" / "store").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and changes_configuration(node)
    ]
    silent = {node.name for node in functions if "add_entry(" not in ast.unparse(node)}
    assert len(functions) >= 10
    assert silent == {"note_use"}


@pytest.mark.parametrize("path", FILES, ids=names)
def test_files_stay_readable(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text))


def test_few_lines_are_long() -> None:
    lines = [line for path in FILES for line in path.read_text().splitlines()]
    assert sum(len(line) > 100 for line in lines) < 0.02 * len(lines)


# Of Playwright and of collector.testing, and `test` of a mutation, which is one of the shop's.
EXPECTATIONS = {name for name in dir(Tracking) if name.startswith("expect")} | {"snapshot", "test"}


class Functions(ast.NodeVisitor):
    """The functions of the tests: which of them assert by themselves, and what each calls."""

    def __init__(self) -> None:
        self.asserting: set[str] = set()
        self.calls: dict[str, set[str]] = {}
        self.tests: list[tuple[str, str]] = []
        self.file = ""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        called = self.calls.setdefault(node.name, set())
        for inner in ast.walk(node):
            if isinstance(inner, ast.Assert):
                self.asserting.add(node.name)
            elif isinstance(inner, ast.Call):
                called.add(ast.unparse(inner.func).rpartition(".")[2])
        if node.name.startswith("test_"):
            self.tests.append((self.file, node.name))
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815


def test_every_test_asserts_something() -> None:
    """By itself, by `pytest.raises` or Playwright's `expect`, or by a function of the tests that does."""
    functions = Functions()
    for path in sorted((ROOT / "tests").rglob("*.py")):
        functions.file = names(path)
        functions.visit(ast.parse(path.read_text()))
    asserting = functions.asserting | {"raises", *EXPECTATIONS}
    while (
        more := {name for name, called in functions.calls.items() if called & asserting} - asserting
    ):
        asserting |= more
    assert len(functions.tests) > 300
    assert [where for where in functions.tests if where[1] not in asserting] == []

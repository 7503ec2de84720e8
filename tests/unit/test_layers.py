"""Imports go one way, and what is public is described."""

import ast
from pathlib import Path

import pytest

from ..support import ROOT

FILES = sorted([*(ROOT / "cli").rglob("*.py"), *(ROOT / "collector").rglob("*.py")])


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sorted((ROOT / "collector").rglob("*.py")), ids=names)
def test_collector_never_imports_cli(path: Path) -> None:
    imported = {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [a.name for a in node.names]
            if isinstance(node, ast.Import)
            else [getattr(node, "module", "") or ""]
        )
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert [
        name for name in imported if name.split(".")[0] in ("cli", "typer", "rich", "jinja2")
    ] == []


@pytest.mark.parametrize("path", FILES, ids=names)
def test_sql_is_only_in_the_store(path: Path) -> None:
    """Of the product's database. What builds remember is in a file of their own, which anybody may
    remove."""
    words = ("INSERT INTO", "DELETE FROM", "UPDATE ", "CREATE TABLE")
    found = [word for word in words if word in path.read_text()]
    assert (
        found == [] or path.parent.name == "store" or names(path) == "cli/builder/render_cache.py"
    )


@pytest.mark.parametrize("path", FILES, ids=names)
def test_files_stay_readable(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 420
    assert ast.get_docstring(ast.parse(text))


def test_every_test_asserts_something() -> None:
    silent = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                body = ast.unparse(node)
                if not any(
                    sign in body
                    for sign in (
                        "assert ",
                        "pytest.raises",
                        "check(",
                        "expect(",
                        "one.run(",
                        "wait_for(",
                    )
                ):
                    silent.append(f"{path.name}:{node.name}")
    assert silent == []

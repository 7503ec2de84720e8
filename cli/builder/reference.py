"""The generated parts of the reference, and the check that the reference explains every name that
users meet."""

import inspect
import re
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from .. import paths
from ..errors import BuildError, Problem
from .command_reference import commands, commands_markdown
from .fingerprint import fingerprint_of
from .headings import slug
from .markdown_table import escape_cell
from .tracker_options import track_options, tracker_options, types_file
from .verify_reference import verify_markdown

COLUMNS = "columns.toml"
"""The file that explains the columns of the database."""


@dataclass(frozen=True)
class Word:
    """A name that users meet: an option, a command, a reason code. `anchor` is that of its
    explanation; `path` and `line` are where it is defined."""

    kind: str
    name: str
    anchor: str
    path: Path
    line: int


def program_fingerprint(site_dir: Path, bundle: Path) -> str:
    """Returns a fingerprint of all files that the generated parts are made from."""
    here = Path(__file__).parent.parent
    files = [
        *here.rglob("*.py"),
        *(here.parent / "collector").rglob("*.py"),
        *site_dir.glob("*.toml"),
    ]
    files.append(types_file(bundle))
    return fingerprint_of(
        *(f"{path} {path.stat().st_mtime_ns}" for path in sorted(files) if path.is_file())
    )


def find_generators(site_dir: Path, bundle: Path) -> dict[str, Callable[[], str]]:
    """Returns the function for each generated block, which returns its Markdown."""
    from collector.errors import REASONS

    return {
        **{f"reason-{code}": partial(_reason, code) for code in REASONS},
        "settings": _settings,
        "commands": commands_markdown,
        "options": lambda: _options(bundle, of_track=False),
        "track-options": lambda: _options(bundle, of_track=True),
        "metrics": _metrics,
        "reasons": _reason_codes,
        "database": lambda: _database(site_dir),
        "features": _features,
        "verify": verify_markdown,
    }


def check_reference(
    site_dir: Path, bundle: Path, pages: dict[str, str], anchors: dict[str, list[str]]
) -> Iterator[Problem]:
    """Yields a problem for each name that its page does not explain.

    `pages` maps a kind of name to the page that explains them; `anchors` are those of all pages.
    """
    finders: dict[str, Callable[[], list[Word]]] = {
        "reasons": _reasons,
        "options": lambda: _option_words(bundle),
        "commands": _command_words,
        "settings": _setting_words,
        "metrics": _metric_words,
        "verify": _verify_words,
    }
    for kind, page in pages.items():
        if kind not in finders:
            message = f"unknown key {kind!r} in [reference]. Use: {', '.join(finders)}."
            yield Problem(site_dir / "site.toml", 1, message)
        elif page not in anchors:
            message = f"the page {page} of {kind!r} in [reference] does not exist. Correct it."
            yield Problem(site_dir / "site.toml", 1, message)
        else:
            path = site_dir / page
            last_line = path.read_text(encoding="utf-8").count("\n")
            for word in finders[kind]():
                if word.anchor not in anchors[page]:
                    yield Problem(path, last_line, _unexplained(word))


def _unexplained(word: Word) -> str:
    path = word.path.relative_to(paths.SOURCE_TREE or word.path.anchor)
    cure = f"Explain it below a heading: ## {word.name} {{#{word.anchor}}}"
    return f"the {word.kind} {word.name!r} ({path}:{word.line}) is not explained here. {cure}"


# Words.


def _line_of(path: Path, pattern: str) -> int:
    text = path.read_text(encoding="utf-8")
    found = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _reasons() -> list[Word]:
    from collector import errors

    path = Path(errors.__file__)
    return [
        Word("reason code", code, slug(code), path, _line_of(path, rf'code = "{code}"'))
        for code in errors.REASONS
    ]


def _option_words(bundle: Path) -> list[Word]:
    of_track = [
        Word("option of track", o.name, f"track-{slug(o.name)}", o.path, o.line)
        for o in track_options(bundle)
    ]
    return of_track + [
        Word("option", o.name, slug(o.name), o.path, o.line) for o in tracker_options(bundle)
    ]


def _setting_words() -> list[Word]:
    from collector import settings

    path = Path(settings.__file__)
    names = [spec.name for spec in fields(settings.Settings)]
    return [
        Word("setting", name, slug(f"--{name}"), path, _line_of(path, rf"^    {name}: "))
        for name in names
    ]


def _metric_words() -> list[Word]:
    from collector import metrics

    path = Path(metrics.__file__)
    return [
        Word("metric", metric.name, slug(metric.name), path, _line_of(path, rf'"{metric.name}"'))
        for metric in metrics.METRICS
    ]


def _verify_words() -> list[Word]:
    from collector import verify

    folder = Path(verify.__file__).parent
    return [
        Word("finding", code, slug(code), path, _line_of(path, f'code="{code}"'))
        for path in sorted(folder.glob("codes_*.py"))
        for code in re.findall(r'code="(V\d+)"', path.read_text(encoding="utf-8"))
    ]


def _command_words() -> list[Word]:
    words = []
    for name, command, _ in commands():
        callback = inspect.unwrap(command.callback) if command.callback else None
        path = Path(inspect.getfile(callback)) if callback else Path(__file__)
        line = inspect.getsourcelines(callback)[1] if callback else 1
        words.append(Word("command", name, slug(name), path, line))
    return words


# Markdown.


def _settings() -> str:
    from collector.settings import Settings, env_of

    rows = ["| flag | variable | in the file | default | meaning |", "|---|---|---|---|---|"]
    for spec in fields(Settings):
        name, meta = spec.name, spec.metadata
        flag = f"--{name.replace('_', '-')}"
        default = meta["shown"] or (
            "none"
            if spec.default is None
            else f"`{str(spec.default).lower() if isinstance(spec.default, bool) else spec.default}`"
        )
        limits = f" {meta['low']} to {meta['high']}." if meta["low"] is not None else ""
        rows.append(
            f"| `{flag}`{{#{slug(flag)}}} | `{env_of(name)}` | `{name}` | {default} | {escape_cell(meta['help'])}{limits} |"
        )
    return "\n".join(rows) + "\n"


def _options(bundle: Path, *, of_track: bool) -> str:
    rows = ["| option | type | default | meaning |", "|---|---|---|---|"]
    for option in track_options(bundle) if of_track else tracker_options(bundle):
        anchor = f"track-{slug(option.name)}" if of_track else slug(option.name)
        plain = not option.default or "`" in option.default
        default = escape_cell(option.default) if plain else f"`{escape_cell(option.default)}`"
        type_, description = escape_cell(option.type), escape_cell(option.description)
        rows.append(f"| `{option.name}`{{#{anchor}}} | `{type_}` | {default} | {description} |")
    return "\n".join(rows) + "\n"


def _metrics() -> str:
    from collector.metrics import METRICS

    rows = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        name = f"`{metric.name}`{{#{slug(metric.name)}}}"
        rows.append(f"| {name} | {metric.kind} | {labels} | {escape_cell(metric.meaning)} |")
    return "\n".join(rows) + "\n"


def _reason_codes() -> str:
    from collector.errors import REASONS

    rows = ["| reason | status | retry? | meaning |", "|---|---|---|---|"]
    for code, kind in REASONS.items():
        meaning = " ".join((kind.__doc__ or "").split())
        retry = "yes" if kind.retry else "no" if kind.status != 200 else ""
        rows.append(
            f"| [`{code}`](#{slug(code)}) | {kind.status} | {retry} | {escape_cell(meaning)} |"
        )
    return "\n".join(rows) + "\n"


def _reason(code: str) -> str:
    from collector.errors import REASONS

    kind = REASONS[code]
    return f"**Cause.** {kind.cause}\n\n**Cure.** {kind.cure}\n"


def _features() -> str:
    from .bundle import FEATURES

    return (
        "\n".join(
            [
                "| feature | what it is |",
                "|---|---|",
                *(f"| `{name}` | {words} |" for name, words in FEATURES.items()),
            ]
        )
        + "\n"
    )


def _database(site: Path) -> str:
    """Tables and columns of a database that was just made, with the words of `columns.toml`. Raises
    BuildError where they differ."""
    from sqlite_utils import Database

    from collector.store import SOURCE_FIELDS
    from collector.store.migrations import migrations
    from collector.store.sources import add_columns, missing_columns

    path = site / COLUMNS
    text = path.read_text(encoding="utf-8")
    words: dict[str, dict[str, str]] = tomllib.loads(text)
    fields_of_source = {name: spec.help for name, spec in SOURCE_FIELDS.items()}
    words["sources"] = {**words.get("sources", {}), **fields_of_source}
    lines, problems = [], []
    database = Database(sqlite3.connect(":memory:"))
    migrations.apply(database)
    add_columns(database, missing_columns(database))
    tables = {
        table.name: table.columns
        for table in [*database.views, *database.tables]
        if not table.name.startswith(("sqlite_", "_"))
    }
    for name, columns in tables.items():
        said = words.get(name, {})
        end = (
            text.count("\n", 0, text.find(f"[{name}]")) + 1
            if f"[{name}]" in text
            else text.count("\n")
        )
        missing = [column.name for column in columns if column.name not in said]
        problems += [
            Problem(
                path,
                end,
                f'the column {name}.{column} is not explained. Add a line below [{name}]: {column} = "…"',
            )
            for column in missing
        ]
        for unknown in said.keys() - {"about", *(column.name for column in columns)}:
            close = get_close_matches(unknown, [column.name for column in columns], 1)
            hint = f"Did you mean {close[0]}?" if close else "Take the line out."
            problems.append(Problem(path, end, f"there is no column {name}.{unknown}. {hint}"))
        lines += [
            f"## {name}",
            "",
            said.get("about", ""),
            "",
            "| column | type | meaning |",
            "|---|---|---|",
        ]
        lines += [
            f"| `{c.name}` | {_kind(c)} | {escape_cell(said.get(c.name, ''))} |" for c in columns
        ]
        lines.append("")
    database.close()
    problems += [
        Problem(
            path,
            text.count("\n", 0, text.find(f"[{name}]")) + 1,
            f"there is no table {name}. Take it out.",
        )
        for name in words.keys() - tables.keys()
    ]
    if problems:
        raise BuildError(*problems)
    return "\n".join(lines)


def _kind(column: Any) -> str:
    return str(column.type).lower() + ("" if column.notnull or column.is_pk else ", may be null")

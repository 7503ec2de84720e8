"""What the program says of itself: Markdown for the reference, and whether the reference explains
every word that users meet."""

import inspect
import re
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .. import paths
from ..errors import BuildError, Problem
from .fingerprint import fingerprint_of
from .page_renderer import slug

COLUMNS = "columns.toml"
"""What each column of the database means, beside the docs."""


@dataclass(frozen=True)
class Word:
    """Something with a name that users meet. `anchor`: where a page explains it."""

    kind: str
    name: str
    anchor: str
    path: Path
    line: int


def program_fingerprint(site: Path, bundle: Path) -> str:
    """Changes when something changes that the generated parts are made of."""
    here = Path(__file__).parent.parent
    files = [*here.rglob("*.py"), *(here.parent / "collector").rglob("*.py"), *site.glob("*.toml")]
    files += [paths.JS / "src" / "types.ts", bundle / "tracker.d.ts"]
    return fingerprint_of(
        *(f"{path} {path.stat().st_mtime_ns}" for path in sorted(files) if path.is_file())
    )


def generators(site: Path, bundle: Path) -> dict[str, Callable[[], str]]:
    """Name → what makes the Markdown for it."""
    return {
        "settings": _settings,
        "commands": _commands,
        "options": lambda: _options(bundle, of_track=False),
        "track-options": lambda: _options(bundle, of_track=True),
        "metrics": _metrics,
        "database": lambda: _database(site),
        "features": _features,
    }


def check_reference(
    site: Path, bundle: Path, pages: dict[str, str], anchors: dict[str, list[str]]
) -> Iterator[Problem]:
    """A problem for each word of the program that the page for its kind does not explain."""
    found: dict[str, Callable[[], list[Word]]] = {
        "reasons": _reasons,
        "options": lambda: _option_words(bundle),
        "commands": _command_words,
        "settings": _setting_words,
        "metrics": _metric_words,
    }
    for kind, page in pages.items():
        if kind not in found:
            yield Problem(
                site / "site.toml",
                1,
                f"[reference] has no {kind!r}. There are: {', '.join(found)}.",
            )
        elif page not in anchors:
            yield Problem(site / "site.toml", 1, f"[reference] {kind}: there is no page {page}.")
        else:
            line = (site / page).read_text(encoding="utf-8").count("\n")
            for word in found[kind]():
                if word.anchor not in anchors[page]:
                    where = f"{word.path.relative_to(paths.SOURCE_TREE or word.path.anchor)}:{word.line}"
                    cure = f"Explain it below a heading: ## {word.name} {{#{word.anchor}}}"
                    yield Problem(
                        site / page,
                        line,
                        f"the {word.kind} {word.name!r} ({where}) is not explained here. {cure}",
                    )


# Words.


def _line_of(path: Path, pattern: str) -> int:
    text = path.read_text(encoding="utf-8")
    found = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _reasons() -> list[Word]:
    from collector import errors

    kinds: list[type[errors.Refused]] = [errors.Refused]
    for kind in kinds:
        kinds += kind.__subclasses__()
    path = Path(errors.__file__)
    words = sorted({"stored", "duplicate", *(kind.reason for kind in kinds)})
    return [
        Word("reason word", word, slug(word), path, _line_of(path, rf'reason = "{word}"'))
        for word in words
    ]


def _option_words(bundle: Path) -> list[Word]:
    from .tracker_options import track_options, tracker_options

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
        Word("metric", name, slug(name), path, _line_of(path, rf'"{name}"'))
        for name, *_ in _known_metrics()
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


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


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
            f"| `{flag}`{{#{slug(flag)}}} | `{env_of(name)}` | `{name}` | {default} | {_cell(meta['help'])}{limits} |"
        )
    return "\n".join(rows) + "\n"


def _options(bundle: Path, *, of_track: bool) -> str:
    from .tracker_options import track_options, tracker_options

    rows = ["| option | type | default | meaning |", "|---|---|---|---|"]
    for option in track_options(bundle) if of_track else tracker_options(bundle):
        anchor = f"track-{slug(option.name)}" if of_track else slug(option.name)
        plain = not option.default or "`" in option.default
        default = _cell(option.default) if plain else f"`{_cell(option.default)}`"
        rows.append(
            f"| `{option.name}`{{#{anchor}}} | `{_cell(option.type)}` | {default} | {_cell(option.words)} |"
        )
    return "\n".join(rows) + "\n"


def _known_metrics() -> list[tuple[str, str, str, tuple[str, ...]]]:
    from prometheus_client.metrics import MetricWrapperBase

    from collector import metrics

    found = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    return [
        (
            f"{m._name}_total" if m._type == "counter" else m._name,
            str(m._type),
            m._documentation,
            tuple(m._labelnames),
        )
        for m in found
    ]


def _metrics() -> str:
    rows = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for name, kind, words, labels in _known_metrics():
        rows.append(
            f"| `{name}`{{#{slug(name)}}} | {kind} | {', '.join(f'`{label}`' for label in labels)} | {_cell(words)} |"
        )
    return "\n".join(rows) + "\n"


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

    from collector.store.schema import migrations

    path = site / COLUMNS
    text = path.read_text(encoding="utf-8")
    words: dict[str, dict[str, str]] = tomllib.loads(text)
    lines, problems = [], []
    database = Database(sqlite3.connect(":memory:"))
    migrations.apply(database)
    tables = {
        table.name: table.columns
        for table in database.tables
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
        lines += [f"| `{c.name}` | {_kind(c)} | {_cell(said.get(c.name, ''))} |" for c in columns]
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


def commands() -> Iterator[tuple[str, Any, Any]]:
    """Every command with its full name and its context, in the order of the help, groups before
    what is in them."""
    import typer

    from ..main import application

    root = typer.main.get_command(application())
    with root.make_context("thamesthrive", [], resilient_parsing=True) as context:
        yield from _walk("thamesthrive", root, context)


def _walk(name: str, command: Any, parent: Any) -> Iterator[tuple[str, Any, Any]]:
    yield name, command, parent
    for inner in (
        (command.commands[word] for word in command.list_commands(parent))
        if hasattr(command, "commands")
        else ()
    ):
        if not inner.hidden:
            context = type(parent)(inner, info_name=inner.name, parent=parent)
            yield from _walk(f"{name} {inner.name}", inner, context)


_EXAMPLE = re.compile(r"\n\s*Examples:\s*(.+)\Z", re.DOTALL)


def examples_of(command: Any) -> list[str]:
    """The command lines that a command's help gives as examples."""
    found = _EXAMPLE.search(command.help or "")
    return re.findall(r"`([^`]+)`", found[1]) if found else []


def _commands() -> str:
    lines = []
    for name, command, context in commands():
        words = _EXAMPLE.sub("", inspect.cleandoc(command.help or ""))
        usage = " ".join([name, *command.collect_usage_pieces(context)])
        lines += [
            f"{'##' if name.count(' ') < 2 else '###'} {name}",
            "",
            words,
            "",
            "```text",
            usage,
            "```",
            "",
        ]
        parameters = [
            p
            for p in command.params
            if not p.hidden and p.name not in ("install_completion", "show_completion")
        ]
        if parameters:
            lines += [
                "| option | meaning |",
                "|---|---|",
                *(_parameter(parameter, context) for parameter in parameters),
                "",
            ]
        if examples := examples_of(command):
            lines += ["```bash", *examples, "```", ""]
    return "\n".join(lines)


def _parameter(parameter: Any, context: Any) -> str:
    if parameter.param_type_name == "argument":
        return (
            f"| `{parameter.metavar or parameter.name.upper()}` | {_cell(parameter.help or '')} |"
        )
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    default = (
        parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    )
    shown = (
        f" Default: {default}."
        if default not in (None, False, True) and not callable(default)
        else ""
    )
    return f"| {names} | {_cell(parameter.help or '')}{_cell(shown)} |"

"""`thamesthrive qa …`: what a running collector knows of runs of tests."""

import json
import signal
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from collector.run_diff import NOTHING, RunDiff, compare_runs
from collector.settings import load_settings

from ..errors import CliError, ProblemsFound
from ..output import data, note, show, table
from ..qa_client import QaClient
from ..stored_runs import StoredRuns
from .console import local_address
from .options import HostOption, JsonOption, PortOption, TokenOption, open_readonly
from .qa_record import record

app = typer.Typer(
    no_args_is_help=True,
    help="Runs of tests: what was stored, rejected and refused of each, and tests that are recorded. The"
    " collector must be running with `--qa`.\n\nExamples:\n\n- `thamesthrive qa show checkout-1`",
)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]
UrlOption = Annotated[
    str | None,
    typer.Option(help="The collector's address.", show_default="from host and port"),
]
WIDTH = 100  # characters of properties in a line
app.command()(record)


@app.command("show")
def show_(
    run: RunArgument,
    url: UrlOption = None,
    host: HostOption = None,
    port: PortOption = None,
    token: TokenOption = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--db", help="Read this database instead of asking a collector. Requests are not in it."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Shows a run: its events, rejected events, and each request with what became of it.

    Exit code 1 if there is nothing of the run, 4 if no collector answers.

    Examples:

    - `thamesthrive qa show checkout-1`
    - `thamesthrive qa show checkout-1 --json`
    - `thamesthrive qa show checkout-1 --db events.db`
    """
    source: QaClient | StoredRuns
    with ExitStack() as stack:
        if file is None:
            source = _client(url, host, port, token)
        else:
            source = StoredRuns(stack.enter_context(open_readonly(file)))
        found = {
            "run": run,
            "events": source.events(run),
            "rejected": source.rejected(run),
            "requests": source.journal(run),
        }
        if not any(found[name] for name in ("events", "rejected", "requests")):
            raise ProblemsFound(_nothing_of(source, run))
    show(found, lambda: _print_run(found), as_json=as_json)


@app.command()
def tail(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="The run's id.", show_default="the newest run"),
    ] = None,
    url: UrlOption = None,
    host: HostOption = None,
    port: PortOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows what comes in of a run, from its beginning on, until Ctrl-C.

    With --json: one object a line, with `kind` (event, rejected or request) and `data`.

    Examples:

    - `thamesthrive qa tail`
    - `thamesthrive qa tail checkout-1 --json`
    """
    client = _client(url, host, port, token)
    if run is None:
        runs = client.runs()
        if not runs:
            raise ProblemsFound("There are no runs. Name the one that you are about to start.")
        run = str(runs[0]["run"])
        note(f"Run {run}. Ctrl-C stops.")
    # Also where it was started in the background, with that ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for kind, item in client.stream(run):
        if as_json:
            data(json.dumps({"kind": kind, "data": item}, ensure_ascii=False))
        else:
            data(_line(kind, item))


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="The id of a run.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The id of the other one.")],
    url: UrlOption = None,
    host: HostOption = None,
    port: PortOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compares the events of two runs, type by type, in the order in which they came.

    Exit code 0 if types, numbers and properties are the same, 1 if not.

    Examples:

    - `thamesthrive qa diff before after`
    """
    client = _client(url, host, port, token)
    events = []
    for run in (first, second):
        events.append(client.events(run))
        if not events[-1]:
            raise CliError(_nothing_of(client, run))
    found = compare_runs(*events)
    show(found, lambda: _print_diff(found, first, second), as_json=as_json)
    if found:
        raise typer.Exit(1)


def _client(url: str | None, host: str | None, port: int | None, token: str | None) -> QaClient:
    settings = load_settings({"host": host, "port": port})
    return QaClient((url or local_address(settings)).rstrip("/"), token)


def _nothing_of(source: QaClient | StoredRuns, run: str) -> str:
    latest = [str(found["run"]) for found in source.runs()[:3]]
    others = f" The latest runs are {', '.join(latest)}." if latest else " There are no runs."
    return f"There is nothing of run {run}.{others}"


def _print_run(found: dict[str, Any]) -> None:
    events, rejected, requests = (found[name] for name in ("events", "rejected", "requests"))
    counts = ((events, "event"), (rejected, "rejected event"), (requests, "request"))
    said = ", ".join(f"{len(of)} {word}{'' if len(of) == 1 else 's'}" for of, word in counts)
    data(f"Run {found['run']}: {said}")
    parts = (
        (
            "Events",
            ("seq", "received", "type", "session", "properties"),
            [
                [str(e["seq"]), _time(e), e["type"], e["session_id"] or "", _short(e["properties"])]
                for e in events
            ],
        ),
        (
            "Rejected",
            ("received", "type", "reason", "where", "what is wrong"),
            [
                [_time(r), r["type"] or "", r["reason"], r["pointer"] or "-", r["detail"]]
                for r in rejected
            ],
        ),
        (
            "Requests",
            ("received", "ms", "request", "status", "reason", "run from", "events"),
            [_request_cells(request) for request in requests],
        ),
    )
    for title, columns, rows in parts:
        if rows:
            data(f"\n{title}")
            table(columns, rows, numbers=["seq", "ms", "status"])


def _request_cells(request: dict[str, Any]) -> list[str]:
    return [
        _time(request),
        f"{request['ms']:.1f}",
        f"{request['method']} {request['route']}",
        str(request["status"]),
        request["reason"],
        request["run_from"] or "",
        _verdicts(request["events"]),
    ]


def _verdicts(events: Iterable[dict[str, Any]]) -> str:
    return ", ".join(f"{event['type'] or '?'} {event['verdict']}" for event in events)


def _time(row: dict[str, Any]) -> str:
    return str(row["received_at"])[11:23]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _print_diff(found: RunDiff, first: str, second: str) -> None:
    if not found:
        data(f"{first} and {second} have the same events.")
        return
    for mark, run, events in (("-", first, found.only_first), ("+", second, found.only_second)):
        for event in events:
            data(f"{mark} {event['type']} {_short(event['properties'])}   only in {run}")
    for change in found.changed:
        data(f"~ {change.type} (number {change.number})")
        for path, (one, other) in change.fields.items():
            data(f"    {path}: {_value(one)} → {_value(other)}")


def _value(value: Any) -> str:
    return NOTHING if value == NOTHING else _short(value)


def _line(kind: str, item: dict[str, Any]) -> str:
    """What came in, in a line."""
    if kind == "event":
        text = f"{item['type']} {_short(item['properties'])}"
    elif kind == "rejected":
        where = item["pointer"] or "the event"
        text = f"{item['type'] or '?'} {item['reason']}, {where}: {item['detail']}"
    else:
        verdicts = _verdicts(item["events"])
        answer = f"{item['status']} {item['reason']} in {item['ms']:.1f} ms"
        text = f"{item['method']} {item['route']}: {answer}; {verdicts}"
    return f"{_time(item)} {kind:<8} {text}"

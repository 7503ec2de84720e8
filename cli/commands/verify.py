"""`thamesthrive verify`: why a page's events are not stored."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import CliError, ProblemsFound, Usage
from ..output import data, note, show
from .options import complete_sources

if TYPE_CHECKING:
    from collector.verify import Report


class NotLooked(CliError):
    """A page, or its collector, could not be looked at."""

    exit_code = 2


def verify(
    url: Annotated[str, typer.Argument(help="The address of a page that should be tracked.")],
    source: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="The source that the page should send to.",
            show_default="the one in the page",
            autocompletion=complete_sources,
        ),
    ] = None,
    api: Annotated[
        str | None,
        typer.Option(
            help="The collector's address, as pages reach it.", show_default="the one in the page"
        ),
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            help="Run this stage only: static or collector. May be repeated.", show_default="all"
        ),
    ] = None,
    resolve: Annotated[
        list[str] | None,
        typer.Option(
            help="Use this address for a name, as in shop.example=10.0.0.5: for a site that is not"
            " in the DNS yet. May be repeated."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a text.")] = False,
) -> None:
    """Finds out why the events of a page are not stored, and says what to paste to cure it.

    The stage `static` reads the page's HTML, its headers and policies, and `collector` asks the
    collector as a browser on that page would. Neither stores an event.

    Exit code 1 if something is wrong, 2 if the page could not be fetched.

    Examples:

    - `thamesthrive verify https://www.example.com`
    - `thamesthrive verify https://www.example.com --source ID --json`
    - `thamesthrive verify https://www.example.com --stage static`
    """
    from collector.verify import STAGES, Check, Guard, report_text
    from collector.verify import verify as run

    names = stage or [*STAGES]
    for name in names:
        if name not in STAGES:
            raise Usage(f"There is no stage {name!r}. Choose among: {', '.join(STAGES)}.")
    guard = Guard(hosts=_hosts(resolve or []))
    report = run(Check(_address(url), source, api, guard), names)
    show(report, lambda: data(report_text(report)), as_json=as_json)
    _conclude(report)


def _conclude(report: "Report") -> None:
    """The last line, and the exit code."""
    if report.problems:
        count = len(report.problems)
        first = report.problems[0]
        raise ProblemsFound(
            f"{count} problem{'s' if count > 1 else ''} found: {first.code}, {first.kind.title.lower()}."
        )
    for one in report.stages:
        if one.state == "failed":
            raise NotLooked(one.detail)
    note("No problems found.")


def _address(url: str) -> str:
    """An address as people write it, with its scheme."""
    return url if "://" in url else f"https://{url}"


def _hosts(pairs: list[str]) -> dict[str, str]:
    from ipaddress import ip_address

    hosts = {}
    for pair in pairs:
        name, _, address = pair.partition("=")
        try:
            hosts[name.lower()] = str(ip_address(address))
        except ValueError as error:
            raise Usage(
                f"--resolve {pair}: write a name and an IP address, as in shop.example=10.0.0.5"
            ) from error
    return hosts

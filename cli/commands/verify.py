"""`thamesthrive verify`: why a page's events are not stored."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from collector.settings import load_settings

from ..errors import CliError, ProblemsFound, Usage
from ..output import data, json_data, note, show
from .options import DbOption, complete_sources
from .verify_stages import Access, manual_stage, stages_of

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
            help="Run this stage only: static, collector, browser or storage. May be repeated.",
            show_default="all",
        ),
    ] = None,
    resolve: Annotated[
        list[str] | None,
        typer.Option(
            help="Use this address for a name, as in shop.example=10.0.0.5: for a site that is not"
            " in the DNS yet. May be repeated."
        ),
    ] = None,
    manual: Annotated[
        bool,
        typer.Option(
            "--manual",
            help="Print a link for your own browser, as for pages behind a login, and wait for its events.",
        ),
    ] = False,
    timeout: Annotated[
        int, typer.Option(min=1, max=86400, help="Seconds that --manual waits.")
    ] = 300,
    db: DbOption = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A file with a token of the collector at --api: to look at what it stores, where its"
            " database is on another machine.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a text.")] = False,
    as_sarif: Annotated[
        bool, typer.Option("--sarif", help="Print SARIF 2.1.0, which code hosts show.")
    ] = False,
) -> None:
    """Finds out why the events of a page are not stored, and says what to paste to cure it.

    The stage `static` reads the page's HTML, its headers and policies; `collector` asks the collector
    as a browser on that page would; `browser` opens the page in Chromium, with consent and with a
    blocker's rules as well; `storage` looks whether what was sent is stored. What they store is
    removed again. The last two need the extra `verify`, and a way to see what is stored: the
    collector's database, a collector with --qa, or a token.

    Exit code 1 if something is wrong, 2 if it could not look.

    Examples:

    - `thamesthrive verify https://www.example.com`
    - `thamesthrive verify https://www.example.com --source ID --json`
    - `thamesthrive verify https://www.example.com --stage static --stage collector --sarif`
    - `thamesthrive verify https://www.example.com/account --source ID --manual`
    """
    from collector.verify import BROWSER_STAGES, STAGES, Check, Guard, report_text, run_stages

    known = [*STAGES, *BROWSER_STAGES]
    for name in stage or []:
        if name not in known:
            raise Usage(f"There is no stage {name!r}. Choose among: {', '.join(known)}.")
    if token_file and not api:
        raise Usage("--token-file needs --api: a token is sent to no address that a page names.")
    if manual and stage:
        raise Usage("--manual and --stage exclude each other.")
    # Also where it was started in the background, with that ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    check = Check(_address(url), source, api, Guard(hosts=_hosts(resolve or [])))
    access = Access(load_settings({"db": db}), api, token_file)
    say_link = note if as_json or as_sarif else data
    report = run_stages(
        check,
        [manual_stage(check, access, timeout, say_link)]
        if manual
        else stages_of(stage or known, access),
    )
    if as_sarif:
        from collector import __version__
        from collector.verify.sarif import sarif_of

        json_data(sarif_of(report, __version__))
    else:
        show(report, lambda: data(report_text(report)), as_json=as_json)
    if stored := report.facts.get("stored"):
        note(f"Stored, and removed again: {stored}.")
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

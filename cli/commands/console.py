"""`thamesthrive console`: opens the console in the browser, logged in."""

import webbrowser
from typing import Annotated

import typer

from collector.settings import Settings, load_settings

from ..errors import CliError
from ..output import data, note, show
from .options import DbOption, HostOption, JsonOption, PortOption, open_database

TIMEOUT = 5.0  # seconds


def console(
    db: DbOption = None,
    host: HostOption = None,
    port: PortOption = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="The collector's address, as the browser reaches it.",
            show_default="from host and port",
        ),
    ] = None,
    open_: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the browser, or only print the link.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Opens the console in the browser, where you see what comes in.

    The link logs one browser in, once, within a minute. The collector must be running. It is for
    users of the collector's machine, who can read its database; others log in with a token.

    Examples:

    - `thamesthrive console`
    - `thamesthrive console --no-open`
    """
    settings = load_settings({"db": db, "host": host, "port": port})
    address = (url or local_address(settings)).rstrip("/")
    _require_console(address)
    link = make_link(settings, address)
    show({"url": link, "seconds": 60}, lambda: data(link), as_json=as_json)
    if open_ and not as_json and not webbrowser.open(link):
        note("No browser was found. Open the link in one, within a minute.")


def make_link(settings: Settings, address: str) -> str:
    """A link that logs its first user in at a collector's console."""
    from collector.store.console_sessions import create_link

    with open_database(settings.db) as database:
        return f"{address}/console/login/{create_link(database.conn)}"


def local_address(settings: Settings) -> str:
    """The collector's address for a browser of this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _require_console(address: str) -> None:
    """Raises CliError if no console answers at an address."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        urlopen(f"{address}/console/login", timeout=TIMEOUT).close()  # noqa: S310 - the user's own
    except HTTPError as error:
        raise CliError(
            f"There is no console at {address}: its answer is {error.code}. Is it of an older version, or"
            " started with --console off?"
        ) from error
    except (OSError, HTTPException, ValueError) as error:
        raise CliError(
            f"No collector answers at {address}. Start one: thamesthrive serve. If it has another"
            " address: --url, or --port."
        ) from error

"""`thamesthrive qa record`: a test from what a person does on a page."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from collector.settings import load_settings

from ..errors import Usage
from ..output import note
from .options import ApiOption, HostOption, PortOption, TokenOption, address_of


def record(
    url: Annotated[str, typer.Argument(metavar="URL", help="The page to begin with.")],
    into: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write the test. It must not exist.")
    ] = Path("test_recorded.py"),
    headless: Annotated[
        bool,
        typer.Option(
            "--headless", help="Open no window, and print the address to drive the browser at."
        ),
    ] = False,
    api: ApiOption = None,
    host: HostOption = None,
    port: PortOption = None,
    token: TokenOption = None,
) -> None:
    """Opens a browser, and writes a pytest file that does what you do in it and expects the events
    that were stored. Ends when you close the window, or on Ctrl-C.

    The page sends to a collector that was started with --qa.

    Examples:

    - `thamesthrive qa record http://127.0.0.1:8000/shop --into test_shop.py`
    """
    from collector.testing.recorder import RecordedTest
    from collector.testing.recorder import record as record_test

    if not url.startswith(("http://", "https://")):
        raise Usage(f"{url!r} is not an address: begin with http:// or https://.")
    if into.exists():
        raise Usage(f"{into} exists. Remove it, or name another file with --into.")
    if not into.resolve().parent.is_dir():
        raise Usage(f"There is no folder {into.resolve().parent}.")
    collector = address_of(load_settings({"host": host, "port": port}), api)

    async def run() -> RecordedTest:
        finished = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, finished.set)
        return await record_test(
            url,
            collector,
            token=token,
            headless=headless,
            on_ready=_say_ready,
            finished=finished,
        )

    recorded = asyncio.run(run())
    into.write_text(recorded.code, encoding="utf-8")
    note(f"Wrote {into}. Run it: pytest {into} {recorded.options}")


def _say_ready(address: str) -> None:
    if address:
        note(f"Drive the browser at {address}; Ctrl-C ends the recording.")
    else:
        note("Recording. Close the window when you are done.")

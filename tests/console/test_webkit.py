"""Every page in WebKitGTK, driven by Selenium. Runs with ENGINE=webkit only: `make test-browsers`."""

from typing import TYPE_CHECKING

import pytest

from collector.store.console_sessions import create_link

from ..browser.install import ENGINE
from ..support import Collector, wait_for
from .every_page import fill
from .test_every_page import EVENT

pytestmark = [
    pytest.mark.skipif(ENGINE != "webkit", reason="ENGINE=webkit runs it: make test-browsers"),
    pytest.mark.filterwarnings(
        "ignore:setting remote_server_addr:DeprecationWarning"
    ),  # Selenium's own
]

if TYPE_CHECKING:
    from selenium.webdriver.webkitgtk.webdriver import WebDriver

HEADING = "return document.querySelector('main h1')?.textContent || ''"
# Its script has run: only then is the button for colours there.
RUN = "return document.getElementById('theme')?.hidden === false"


def test_every_page_is_there_and_its_script_runs(
    console_collector: Collector, webkit: "WebDriver"
) -> None:
    found = fill(console_collector, "WebKit", EVENT, {})
    with console_collector.database() as database:
        secret = create_link(database.conn)
    root = f"{console_collector.url}/console"
    webkit.get(f"{root}/login/{secret}")
    wait_for(lambda: webkit.current_url == root, "the link to log in")
    for address in found.addresses():
        webkit.get(root + address)
        wait_for(lambda: webkit.execute_script(RUN), f"the script of {address}")
        assert webkit.execute_script(HEADING), address


def test_what_comes_in_appears(console_collector: Collector, webkit: "WebDriver") -> None:
    found = fill(console_collector, "WebKit live", EVENT, {})
    with console_collector.database() as database:
        secret = create_link(database.conn)
    root = f"{console_collector.url}/console"
    webkit.get(f"{root}/login/{secret}")
    wait_for(lambda: webkit.current_url == root, "the link to log in")
    webkit.get(f"{root}/live?source={found.source_id}")
    rows = "return document.querySelectorAll('#live-rows tr').length"
    wait_for(lambda: webkit.execute_script(rows) == 2, "the rows")
    console_collector.post({"source": {"id": found.source_id}, "events": [{"type": "new"}]})
    wait_for(lambda: webkit.execute_script(rows) == 3, "the new row")

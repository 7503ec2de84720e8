"""`thamesthrive dev`: open pages reload when a file is saved, and show why a build failed."""

import contextlib
import hashlib
import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Error, Page, expect

from ..support import PATIENCE, run, wait_for
from .dev_server import DevServer

MILLISECONDS = PATIENCE * 1000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    with DevServer(tmp_path_factory.mktemp("dev") / "copy") as server:
        yield server


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(MILLISECONDS)
    yield page
    with contextlib.suppress(Exception):
        page.goto("about:blank")
    page.close()


CHANGES = {
    "Markdown": (
        "docs/how-to/spa.html",
        "site/docs/how-to/spa.md",
        "Before a navigation",
        "Ahead of a navigation",
        "Ahead of a",
    ),
    "a template": (
        "docs/how-to/spa.html",
        "templates/doc.html",
        "<span>Previous</span>",
        "<span>Earlier</span>",
        "Earlier",
    ),
    "a test page": (
        "pages/fire.html",
        "site/pages/fire.html",
        "{% block main %}",
        "{% block main %}<p>Just added</p>",
        "Just added",
    ),
    "a script of the site": (
        "docs/how-to/spa.html",
        "js/site/site.ts",
        '["Auto",',
        '["Automatic",',
        "Automatic",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_reaches_the_browser(server: DevServer, page: Page, what: str) -> None:
    address, name, old, new, visible = CHANGES[what]
    page.goto(f"{server.url}/{address}")
    server.replace(name, old, new)
    expect(page.get_by_text(visible).filter(visible=True).first).to_be_visible(timeout=MILLISECONDS)


def test_a_second_one_beside_it_is_refused(server: DevServer) -> None:
    done = run("dev", "--port", "0", cwd=server.root, env={"PYTHONPATH": str(server.root)})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: `thamesthrive dev` runs in this folder already. Use that one, or stop it with Ctrl-C.\n"
    )


def test_a_change_of_the_tracker_reaches_the_page(server: DevServer, page: Page) -> None:
    page.goto(f"{server.url}/pages/basic.html")
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    server.replace(
        "js/src/tracker.ts", "const page =", 'console.log("from a new tracker");\nconst page ='
    )

    def new_tracker() -> bool:
        with contextlib.suppress(Error):  # the page may be reloading
            page.evaluate("0")  # Playwright delivers console messages during a call only
        return "from a new tracker" in messages

    wait_for(new_tracker, "the page to run the new tracker")


def test_styles_change_without_a_reload(server: DevServer, page: Page) -> None:
    # A page that hears only afterwards of a build that it was too early for is reloaded.
    connected: list[bool] = []
    protocol = page.context.new_cdp_session(page)
    protocol.send("Network.enable")
    protocol.on("Network.eventSourceMessageReceived", lambda _: connected.append(True))
    page.goto(f"{server.url}/docs/how-to/spa.html")
    page.evaluate("window.stillHere = true")

    def is_connected() -> bool:
        page.evaluate("0")  # Playwright delivers the protocol's events during a call only
        return bool(connected)

    wait_for(is_connected, "the page to know of the last build")
    server.replace("templates/assets/style.css", ":root {", ":root { --changed: yes;")
    look = "getComputedStyle(document.documentElement).getPropertyValue('--changed')"
    wait_for(lambda: page.evaluate(look) == "yes", "the new styles")
    assert page.evaluate("window.stillHere")


def test_a_mistake_is_shown_on_the_page_until_it_is_fixed(server: DevServer, page: Page) -> None:
    page.goto(f"{server.url}/docs/how-to/consent.html")
    server.replace(
        "site/docs/how-to/consent.md", "(../explanation/privacy.md)", "(../explanation/privcy.md)"
    )
    overlay = page.get_by_role("alertdialog", name="The build failed")
    expect(overlay).to_contain_text("site/docs/how-to/consent.md:", timeout=MILLISECONDS)
    expect(overlay).to_contain_text("Did you mean ../explanation/privacy.md?")
    expect(overlay).to_contain_text("[privacy](../explanation/privcy.md)")  # the line itself
    wait_for(lambda: any("privcy" in note for note in server.notes), "the error in the terminal")
    server.replace("site/docs/how-to/consent.md", "privcy", "privacy")
    expect(overlay).to_have_count(0, timeout=MILLISECONDS)
    expect(page.get_by_role("heading", name="Ask for consent first")).to_be_visible()


def test_a_mistake_in_typescript_is_shown_with_its_line(server: DevServer, page: Page) -> None:
    page.goto(f"{server.url}/docs/how-to/consent.html")
    server.replace("js/src/queue.ts", "export ", "export const = 5; export ")
    overlay = page.get_by_role("alertdialog", name="The build failed")
    expect(overlay).to_contain_text("js/src/queue.ts:", timeout=MILLISECONDS)
    expect(overlay).to_contain_text("export const = 5;")
    server.replace("js/src/queue.ts", "export const = 5; ", "")
    expect(overlay).to_have_count(0, timeout=MILLISECONDS)


def test_a_mistake_in_a_type_is_shown_although_it_runs(server: DevServer, page: Page) -> None:
    page.goto(f"{server.url}/docs/how-to/consent.html")
    server.replace("js/src/queue.ts", "export ", 'export const five: number = "5"; export ')
    overlay = page.get_by_role("alertdialog", name="The build failed")
    place = overlay.get_by_role("heading", name="js/src/queue.ts:")
    expect(place).to_be_visible(timeout=MILLISECONDS)
    expect(overlay).to_contain_text("Type 'string' is not assignable to type 'number'.")
    server.replace("site/docs/how-to/consent.md", "Ask for consent first", "Ask first")
    expect(page.locator("main h1")).to_have_text("Ask first", timeout=MILLISECONDS)
    expect(overlay).to_contain_text("is not assignable")  # another file's build does not hide it
    server.replace("js/src/queue.ts", 'export const five: number = "5"; export ', "export ")
    server.replace("site/docs/how-to/consent.md", "Ask first", "Ask for consent first")
    heading = page.locator("main h1")
    expect(heading).to_have_text("Ask for consent first", timeout=MILLISECONDS)
    expect(overlay).to_have_count(0, timeout=MILLISECONDS)


def test_what_the_tracker_weighs_is_in_the_terminal(server: DevServer) -> None:
    chance = "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(4))  # 128 bytes
    before = len(server.notes)
    server.replace("js/src/tracker.ts", "const page =", f'console.log("{chance}");\nconst page =')
    # In any order: the sources are read once more for it, maybe by the check of the build before.
    for pattern in (
        r"Minified, brotli: .*tracker\.min\.js \d+ B \(\+1\d\d, \d+ over its budget\)",
        r"Built in \d+ ms \(js/src/tracker\.ts changed\)",
    ):
        said = re.compile(pattern).match
        wait_for(lambda said=said: any(map(said, server.notes[before:])), pattern)  # type: ignore[misc]


def test_a_change_in_python_starts_it_again_and_reloads_the_page(
    server: DevServer, page: Page
) -> None:
    page.goto(f"{server.url}/docs/how-to/spa.html")
    page.evaluate("window.stillHere = true")
    name, old = "collector/errors.py", "Access denied. Invalid source."
    server.replace(name, f'"{old}"', '"Access denied. Invalid source"')

    def is_reloaded() -> bool:
        with contextlib.suppress(Error):  # the page may be reloading
            return bool(page.evaluate("!window.stillHere"))
        return False

    def starts() -> int:
        return len([note for note in server.notes if note.startswith("Started again.")])

    wait_for(lambda: starts() == 1, "it to start again", PATIENCE * 2)
    wait_for(is_reloaded, "the page to reload")
    assert f"Starting again ({name} changed) …\n" in server.notes
    refused = httpx.post(f"{server.url}/track", json={"source": {"id": "nobody"}, "events": []})
    assert refused.json() == {"detail": "Access denied. Invalid source"}
    server.replace(name, 'Invalid source"', 'Invalid source."')
    wait_for(lambda: starts() == 2, "it to start again", PATIENCE * 2)


def test_a_mistake_in_python_is_shown_and_the_collector_stays(
    server: DevServer, page: Page
) -> None:
    page.goto(f"{server.url}/docs/how-to/spa.html")
    overlay = page.get_by_role("alertdialog", name="The build failed")
    server.replace("collector/errors.py", "from ", "import nonsuch\nfrom ")
    expect(overlay).to_contain_text("collector/errors.py:", timeout=MILLISECONDS)
    expect(overlay).to_contain_text("No module named 'nonsuch'")
    assert httpx.get(f"{server.url}/health").status_code == 200
    server.replace("collector/errors.py", "import nonsuch\n", "")
    expect(overlay).to_have_count(0, timeout=MILLISECONDS)
    assert server.process.poll() is None


def test_events_appear_in_the_terminal(server: DevServer, page: Page) -> None:
    page.goto(f"{server.url}/pages/basic.html")
    wait_for(
        lambda: any("purchase-order" in line for line in server.output),
        "the event in the terminal",
    )
    expect(page.get_by_text("As expected: 3 events stored.")).to_be_visible(timeout=MILLISECONDS)


def test_it_starts_despite_a_mistake_and_stops_at_ctrl_c(
    tmp_path_factory: pytest.TempPathFactory, page: Page
) -> None:
    server = DevServer(tmp_path_factory.mktemp("broken") / "copy")
    server.replace("site/docs/index.md", "(tutorial/index.md)", "(tutorial/nowhere.md)")
    with server:
        page.goto(f"{server.url}/index.html")
        expect(page.get_by_role("alertdialog")).to_contain_text(
            "tutorial/nowhere.md", timeout=MILLISECONDS
        )
        server.replace("site/docs/index.md", "nowhere", "index")
        expect(page.get_by_role("heading", level=1)).to_contain_text(
            "Every event", timeout=MILLISECONDS
        )
        assert server.stop() == 0
        assert "Stopped." in server.notes[-1]

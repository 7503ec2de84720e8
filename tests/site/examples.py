"""Runs the examples of the documentation as a reader would."""

import contextlib
import os
import re
import shlex
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from markdown_it import MarkdownIt
from playwright.sync_api import Browser, ConsoleMessage
from sqlite_utils import Database

from cli.builder.code_fence import FenceInfo, parse_info
from cli.builder.front_matter import parse_markdown_page
from cli.builder.guides import load_guides
from collector import store
from collector.install.example_values import EXAMPLE_API, EXAMPLE_SOURCE_ID

from ..browser.environment import snippet
from ..support import PATIENCE, ROOT, Collector, wait_for, web_server

BIN = Path(sys.executable).parent
SITE = ROOT / "site"
SERVE = re.compile(r"thamesthrive serve\b")
LANGUAGES = {"bash", "python", "js", "html"}


@dataclass(frozen=True)
class Example:
    """A fenced code block that can be run."""

    page: str
    line: int
    info: FenceInfo
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def load_examples() -> dict[str, list[Example]]:
    """Returns the examples of each page in order, without those marked `norun`."""
    texts = {
        str(path.relative_to(SITE)): (path, path.read_text())
        for path in sorted((SITE / "docs").rglob("*.md"))
    }
    texts |= {guide.page_path: (guide.path, guide.text) for guide in load_guides(SITE)}
    found: dict[str, list[Example]] = {}
    for page, (path, text) in texts.items():
        parsed = parse_markdown_page(path, text)
        for token in MarkdownIt("commonmark").parse(parsed.body):
            if (
                token.type == "fence"
                and token.map
                and not token.info.startswith(("snippet", "generated"))
            ):
                info = parse_info(token.info)
                if info.language in LANGUAGES and "norun" not in info.options:
                    found.setdefault(page, []).append(
                        Example(page, parsed.body_offset + token.map[0] + 1, info, token.content)
                    )
    return found


def as_html(example: Example) -> str:
    """Returns the example as part of a page."""
    if example.info.language == "html":
        return example.code
    # A page may change `options` while its HTML is parsed; modules run only after that.
    module = re.search(r"(?m)^import\b|^await\b", example.code)
    return f"<script{' type=module' if module else ''}>\n{example.code}\n</script>"


def share_a_page(examples: list[Example]) -> list[Example]:
    """Returns those that go with the classic snippet."""
    return [
        example
        for example in examples
        if example.info.language in ("js", "html")
        and not re.search(r"tracker\.mjs|script\[data-source\]|<noscript>", example.code)
    ]


class Reader:
    """A reader with an empty folder, a shell, a browser, and a collector that has the example's
    source."""

    def __init__(self, folder: Path, browser: Browser, page: list[Example]) -> None:
        self.folder, self.browser = folder, browser
        self.db = folder / "thamesthrive.db"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.running: list[subprocess.Popen[str]] = []
        # One shell for the whole page; it exits at the first command that fails.
        self.shell = subprocess.Popen(
            ["bash", "-e"], cwd=folder, env=self._environment(), stdin=subprocess.PIPE, text=True
        )
        self.collector: Collector | None = None
        self.starts_collector = any(
            "background" in example.info.options and SERVE.search(example.code) for example in page
        )
        # Pages continue after the tutorial, which makes its own folder.
        self._seed(self.db)
        if not self.starts_collector:
            self.collector = Collector(folder)
            self.collector.db, self.collector.port = self.db, self.port
            self.collector.start()

    def _seed(self, db: Path) -> None:
        store.migrate(db)
        with contextlib.closing(store.connect(db)) as connection:
            made = store.add_source(Database(connection), "Example", bridges=["rest", "webhook"])
            connection.execute(
                "UPDATE sources SET id = ? WHERE id = ?", [EXAMPLE_SOURCE_ID, made.id]
            )
            connection.commit()

    def run(self, example: Example) -> None:
        """Runs the example, and waits for the events that it should store."""
        code = example.code.replace(EXAMPLE_API, self.url)
        {"bash": self._bash, "python": self._python, "js": self._js, "html": self._html}[
            example.info.language
        ](example, code)
        if opened := example.info.options.get("opens"):
            self._open((self.folder_of_shell / opened).as_uri(), example)
        self._wait_for_events(example)

    def _wait_for_events(self, example: Example) -> None:
        stores = example.info.options.get("stores", "")
        if stores:
            expected = set(stores.split(","))
            wait_for(lambda: expected <= self._stored(), f"{stores} of {example}")

    def _stored(self) -> set[str]:
        with contextlib.closing(
            sqlite3.connect(f"file:{self.folder_of_shell / 'thamesthrive.db'}?mode=ro", uri=True)
        ) as connection:
            return {row[0] for row in connection.execute("SELECT type FROM events")}

    @property
    def folder_of_shell(self) -> Path:
        """The shell's current folder."""
        return Path(f"/proc/{self.shell.pid}/cwd").resolve()

    def _environment(self) -> dict[str, str]:
        path = f"{BIN}:{os.environ['PATH']}"
        return {
            **os.environ,
            "PATH": path,
            "THAMESTHRIVE_PORT": str(self.port),
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
        }

    def _bash(self, example: Example, code: str) -> None:
        # The word ID is a placeholder for the source's id.
        code = re.sub(r"\bID\b", EXAMPLE_SOURCE_ID, code)
        if "background" in example.info.options:
            self._background(code)
            return
        (self.folder / "example.sh").write_text(code)
        assert self.shell.stdin
        self.shell.stdin.write(
            f"source {self.folder}/example.sh >{self.folder}/output 2>&1 </dev/null;"
            f" echo >{self.folder}/done\n"
        )
        self.shell.stdin.flush()
        done = self.folder / "done"
        wait_for(lambda: done.exists() or self.shell.poll() is not None, f"{example} to end", 120)
        assert done.exists(), f"{example}: {code}\n{(self.folder / 'output').read_text()}"
        done.unlink()

    def _background(self, code: str) -> None:
        self.running.append(
            subprocess.Popen(
                shlex.split(code),
                cwd=self.folder_of_shell,
                env=self._environment(),
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )

        def is_up() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"{self.url}/health").status_code == 200
            return False

        wait_for(is_up, f"{code} to answer", PATIENCE * 2)

    def _python(self, example: Example, code: str) -> None:
        done = subprocess.run(
            [sys.executable, "-"],
            input=code,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{example}: {done.stderr}"

    def run_together(self, examples: list[Example]) -> None:
        """Puts the examples on one page, in order, as a reader does who follows the whole text."""
        options = [example.info.options for example in examples]
        whole = {
            name: ",".join(option[name] for option in options if name in option)
            for name in ("stores", "clicks")
        }
        first = examples[0]
        together = Example(first.page, first.line, FenceInfo("html", whole), "")
        body = "\n".join(as_html(example) for example in examples)
        self._html(together, body.replace(EXAMPLE_API, self.url))
        self._wait_for_events(together)

    def _js(self, example: Example, code: str) -> None:
        self._html(example, as_html(replace(example, code=code)))

    def _html(self, example: Example, body: str) -> None:
        one_line = "if (window.tracker) start()" in body or "function send()" in body
        head = snippet(EXAMPLE_SOURCE_ID, self.url, one_line=one_line)
        if "tracker.mjs" in body:
            head = ""
        html = f"<!doctype html><title>Example</title>\n{head}\n{body}"
        (self.folder / "www").mkdir(exist_ok=True)
        (self.folder / "www" / "example.html").write_text(html)
        with web_server(self.folder / "www") as origin:
            self._open(f"{origin}/example.html", example)

    def _open(self, address: str, example: Example) -> None:
        context = self.browser.new_context()
        page = context.new_page()
        problems: list[str] = []

        def check_message(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                problems.append(message.text)

        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", check_message)
        page.goto(address)
        page.evaluate(
            "async () => { await window.tracker?.ready; if (window.tracker) await tracker.flush() }"
        )
        for selector in filter(None, example.info.options.get("clicks", "").split(",")):
            page.locator(selector).first.click()
        self._wait_for_events(example)
        page.goto("about:blank")
        context.close()
        # Chromium warns about cookies on pages from a file, and about a missing icon on all.
        problems = [
            text for text in problems if "navigator.cookieEnabled" not in text and "404" not in text
        ]
        assert problems == [], f"{example}: {problems}"

    def close(self) -> None:
        """Ends everything that runs in the background."""
        assert self.shell.stdin
        self.shell.stdin.close()
        for process in [self.shell, *self.running]:
            process.terminate()
            process.wait(PATIENCE)
        if self.collector:
            self.collector.end()


@contextlib.contextmanager
def open_reader(folder: Path, browser: Browser, page: list[Example]) -> Iterator[Reader]:
    """Yields a reader of a page, and ends its processes."""
    reader = Reader(folder, browser, page)
    try:
        yield reader
    finally:
        reader.close()

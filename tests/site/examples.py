"""The examples of the documentation, as one who follows them would run them."""

import contextlib
import os
import re
import shlex
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from markdown_it import MarkdownIt
from playwright.sync_api import Browser
from sqlite_utils import Database

from cli.builder.code_fence import Info, parse_info
from cli.builder.example_values import EXAMPLE_API, EXAMPLE_SOURCE
from cli.builder.front_matter import parse_doc
from cli.builder.guides import load_guides
from collector import store

from ..browser.visitor import snippet
from ..support import PATIENCE, ROOT, Collector, wait_for, web_server

BIN = Path(sys.executable).parent
SITE = ROOT / "site"
ALONE = re.compile(r"thamesthrive serve\b")
TOOLS = {"bash", "python", "js", "html"}


@dataclass(frozen=True)
class Example:
    """A fence of a document that can be run."""

    page: str
    line: int
    info: Info
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def examples() -> dict[str, list[Example]]:
    """The examples of each page, in their order; those aside that say why they are not run."""
    texts = {
        str(path.relative_to(SITE)): (path, path.read_text())
        for path in sorted((SITE / "docs").rglob("*.md"))
    }
    texts |= {guide.source: (guide.path, guide.text) for guide in load_guides(SITE)}
    found: dict[str, list[Example]] = {}
    for page, (path, text) in texts.items():
        document = parse_doc(path, text)
        for token in MarkdownIt("commonmark").parse(document.body):
            if (
                token.type == "fence"
                and token.map
                and not token.info.startswith(("snippet", "generated"))
            ):
                info = parse_info(token.info)
                if info.language in TOOLS and "norun" not in info.options:
                    found.setdefault(page, []).append(
                        Example(page, document.offset + token.map[0] + 1, info, token.content)
                    )
    return found


class Reader:
    """Somebody with an empty folder, a terminal, a browser, and a collector that knows the
    example's source."""

    def __init__(self, folder: Path, browser: Browser, page: list[Example]) -> None:
        self.folder, self.browser = folder, browser
        self.db = folder / "thamesthrive.db"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.running: list[subprocess.Popen[str]] = []
        # One terminal for the whole page; it ends at the first command that fails.
        self.shell = subprocess.Popen(
            ["bash", "-e"], cwd=folder, env=self._environment(), stdin=subprocess.PIPE, text=True
        )
        self.collector: Collector | None = None
        self.follows = any(
            "background" in example.info.options and ALONE.search(example.code) for example in page
        )
        # Pages begin where the tutorial ended; it makes a folder of its own.
        self._seed(self.db)
        if not self.follows:
            self.collector = Collector(folder)
            self.collector.db, self.collector.port = self.db, self.port
            self.collector.start()

    def _seed(self, db: Path) -> None:
        store.migrate(db)
        with contextlib.closing(store.connect(db)) as connection:
            made = store.add_source(Database(connection), "Example", bridges=["rest", "webhook"])
            connection.execute("UPDATE sources SET id = ? WHERE id = ?", [EXAMPLE_SOURCE, made.id])
            connection.commit()

    def run(self, example: Example) -> None:
        """Does what the example says, and sees that what it promises is stored."""
        code = example.code.replace(EXAMPLE_API, self.url)
        {"bash": self._bash, "python": self._python, "js": self._js, "html": self._html}[
            example.info.language
        ](example, code)
        if opened := example.info.options.get("opens"):
            self._open((self.where / opened).as_uri(), example)
        self._see(example)

    def _see(self, example: Example) -> None:
        for kind in filter(None, example.info.options.get("stores", "").split(",")):
            wait_for(lambda kind=kind: kind in self._stored(), f"{kind} of {example}")

    def _stored(self) -> set[str]:
        with contextlib.closing(
            sqlite3.connect(f"file:{self.where / 'thamesthrive.db'}?mode=ro", uri=True)
        ) as connection:
            return {row[0] for row in connection.execute("SELECT type FROM events")}

    @property
    def where(self) -> Path:
        """The folder that the terminal is in."""
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
        # As a word, ID stands for the source's id.
        code = re.sub(r"\bID\b", EXAMPLE_SOURCE, code)
        if "background" in example.info.options:
            self._background(code)
            return
        (self.folder / "example.sh").write_text(code)
        assert self.shell.stdin
        self.shell.stdin.write(
            f"source {self.folder}/example.sh >{self.folder}/said 2>&1 </dev/null; echo >{self.folder}/done\n"
        )
        self.shell.stdin.flush()
        done = self.folder / "done"
        wait_for(lambda: done.exists() or self.shell.poll() is not None, f"{example} to end", 120)
        assert done.exists(), f"{example}: {code}\n{(self.folder / 'said').read_text()}"
        done.unlink()

    def _background(self, code: str) -> None:
        self.running.append(
            subprocess.Popen(
                shlex.split(code),
                cwd=self.where,
                env=self._environment(),
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )

        def up() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"{self.url}/health").status_code == 200
            return False

        wait_for(up, f"{code} to answer", PATIENCE * 2)

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

    def _js(self, example: Example, code: str) -> None:
        # `options` may be changed by the page as long as its HTML is read; modules run after that.
        module = re.search(r"(?m)^import\b|^await\b", code)
        self._page(example, f"<script{' type=module' if module else ''}>\n{code}\n</script>")

    def _html(self, example: Example, code: str) -> None:
        self._page(example, code)

    def _page(self, example: Example, body: str) -> None:
        html = f"<!doctype html><title>Example</title>\n{snippet(EXAMPLE_SOURCE, self.url)}\n{body}"
        if "tracker.mjs" in body:
            html = f"<!doctype html><title>Example</title>\n{body}"
        elif "if (window.tracker) start()" in body or "function send()" in body:
            html = f"<!doctype html><title>Example</title>\n{snippet(EXAMPLE_SOURCE, self.url, one_line=True)}\n{body}"
        (self.folder / "www").mkdir(exist_ok=True)
        (self.folder / "www" / "example.html").write_text(html)
        with web_server(self.folder / "www") as origin:
            self._open(f"{origin}/example.html", example)

    def _open(self, address: str, example: Example) -> None:
        context = self.browser.new_context()
        page = context.new_page()
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "console",
            lambda message: message.type in ("error", "warning") and said.append(message.text),
        )
        page.goto(address)
        page.evaluate(
            "async () => { if (window.tracker && window.tracker.flush) await window.tracker.flush(); }"
        )
        self._see(example)
        page.goto("about:blank")
        context.close()
        # Chromium says of each page from a file that its cookies are not kept, and of each that
        # there is no icon.
        said = [
            text for text in said if "navigator.cookieEnabled" not in text and "404" not in text
        ]
        assert said == [], f"{example}: {said}"

    def leave(self) -> None:
        """Ends what runs in the background."""
        assert self.shell.stdin
        self.shell.stdin.close()
        for process in [self.shell, *self.running]:
            process.terminate()
            process.wait(PATIENCE)
        if self.collector:
            self.collector.end()


@contextlib.contextmanager
def reader(folder: Path, browser: Browser, page: list[Example]) -> Iterator[Reader]:
    """A reader of a page, who leaves nothing behind."""
    made = Reader(folder, browser, page)
    try:
        yield made
    finally:
        made.leave()

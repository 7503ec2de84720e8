"""`make bench-site`: what a site costs to build, beside MkDocs Material and Pelican on the same
pages, in turns, on this machine; and how long a change takes until it is in the browser. Writes
site/docs/explanation/site-benchmarks.md."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import sync_playwright

from ..browser.install import find_chromium, launch
from ..site.dev_server import DevServer
from ..support import ROOT
from .__main__ import machine, talk

PAGE = ROOT / "site" / "docs" / "explanation" / "site-benchmarks.md"
OTHERS = ROOT / "build" / "bench-site"  # the others' packages, kept from run to run
PACKAGES = ["mkdocs-material>=9.6", "pelican[markdown]>=4.10"]
ROUNDS = 3
CHANGES = 15
BODY = """
Text of page {n} with `code`, *emphasis*, a [link](page-{a:05}.md) and more words that fill the line until it is long enough.

## Install

A paragraph about things. And some more words to make up a kilobyte of text, which is not that much after all, number {m}.

```python
def function_{n}(argument: int) -> str:
    \"\"\"Docstring.\"\"\"
    for n in range(argument):
        print(f"{{n}} of {n}")
    return "done"
```

## Use

- one
- two with [another](page-{b:05}.md)
- three

```js
window.tracker.track("purchase-order-{n}", {{product: "Sun glasses", price: 13.45}});
const x{n} = () => {n};
```

| name | meaning |
|---|---|
| `a{n}` | The first of two things that are said in this table. |
| `b{n}` | The second of two things that are said in this table. |

The end of page {n}, with a few words more so that it has a kilobyte: words and more words, words and more words, words.
"""
MKDOCS = """site_name: Pages
theme:
  name: material
  features: [content.code.copy, navigation.footer]
plugins: [search]
markdown_extensions:
  - admonition
  - footnotes
  - tables
  - toc: {permalink: true}
  - pymdownx.highlight
  - pymdownx.superfences
  - pymdownx.tabbed: {alternate_style: true}
  - pymdownx.tasklist
"""
PELICAN = """SITENAME = "Pages"
SITEURL = ""
PATH = "content"
TIMEZONE = "UTC"
DEFAULT_LANG = "en"
FEED_ALL_ATOM = CATEGORY_FEED_ATOM = TRANSLATION_FEED_ATOM = AUTHOR_FEED_ATOM = AUTHOR_FEED_RSS = None
CACHE_CONTENT = LOAD_CONTENT_CACHE = True
MARKDOWN = {"extension_configs": {"markdown.extensions.codehilite": {"css_class": "highlight"}, "markdown.extensions.extra": {},
  "markdown.extensions.meta": {}, "markdown.extensions.toc": {"permalink": True}}}
"""


@dataclass
class System:
    """A generator with the same pages. Times in seconds."""

    name: str
    folder: Path
    pages: Path
    head: str
    out: list[str]
    cold: Callable[[], list[str]]
    one: Callable[[], list[str]]
    link: str = ".md"
    less: list[str] = field(default_factory=list)  # a command that makes less than the whole site
    less_times: list[float] = field(default_factory=list)
    cold_times: list[float] = field(default_factory=list)
    one_times: list[float] = field(default_factory=list)

    def write(self, count: int) -> None:
        self.pages.mkdir(parents=True)
        for n in range(count):
            body = BODY.format(
                n=n, a=(n + 1) % count, b=(n * 7 + 3) % count, m=n * 7919 % 1000
            ).replace(".md)", f"{self.link})")
            (self.pages / f"page-{n:05}.md").write_text(self.head.format(n=n) + body)

    def measure(self, round_: int) -> None:
        for name in self.out:
            path = self.folder / name
            shutil.rmtree(path, ignore_errors=True)
            with suppress(FileNotFoundError, IsADirectoryError):
                path.unlink()
        self.cold_times.append(timed(self.cold(), self.folder))
        with (self.pages / "page-00500.md").open("a") as page:
            page.write(f"\nChanged in round {round_}.\n")
        self.one_times.append(timed(self.one(), self.folder))
        if self.less:
            with (self.pages / "page-00500.md").open("a") as page:
                page.write(f"\nChanged again in round {round_}.\n")
            self.less_times.append(timed(self.less, self.folder))


def timed(command: list[str], folder: Path) -> float:
    """Seconds that a command takes. It must succeed."""
    os.sync()
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    took = time.perf_counter() - started
    assert done.returncode == 0, done.stderr[-2000:]
    return took


def ours(folder: Path) -> System:
    command = [
        str(Path(sys.executable).with_name("thamesthrive")),
        "build",
        "site",
        "--from",
        "site",
        "--out",
        "out",
    ]
    head = '+++\ntitle = "Page {n}"\nsummary = "What page {n} is about."\n+++\n'
    return System(
        "ThamesThrive",
        folder,
        folder / "site" / "docs",
        head,
        ["out", "out.cache"],
        lambda: command,
        lambda: command,
    )


def others(folder: Path) -> list[System]:
    if not (OTHERS / "bin" / "mkdocs").exists():
        talk.print("Installing MkDocs Material and Pelican …")
        venv.create(OTHERS, with_pip=True)
        subprocess.run(
            [OTHERS / "bin" / "pip", "install", "--quiet", *PACKAGES],
            check=True,
            stderr=subprocess.DEVNULL,
        )
    mkdocs, pelican = str(OTHERS / "bin" / "mkdocs"), str(OTHERS / "bin" / "pelican")
    material = System(
        "MkDocs Material", folder / "mkdocs", folder / "mkdocs" / "docs", "# Page {n}\n", ["site"],
        lambda: [mkdocs, "build", "--quiet"], lambda: [mkdocs, "build", "--quiet"],
        less=[mkdocs, "build", "--quiet", "--dirty"],
    )  # fmt: skip
    bird = System(
        "Pelican", folder / "pelican", folder / "pelican" / "content" / "pages", "Title: Page {n}\nSlug: page-{n:05}\n", ["output", "cache"],
        lambda: [pelican, "--quiet", "content"], lambda: [pelican, "--quiet", "content"], ".html",
    )  # fmt: skip
    for system, name, text in ((material, "mkdocs.yml", MKDOCS), (bird, "pelicanconf.py", PELICAN)):
        system.folder.mkdir()
        (system.folder / name).write_text(text)
    (material.folder / "docs").mkdir(exist_ok=True)
    shutil.rmtree(material.folder / "docs")
    return [material, bird]


def versions() -> str:
    done = subprocess.run(
        [OTHERS / "bin" / "pip", "list", "--format=freeze"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(line.split("==") for line in done.stdout.split())
    return (
        f"MkDocs {found['mkdocs']}, Material {found['mkdocs-material']}, Pelican {found['pelican']}"
    )


def growth(folder: Path, count: int) -> list[float]:
    """Seconds cold, seconds for one page, peak MB, MB of output, for a site of so many pages."""
    system = ours(folder)
    system.write(count)
    with subprocess.Popen(system.cold(), cwd=folder, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    peak = usage.ru_maxrss / 1024  # of the largest of its processes
    system.measure(0)
    size = sum(path.stat().st_size for path in (folder / "out").rglob("*") if path.is_file()) / 1e6
    return [system.cold_times[0], system.one_times[0], peak, size]


def changes(folder: Path) -> dict[str, list[float]]:
    """Milliseconds from saving until the browser shows it."""
    kinds = {
        "Markdown": (
            "site/docs/how-to/spa.md",
            "Before a navigation",
            "Before a navigation {n}",
            "docs/how-to/spa.html",
        ),
        "template": (
            "templates/doc.html",
            "<span>Previous",
            "<span>Previous {n}",
            "docs/how-to/spa.html",
        ),
        "TypeScript": ("js/site/site.ts", '["Auto', '["Auto {n}', "docs/how-to/spa.html"),
    }
    found: dict[str, list[float]] = {}
    chromium = find_chromium()
    assert chromium
    with DevServer(folder / "copy") as server, sync_playwright() as playwright:
        browser = launch(playwright, chromium)
        for kind, (source, before, pattern, address) in kinds.items():
            text = (server.root / source).read_text()
            page = browser.new_page()
            page.goto(f"{server.url}/{address}")
            for n in range(CHANGES):
                words = pattern.format(n=f"x{n}x").removeprefix("<span>").removeprefix('["')
                changed = text.replace(before, pattern.format(n=f"x{n}x"), 1)
                assert changed != text
                started = time.perf_counter()
                (server.root / source).write_text(changed)
                page.get_by_text(words).filter(visible=True).first.wait_for()
                found.setdefault(kind, []).append((time.perf_counter() - started) * 1000)
            (server.root / source).write_text(text)
            page.close()
        browser.close()
    return found


def main() -> None:
    """Measures, and writes the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        talk.print("Changes in the browser")
        seen = changes(folder)
        systems = [ours(folder / "ours"), *others(folder)]
        for system in systems:
            system.write(1000)
        for round_ in range(ROUNDS):
            for system in systems:
                talk.print(f"Round {round_ + 1}: {system.name}")
                system.measure(round_)
        sizes = (1000, 3000, 10000)
        grown = []
        for size in sizes:
            talk.print(f"{size} pages")
            grown.append(growth(folder / str(size), size))
    text = report(systems, dict(zip(sizes, grown, strict=True)), seen)
    PAGE.write_text(text, encoding="utf-8")
    talk.print(text)


def report(
    systems: list[System], grown: dict[int, list[float]], seen: dict[str, list[float]]
) -> str:
    mine, *rest = systems
    median = statistics.median
    lines = [
        "+++",
        'title = "What a site costs to build"',
        'summary = "A thousand pages of a kilobyte with code, in the full theme, beside MkDocs Material and Pelican; ten thousand; and a change until it is seen."',
        "order = 11",
        "+++",
        "",
        f"`make bench-site` wrote this page. Measured on {datetime.now(UTC):%Y-%m-%d}: {machine()}, {versions()}.",
        "",
        "## A thousand pages",
        "",
        "Pages of a kilobyte with two code fences, a table and two links, the full theme with navigation, search and highlighting. Each",
        f"system builds them in turns, {ROUNDS} rounds; medians, and the medians of the rounds' ratios. *One page* is the same command after one page was changed:",
        "Pelican with its cache of contents. All start as commands, with nothing kept running.",
        "",
        "| | cold, s | one page, s | ours is faster: cold | one page |",
        "|---|---|---|---|---|",
        f"| {mine.name} | {median(mine.cold_times):.2f} | {median(mine.one_times):.2f} | | |",
    ]
    for other in rest:
        cold = median(a / b for a, b in zip(other.cold_times, mine.cold_times, strict=True))
        one = median(a / b for a, b in zip(other.one_times, mine.one_times, strict=True))
        lines.append(
            f"| {other.name} | {median(other.cold_times):.2f} | {median(other.one_times):.2f} | **{cold:.1f}** times | **{one:.1f}** times |"
        )
    dirty = median(rest[0].less_times)
    lines += [
        "",
        f"`mkdocs build --dirty` takes {dirty:.2f} s for one page ({median(a / b for a, b in zip(rest[0].less_times, mine.one_times, strict=True)):.1f} times ours), "
        "and what it leaves is no whole site: its search knows the changed page alone.",
    ]
    for title, pick in (("Cold, seconds", "cold_times"), ("One page, seconds", "one_times")):
        lines += [
            "",
            f'```chart title="{title}"',
            *(
                f"{s.name} | {median(getattr(s, pick)):.3f} | {median(getattr(s, pick)):.2f} s"
                for s in systems
            ),
            "```",
        ]
    lines += [
        "",
        "## More pages",
        "",
        "| pages | cold, s | one page, s | peak of memory, MB | output, MB |",
        "|---|---|---|---|---|",
        *(
            f"| {pages:,} | {row[0]:.1f} | {row[1]:.2f} | {row[2]:.0f} | {row[3]:.0f} |"
            for pages, row in grown.items()
        ),
        "",
        "Memory is that of the largest process. A page's navigation lists its section and never the whole site, so the output grows in proportion to the pages.",
        "",
        "## A change until it is seen",
        "",
        f"`thamesthrive dev` on this documentation, from the moment a file is saved until Chromium shows it, {CHANGES} times each:",
        "",
        "| change of | median, ms | longest, ms |",
        "|---|---|---|",
        *(f"| {kind} | {median(times):.0f} | {max(times):.0f} |" for kind, times in seen.items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

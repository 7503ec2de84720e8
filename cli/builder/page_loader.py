"""The contents of all documents: what changed is rendered, what did not is remembered."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ..errors import BuildError, Problem
from .code_fence import Script, check_scripts
from .example_values import EXAMPLE_API, EXAMPLE_SOURCE
from .fingerprint import fingerprint_of
from .front_matter import Document, parse_doc
from .guides import Guide, load_guides
from .page import Includes, PageMeta, RenderedPage, Section, page_url
from .page_renderer import WRONG_CODE, render_page
from .parallel import SERIAL_LIMIT, map_parallel
from .render_cache import CachedPage, RenderCache

HOME = "docs/index.md"
# nanoseconds: a file written this lately may be written again without its time changing
_RACY = 50_000_000
_NOT_YET = PageMeta("", "", 0, "", [], [], [], [], [])

Progress = Callable[[int, int], None]
"""Called with the number of pages done, and of all."""


@dataclass(frozen=True)
class Source:
    """A Markdown file: its path below the site's folder, where it is, when it was changed
    (nanoseconds), its size (bytes)."""

    source: str
    path: Path
    modified: int
    size: int


@dataclass(frozen=True)
class Values:
    """What stands in the place of the example's source and address."""

    source: str
    api: str


class PageLoader:
    """The documents of a folder. `known` and `fresh` have, after `collect`, all of them, and those
    that were rendered this time: their HTML, and the sections for the margin."""

    def __init__(
        self,
        site: Path,
        title: str,
        cache: RenderCache,
        known: dict[str, CachedPage],
        inputs: Includes,
        program_fingerprint: str,
        own: Values,
    ) -> None:
        """`title`: of the site, for a first page that is not written; `program_fingerprint`: of what the
        generated parts are made of."""
        self.site, self.title, self.cache, self.known = site, title, cache, known
        self.inputs, self.program_fingerprint, self.own = inputs, program_fingerprint, own
        self.fresh: dict[str, tuple[str, list[Section]]] = {}

    def collect(self, progress: Progress) -> dict[str, PageMeta]:
        """PageMeta of all documents; what is new or changed is rendered. Raises BuildError with all
        that is wrong in them."""
        found = list(_documents(self.site))
        same_program = self.cache.get("program_fingerprint") == self.program_fingerprint
        facts: dict[str, PageMeta] = {}
        stale: list[Source] = []
        for entry in found:
            known = self.known.get(entry.source)
            if (
                known
                and (known.modified, known.size) == (entry.modified, entry.size)
                and (same_program or not known.facts.generated)
            ):
                facts[entry.source] = known.facts
            else:
                facts[entry.source] = _NOT_YET  # keeps its place
                stale.append(entry)
        guides = load_guides(self.site)
        if HOME not in facts:
            guides.append(
                Guide(HOME, self.site, 1, f"+++\ntitle = {json.dumps(self.title)}\n+++\n")
            )
        if len(stale) > SERIAL_LIMIT:
            # Before there are copies of this process: snippets are parsed by a library that does
            # not outlive being copied.
            for make in self.inputs.snippets.values():
                make()
        problems: list[Problem | str] = []
        scripts: list[tuple[Path, Script]] = []
        for done, (entry, result) in enumerate(
            zip(stale, map_parallel(self._content, stale), strict=True), 1
        ):
            progress(done, len(found) + len(stale))
            if isinstance(result, BuildError):
                problems += result.problems or [str(result)]
            else:
                facts[entry.source] = self._keep(entry, *result, scripts)
        for guide in guides:
            try:
                facts[guide.source] = self._guide(guide, scripts)
            except BuildError as error:
                problems += [
                    Problem(guide.path, guide.line, problem.message) for problem in error.problems
                ]
        problems += self._wrong_scripts(scripts)
        if problems:
            raise BuildError(*problems)
        self.cache.forget(self.known.keys() - facts.keys())
        return facts

    def _wrong_scripts(self, scripts: list[tuple[Path, Script]]) -> list[Problem]:
        if not scripts:
            return []
        paths_of = {id(script): path for path, script in scripts}
        return [
            Problem(paths_of[id(script)], script.line + error.line, WRONG_CODE.format(error))
            for script, error in check_scripts([script for _, script in scripts])
        ]

    def _content(self, entry: Source) -> tuple[str, RenderedPage | None] | BuildError:
        """A digest of the document and what was made of it, None if that is known. May run in a
        process of its own."""
        try:
            text = entry.path.read_text(encoding="utf-8")
            digest = fingerprint_of(
                text, self.program_fingerprint if "```generated" in text else ""
            )
            known = self.known.get(entry.source)
            if known and known.digest == digest:
                return digest, None
            return digest, render_page(
                self._own(parse_doc(entry.path, text)), entry.source, self.inputs
            )
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            return BuildError(
                Problem(entry.path, line, "this is not UTF-8. Save the file as UTF-8.")
            )
        except BuildError as error:
            return error

    def _keep(
        self,
        entry: Source,
        digest: str,
        content: RenderedPage | None,
        scripts: list[tuple[Path, Script]],
    ) -> PageMeta:
        modified = 0 if time.time_ns() - entry.modified < _RACY else entry.modified
        if content is None:
            self.cache.touch(entry.source, modified, entry.size)
            return self.known[entry.source].facts
        return self._remember(entry, content, modified, digest, scripts)

    def _guide(self, guide: Guide, scripts: list[tuple[Path, Script]]) -> PageMeta:
        known = self.known.get(guide.source)
        digest = fingerprint_of(guide.text)
        if known and known.digest == digest:
            return known.facts
        content = render_page(
            self._own(parse_doc(guide.path, guide.text)), guide.source, self.inputs
        )
        return self._remember(Source(guide.source, guide.path, 0, 0), content, 0, digest, scripts)

    def _own(self, document: Document) -> Document:
        """The docs are written with the example's values; whoever builds with their own reads their
        own."""
        body = document.body.replace(EXAMPLE_SOURCE, self.own.source).replace(
            EXAMPLE_API, self.own.api
        )
        return Document(document.path, document.meta, body, document.offset)

    def _remember(
        self,
        entry: Source,
        content: RenderedPage,
        modified: int,
        digest: str,
        scripts: list[tuple[Path, Script]],
    ) -> PageMeta:
        facts = content.facts
        before = self.known.get(entry.source)
        parsed = set(before.facts.scripts) if before else set()
        scripts += [
            (entry.path, s)
            for s, name in zip(content.scripts, facts.scripts, strict=True)
            if name not in parsed
        ]
        parts = [
            [section.id, section.heading, section.text]
            for section in content.sections
            if section.heading or section.text
        ]
        search = msgspec.json.encode(
            [page_url(entry.source), facts.title, facts.summary, parts]
        ).decode()
        sections = [
            Section(section.level, section.id, section.heading, "")
            for section in content.sections
            if section.heading
        ]
        known = CachedPage(modified, entry.size, digest, facts, "")
        self.known[entry.source] = known
        self.fresh[entry.source] = content.html, sections
        self.cache.put(entry.source, known, content.html, sections, search)
        return facts


def _documents(site: Path) -> list[Source]:
    """All Markdown files."""
    found: list[Source] = []
    waiting = [("docs", site / "docs")]
    while waiting:
        name, folder = waiting.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    waiting.append((f"{name}/{entry.name}", Path(entry.path)))
                elif entry.name.endswith(".md"):
                    facts = entry.stat()
                    found.append(
                        Source(
                            f"{name}/{entry.name}",
                            Path(entry.path),
                            facts.st_mtime_ns,
                            facts.st_size,
                        )
                    )
    return sorted(found, key=lambda entry: entry.source)

"""Loads a site's Markdown pages: renders those that changed, takes the others from the cache."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from collector.install.example_values import replace_example_values

from ..errors import BuildError, Problem
from .code_checks import PARSE_ERROR, Script, check_scripts
from .config import SiteOptions
from .fingerprint import fingerprint_of
from .front_matter import ParsedPage, parse_markdown_page
from .guides import Guide, load_guides
from .markdown_files import MarkdownFile, find_markdown_files
from .page import HOME, Includes, PageBody, PageMeta, RenderedPage, page_url
from .page_renderer import render_page
from .parallel import SERIAL_LIMIT, map_parallel
from .render_cache import CachedPage, RenderCache

# Nanoseconds: a file this young may be written again without a change of its modification time.
_RACY = 50_000_000

Progress = Callable[[int, int], None]
"""Called with the number of pages done and the number of all pages."""


class PageLoader:
    """Loads the Markdown pages of a site.

    After `load`, `cached` has all pages by path, and `rendered` the bodies of those that this build
    rendered.
    """

    def __init__(
        self,
        options: SiteOptions,
        cache: RenderCache,
        cached: dict[str, CachedPage],
        includes: Includes,
        program_fingerprint: str,
    ) -> None:
        """`cached` are the last build's pages. `program_fingerprint` covers what the generated
        blocks are made of."""
        self.options, self.cache, self.cached = options, cache, cached
        self.includes, self.program_fingerprint = includes, program_fingerprint
        self.rendered: dict[str, PageBody] = {}
        self._scripts: list[tuple[Path, Script]] = []
        self._same_program = cache.fingerprint("program") == program_fingerprint

    def load(self, progress: Progress) -> dict[str, PageMeta]:
        """Returns the metadata of all pages by path. Raises BuildError with all mistakes in
        them."""
        files = find_markdown_files(self.options.site_dir)
        page_paths = [file.page_path for file in files]
        guides = self._guides(page_paths)
        problems = self._render_files(files, progress)
        problems += self._render_guides(guides)
        problems += self._script_problems()
        if problems:
            raise BuildError(*problems)
        page_paths += [guide.page_path for guide in guides]
        self.cache.delete_pages(self.cached.keys() - set(page_paths))
        return {page_path: self.cached[page_path].meta for page_path in page_paths}

    def _guides(self, page_paths: list[str]) -> list[Guide]:
        """Returns the pages that have no Markdown file: the guides, and the home page of a site
        without one."""
        guides = load_guides(self.options.site_dir)
        if HOME not in page_paths:
            text = f"+++\ntitle = {json.dumps(self.options.config.title)}\n+++\n"
            guides.append(Guide(HOME, self.options.site_dir, 1, text))
        return guides

    def _is_current(self, file: MarkdownFile) -> bool:
        cached = self.cached.get(file.page_path)
        return (
            cached is not None
            and (cached.modified, cached.size) == (file.modified, file.size)
            and (self._same_program or not cached.meta.generated)
        )

    def _render_files(self, files: list[MarkdownFile], progress: Progress) -> list[Problem | str]:
        stale = [file for file in files if not self._is_current(file)]
        if len(stale) > SERIAL_LIMIT:
            # Snippets are parsed by esbuild-py, whose threads do not survive a fork.
            for make_snippet in self.includes.snippets.values():
                make_snippet()
        problems: list[Problem | str] = []
        results = zip(stale, map_parallel(self._render, stale), strict=True)
        for done, (file, result) in enumerate(results, 1):
            progress(done, len(files) + len(stale))
            if isinstance(result, BuildError):
                problems += result.problems or [str(result)]
            else:
                self._keep(file, *result)
        return problems

    def _render(self, file: MarkdownFile) -> tuple[str, RenderedPage | None] | BuildError:
        """Returns the file's fingerprint and the rendered page, None if the cache has it. May run
        in another process."""
        try:
            text = file.path.read_text(encoding="utf-8")
            generated = self.program_fingerprint if "```generated" in text else ""
            fingerprint = fingerprint_of(text, generated)
            cached = self.cached.get(file.page_path)
            if cached and cached.fingerprint == fingerprint:
                return fingerprint, None
            return fingerprint, self._render_text(file.path, file.page_path, text)
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            message = "this file is not UTF-8. Save it as UTF-8."
            return BuildError(Problem(file.path, line, message))
        except BuildError as error:
            return error

    def _render_text(self, path: Path, page_path: str, text: str) -> RenderedPage:
        parsed = parse_markdown_page(path, text)
        body = replace_example_values(parsed.body, self.options.source_id, self.options.api)
        parsed = ParsedPage(path, parsed.front_matter, body, parsed.body_offset)
        return render_page(parsed, page_path, self.includes)

    def _render_guides(self, guides: list[Guide]) -> list[Problem]:
        problems = []
        for guide in guides:
            fingerprint = fingerprint_of(guide.text)
            cached = self.cached.get(guide.page_path)
            if cached and cached.fingerprint == fingerprint:
                continue
            try:
                page = self._render_text(guide.path, guide.page_path, guide.text)
            except BuildError as error:
                # Lines of the generated Markdown mean nothing to its author.
                problems += [Problem(guide.path, guide.line, p.message) for p in error.problems]
            else:
                self._save(MarkdownFile(guide.page_path, guide.path, 0, 0), page, 0, fingerprint)
        return problems

    def _keep(self, file: MarkdownFile, fingerprint: str, page: RenderedPage | None) -> None:
        modified = 0 if time.time_ns() - file.modified < _RACY else file.modified
        if page is None:
            self.cache.save_stat(file.page_path, modified, file.size)
        else:
            self._save(file, page, modified, fingerprint)

    def _save(
        self, file: MarkdownFile, page: RenderedPage, modified: int, fingerprint: str
    ) -> None:
        before = self.cached.get(file.page_path)
        parsed = set(before.meta.scripts) if before else set()
        for script, name in zip(page.scripts, page.meta.scripts, strict=True):
            if name not in parsed:
                self._scripts.append((file.path, script))
        cached = CachedPage(modified, file.size, fingerprint, page.meta, "")
        self.cached[file.page_path] = cached
        self.rendered[file.page_path] = page.body
        self.cache.save_page(file.page_path, cached, page.body, _search_entry(file, page))

    def _script_problems(self) -> list[Problem]:
        if not self._scripts:
            return []  # esbuild-py takes a while to load
        paths = {id(script): path for path, script in self._scripts}
        return [
            Problem(paths[id(script)], script.line + error.line, PARSE_ERROR.format(error))
            for script, error in check_scripts([script for _, script in self._scripts])
        ]


def _search_entry(file: MarkdownFile, page: RenderedPage) -> str:
    """Returns the page's entry of the search index: URL, title, summary and sections, as JSON."""
    sections = [
        [section.id, section.heading, section.text]
        for section in page.sections
        if section.heading or section.text
    ]
    entry = [page_url(file.page_path), page.meta.title, page.meta.summary, sections]
    return msgspec.json.encode(entry).decode()

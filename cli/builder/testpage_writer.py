"""Writes the test pages that changed, and their index."""

import json
from collections.abc import Callable
from functools import partial

from markupsafe import Markup

from ..errors import BuildError, Problem
from .config import SiteOptions
from .fingerprint import fingerprint_of
from .navigation import PageLink
from .output_folder import OutputFolder
from .render_cache import RenderCache
from .template_renderer import TemplateRenderer
from .testpages import TestPage

UNKNOWN_SOURCE_ID = "00000000-0000-4000-8000-000000000000"
INDEX_URL = "pages/index.html"
_SUMMARY = "Scenarios that declare which events must be stored, and check that they were."


class TestPageWriter:
    """Writes each test page whose file, template or snippet changed, and keeps the others."""

    def __init__(
        self,
        options: SiteOptions,
        cache: RenderCache,
        output: OutputFolder,
        renderer: TemplateRenderer,
        render_snippet: Callable[[str, str], str],
        build_fingerprint: str,
    ) -> None:
        """`render_snippet` takes a form and a source id. `build_fingerprint` covers what snippets
        are made of."""
        self.options, self.cache, self.output, self.renderer = options, cache, output, renderer
        self.render_snippet, self.build_fingerprint = render_snippet, build_fingerprint

    def write(self, pages: list[TestPage]) -> list[str]:
        """Writes the stale test pages, and returns the URLs of all of them."""
        if not pages:
            return []
        fingerprint = self._index_fingerprint(pages)
        self._write_if_stale(INDEX_URL, fingerprint, partial(self._render_index, pages))
        for page in pages:
            self._write_if_stale(page.url, self._fingerprint(page), partial(self._render, page))
        return [INDEX_URL, *(page.url for page in pages)]

    def _write_if_stale(self, url: str, fingerprint: str, render: Callable[[], str]) -> None:
        name = f"page {url}"
        if url in self.output.existing and self.cache.fingerprint(name) == fingerprint:
            self.output.keep(url)
        else:
            self.output.write(url, render())
            self.cache.set_fingerprint(name, fingerprint)

    def _index_fingerprint(self, pages: list[TestPage]) -> str:
        front_matter = repr([page.parsed.front_matter for page in pages])
        return fingerprint_of(self.renderer.fingerprint("test-index.html"), front_matter)

    def _render_index(self, pages: list[TestPage]) -> str:
        page = PageLink("", INDEX_URL, "Test pages", _SUMMARY)
        return self.renderer.render(INDEX_URL, "test-index.html", page=page, test_pages=pages)

    def _fingerprint(self, page: TestPage) -> str:
        return fingerprint_of(
            page.parsed.body,
            repr(page.parsed.front_matter),
            self.build_fingerprint,
            self.renderer.fingerprint("test-page.html"),
        )

    def _render(self, page: TestPage) -> str:
        self._check_scripts(page)
        source_id = self.options.source_id if page.source == "demo" else UNKNOWN_SOURCE_ID
        expected_json = json.dumps(page.expected).replace("<", "\\u003c")
        return self.renderer.render_body(
            page.url,
            "test-page.html",
            page.parsed,
            page=PageLink("", page.url, page.title, page.summary),
            expected=page.expected,
            expected_json=Markup(expected_json),  # noqa: S704 - from the site's own files
            snippet=Markup(self.render_snippet(page.form, source_id)),  # noqa: S704
        )

    def _check_scripts(self, page: TestPage) -> None:
        from .javascript import JavaScriptError, check_html

        parsed = page.parsed
        try:
            check_html("\n" * parsed.body_offset + parsed.body)
        except JavaScriptError as error:
            message = f"this script does not parse: {error}. Fix it."
            raise BuildError(Problem(parsed.path, error.line, message)) from error

"""Docs and test pages → a folder of static HTML."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from markupsafe import Markup
from pygments.formatters import HtmlFormatter

from .. import paths
from ..errors import BuildError
from .documents import Document, Page, load_documents, load_pages
from .example import EXAMPLE_API, EXAMPLE_SOURCE
from .javascript import JavaScriptError, check_html
from .markdown import render_markdown
from .snippet import render_snippet
from .templates import environment

UNKNOWN_SOURCE = "00000000-0000-4000-8000-000000000000"


def build_site(out: Path, *, source: str, api: str, bundle: Path, site: Path | None = None) -> list[Path]:
    """Renders the site into `out`, which is exchanged as a whole. Returns the pages written.

    `source` and `api` stand in all snippets; `bundle` is the folder of the built tracker; `site` the folder of sources.
    Raises BuildError with file and line for anything wrong in the sources; then `out` stays as it was.
    """
    builder = _Builder(source, api.rstrip("/"), bundle, site or paths.SITE)
    fresh = out.with_name(out.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    written = [path.relative_to(fresh) for path in builder.write(fresh)]
    shutil.rmtree(out, ignore_errors=True)
    fresh.rename(out)
    return [out / path for path in written]


class _Builder:
    def __init__(self, source: str, api: str, bundle: Path, site: Path) -> None:
        self.source, self.api, self.bundle, self.site = source, api, bundle, site
        self.docs = load_documents(site / "docs", ".md")
        self.pages = load_pages(site / "pages")

    def write(self, out: Path) -> list[Path]:
        snippets = {
            "snippet": self.snippet("classic", self.source),
            "snippet one-line": self.snippet("one-line", self.source),
        }
        written = [self._doc(out, document, snippets) for document in self.docs]
        written += [self._page(out, page) for page in self.pages]
        written.append(self._write(out / "pages" / "index.html", "pages.html", title="Test pages", pages=self.pages))
        shutil.copytree(self.site / "assets", out / "assets")
        (out / "assets" / "code.css").write_text(_code_css(), encoding="utf-8")
        return written

    def snippet(self, form: str, source: str) -> str:
        return render_snippet(source, self.api, self.bundle, one_line=form == "one-line").html

    def _doc(self, out: Path, document: Document, snippets: dict[str, str]) -> Path:
        # The docs are written with the example's values; whoever builds with their own reads their own.
        body = document.body.replace(EXAMPLE_SOURCE, self.source).replace(EXAMPLE_API, self.api)
        content = render_markdown(Document(document.path, document.slug, document.meta, body, document.offset), snippets)
        home = document.slug == "index"
        path = out / "index.html" if home else out / "docs" / f"{document.slug}.html"
        return self._write(path, "doc.html", root="" if home else "../", document=document, content=Markup(content))  # noqa: S704

    def _page(self, out: Path, page: Page) -> Path:
        document = page.document
        try:
            check_html("\n" * document.offset + document.body)
        except JavaScriptError as error:
            raise BuildError(f"{document.path}:{error.line}: this script does not parse: {error}") from error
        source = self.source if page.source == "demo" else UNKNOWN_SOURCE
        expected = {
            "requests": page.requests,
            "console": page.console,
            "events": [asdict(event) for event in page.events],
        }
        template = "{% extends 'page.html' %}" + document.body
        return self._write(
            out / "pages" / f"{document.slug}.html",
            environment().from_string(template),
            page=page,
            document=document,
            expected=expected,
            expected_json=Markup(json.dumps(expected).replace("<", "\\u003c")),  # noqa: S704
            snippet=Markup(self.snippet(page.form, source)),  # noqa: S704
            api=self.api,
        )

    def _write(self, path: Path, template: Any, *, root: str = "../", **values: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            html = environment().get_or_select_template(template).render(root=root, docs=self.docs, **values)
        except TemplateError as error:
            raise BuildError(f"{values.get('document', path) and path.name}: {error}") from error
        path.write_text(html + "\n", encoding="utf-8")
        return path


def _code_css() -> str:
    """Colours of code, for light and for dark."""
    light, dark = (HtmlFormatter(style=style).get_style_defs("pre.code") for style in ("default", "github-dark"))  # type: ignore[no-untyped-call]
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"

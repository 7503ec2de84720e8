"""Docs and test pages → a folder of static HTML. What did not change since the last time is not
made again."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateError
from markupsafe import Markup

from .. import paths
from ..errors import BuildError, Missing, Problem
from . import templates
from .code_fence import code_css
from .config import load_config
from .fingerprint import fingerprint_of
from .front_matter import Document, Page, load_pages
from .links import check_links
from .navigation import Navigation, PageLink, PageNav
from .output_folder import OutputFolder
from .page import Includes, Link, PageMeta, page_url, relative_url
from .page_loader import PageLoader, Progress, Values
from .parallel import map_parallel
from .reference import check_reference, generators, program_fingerprint
from .render_cache import RenderCache
from .snippet import render_snippet

UNKNOWN_SOURCE = "00000000-0000-4000-8000-000000000000"
_LINKS = re.compile(r"""\b(?:href|src)=["']([^"'{}#][^"'{}]*)["']""")


@dataclass(frozen=True)
class BuiltSite:
    """A site that was built. `pages`: all of them; `written`: the files that this build made, by
    path below `out`."""

    out: Path
    pages: list[str]
    written: list[str]
    seconds: float


def build_site(
    out: Path,
    *,
    source: str,
    api: str,
    bundle: Path,
    site: Path | None = None,
    live: str = "",
    progress: Progress = lambda _, __: None,
) -> BuiltSite:
    """Renders the site into `out`. A build that fails leaves it as it was.

    `source` and `api` stand in all snippets; `bundle` is the folder of the built tracker; `site`
    the folder of sources; `live` the address that tells open pages of new builds. Raises BuildError
    with file, line and cure for everything wrong in the sources.
    """
    started = time.perf_counter()
    builder = _Builder(out, source, api.rstrip("/"), bundle, site or paths.SITE, live)
    try:
        builder.run(progress)
    finally:
        builder.close()
    return BuiltSite(out, builder.pages, builder.output.written, time.perf_counter() - started)


@dataclass(frozen=True)
class _Layout:
    """A page that must be written, and a digest of all that it is made of."""

    source: str
    facts: PageMeta
    near: PageNav
    children: list[list[PageLink]]
    layout: str


class _Builder:
    def __init__(
        self, out: Path, source: str, api: str, bundle: Path, site: Path, live: str
    ) -> None:
        self.source, self.api, self.bundle, self.site, self.live = source, api, bundle, site, live
        if not (site / "docs").is_dir():
            raise Missing(f"There is no folder {site / 'docs'}: a site's Markdown stands there.")
        self.has_pages = (site / "pages").is_dir()
        self.config = load_config(site)
        try:
            manifest = (bundle / "manifest.json").read_bytes()
        except FileNotFoundError as error:
            raise Missing("The tracker is not built. Run: thamesthrive build bundle") from error
        self.build_fingerprint = fingerprint_of(_code_digest(), manifest, source, api)
        out.parent.mkdir(parents=True, exist_ok=True)
        self.cache = RenderCache(out.with_name(out.name + ".cache"), self.build_fingerprint)
        self.output = OutputFolder(out, cold=self.cache.cold)
        self.known = {} if self.output.cold else self.cache.load()
        self.templates = templates.digests(paths.TEMPLATES)
        self.pages: list[str] = []
        self.inputs = Includes(
            {
                "snippet": lambda: self._snippet("classic", source),
                "snippet one-line": lambda: self._snippet("one-line", source),
            },
            generators(site, bundle),
        )
        self.program_fingerprint = program_fingerprint(site, bundle)
        self.contents = PageLoader(
            site,
            self.config.title,
            self.cache,
            self.known,
            self.inputs,
            self.program_fingerprint,
            Values(source, self.api),
        )
        self._snippets: dict[tuple[str, str], str] = {}
        self._templates: dict[str, Template] = {}

    def close(self) -> None:
        self.cache.rollback()
        self.cache.close()
        self.output.discard()

    def run(self, progress: Progress) -> None:
        self.cache.begin()
        facts = self.contents.collect(progress)
        test_pages = load_pages(self.site / "pages")
        files = self._files(test_pages)
        self._check(facts, test_pages, files)
        navigation = Navigation(facts)
        self._layouts(facts, navigation, progress)
        self._test_pages(test_pages)
        self._rest(facts, files, navigation)
        self.cache.set("program_fingerprint", self.program_fingerprint)
        self.output.finish()
        self.cache.commit()

    # What depends on all of them.

    def _files(self, pages: list[Page]) -> dict[str, Path | None]:
        """What can be linked to besides documents: url → the file to copy, None for what is
        made."""
        files: dict[str, Path | None] = dict.fromkeys(
            ["assets/code.css", "assets/search-index.js", "sitemap.xml", "404.html"]
        )
        folders = (paths.TEMPLATES / "assets", self.site / "assets")
        for folder in (folder for folder in folders if folder.is_dir()):
            files |= {
                f"assets/{path.relative_to(folder)}": path
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            }
        if (self.bundle / "site").is_dir():
            files |= {
                f"assets/{path.name}": path for path in sorted((self.bundle / "site").iterdir())
            }
        if pages:
            files |= dict.fromkeys(
                ["pages/index.html", *(f"pages/{page.document.slug}.html" for page in pages)]
            )
        return files

    def _check(
        self, facts: dict[str, PageMeta], pages: list[Page], files: dict[str, Path | None]
    ) -> None:
        links = {source: found.links for source, found in facts.items()}
        links |= {f"pages/{page.document.path.name}": _links_of(page) for page in pages}
        anchors = {source: found.anchors for source, found in facts.items()}
        problems = list(check_links(self.site, links, anchors, set(files)))
        problems += self._aliases(facts, files)
        problems += _wrong_template_links({*files, "index.html"})
        for source, found in facts.items():
            if found.template not in self.templates:
                near = ", ".join(sorted(name for name in self.templates if name.endswith(".html")))
                problems.append(
                    Problem(
                        self.site / source,
                        1,
                        f"there is no template {found.template!r}. There are: {near}.",
                    )
                )
        if self.cache.get(
            "program_fingerprint"
        ) != self.program_fingerprint or self.contents.fresh.keys() & set(
            self.config.reference.values()
        ):
            problems += check_reference(self.site, self.bundle, self.config.reference, anchors)
        if problems:
            raise BuildError(*sorted(problems))

    def _aliases(self, facts: dict[str, PageMeta], files: dict[str, Path | None]) -> list[Problem]:
        taken = {page_url(source): source for source in facts} | {url: url for url in files}
        problems = []
        for source, found in facts.items():
            for alias in found.aliases:
                if alias in taken or not alias.endswith(".html") or alias.startswith("/"):
                    why = f"is what {taken[alias]} is called" if alias in taken else "is no page"
                    cure = 'Write the old address below the site, as in aliases = ["docs/old-name.html"]'
                    problems.append(
                        Problem(self.site / source, 1, f"the alias {alias!r} {why}. {cure}")
                    )
                taken[alias] = source
        return problems

    # Whole pages.

    def _layouts(
        self, facts: dict[str, PageMeta], navigation: Navigation, progress: Progress
    ) -> None:
        self.urls = {page_url(source) for source in facts}
        self.header = [
            place
            for folder in navigation.sections("docs")
            if (place := navigation.index_of(folder))
        ]
        common = fingerprint_of(
            self.source,
            self.api,
            self.live,
            repr(self.config),
            str(self.has_pages),
            *(f"{p.url}{p.title}" for p in self.header),
        )
        self.common = common
        stale: list[_Layout] = []
        for source, found in facts.items():
            url, near = page_url(source), navigation.of(source)
            children = (
                self._children(navigation, source.rpartition("/")[0])
                if source.endswith("/index.md")
                else []
            )
            known = self.known[source]
            listed = "\n".join(
                f"{p.url}\t{p.title}\t{p.summary}" for group in children for p in group
            )
            layout = fingerprint_of(
                known.digest, self.templates[found.template], common, near.digest_part, listed
            )
            self.pages.append(url)
            if known.layout == layout and url in self.output.there:
                self.output.keep(url)
            else:
                stale.append(_Layout(source, found, near, children, layout))
        for one in stale:
            if one.source not in self.contents.fresh:
                self.contents.fresh[one.source] = self.cache.body(one.source)
            # Folders and templates are made here, once, and not in each process.
            self.output.make_room(page_url(one.source))
            self._template(one.facts.template)
        begun = len(facts) + len(self.contents.fresh)
        for done, url in enumerate(map_parallel(self._layout, stale), begun - len(stale)):
            progress(done, begun)
            self.output.note(url)
        self.cache.set_layout([(one.layout, one.source) for one in stale])

    def _layout(self, one: "_Layout") -> str:
        """Writes the page of a document. May run in a process of its own."""
        url = page_url(one.source)
        html, sections = self.contents.fresh[one.source]
        is_file = (self.site / one.source).is_file() if self.config.edit else False
        text = self._render(
            url,
            one.facts.template,
            page=PageLink(one.source, url, one.facts.title, one.facts.summary),
            content=Markup(html),  # noqa: S704 - rendered from our own sources
            toc=[section for section in sections if section.level in (2, 3)],
            near=one.near,
            children=one.children,
            edit=self.config.edit.format(path=one.source) if is_file else "",
        )
        self.output.put(url, text)
        return url

    def _children(self, navigation: Navigation, folder: str) -> list[list[PageLink]]:
        """What the first page of a section lists: its pages, then those of each section below."""
        below = [navigation.index_of(name) for name in navigation.sections(folder)]
        return [navigation.pages(folder), [place for place in below if place]]

    def _test_pages(self, pages: list[Page]) -> None:
        if not pages:
            return
        expected = {page.document.slug: _expected(page) for page in pages}
        index = fingerprint_of(
            self.templates["pages.html"],
            self.common,
            json.dumps(expected),
            repr([p.document.meta for p in pages]),
        )
        self._made("pages/index.html", index, lambda: self._pages_index(pages, expected))
        for page in pages:
            document = page.document
            key = fingerprint_of(
                document.body,
                repr(document.meta),
                self.build_fingerprint,
                self.templates["page.html"],
                self.common,
            )
            self._made(
                f"pages/{document.slug}.html",
                key,
                partial(self._test_page, page, expected[document.slug]),
            )

    def _made(self, url: str, key: str, make: Callable[[], None]) -> None:
        """Makes a page unless it was made of the same before."""
        self.pages.append(url)
        if url in self.output.there and self.cache.get(f"made {url}") == key:
            self.output.keep(url)
        else:
            make()
            self.cache.set(f"made {url}", key)

    def _pages_index(self, pages: list[Page], expected: dict[str, Any]) -> None:
        place = PageLink(
            "",
            "pages/index.html",
            "Test pages",
            "Scenarios that declare what must be stored, and say by themselves whether it was.",
        )
        self._write("pages/index.html", "pages.html", page=place, pages=pages, expected=expected)

    def _test_page(self, page: Page, expected: dict[str, Any]) -> None:
        from .javascript import JavaScriptError, check_html

        document = page.document
        try:
            check_html("\n" * document.offset + document.body)
        except JavaScriptError as error:
            raise BuildError(
                Problem(
                    document.path, error.line, f"this script does not parse: {error}. Correct it."
                )
            ) from error
        source = self.source if page.source == "demo" else UNKNOWN_SOURCE
        url = f"pages/{document.slug}.html"
        try:
            template = templates.environment().from_string(
                "{% extends 'page.html' %}" + document.body
            )
        except TemplateError as error:
            templates.explain(error, document.path, paths.TEMPLATES, document.offset)
        self._write(
            url,
            template,
            document,
            page=PageLink("", url, document.title, document.summary),
            test=page,
            expected=expected,
            expected_json=Markup(json.dumps(expected).replace("<", "\\u003c")),  # noqa: S704
            snippet=Markup(self._snippet(page.form, source)),  # noqa: S704
            api=self.api,
        )

    def _rest(
        self, facts: dict[str, PageMeta], files: dict[str, Path | None], navigation: Navigation
    ) -> None:
        for url, path in files.items():
            if path:
                self.output.write_if_changed(url, path.read_bytes())
        self.output.write_if_changed("assets/code.css", code_css())
        if not self.output.cold and not self.output.written:
            self.output.keep("assets/search-index.js")
        else:
            names = {
                folder: place.title
                for folder in navigation.folders
                if (place := navigation.index_of(folder))
            }
            entries = ",\n".join(self.cache.search())
            index = f"thamesthriveSearch({json.dumps(names)}, [\n{entries}\n]);\n"
            self.output.write_if_changed("assets/search-index.js", index)
        for source, found in facts.items():
            for alias in found.aliases:
                target = relative_url(page_url(source), alias)
                html = (
                    templates.environment()
                    .get_template("moved.html")
                    .render(target=target, title=found.title, config=self.config)
                )
                self.output.write_if_changed(alias, html)
        missing = PageLink("", "404.html", "There is no such page", "The address leads nowhere.")
        self._write_if_changed("404.html", "404.html", page=missing, root=self.config.root)
        base = self.config.url.rstrip("/")
        rows = "".join(
            f"<url><loc>{base}/{url.removesuffix('index.html')}</loc></url>\n"
            for url in sorted(self.pages)
        )
        sitemap = f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{rows}</urlset>\n'
        self.output.write_if_changed("sitemap.xml", sitemap)

    # The means.

    def _snippet(self, form: str, source: str) -> str:
        key = (form, source)
        if key not in self._snippets:
            self._snippets[key] = render_snippet(
                source, self.api, self.bundle, one_line=form == "one-line"
            ).html
        return self._snippets[key]

    def _template(self, name: str) -> Template:
        if name not in self._templates:
            try:
                self._templates[name] = templates.environment().get_template(name)
            except TemplateError as error:
                templates.explain(error, paths.TEMPLATES / name, paths.TEMPLATES)
        return self._templates[name]

    def _render(
        self, url: str, template: str | Template, origin: Document | None = None, **values: Any
    ) -> str:
        if isinstance(template, str):
            template = self._template(template)
        root = values.pop("root", "../" * url.count("/"))
        try:
            return template.render(
                root=root,
                config=self.config,
                header=self.header,
                live=self.live,
                example={"source": self.source, "api": self.api},
                has_pages=self.has_pages,
                near=values.pop("near", None),
                **values,
            )
        except TemplateError as error:
            path = origin.path if origin else paths.TEMPLATES / str(template.name)
            templates.explain(error, path, paths.TEMPLATES, origin.offset if origin else 0)

    def _write(
        self, url: str, template: str | Template, origin: Document | None = None, **values: Any
    ) -> None:
        self.output.write(url, self._render(url, template, origin, **values))

    def _write_if_changed(self, url: str, template: str, **values: Any) -> None:
        self.output.write_if_changed(url, self._render(url, template, **values))


def _links_of(page: Page) -> list[Link]:
    """The links in a test page's own HTML, those aside that scripts and templates put together."""
    document = page.document
    links = []
    for number, line in enumerate(document.body.split("\n"), document.offset + 1):
        for found in _LINKS.finditer(line):
            path, _, anchor = found[1].partition("#")
            if not re.match(r"[a-z]+:|//|\?", path) and path.endswith(
                (".html", ".js", ".css", ".png", ".svg", ".json")
            ):
                links.append(Link(number, found[1], os.path.normpath(f"pages/{path}"), anchor))
    return links


def _wrong_template_links(known: set[str]) -> Iterator[Problem]:
    """A problem for each file of the site that a template asks for by name, and that there is
    not."""
    for path in sorted(paths.TEMPLATES.glob("*.html")):
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            for name in re.findall(r"{{ root }}([\w./-]+)", line):
                if name not in known and not name.startswith("pages/"):
                    yield Problem(
                        path,
                        number,
                        f"there is no {name} to link to. Correct the name, or add the file.",
                    )


def _expected(page: Page) -> dict[str, Any]:
    return {
        "requests": page.requests,
        "console": page.console,
        "events": [asdict(event) for event in page.events],
    }


def _code_digest() -> str:
    """Of the builder itself: with another one, everything is made anew."""
    here = Path(__file__).parent
    return fingerprint_of(*(path.read_bytes() for path in sorted(here.glob("*.py"))))

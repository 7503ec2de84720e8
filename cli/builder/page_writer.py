"""Writes the HTML files of the Markdown pages that changed."""

from dataclasses import dataclass

from markupsafe import Markup

from .config import SiteOptions
from .fingerprint import fingerprint_of
from .navigation import Navigation, PageLink, PageNav
from .output_folder import OutputFolder
from .page import PageMeta, page_url
from .page_loader import PageLoader, Progress
from .parallel import map_parallel
from .render_cache import RenderCache
from .template_renderer import TemplateRenderer


@dataclass(frozen=True)
class _OutputPage:
    """A page and what its HTML file is made of. `children` are the groups of links that the index
    of a section lists; `fingerprint` covers everything."""

    page_path: str
    url: str
    meta: PageMeta
    nav: PageNav
    children: list[list[PageLink]]
    fingerprint: str


class PageWriter:
    """Writes each page whose content, template or navigation changed, and keeps the others."""

    def __init__(
        self,
        options: SiteOptions,
        cache: RenderCache,
        output: OutputFolder,
        loader: PageLoader,
        navigation: Navigation,
        renderer: TemplateRenderer,
    ) -> None:
        self.options, self.cache, self.output = options, cache, output
        self.loader, self.navigation, self.renderer = loader, navigation, renderer

    def write(self, metas: dict[str, PageMeta], progress: Progress) -> list[str]:
        """Writes the stale pages among `metas`, and returns the URLs of all of them."""
        pages = [self._page(page_path, meta) for page_path, meta in metas.items()]
        stale = []
        for page in pages:
            if self._is_current(page):
                self.output.keep(page.url)
            else:
                stale.append(page)
        for page in stale:
            if page.page_path not in self.loader.rendered:
                self.loader.rendered[page.page_path] = self.cache.load_body(page.page_path)
            # Once, before the processes that share the work are forked.
            self.output.make_folder(page.url)
            self.renderer.load(page.meta.template)
        total = len(pages) + len(self.loader.rendered)
        for done, url in enumerate(map_parallel(self._write_page, stale), total - len(stale)):
            progress(done, total)
            self.output.mark_written(url)
        self.cache.save_output_fingerprints((page.fingerprint, page.page_path) for page in stale)
        return [page.url for page in pages]

    def _page(self, page_path: str, meta: PageMeta) -> _OutputPage:
        nav = self.navigation.page_nav(page_path)
        children = self._children(page_path)
        listed = "\n".join(
            f"{link.url}\t{link.title}\t{link.summary}" for group in children for link in group
        )
        fingerprint = fingerprint_of(
            self.loader.cached[page_path].fingerprint,
            self.renderer.fingerprint(meta.template),
            nav.fingerprint,
            listed,
        )
        return _OutputPage(page_path, page_url(page_path), meta, nav, children, fingerprint)

    def _is_current(self, page: _OutputPage) -> bool:
        cached = self.loader.cached[page.page_path]
        return cached.output_fingerprint == page.fingerprint and page.url in self.output.existing

    def _children(self, page_path: str) -> list[list[PageLink]]:
        """Returns what a section's index page lists: its pages, then the sections below."""
        folder, _, name = page_path.rpartition("/")
        if name != "index.md":
            return []
        return [self.navigation.pages(folder), self.navigation.subsections(folder)]

    def _write_page(self, page: _OutputPage) -> str:
        """Writes the file of a page, and returns its URL. May run in another process."""
        body = self.loader.rendered[page.page_path]
        html = self.renderer.render(
            page.url,
            page.meta.template,
            page=PageLink(page.page_path, page.url, page.meta.title, page.meta.summary),
            content=Markup(body.html),  # noqa: S704 - rendered from the site's own files
            toc=body.toc,
            nav=page.nav,
            children=page.children,
            edit_url=self._edit_url(page.page_path),
        )
        self.output.write_file(page.url, html)
        return page.url

    def _edit_url(self, page_path: str) -> str:
        edit = self.options.config.edit
        # Guides have no file of their own that could be edited.
        has_file = bool(edit) and (self.options.site_dir / page_path).is_file()
        return edit.format(path=page_path) if has_file else ""

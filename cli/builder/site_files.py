"""The files of a site besides its pages: assets, search index, sitemap, 404 page and aliases."""

import json
from pathlib import Path

from .. import paths
from .config import SiteOptions
from .highlighting import code_css
from .navigation import Navigation, PageLink
from .output_folder import OutputFolder
from .page import PageMeta, page_url, relative_url
from .render_cache import RenderCache
from .template_renderer import TemplateRenderer

CODE_CSS, SEARCH_INDEX = "assets/code.css", "assets/search-index.js"
SITEMAP, NOT_FOUND = "sitemap.xml", "404.html"
GENERATED_FILES = (CODE_CSS, SEARCH_INDEX, SITEMAP, NOT_FOUND)


def find_assets(options: SiteOptions) -> dict[str, Path]:
    """Returns the files that are copied into the site as they are, by URL."""
    assets: dict[str, Path] = {}
    for folder in (paths.TEMPLATES / "assets", options.site_dir / "assets"):
        if folder.is_dir():
            files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
            assets |= {f"assets/{path.relative_to(folder)}": path for path in files}
    scripts = options.bundle / "site"
    if scripts.is_dir():
        assets |= {f"assets/{path.name}": path for path in sorted(scripts.iterdir())}
    return assets


class SiteFilesWriter:
    """Writes the files of a site besides its pages, each if its content changed."""

    def __init__(
        self,
        options: SiteOptions,
        cache: RenderCache,
        output: OutputFolder,
        renderer: TemplateRenderer,
    ) -> None:
        self.options, self.cache, self.output, self.renderer = options, cache, output, renderer

    def write_assets(self, assets: dict[str, Path]) -> None:
        """Copies the assets, and writes the style sheet of highlighted code."""
        for url, path in assets.items():
            self.output.write_if_changed(url, path.read_bytes())
        self.output.write_if_changed(CODE_CSS, code_css())

    def write_search_index(self, navigation: Navigation) -> None:
        """Writes the search index, unless nothing was written so far."""
        if not self.output.cold and not self.output.written:
            self.output.keep(SEARCH_INDEX)
            return
        titles = {
            folder: index.title
            for folder in navigation.folders
            if (index := navigation.index_of(folder))
        }
        entries = ",\n".join(self.cache.search_entries())
        script = f"thamesthriveSearch({json.dumps(titles)}, [\n{entries}\n]);\n"
        self.output.write_if_changed(SEARCH_INDEX, script)

    def write_aliases(self, metas: dict[str, PageMeta]) -> None:
        """Writes a page at each alias that redirects to the page it belongs to."""
        for page_path, meta in metas.items():
            for alias in meta.aliases:
                target = relative_url(page_url(page_path), alias)
                html = self.renderer.render(alias, "alias.html", target=target, title=meta.title)
                self.output.write_if_changed(alias, html)

    def write_not_found(self) -> None:
        """Writes the 404 page. A server shows it at any address, so its links are absolute."""
        page = PageLink("", NOT_FOUND, "Page not found", "There is no page at this address.")
        root = self.options.config.root
        html = self.renderer.render(NOT_FOUND, "404.html", page=page, root=root)
        self.output.write_if_changed(NOT_FOUND, html)

    def write_sitemap(self, urls: list[str]) -> None:
        """Writes the sitemap of all pages."""
        site_url = self.options.config.url.rstrip("/")
        entries = "".join(
            f"<url><loc>{site_url}/{url.removesuffix('index.html')}</loc></url>\n"
            for url in sorted(urls)
        )
        xmlns = "http://www.sitemaps.org/schemas/sitemap/0.9"
        sitemap = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<urlset xmlns="{xmlns}">\n{entries}</urlset>\n'
        )
        self.output.write_if_changed(SITEMAP, sitemap)

"""Builds a site: Markdown and test pages become a folder of static HTML. Only what changed since
the last build is rendered."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .. import paths
from ..errors import BuildError, Missing
from .config import SiteOptions, load_config
from .fingerprint import fingerprint_of
from .navigation import Navigation
from .option_checks import check_option_use
from .output_folder import OutputFolder
from .page import Includes, PageMeta
from .page_loader import PageLoader, Progress
from .page_writer import PageWriter
from .reference import check_reference, find_generators, program_fingerprint
from .render_cache import RenderCache
from .site_checks import check_site
from .site_files import GENERATED_FILES, SiteFilesWriter, find_assets
from .snippet import snippet_renderer
from .template_renderer import TemplateRenderer
from .testpage_writer import INDEX_URL, TestPageWriter
from .testpages import TestPage, load_test_pages


@dataclass(frozen=True)
class BuiltSite:
    """The result of a build. `pages` are the URLs of all pages, `written` the files that this build
    wrote, as paths below `out`."""

    out: Path
    pages: list[str]
    written: list[str]
    seconds: float


def build_site(
    out: Path,
    *,
    source_id: str,
    api: str,
    bundle: Path,
    site_dir: Path | None = None,
    url: str | None = None,
    live_url: str = "",
    progress: Progress = lambda _, __: None,
) -> BuiltSite:
    """Builds the site in `site_dir`, by default the program's own documentation, into `out`.

    Snippets and examples have the event source `source_id` and the collector at `api`. `bundle` is
    the folder of the built tracker. `url` replaces that of `site.toml`. Pages reload at messages
    from `live_url`.

    Raises BuildError with file, line and cure for everything that is wrong in the site's files,
    Missing without `docs/` or a tracker, and Usage if `api` or `url` is not an address. A build
    that fails leaves `out` as it was.
    """
    started = time.perf_counter()
    site_dir = site_dir or paths.SITE
    if not (site_dir / "docs").is_dir():
        raise Missing(f"{site_dir / 'docs'} does not exist. Put the site's Markdown there.")
    config = load_config(site_dir, url)
    options = SiteOptions(site_dir, bundle, source_id, api.rstrip("/"), live_url, config)
    builder = _SiteBuilder(out, options)
    try:
        pages = builder.build(progress)
    finally:
        builder.close()
    return BuiltSite(out, pages, builder.output.written, time.perf_counter() - started)


class _SiteBuilder:
    def __init__(self, out: Path, options: SiteOptions) -> None:
        self.options = options
        self.build_fingerprint = _build_fingerprint(options)
        self.program_fingerprint = program_fingerprint(options.site_dir, options.bundle)
        out.parent.mkdir(parents=True, exist_ok=True)
        self.cache = RenderCache(out.with_name(out.name + ".cache"), self.build_fingerprint)
        self.output = OutputFolder(out, cold=self.cache.cold)
        self.render_snippet = snippet_renderer(options.api, options.bundle)
        self.loader = PageLoader(
            options,
            self.cache,
            {} if self.output.cold else self.cache.load_pages(),
            self._includes(),
            self.program_fingerprint,
        )

    def _includes(self) -> Includes:
        source_id = self.options.source_id
        snippets = {
            "snippet": partial(self.render_snippet, "classic", source_id),
            "snippet one-line": partial(self.render_snippet, "one-line", source_id),
        }
        return Includes(snippets, find_generators(self.options.site_dir, self.options.bundle))

    def close(self) -> None:
        self.cache.close()
        self.output.discard()

    def build(self, progress: Progress) -> list[str]:
        """Builds the site and returns the URLs of all pages."""
        self.cache.begin()
        metas = self.loader.load(progress)
        test_pages = load_test_pages(self.options.site_dir / "pages")
        assets = find_assets(self.options)
        self._check(metas, test_pages, {*assets, *GENERATED_FILES})
        urls = self._write(metas, test_pages, assets, progress)
        self.cache.set_fingerprint("program", self.program_fingerprint)
        self.output.publish()
        self.cache.commit()
        return urls

    def _check(
        self, metas: dict[str, PageMeta], test_pages: list[TestPage], files: set[str]
    ) -> None:
        """Raises BuildError with everything that is wrong, before anything is written."""
        if test_pages:
            files = {*files, INDEX_URL, *(page.url for page in test_pages)}
        problems = list(check_site(self.options.site_dir, metas, test_pages, files))
        reference = self.options.config.reference
        if (
            self.cache.fingerprint("program") != self.program_fingerprint
            or self.loader.rendered.keys() & reference.values()
        ):
            anchors = {page_path: meta.anchors for page_path, meta in metas.items()}
            problems += check_reference(
                self.options.site_dir, self.options.bundle, reference, anchors
            )
        if "options" in reference:
            problems += check_option_use(self.options.bundle, self.options.site_dir / "pages")
        if problems:
            raise BuildError(*sorted(problems))

    def _write(
        self,
        metas: dict[str, PageMeta],
        test_pages: list[TestPage],
        assets: dict[str, Path],
        progress: Progress,
    ) -> list[str]:
        options, cache, output = self.options, self.cache, self.output
        navigation = Navigation(metas)
        renderer = TemplateRenderer(
            options,
            navigation.subsections("docs"),
            has_test_pages=(options.site_dir / "pages").is_dir(),
        )
        pages = PageWriter(options, cache, output, self.loader, navigation, renderer)
        urls = pages.write(metas, progress)
        scenarios = TestPageWriter(
            options, cache, output, renderer, self.render_snippet, self.build_fingerprint
        )
        urls += scenarios.write(test_pages)
        files = SiteFilesWriter(options, cache, output, renderer)
        files.write_assets(assets)
        files.write_search_index(navigation)
        files.write_aliases(metas)
        files.write_not_found()
        files.write_sitemap(urls)
        return urls


def _build_fingerprint(options: SiteOptions) -> str:
    """Returns a fingerprint of what every page depends on: this code, the tracker, the snippet's
    values. Raises Missing if the tracker is not built."""
    try:
        manifest = (options.bundle / "manifest.json").read_bytes()
    except FileNotFoundError as error:
        raise Missing("The tracker is not built. Run: thamesthrive build bundle") from error
    code = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return fingerprint_of(*code, manifest, options.source_id, options.api)

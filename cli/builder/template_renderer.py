"""Renders the site's pages with its templates."""

from typing import Any

from jinja2 import Template, TemplateError

from .. import paths
from .config import SiteOptions
from .fingerprint import fingerprint_of
from .front_matter import ParsedPage
from .navigation import PageLink
from .templates import raise_template_error, template_environment, template_fingerprints


class TemplateRenderer:
    """Renders pages with the site's templates."""

    def __init__(
        self, options: SiteOptions, header: list[PageLink], *, has_test_pages: bool
    ) -> None:
        """`header` are the links at the top of every page."""
        self._values = {
            "config": options.config,
            "header": header,
            "live_url": options.live_url,
            "source_id": options.source_id,
            "api": options.api,
            "has_test_pages": has_test_pages,
        }
        self._fingerprints = template_fingerprints(paths.TEMPLATES)
        self._templates: dict[str, Template] = {}
        self._values_fingerprint = fingerprint_of(
            options.source_id,
            options.api,
            options.live_url,
            repr(options.config),
            str(has_test_pages),
            *(f"{link.url}{link.title}" for link in header),
        )

    def fingerprint(self, name: str) -> str:
        """Returns a fingerprint of a template and of the values that all pages share."""
        return fingerprint_of(self._fingerprints[name], self._values_fingerprint)

    def load(self, name: str) -> Template:
        """Loads a template once. Raises BuildError with file and line."""
        if name not in self._templates:
            try:
                self._templates[name] = template_environment().get_template(name)
            except TemplateError as error:
                raise_template_error(error, paths.TEMPLATES / name, paths.TEMPLATES)
        return self._templates[name]

    def render(self, url: str, name: str, **values: Any) -> str:
        """Renders the page at `url` with a template. Raises BuildError with file and line."""
        try:
            return self.load(name).render(self._page_values(url, values))
        except TemplateError as error:
            raise_template_error(error, paths.TEMPLATES / name, paths.TEMPLATES)

    def render_body(self, url: str, base: str, parsed: ParsedPage, **values: Any) -> str:
        """Renders a page whose body is a template that extends `base`. Raises BuildError with file
        and line."""
        text = f"{{% extends '{base}' %}}{parsed.body}"
        try:
            template = template_environment().from_string(text)
            return template.render(self._page_values(url, values))
        except TemplateError as error:
            raise_template_error(error, parsed.path, paths.TEMPLATES, parsed.body_offset)

    def _page_values(self, url: str, values: dict[str, Any]) -> dict[str, Any]:
        root = "../" * url.count("/")
        return {"root": root, "nav": None, **self._values, **values}

"""Settings of a source."""

from .page import Page

PAGES: tuple[Page, ...] = ()

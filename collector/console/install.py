"""Install: the snippet of a source, and whether it works."""

from .page import Page

PAGES: tuple[Page, ...] = ()

"""Overview: visitors, sessions and events of a range of time."""

from .page import Page

PAGES: tuple[Page, ...] = ()

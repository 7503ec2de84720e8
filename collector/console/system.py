"""System: how the collector is doing."""

from .page import Page

PAGES: tuple[Page, ...] = ()

"""Rejected: what was wrong with events, and how to mend it."""

from .page import Page

PAGES: tuple[Page, ...] = ()

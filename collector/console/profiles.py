"""Profiles: one visitor's story."""

from .page import Page

PAGES: tuple[Page, ...] = ()

"""Explore: any count over time, funnels and retention."""

from .page import Page

PAGES: tuple[Page, ...] = ()

"""What a site's owner pastes: the snippet, and how it goes into each platform."""

from .platforms import Block
from .snippet import Snippet, render_snippet
from .tabs import Tab, install_tabs

__all__ = ["Block", "Snippet", "Tab", "install_tabs", "render_snippet"]

"""Where the snippet's template and the platforms' guides are: inside the installed package, or in the
source tree."""

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
_INSIDE = _PACKAGE / "_install"
SNIPPET, GUIDES = "snippet.html", "guides.toml"


def templates_folder() -> Path:
    """The folder of the snippet's template."""
    return _INSIDE if _INSIDE.is_dir() else _PACKAGE.parent / "templates"


def guides_file() -> Path:
    """The file of the platforms that ship with the program."""
    return (_INSIDE if _INSIDE.is_dir() else _PACKAGE.parent / "site") / GUIDES

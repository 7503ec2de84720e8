"""Where templates, site sources and the tracker's sources are: in the source tree, or inside the
installed package."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
SOURCE_TREE = _PACKAGE.parent if (_PACKAGE.parent / "js" / "src").is_dir() else None
_DATA = SOURCE_TREE or _PACKAGE / "_data"

TEMPLATES = _DATA / "templates"
SITE = _DATA / "site"
JS = _DATA / "js"
COMPILED = SOURCE_TREE / "build" / "templates" if SOURCE_TREE else None
"""Where compiled templates are kept; an installed copy may not write beside itself."""

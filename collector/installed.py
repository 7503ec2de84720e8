"""What came with this program."""

from pathlib import Path


def default_bundle() -> Path:
    """Where the built tracker is: inside the installed package, or in the source tree."""
    package = Path(__file__).parent
    inside = package / "_dist"
    return inside if inside.is_dir() else package.parent / "js" / "dist"

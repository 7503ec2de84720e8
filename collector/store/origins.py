"""Whether a source lists the origin of a page."""

import re
from functools import lru_cache

from .sources import Source


def is_listed(origin: str, source: Source) -> bool:
    """Whether a source that lists origins lists this one. Never for a source that lists none."""
    return any(_pattern(allowed).fullmatch(origin) for allowed in source.origins)


@lru_cache(maxsize=4096)
def _pattern(allowed: str) -> re.Pattern[str]:
    """`https://shop.example.com`, with `*.` for any subdomain and `:*` for any port."""
    pattern = (
        re.escape(allowed)
        .replace(r"://\*\.", r"://(?:[a-z0-9-]+\.)+")
        .replace(r":\*", r"(?::\d+)?")
    )
    return re.compile(pattern, re.IGNORECASE)

"""Who may send what: verdicts, before any disk write. No I/O beyond the cached registry."""

import re
from functools import lru_cache

from .errors import BridgeNotAllowed, DisabledSource, OriginNotAllowed, UnknownSource
from .store import Registry, Source


def admit(registry: Registry, source_id: str | None, *, bridge: str, origin: str | None) -> Source:
    """The source a request belongs to.

    Raises UnknownSource, DisabledSource, BridgeNotAllowed, or OriginNotAllowed if the source lists origins and `origin`,
    the request's header, is none of them.
    """
    source = registry.get(source_id) if source_id else None
    if source is None:
        raise UnknownSource
    if not source.enabled:
        raise DisabledSource
    if bridge not in source.bridges:
        raise BridgeNotAllowed
    if source.origins and not any(_origin_pattern(allowed).fullmatch(origin or "") for allowed in source.origins):
        raise OriginNotAllowed
    return source


@lru_cache(maxsize=4096)
def _origin_pattern(allowed: str) -> re.Pattern[str]:
    """`https://shop.example.com`, with `*.` for any subdomain and `:*` for any port."""
    pattern = re.escape(allowed).replace(r"://\*\.", r"://(?:[a-z0-9-]+\.)+").replace(r":\*", r"(?::\d+)?")
    return re.compile(pattern, re.IGNORECASE)

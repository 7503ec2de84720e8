"""All SQL of the project. Library calls for administrators and for the collector itself."""

from .connection import connect, connect_readonly
from .events import StoredEvent, count_events, list_events
from .schema import migrate
from .sources import BRIDGES, Registry, Source, add_source, get_source, list_sources, remove_source, set_enabled

__all__ = [
    "BRIDGES",
    "Registry",
    "Source",
    "StoredEvent",
    "add_source",
    "connect",
    "connect_readonly",
    "count_events",
    "get_source",
    "list_events",
    "list_sources",
    "migrate",
    "remove_source",
    "set_enabled",
]

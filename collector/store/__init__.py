"""All SQL of the project. Library calls for administrators and for the collector itself."""

from .connection import connect, connect_readonly
from .events import StoredEvent, count_events, last_seq, list_events
from .privacy import expire_some, export_profile, forget_profile
from .redirects import Redirect, add_redirect, list_redirects, remove_redirect
from .registry import Registry
from .rejected import RejectedEvent, get_rejected, list_rejected
from .schema import migrate
from .schemas import EventSchema, get_schema, list_schemas, remove_schema, set_schema
from .sources import (
    BRIDGES,
    IP_POLICIES,
    Source,
    add_source,
    get_source,
    list_sources,
    remove_source,
    update_source,
)
from .stats import check_database, stats
from .tokens import Token, create_token, list_tokens, revoke_token

__all__ = [
    "BRIDGES",
    "IP_POLICIES",
    "EventSchema",
    "Redirect",
    "Registry",
    "RejectedEvent",
    "Source",
    "StoredEvent",
    "Token",
    "add_redirect",
    "add_source",
    "check_database",
    "connect",
    "connect_readonly",
    "count_events",
    "create_token",
    "expire_some",
    "export_profile",
    "forget_profile",
    "get_rejected",
    "get_schema",
    "get_source",
    "last_seq",
    "list_events",
    "list_redirects",
    "list_rejected",
    "list_schemas",
    "list_sources",
    "list_tokens",
    "migrate",
    "remove_redirect",
    "remove_schema",
    "remove_source",
    "revoke_token",
    "set_schema",
    "stats",
    "update_source",
]

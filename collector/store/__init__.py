"""All SQL of the project. Library calls for administrators and for the collector itself."""

from .audit import Actor, AuditEntry, acting_as, iter_audit
from .clock import accept_clock, describe_clock, last_known
from .cluster import cluster_fingerprint, join_cluster, leave_cluster, require_cluster
from .conditions import OPERATORS, parse_condition
from .connection import connect, connect_readonly, connect_writer, path_of, snapshot, transaction
from .erasure import count_profile, export_profile, forget_profile, require_forgettable
from .event_schemas import EventSchema, get_schema, list_schemas, remove_schema, set_schema
from .events import StoredEvent, first_of_latest, iter_events, last_seq, list_events, seq_range
from .former_ids import GRACE, FormerId, list_former_ids, rotate_source
from .growth import DatabaseSize, Forecast, Rows, Sizes, database_size
from .install import (
    ACCEPT_BRIDGE,
    ALLOW_ORIGIN,
    ENABLE,
    Cause,
    InstallState,
    Lamp,
    allow_origin,
    install_state,
    likely_causes,
)
from .migrations import migrate, refuse_newer
from .moments import time_ago
from .origins import is_listed
from .plan import PlanDiff, SchemaChange, apply_plan, diff_plan
from .profiles import (
    Profile,
    ProfileMatch,
    ProfileSession,
    find_profiles,
    get_profile,
    list_profile_events,
    list_profile_sessions,
)
from .redirects import Redirect, add_redirect, list_redirects, remove_redirect
from .rejected import MAX_DAYS as MAX_REJECTED_DAYS
from .rejected import RejectedEvent, count_rejected, get_rejected, iter_rejected, list_rejected
from .rejected_groups import (
    MAX_GROUPS,
    RejectedGroup,
    Rule,
    Sample,
    get_rejected_group,
    iter_group,
    list_rejected_groups,
    sample_of,
)
from .retention import expire_rows, paused
from .rollup_tables import KINDS
from .rollups import rebuild_rollups
from .schema_try import MAX_LIMIT as MAX_TRIED
from .schema_try import SchemaTry, TriedFault, try_schema
from .sightings import Sighting, list_sightings
from .source_cache import SourceCache
from .sources import (
    BRIDGES,
    SOURCE_FIELDS,
    Source,
    add_source,
    get_source,
    list_sources,
    remove_source,
    source_names,
    update_source,
)
from .stats import backup, check_database, database_state, stats
from .tokens import ADMIN, READ, ROLES, Token, create_token, list_tokens, note_use, revoke_token
from .traces import find_traces, remove_traces

__all__ = [
    "ACCEPT_BRIDGE",
    "ADMIN",
    "ALLOW_ORIGIN",
    "BRIDGES",
    "ENABLE",
    "GRACE",
    "KINDS",
    "MAX_GROUPS",
    "MAX_REJECTED_DAYS",
    "MAX_TRIED",
    "OPERATORS",
    "READ",
    "ROLES",
    "SOURCE_FIELDS",
    "Actor",
    "AuditEntry",
    "Cause",
    "DatabaseSize",
    "EventSchema",
    "Forecast",
    "FormerId",
    "InstallState",
    "Lamp",
    "PlanDiff",
    "Profile",
    "ProfileMatch",
    "ProfileSession",
    "Redirect",
    "RejectedEvent",
    "RejectedGroup",
    "Rows",
    "Rule",
    "Sample",
    "SchemaChange",
    "SchemaTry",
    "Sighting",
    "Sizes",
    "Source",
    "SourceCache",
    "StoredEvent",
    "Token",
    "TriedFault",
    "accept_clock",
    "acting_as",
    "add_redirect",
    "add_source",
    "allow_origin",
    "apply_plan",
    "backup",
    "check_database",
    "cluster_fingerprint",
    "connect",
    "connect_readonly",
    "connect_writer",
    "count_profile",
    "count_rejected",
    "create_token",
    "database_size",
    "database_state",
    "describe_clock",
    "diff_plan",
    "expire_rows",
    "export_profile",
    "find_profiles",
    "find_traces",
    "first_of_latest",
    "forget_profile",
    "get_profile",
    "get_rejected",
    "get_rejected_group",
    "get_schema",
    "get_source",
    "install_state",
    "is_listed",
    "iter_audit",
    "iter_events",
    "iter_group",
    "iter_rejected",
    "join_cluster",
    "last_known",
    "last_seq",
    "leave_cluster",
    "likely_causes",
    "list_events",
    "list_former_ids",
    "list_profile_events",
    "list_profile_sessions",
    "list_redirects",
    "list_rejected",
    "list_rejected_groups",
    "list_schemas",
    "list_sightings",
    "list_sources",
    "list_tokens",
    "migrate",
    "note_use",
    "parse_condition",
    "path_of",
    "paused",
    "rebuild_rollups",
    "refuse_newer",
    "remove_redirect",
    "remove_schema",
    "remove_source",
    "remove_traces",
    "require_cluster",
    "require_forgettable",
    "revoke_token",
    "rotate_source",
    "sample_of",
    "seq_range",
    "set_schema",
    "snapshot",
    "source_names",
    "stats",
    "time_ago",
    "transaction",
    "try_schema",
    "update_source",
]

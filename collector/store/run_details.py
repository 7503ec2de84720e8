"""Rejected events of runs of tests, as those who test want them."""

import json
import sqlite3
from typing import Any

from .rejected import RejectedEvent
from .rejected_groups import sample_of, split_detail
from .rows import load_json


def rejected_dict(connection: sqlite3.Connection, row: RejectedEvent) -> dict[str, Any]:
    """A rejected event as JSON-ready data, with the rule that it breaks."""
    pointer, cause = split_detail(row.detail)
    return {
        "seq": row.seq,
        "reason": row.reason,
        "detail": cause,
        "pointer": pointer,
        "rule": sample_of(connection, row.seq).rule.as_dict(),
        "type": row.type,
        "event_id": row.event_id,
        "payload": _decoded(row.payload),
        "source_id": row.source_id,
        "request_id": row.request_id,
        "received_at": row.received_at,
    }


def _decoded(payload: str) -> Any:
    """A payload as data; as it is if it is no JSON, or was cut."""
    try:
        return load_json(payload)
    except (json.JSONDecodeError, RecursionError):
        return payload

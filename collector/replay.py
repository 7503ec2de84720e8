"""Replay: rejected events are judged again, by the schemas of today, and those that are valid now
are stored."""

import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

import msgspec
from msgspec import Raw, structs

from . import event
from .clock import Moment
from .errors import Refused
from .gate import Gate
from .payload import Event
from .store.rejected import MAX_PAYLOAD, RejectedEvent, list_rejected, store_replayed

PAGE = 500  # rows read at a time


@dataclass
class Replayed:
    """What became of the rejected events that were looked at."""

    stored: int = 0
    duplicate: int = 0
    invalid: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts as JSON-ready data."""
        return asdict(self)


def replay(
    connection: sqlite3.Connection,
    gate: Gate,
    *,
    source_id: str | None = None,
    event_type: str | None = None,
    seq: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Replayed:
    """Looks at all rejected events, those of a source or a type, or a single one. Each is stored in
    a transaction of its own, under its own id, once; those that are still invalid stay. `progress`
    is called with the number looked at so far."""
    done, looked = Replayed(), 0
    before = None if seq is None else seq + 1
    while page := list(
        list_rejected(
            connection,
            source_id=source_id,
            type=event_type,
            before=before,
            limit=1 if seq else PAGE,
        )
    ):
        for row in page:
            found = _parse(gate, row)
            if found is None:
                done.invalid += 1
            elif store_replayed(connection, row, found):
                done.stored += 1
            else:
                done.duplicate += 1
            looked += 1
            progress(looked)
        before = page[-1].seq
        if seq is not None:
            break
    return done


def _parse(gate: Gate, row: RejectedEvent) -> Event | None:
    """The event, if it is valid now."""
    if len(row.payload) >= MAX_PAYLOAD or row.event_id == row.request_id:
        return None  # cut, or no event but a whole request
    try:
        wire = msgspec.json.encode(
            {"source": {"id": row.source_id}, "events": [Raw(row.payload.encode())]}
        )
        payload = event.parse(
            wire, row.request_id, Moment(datetime.fromisoformat(row.received_at), row.received_at)
        )
        payload = gate.judge(payload, gate.find(row.source_id))
    except (Refused, msgspec.MsgspecError):
        return None
    return structs.replace(payload.events[0], id=row.event_id) if payload.events else None

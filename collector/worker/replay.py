"""Replay: judges rejected events again, and stores those that are valid by the schemas of today."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from msgspec import structs

from ..errors import Refused, refusal
from ..ipc import SenderInfo, WriteRequest, WriteResult
from ..store.audit import add_entry, complete_entry
from ..store.connection import transaction
from ..store.rejected import RejectedEvent, list_rejected, parsed_again
from .admission import Admission
from .pipeline import write_request

PAGE = 100  # rows, of a few hundred KB at most, read, and stored, at a time

Write = Callable[[Sequence[WriteRequest]], Sequence[WriteResult]]


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
    admission: Admission,
    write: Write,
    *,
    source_id: str | None = None,
    event_type: str | None = None,
    seq: int | None = None,
    progress: Callable[[int, Replayed], None] = lambda _, __: None,
) -> Replayed:
    """Looks at all rejected events, those of a source or a type, or a single one.

    Valid ones go to the writer like every event (`write`), under their own id, and leave the
    rejected ones in the same transaction; those that are still invalid stay. `progress` is called
    with the number looked at so far, and what became of those; it may raise. Raises Refused if the
    writer cannot store at the moment.
    """
    done, looked = Replayed(), 0
    with transaction(connection):
        # Before the first event: the writer stores the events in other transactions.
        what = str(seq) if seq is not None else event_type or ""
        entry = add_entry(connection, "rejected.replay", what, source_id=source_id)
    before = None if seq is None else seq + 1
    while page := list_rejected(
        connection,
        source_id=source_id,
        type=event_type,
        before=before,
        limit=1 if seq else PAGE,
    ):
        requests = [request for row in page if (request := _request(admission, row))]
        done.invalid += len(page) - len(requests)
        for result in write(requests) if requests else ():
            if result.refused:
                raise refusal(result.refused, result.retry_after)
            if result.duplicates:
                done.duplicate += 1
            else:
                done.stored += 1
        looked += len(page)
        progress(looked, done)
        before = page[-1].seq
        if seq is not None:
            break
    with transaction(connection):
        complete_entry(connection, entry, done.as_dict())
    return done


def _request(admission: Admission, row: RejectedEvent) -> WriteRequest | None:
    """The event as it was received then, if it is valid now."""
    payload = parsed_again(row)
    if payload is None:
        return None
    try:
        source = admission.find(row.source_id)
        payload = admission.judge(payload, source)
    except Refused:
        return None
    if not payload.events:
        return None
    payload = structs.replace(
        payload,
        session_id=row.session_id,
        request=row.request,
        events=(structs.replace(payload.events[0], id=row.event_id),),
        anonymous=row.session_id is None,
    )
    sender = SenderInfo(row.origin, row.ip, row.bot)
    request = write_request(source, payload, row.request_id, row.received_at, sender, row.seq)
    request.run = row.run
    return request

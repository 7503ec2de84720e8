"""An event that the console sends itself, the way of all others from where it is judged."""

import asyncio
from contextlib import closing

import msgspec
from msgspec import structs

from ..errors import StoreError, refusal
from ..event import timestamps
from ..event.parse import parse
from ..ids import uuid7
from ..ipc import SenderInfo, WriteResult
from ..store import Source, SourceCache
from ..store.install import SAMPLE
from ..worker.admission import Admission
from ..worker.pipeline import write_request
from ..worker.writer_client import WriterClient
from .page import Call

SIZE = 1024  # bytes, about
SECONDS = 15.0  # the writer answers, or is given up, earlier


def send_sample(call: Call, source: Source) -> str:
    """Has an event of the type SAMPLE stored. Returns what has become of it, in a sentence. Raises
    StoreError if the source is disabled, Refused if nothing can be stored at the moment."""
    if not source.enabled:
        raise StoreError("The source is disabled, so nothing is sent. Enable it first.")
    received = timestamps.current()
    body = {
        "source": {"id": source.id},
        "events": [{"type": SAMPLE, "properties": {"sent_by": "console"}}],
    }
    request_id = uuid7()
    payload = parse(msgspec.json.encode(body), request_id, received)
    payload = structs.replace(payload, anonymous=True)  # no visitor has sent it
    with closing(SourceCache(call.settings.db)) as sources:
        payload = Admission(sources).judge(payload, source)
    if source.validate_only:
        fault = payload.rejected[0].detail if payload.rejected else ""
        return (
            f"The sample is not valid: {fault}"
            if fault
            else "The sample is valid. The source stores nothing."
        )
    request = write_request(source, payload, request_id, received.text, SenderInfo())

    writer: WriterClient = call.app.writer

    async def submit() -> WriteResult:
        return await writer.submit(request, SIZE, SIZE)

    result = asyncio.run_coroutine_threadsafe(submit(), writer.loop).result(SECONDS)
    if result.refused:
        raise refusal(result.refused, result.retry_after)
    if payload.rejected:
        return f"The sample was rejected: {payload.rejected[0].detail}"
    return f"A sample is stored: an event of the type {SAMPLE}."

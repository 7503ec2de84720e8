"""Events that were rejected, parsed again from what was kept of them."""

import msgspec
from msgspec import Raw

from ..errors import Refused
from .parse import parse
from .timestamps import Timestamp, stored
from .types import Payload


def parse_again(source_id: str, payload: str, request_id: str, received_at: str) -> Payload | None:
    """A rejected event as the only one of a request, as it would be parsed today; None if what was
    kept is not JSON, or no request could be like that. `received_at`: the stored form."""
    wire = {"source": {"id": source_id}, "events": [Raw(payload.encode("utf-8", "replace"))]}
    try:
        received: Timestamp = stored(received_at)
        return parse(msgspec.json.encode(wire), request_id, received)
    except (Refused, msgspec.MsgspecError, ValueError):  # a row that another program has written
        return None

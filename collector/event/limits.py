"""How large a request may be, and its parts. The contract has these numbers."""

MAX_WIRE = 256 * 1024  # bytes of a body as it arrives; the server stops reading there
MAX_INFLATED = 1024 * 1024  # bytes of a body, inflated
MAX_RATIO = 200  # inflated to wire; text of events reaches 20
MAX_ENCODINGS = 2  # one after the other
MAX_EVENTS = 500  # in one request
MAX_DEPTH = 32  # levels of nesting
MAX_KNOWN = 1000  # ids that a sender may ask about at once
MAX_TYPE = 128  # characters of an event's type
MAX_ID = 128  # characters of an id

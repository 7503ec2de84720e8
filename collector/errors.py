"""Everything the collector can refuse, one class per cause, with the contract's status and reason
word.

CollectorError
├── Refused              answered to the sender: status, reason, detail
│   ├── Invalid          422  invalid
│   │   └── WrongEnvelope         JSON, but of another shape; its source can be judged all the same
│   ├── UnknownSource    401  unknown_source
│   ├── DisabledSource   401  disabled_source
│   ├── BridgeNotAllowed 401  bridge_not_allowed
│   ├── OriginNotAllowed 403  origin_not_allowed
│   ├── TooLarge         413  too_large
│   ├── RateLimited      429  rate_limited, with Retry-After
│   ├── Overloaded       503  overloaded, with Retry-After
│   └── Internal         500  internal
├── SettingsError        wrong configuration: says which setting, and where it came from
└── StoreError           the database cannot do what an administrator asked
    ├── NotFound
    └── InUse
"""


class CollectorError(Exception):
    """Root of the tree. `str(error)` is one line that a person can act on."""


class Refused(CollectorError):
    """A verdict on a whole request."""

    status = 500
    reason = "internal"
    detail = "Internal error."
    retry_after: int | None = None  # seconds

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.detail)
        if detail:
            self.detail = detail


class Invalid(Refused):
    """The envelope is not what the contract asks for. Nothing of the payload is repeated in
    `detail`."""

    status = 422
    reason = "invalid"
    detail = "The request is not a valid payload."


class WrongEnvelope(Invalid):
    """A JSON object that is no payload. `source_id`: what it names as its source, None if that is
    malformed too."""

    def __init__(self, detail: str, source_id: str | None) -> None:
        super().__init__(detail)
        self.source_id = source_id


class UnknownSource(Refused):
    """No such event source: unknown, missing or malformed id. The detail is fixed by the
    contract."""

    status = 401
    reason = "unknown_source"
    detail = "Access denied. Invalid source."


class DisabledSource(Refused):
    status = 401
    reason = "disabled_source"
    detail = "Access denied. Source disabled."


class BridgeNotAllowed(Refused):
    status = 401
    reason = "bridge_not_allowed"
    detail = "Access denied. Source does not accept this bridge."


class OriginNotAllowed(Refused):
    status = 403
    reason = "origin_not_allowed"
    detail = "Access denied. Origin not allowed."


class TooLarge(Refused):
    status = 413
    reason = "too_large"
    detail = "The request is too large."


class RateLimited(Refused):
    """The source has used up its events per minute. Nothing was stored; the sender comes again
    after `retry_after`."""

    status = 429
    reason = "rate_limited"
    detail = "Too many events. Try again later."

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after


class Overloaded(Refused):
    """Nothing was stored; the sender keeps its events and comes again."""

    status = 503
    reason = "overloaded"
    detail = "The collector cannot store events right now. Try again."
    retry_after = 2


class Internal(Refused):
    """Ours to mend. The log has the cause, the sender only the request's id."""


class SettingsError(CollectorError):
    """A setting has a value that cannot be used."""


class StoreError(CollectorError):
    """The database cannot do what was asked."""


class NotFound(StoreError):
    """No row with that id."""


class InUse(StoreError):
    """Other rows depend on this one."""

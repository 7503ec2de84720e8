"""Everything the collector can refuse, one class per cause.

A reason code of the contract is one class: its code, status, whether to send again, and, in its
docstring, what it means. The reference, the OpenAPI document and the command line read them there.

Reason
├── Stored               200  stored
├── Duplicate            200  duplicate
└── Refused              answered to the sender; a CollectorError, too
    ├── Invalid          422  invalid
    │   └── InvalidEnvelope       JSON of another shape; its source can be admitted all the same
    ├── UnknownSource    401  unknown_source
    ├── DisabledSource   401  disabled_source
    ├── BridgeNotAllowed 401  bridge_not_allowed
    ├── OriginNotAllowed 403  origin_not_allowed
    ├── TooLarge         413  too_large
    ├── RateLimited      429  rate_limited, with Retry-After
    │   ├── SourceQuota           bytes of the source, not its events
    │   └── AddressQuota          bytes of the sender's address
    ├── Overloaded       503  overloaded, with Retry-After
    └── Internal         500  internal

CollectorError
├── Refused
├── Forbidden            403: a token of the management API may not do this
├── MalformedRequest     400: bytes that are not HTTP, or that can be read in two ways
├── SettingsError        wrong configuration: says which setting, and where it came from
├── BadAddress           a collector's address that pages cannot use
├── NotBuilt             the tracker is not built
├── PlanError            a tracking plan's files cannot be used
└── StoreError           the database cannot do what an administrator asked
    ├── BrokenState      the file that says how far destinations are
    ├── NewerDatabase
    ├── ReplacedDatabase
    ├── NotFound
    └── InUse
"""

from pathlib import Path
from typing import ClassVar


class CollectorError(Exception):
    """Root of the tree. `str(error)` is one line that a person can act on."""

    exit_code: ClassVar[int] = 1  # of a command that ends with it


class Reason:
    """What became of a request or an event. `REASONS` has each class by its code.

    `cause` and `cure` are what the reference, the command line and the console say of it, in
    Markdown without links.
    """

    code: ClassVar[str]
    cause: ClassVar[str]
    cure: ClassVar[str]
    status: ClassVar[int] = 200  # of a request that ends with it
    retry: ClassVar[bool] = False  # whether the same events may be accepted later

    def __init_subclass__(cls) -> None:
        if "code" in cls.__dict__:
            REASONS[cls.code] = cls


REASONS: dict[str, type[Reason]] = {}


class Stored(Reason):
    """On disk."""

    code = "stored"
    cause = "The row is on disk: committed and synced."
    cure = "None is needed."


class Duplicate(Reason):
    """On disk already: this id was stored before. Nothing is counted twice."""

    code = "duplicate"
    cause = (
        "An event with this id is on disk already. An answer was lost on its way, or a "
        "program sent the same id twice."
    )
    cure = "None is needed: it counts once. If different events share an id, give each its own."


class Refused(CollectorError, Reason):
    """A verdict on a whole request. `retry_after`: seconds, where the sender should wait."""

    detail = ""
    retry_after: int | None = None

    def __init__(self, detail: str | None = None, *, retry_after: int | None = None) -> None:
        super().__init__(detail or self.detail)
        if detail:
            self.detail = detail
        if retry_after is not None:
            self.retry_after = retry_after


class Invalid(Refused):
    """Not JSON, of the wrong shape, or not what the source's schema for that type allows."""

    # Nothing of the payload is repeated in `detail`.
    code = "invalid"
    status = 422
    cause = (
        "Not JSON, not of the shape that is asked for, a reserved key (`__proto__`, "
        "`constructor.prototype`), or properties that fail the source's schema. `detail` "
        "points to the place, as in `/properties/price: the value is less than the minimum "
        "of 0`."
    )
    cure = (
        "Correct what is sent. If the schema was wrong, set another one; `thamesthrive "
        "rejected replay` then stores the events that are valid now, because they are kept: "
        "`thamesthrive rejected list`."
    )
    detail = "The request is not a valid payload."


class InvalidEnvelope(Invalid):
    """A JSON object that is no payload. `source_id`: the source it names, None if that is malformed
    too."""

    def __init__(self, detail: str, source_id: str | None) -> None:
        super().__init__(detail)
        self.source_id = source_id


class UnknownSource(Refused):
    """The source's id is unknown, missing or malformed."""

    code = "unknown_source"
    status = 401
    cause = (
        "The collector knows no source with the id that the page names: mistyped, cut while "
        "copying, removed, replaced by `source rotate`, or of another collector or database."
    )
    cure = "Compare with `thamesthrive source list`, and paste the snippet again."
    detail = "Access denied. Invalid source."  # fixed by the contract


class DisabledSource(Refused):
    """The source is disabled."""

    code = "disabled_source"
    status = 401
    cause = (
        "Somebody disabled the source, or, in the browser, the visitor denied consent or "
        "asks not to be tracked."
    )
    cure = "`thamesthrive source enable ID`; in the browser none, it is as it should be."
    detail = "Access denied. Source disabled."


class BridgeNotAllowed(Refused):
    """The source does not accept events by this route."""

    code = "bridge_not_allowed"
    status = 401
    cause = (
        "The source was made for another way in: pages use `rest`, webhooks and pixels "
        "`webhook`, redirects `redirect`."
    )
    cure = "`thamesthrive source set ID --bridge rest --bridge webhook` names all that it accepts."
    detail = "Access denied. Source does not accept this bridge."


class OriginNotAllowed(Refused):
    """The source lists origins, and the page's origin is not among them."""

    code = "origin_not_allowed"
    status = 403
    cause = (
        "The source lists origins, and the page's is none of them. An origin is scheme, host "
        "and port together."
    )
    cure = (
        "`thamesthrive source set ID --origin https://www.example.com`; repeat the option "
        "for each, or `--any-origin`."
    )
    detail = "Access denied. Origin not allowed."


class TooLarge(Refused):
    """The request exceeds a size limit."""

    code = "too_large"
    status = 413
    cause = "More than 256 KB on the wire, 1 MB inflated, 500 events, or 32 levels of nesting."
    cure = (
        "Send smaller batches. The tracker halves its own until they fit; a single event "
        "that is too large is given up, and the console says so."
    )
    detail = "The request is too large."


class RateLimited(Refused):
    """The source has used up its events or megabytes a minute, or the sender's address has."""

    code = "rate_limited"
    status = 429
    cause = (
        "More came within a minute than may: events of the source (`--rate-limit`), "
        "megabytes of the source (`--quota-mb`, or the collector's `--source-quota-mb`), or "
        "megabytes of the sender's address (`--address-quota-mb`). `detail` says which. "
        "Nothing was stored."
    )
    cure = (
        "Senders wait as long as `Retry-After` says, and lose nothing. `thamesthrive source "
        "set ID --rate-limit 6000 --quota-mb 8000` raises the limits of a source; "
        "`--rate-limit 0` removes that one."
    )
    retry = True
    detail = "Too many events. Try again later."


class SourceQuota(RateLimited):
    """Of its megabytes."""

    detail = "Too many megabytes for this source. Try again later."


class AddressQuota(RateLimited):
    """Of the megabytes of the sender's address."""

    detail = "Too many megabytes from this address. Try again later."


class Overloaded(Refused):
    """Nothing can be stored at the moment: the queue or the disk is full, or the collector stops."""

    code = "overloaded"
    status = 503
    cause = (
        "Nothing was stored: too much waits for the disk, the disk is full or failing, the "
        "database is locked by another program, or the collector is stopping."
    )
    cure = (
        "Senders keep their events and try again. Look at `/ready`, which names the "
        "problem, at free space, and at `thamesthrive_oldest_waiting_seconds`."
    )
    retry = True
    detail = "The collector cannot store events right now. Try again."
    retry_after = 2


class Internal(Refused):
    """An error of the collector. Its log has the cause, the sender only the request's id."""

    code = "internal"
    status = 500
    cause = "A mistake of ours."
    cure = (
        "The answer has a `request`; the log has the cause under that name. Tell us both. "
        "Senders try again, and nothing is lost."
    )
    retry = True
    detail = "Internal error."


def refusal(code: str, retry_after: int | None = None, detail: str | None = None) -> Refused:
    """The refusal with this code; Internal for a code that is none."""
    kind = REASONS.get(code, Internal)
    return (kind if issubclass(kind, Refused) else Internal)(detail, retry_after=retry_after)


class Forbidden(CollectorError):
    """A token's role, or the source that it is limited to, does not allow what it was used for."""


class MalformedRequest(CollectorError):
    """A request is not HTTP/1.1 or 1.0 in the strict sense. Nothing of it is served."""


class SettingsError(CollectorError):
    """A setting has a value that cannot be used."""

    exit_code = 2


class BadAddress(CollectorError):
    """What is given as a collector's address is none."""

    exit_code = 2


class NotBuilt(CollectorError):
    """The tracker is not built, or its build was not finished."""

    exit_code = 3


class PlanError(CollectorError):
    """A file of a tracking plan cannot be used, or cannot be written."""

    exit_code = 2


class StoreError(CollectorError):
    """The database cannot do what was asked."""

    exit_code = 2


class BrokenState(StoreError):
    """The file beside the database that says how far each destination is cannot be used."""

    exit_code = 1


class NewerDatabase(StoreError):
    """The database was written by a newer version of this program."""


class ReplacedDatabase(StoreError):
    """The file at the database's path is not the one that was opened."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"The database {path} {what} while the collector was running."
            " Put it back, or restart the collector to go on with the file that is there then."
        )


class NotFound(StoreError):
    """No row has that id."""

    exit_code = 1


class InUse(StoreError):
    """Other rows depend on this one."""

    exit_code = 1

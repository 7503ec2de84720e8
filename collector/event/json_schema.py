"""JSON Schema for the properties of events: draft 2020-12, `$ref` within the schema only."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from jsonschema_rs import (
    Draft202012Validator,
    ReferencingError,
    RegexOptions,
    ValidationError,
    meta,
)

from ..errors import StoreError
from .json_pointer import escape
from .schema_cost import cost_of

MAX_SCHEMA = 256 * 1024  # bytes
MAX_WORK = 5_000_000  # parts of schemas that are applied to the values of a request


@dataclass(frozen=True)
class Validator:
    """A schema that can be applied. `cost`: how many of its parts are applied to a value at most;
    `problem`: why it cannot be applied to anything."""

    check: Draft202012Validator | None
    cost: int = 1
    problem: str = ""


class Work:
    """What applying schemas to a request has cost so far."""

    def __init__(self) -> None:
        self._left = MAX_WORK

    def fault(self, validator: Validator, properties: str) -> str | None:
        """What is wrong with an event's properties, as JSON pointer and cause, e.g.
        `/properties/price: …`; None if nothing is."""
        if validator.check is None:
            return f"/properties: {validator.problem}"[:500]
        values = properties.count(",") + properties.count(":") + 1
        self._left -= values * validator.cost
        if self._left < 0:
            return "/properties: too many values for this type's schema; send fewer in one request"
        return first_fault(validator.check, msgspec.json.decode(properties))


def broken_schema(error: StoreError) -> Validator:
    """What stands for a schema in the database that cannot be applied: its events are rejected,
    with the reason, and can be replayed when it is set again."""
    return Validator(None, problem=f"the schema for this type cannot be applied: {error}")


def compile_schema(text: str) -> Validator:
    """JSON text → a validator of properties. Raises StoreError for an invalid schema, and for one
    that costs too much to apply.

    Patterns run in linear time, so that no text of a sender makes them slow; look-around and back
    references are refused.
    """
    if len(text.encode()) > MAX_SCHEMA:
        raise StoreError(f"The schema is larger than {MAX_SCHEMA // 1024} KB.")
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"The schema is not JSON: {error}") from error
    if not isinstance(schema, dict | bool):
        raise StoreError("A schema is an object, or true or false.")
    try:
        check = Draft202012Validator(
            schema,
            validate_formats=True,
            retriever=_refuse_reference,
            pattern_options=RegexOptions(),
            mask="the value",
        )
    except ValidationError as error:
        raise StoreError(f"Not a schema of draft 2020-12: {_explain(schema, error)}") from error
    except (ReferencingError, ValueError) as error:
        raise StoreError(f"Not a schema of draft 2020-12: {str(error).splitlines()[0]}") from error
    return Validator(check, cost_of(schema))


def _explain(schema: Any, error: ValidationError) -> str:
    """What is wrong with a schema, values and all: it is the administrator's own."""
    try:
        meta.validate(schema)
    except ValidationError as plain:
        error = plain
    place = "".join(f"/{step}" for step in error.instance_path)
    return f"{place}: {error.message}" if place else error.message


def _refuse_reference(_: str) -> Any:
    raise ValueError("a $ref may only point within the schema, as in #/$defs/price")


class Fault(NamedTuple):
    """The first thing that is wrong with an event's properties. `pointer`: of the value that fails,
    within the event; `cause`: why, without the value; `keyword`: the pointer of the part of the
    schema that it breaks."""

    pointer: str
    cause: str
    keyword: str

    def __str__(self) -> str:
        return f"{self.pointer}: {self.cause}"[:500]


def first_fault(validator: Draft202012Validator, properties: Any) -> str | None:
    """What is wrong with an event's properties, as JSON pointer and cause, e.g. `/properties/price:
    …`; None if nothing is.

    Values are not repeated: the answer goes to whoever sent the event.
    """
    fault = find_fault(validator, properties)
    return str(fault) if fault else None


def find_fault(validator: Draft202012Validator, properties: Any) -> Fault | None:
    """The first thing that is wrong with an event's properties; None if nothing is."""
    # Not `iter_errors`: it gathers all errors first, in a time that is the square of their number.
    try:
        validator.validate(properties)
    except ValidationError as error:
        pointer = f"/properties{_pointer(error.instance_path)}"
        return Fault(pointer, error.message, _pointer(error.schema_path))
    return None


def _pointer(steps: Iterable[str | int]) -> str:
    return "".join(f"/{escape(str(step))}" for step in steps)

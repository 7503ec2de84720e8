"""JSON Schema for the properties of events: draft 2020-12, `$ref` within the schema only."""

import json
from typing import Any

from jsonschema_rs import (
    Draft202012Validator,
    ReferencingError,
    RegexOptions,
    ValidationError,
    meta,
)

from ..errors import StoreError

MAX_SCHEMA = 256 * 1024  # bytes
Validator = Draft202012Validator


def compile_schema(text: str) -> Validator:
    """JSON text → a validator of properties. Raises StoreError for an invalid schema.

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
        return Draft202012Validator(
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


def first_fault(validator: Validator, properties: Any) -> str | None:
    """What is wrong with an event's properties, as JSON pointer and cause, e.g. `/properties/price:
    …`; None if nothing is.

    Values are not repeated: the answer goes to whoever sent the event.
    """
    for error in validator.iter_errors(properties):
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in error.instance_path)
        return f"{'/'.join(['/properties', *steps])}: {error.message}"[:500]
    return None

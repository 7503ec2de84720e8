"""Events as files for other programs. Each writer takes an iterator, so memory does not grow with
the number of events."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import IO, Any

from collector.printable import csv_cell, printable
from collector.store import StoredEvent

from .errors import Missing

# Of one row group of a Parquet file: events, and the characters with which it ends early.
BATCH = 5000
BATCH_SIZE = 2 * 1024 * 1024
_JSON = ("properties", "context")


def _ndjson(events: Iterator[StoredEvent], out: IO[bytes]) -> int:
    count = 0
    for event in events:
        out.write(printable(json.dumps(event.as_dict(), ensure_ascii=False)).encode() + b"\n")
        count += 1
    return count


def _csv(events: Iterator[StoredEvent], out: IO[bytes]) -> int:
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    writer = csv.DictWriter(text, list(StoredEvent.__dataclass_fields__))
    writer.writeheader()
    count = 0
    for event in events:
        writer.writerow({name: csv_cell(value) for name, value in _flat(event).items()})
        count += 1
    text.detach()
    return count


def _parquet(events: Iterator[StoredEvent], out: IO[bytes]) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise Missing("Parquet needs pyarrow. Run: pip install 'thamesthrive[parquet]'") from error
    kinds = {"seq": pa.int64(), "bot": pa.bool_()}
    schema = pa.schema(
        [(name, kinds.get(name, pa.string())) for name in StoredEvent.__dataclass_fields__]
    )
    count = 0
    with pq.ParquetWriter(out, schema) as writer:
        for batch in _batches(events):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def _batches(events: Iterator[StoredEvent]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for event in events:
        row = _flat(event)
        batch.append(row)
        size += sum(len(row[name]) for name in _JSON)
        if len(batch) == BATCH or size >= BATCH_SIZE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _flat(event: StoredEvent) -> dict[str, Any]:
    """One cell for each column: JSON columns as JSON text."""
    row = event.as_dict()
    return row | {name: json.dumps(row[name], ensure_ascii=False) for name in _JSON}


WRITERS: dict[str, Callable[[Iterator[StoredEvent], IO[bytes]], int]] = {
    "ndjson": _ndjson,
    "csv": _csv,
    "parquet": _parquet,
}

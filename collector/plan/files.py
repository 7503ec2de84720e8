"""A plan's files: a folder with a JSON Schema for each type, or one file for all of them."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from ..errors import PlanError, StoreError
from ..event.json_schema import MAX_SCHEMA, compile_schema
from ..event.limits import MAX_TYPE

Plan = Mapping[str, str]
"""Event types, with the JSON text of each type's schema."""

SUFFIXES = (".schema.json", ".json")
MAX_FILE = 16 * 1024 * 1024  # bytes
_NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|%\x00-\x1f]')  # of files, on some system or other


def read_plan(path: Path) -> dict[str, str]:
    """Reads a plan: a folder of files such as `purchase-order.json`, or a YAML or JSON file of types
    with their schemas. Types are in alphabetical order. Raises PlanError, which names the file."""
    found = dict(_folder(path) if path.is_dir() else _one_file(path))
    if not found:
        raise PlanError(
            f"{path} has no schemas. A plan is a folder of files such as purchase-order.json, or one"
            " YAML or JSON file of types with their schemas."
        )
    return dict(sorted(found.items()))


def write_plan(folder: Path, plan: Plan) -> list[Path]:
    """Writes a file for each type into a folder, which it creates. Returns the files. Raises
    PlanError if one exists already."""
    files = {folder / file_name(event_type): schema for event_type, schema in plan.items()}
    if taken := [str(file) for file in files if file.exists()]:
        raise PlanError(f"{', '.join(taken)} exists. Remove it, or name another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for file, schema in files.items():
        file.write_text(schema + "\n", encoding="utf-8")
    return [*files]


def plan_json(plan: Plan) -> str:
    """A plan as one JSON file."""
    schemas = {event_type: json.loads(schema) for event_type, schema in plan.items()}
    return json.dumps(schemas, indent=2, ensure_ascii=False)


def file_name(event_type: str) -> str:
    """The name of a type's file. What cannot be in one is written as in addresses: `%2F`."""
    name = _NOT_IN_NAMES.sub(lambda found: quote(found[0], safe=""), event_type)
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    if name.endswith(".schema"):
        name = f"{name.removesuffix('.schema')}%2Eschema"
    return f"{name}.json"


def _folder(folder: Path) -> Iterator[tuple[str, str]]:
    known: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.name.startswith(".") or not file.name.endswith(".json"):
            continue
        suffix = next(suffix for suffix in SUFFIXES if file.name.endswith(suffix))
        event_type = _checked_type(unquote(file.name.removesuffix(suffix)), file)
        if event_type in known:
            raise PlanError(f"{known[event_type]} and {file} are both for {event_type!r}.")
        known[event_type] = file
        yield event_type, _checked(_read(file), str(file))


def _one_file(file: Path) -> Iterator[tuple[str, str]]:
    loaders: dict[str, Callable[[str, Path], Any]] = {
        ".json": _load_json, ".yaml": _load_yaml, ".yml": _load_yaml,
    }  # fmt: skip
    if file.suffix not in loaders:
        raise PlanError(f"{file} is not a plan: a folder, or a .yaml, .yml or .json file.")
    schemas = loaders[file.suffix](_read(file), file)
    if not isinstance(schemas, dict):
        raise PlanError(f"{file} must be an object of types with their schemas.")
    for name, schema in schemas.items():
        if not isinstance(name, str):
            raise PlanError(f"{file}: the type {name!r} is not text. Put it in quotes.")
        where = f"{file}: {name}"
        yield _checked_type(name, file), _checked(_json_of(schema, where), where)


def _checked_type(name: str, file: Path) -> str:
    event_type = name.strip()
    if not 0 < len(event_type) <= MAX_TYPE:
        raise PlanError(f"{file}: an event type must have 1 to {MAX_TYPE} characters.")
    return event_type


def _checked(schema: str, where: str) -> str:
    try:
        compile_schema(schema)
    except StoreError as error:
        raise PlanError(f"{where}: {error}") from error
    return schema


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_FILE:
            raise PlanError(f"{file} is larger than {MAX_FILE // 1024**2} MB.")
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise PlanError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise PlanError(f"{file} is not UTF-8.") from error


def _load_json(text: str, file: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{file} is not JSON: {error}") from error


def _load_yaml(text: str, file: Path) -> Any:
    import yaml

    try:
        _refuse_repeated_keys(yaml.compose(text, Loader=yaml.SafeLoader), file)
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise PlanError(f"{file} is not YAML: {' '.join(str(error).split())}") from error


def _refuse_repeated_keys(root: Any, file: Path) -> None:
    """Raises PlanError for a key that comes twice, of which YAML would quietly take the last."""
    import yaml

    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # what an alias stands for comes again
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            keys = set()
            for key, value in node.value:
                if key.value in keys:
                    line = key.start_mark.line + 1
                    raise PlanError(f"{file}:{line}: {key.value!r} is there already.")
                if isinstance(key, yaml.ScalarNode):
                    keys.add(key.value)
                waiting.append(value)


def _json_of(schema: Any, where: str) -> str:
    """A schema that was YAML, as JSON text. Aliases may make it many times as large."""
    pieces, size = [], 0
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2, default=_refuse)
    try:
        for piece in encoder.iterencode(_with_text_keys(schema, where)):
            pieces.append(piece)
            size += len(piece)
            if size > 2 * MAX_SCHEMA:
                raise PlanError(f"{where}: the schema is larger than {MAX_SCHEMA // 1024} KB.")
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{where}: not a schema: {error}") from error
    return "".join(pieces)


def _refuse(value: Any) -> Any:
    raise ValueError(f"{value} is a {type(value).__name__} in YAML. Put it in quotes.")


def _with_text_keys(schema: Any, where: str) -> Any:
    """The same schema. Raises PlanError for a key such as `no`, which is false in YAML."""
    waiting, seen = [(schema, where)], set[int]()
    while waiting:
        value, place = waiting.pop()
        if id(value) in seen:
            continue
        if isinstance(value, dict):
            seen.add(id(value))
            for key, inner in value.items():
                if not isinstance(key, str):
                    raise PlanError(f"{place}: the key {key!r} is not text. Put it in quotes.")
                waiting.append((inner, f"{place}/{key}"))
        elif isinstance(value, list):
            seen.add(id(value))
            waiting += [(inner, place) for inner in value]
    return schema

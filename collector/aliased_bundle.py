"""The tracker under names of the owner's own: the built files with their names replaced.

A built script has the names of addresses and keys as whole literals, so each is replaced exactly,
and nothing is read at run time: an alias costs the default tracker no byte. What has to differ (it
takes over what was stored under former names) is built apart, in the folder `alias` of the bundle.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from .alias import DEFAULT_STORAGE, Alias
from .errors import SettingsError

FOLDER = "alias"  # of the bundle
FORMER = "~former~"
"""Where the build leaves room for the former names."""

_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# Not `data-thamesthrive-tag` of elements, nor the address's `#thamesthrive-debug`.
_KEYS = re.compile(r"(?<![#-])thamesthrive-")
_ENDPOINT = re.compile(re.escape('"/track"'))
_SCRIPT = re.compile(re.escape('"/tracker.min.js"'))
_PART = re.compile(re.escape('".min.js"'))
_ROOT = re.compile(re.escape(r"/(\/tracker)?(\/[^/]+js)?\/*$/"))
_FORMER = re.compile(re.escape(FORMER))

_REQUIRED = {
    "tracker.min.js": {_KEYS: 5, _ENDPOINT: 1, _ROOT: 1, _FORMER: 1},
    "tracker.mjs": {_KEYS: 5, _ENDPOINT: 1, _ROOT: 1, _FORMER: 1},
    "loader.min.js": {_KEYS: 1, _SCRIPT: 1},
    "debug.min.js": {_KEYS: 1, _ENDPOINT: 1, _ROOT: 1},
}
"""How many of these, at least, a script has. One with fewer is of another build."""


@dataclass(frozen=True)
class AliasedFile:
    """A file as it is served. `map`: the name of its source map, None for one of those itself."""

    name: str
    content: bytes
    map: str | None
    immutable: bool = False


def aliased_files(folder: Path, alias: Alias, former: Iterable[str]) -> dict[str, AliasedFile]:
    """The files of the bundle in `folder` under the alias, by their names there.

    `former`: what keys may have begun with before. Raises SettingsError if the bundle is of
    another version, FileNotFoundError if there is none.
    """
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    files = {}
    for default, facts in manifest["files"].items():
        if facts["immutable"] or default.endswith(".map"):
            continue
        script, source_map = _rename(folder, default, alias, former)
        name, map_name = alias.name_of(default), alias.name_of(f"{default}.map")
        files[name] = AliasedFile(name, script, map_name)
        files[map_name] = AliasedFile(map_name, source_map, None)
        if default == "tracker.min.js":
            hashed = f"{alias.stem}.{hashlib.sha256(script).hexdigest()[:12]}.js"
            files[hashed] = AliasedFile(hashed, script, map_name, immutable=True)
    return files


def aliased_loader(folder: Path, alias: Alias) -> str:
    """The loader of the classic snippet. Raises as `aliased_files`."""
    return _rename(folder, "loader.min.js", alias, ())[0].decode()


def _rename(folder: Path, default: str, alias: Alias, former: Iterable[str]) -> tuple[bytes, bytes]:
    """A script under the alias, and its source map."""
    built = folder / FOLDER / default
    if not built.exists():
        built = folder / default
    text = built.read_text(encoding="utf-8")
    for pattern, count in _REQUIRED.get(default, {}).items():
        if len(pattern.findall(text)) < count:
            raise SettingsError(
                f"alias: {built} is of another version of the tracker."
                " Run `thamesthrive build bundle`."
            )
    replacements = sorted(_replacements(text, alias, former))
    parts, end = [], 0
    for start, stop, new in replacements:
        parts += [text[end:start], new]
        end = stop
    source_map = json.loads(built.with_name(f"{default}.map").read_text(encoding="utf-8"))
    source_map["mappings"] = _move(source_map["mappings"], text, replacements)
    return "".join([*parts, text[end:]]).encode(), json.dumps(source_map).encode()


def _replacements(text: str, alias: Alias, former: Iterable[str]) -> Iterator[tuple[int, int, str]]:
    """What is replaced in a script: start, end, and what is there instead."""
    prefix = alias.prefix.replace("/", r"\/").replace(".", r"\.")
    stem = alias.stem.replace(".", r"\.")
    before = " ".join(f"{name}-" for name in dict.fromkeys(former)) or f"{DEFAULT_STORAGE}-"
    for pattern, new in (
        (_KEYS, f"{alias.storage}-"),
        (_ENDPOINT, f'"{alias.endpoint_path}"'),
        (_SCRIPT, f'"/{alias.script}"'),
        (_PART, f'".{alias.stem}.js"'),
        (_ROOT, rf"/({prefix}(\/{stem}[^/]*)?)?\/*$/"),
        (_FORMER, before),
    ):
        yield from ((*found.span(), new) for found in pattern.finditer(text))


def _move(mappings: str, text: str, replacements: list[tuple[int, int, str]]) -> str:
    """The mappings of a script after the replacements, none of which spans lines."""
    lines = mappings.split(";")
    moves: dict[int, list[tuple[int, int]]] = {}
    for start, stop, new in replacements:
        line = text.count("\n", 0, start)
        column = stop - (text.rfind("\n", 0, start) + 1)
        moves.setdefault(line, []).append((column, len(new) - (stop - start)))
    for line, moved in moves.items():
        if line < len(lines) and lines[line]:
            lines[line] = ",".join(_move_segments(lines[line].split(","), moved))
    return ";".join(lines)


def _move_segments(segments: list[str], moves: list[tuple[int, int]]) -> Iterator[str]:
    """The segments of a line, whose first number is the distance from the one before.

    `moves`: where replaced texts end, in order, and how much longer they are now.
    """
    column = written = 0
    for segment in segments:
        distance, rest = _first_number(segment)
        column += distance
        behind = takewhile(lambda move: move[0] <= column, moves)  # noqa: B023 - used at once
        now = column + sum(longer for _, longer in behind)
        yield _as_vlq(now - written) + rest
        written = now


def _first_number(segment: str) -> tuple[int, str]:
    """Takes the first number off a segment (base64 VLQ)."""
    value = 0
    for position, letter in enumerate(segment):
        digit = _BASE64.index(letter)
        value |= (digit & 31) << 5 * position
        if not digit & 32:
            return (-(value >> 1) if value & 1 else value >> 1), segment[position + 1 :]
    return 0, ""


def _as_vlq(number: int) -> str:
    value = -number << 1 | 1 if number < 0 else number << 1
    letters = ""
    while value > 31:
        letters += _BASE64[value & 31 | 32]
        value >>= 5
    return letters + _BASE64[value]

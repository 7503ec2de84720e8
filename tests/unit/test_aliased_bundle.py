"""The built tracker with other names in it."""

import json
from collections.abc import Iterator
from pathlib import Path

import brotli
import pytest

from collector.alias import parse_aliases
from collector.aliased_bundle import aliased_files, aliased_loader
from collector.errors import SettingsError

from ..support import ROOT

DIST = ROOT / "js" / "dist"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
LONG = "/a-long.path/of/mine/{a-long-name.js,another,and-a-long-prefix-of-keys}"


def numbers(segment: str) -> Iterator[int]:
    """The numbers of a segment of a source map."""
    value = shift = 0
    for letter in segment:
        digit = LETTERS.index(letter)
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            yield -(value >> 1) if value & 1 else value >> 1
            value = shift = 0


def marks(script: str, source_map: str) -> list[tuple[list[int], str]]:
    """For each mapping of the first line: where it leads, and the script's character there."""
    column, found = 0, []
    for segment in json.loads(source_map)["mappings"].split(";")[0].split(","):
        first, *rest = numbers(segment)
        column += first
        found.append((rest, script[column]))
    return found


@pytest.mark.parametrize("text", ["/a/{b,c}", LONG])
@pytest.mark.parametrize(
    ("default", "built"),
    [
        ("tracker.min.js", "alias/tracker.min.js"),
        ("tracker.mjs", "alias/tracker.mjs"),
        ("debug.min.js", "debug.min.js"),
        ("page.min.js", "page.min.js"),
    ],
)
def test_source_maps_lead_from_the_moved_code_to_the_same_lines(
    default: str, built: str, text: str
) -> None:
    (alias,) = parse_aliases(text)
    files = aliased_files(DIST, alias, ["former", "thamesthrive"])
    name = alias.name_of(default)
    now = marks(files[name].content.decode(), files[f"{name}.map"].content.decode())
    before = marks((DIST / built).read_text(), (DIST / f"{built}.map").read_text())
    assert now == before


def test_what_an_alias_adds_stays_small() -> None:
    """It takes over what was stored under the names before."""
    (alias,) = parse_aliases("/a/{app.js,hello}")
    files = aliased_files(DIST, alias, ["thamesthrive"])
    assert len(brotli.compress(files["app.js"].content)) <= 4400
    assert len(brotli.compress(aliased_loader(DIST, alias).encode())) <= 620


def test_names_go_into_scripts_exactly() -> None:
    (alias,) = parse_aliases(LONG)
    files = aliased_files(DIST, alias, ["former", "thamesthrive"])
    script = files["a-long-name.js"].content.decode()
    assert '"/a-long.path/of/mine/another"' in script
    assert '"and-a-long-prefix-of-keys-queue"' in script
    assert '".a-long-name.js"' in script
    assert r"/(\/a-long\.path\/of\/mine(\/a-long-name[^/]*)?)?\/*$/" in script
    assert '"former- thamesthrive-"' in script
    assert '"/a-long-name.js"' in aliased_loader(DIST, alias)


def test_another_build_of_the_tracker_is_not_renamed_halfway(tmp_path: Path) -> None:
    for path in DIST.rglob("*.*js*"):
        if path.is_file() and path.suffix not in (".gz", ".br"):
            copy = tmp_path / path.relative_to(DIST)
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(path.read_text().replace('"/track"', '"/other"'))
    (alias,) = parse_aliases("/a/{app.js,hello}")
    with pytest.raises(SettingsError, match="another version"):
        aliased_files(tmp_path, alias, ["thamesthrive"])

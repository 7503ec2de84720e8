"""Each way of breaking the shop is told apart, and named."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ..browser.install import ENGINE
from .broken_shop.mutations import IN_PAGES, ON_SERVERS, Mutation
from .documented import EXAMPLES, documented, message_of, write
from .suites import run_suite

HERE = Path(__file__).parent / "broken_shop"
MUTATIONS = [*IN_PAGES, *ON_SERVERS]


def read_records(file: Path) -> dict[str, dict[str, Any]]:
    """What was recorded of each mutation, by its name."""
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        name = record["node_id"].partition("[")[2].rstrip("]")
        found[name.removeprefix(f"{ENGINE}-").removesuffix(f"-{ENGINE}")] = record
    return found


def what_is_wrong(mutation: Mutation, record: dict[str, Any]) -> list[str]:
    message = record["failure"]
    wanted = [*mutation.says, *([f"First broken link: {mutation.link}"] if mutation.link else [])]
    return [f"{mutation.name}: no {text!r} in\n{message}" for text in wanted if text not in message]


@pytest.mark.timeout(900)
def test_every_mutation_is_named_by_its_first_broken_link(tmp_path: Path) -> None:
    assert len(MUTATIONS) >= 25
    file = tmp_path / "records.jsonl"
    done = run_suite(HERE, "-n", "2", "--tracking-timeout", "4", RECORDS=str(file))
    records = read_records(file)
    assert records.keys() == {mutation.name for mutation in MUTATIONS}, done.stdout
    wrong = [
        each for mutation in MUTATIONS for each in what_is_wrong(mutation, records[mutation.name])
    ]
    assert wrong == [], "\n".join(wrong)
    if ENGINE == "chromium":  # other engines have other words for what they blocked
        messages = {
            name: message_of(records[name], records[name]["collector"])
            for name in EXAMPLES.values()
        }
        if os.environ.get("UPDATE_DOCS"):
            write(messages)
        assert documented() == messages

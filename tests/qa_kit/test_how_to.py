"""The examples of the how-to: TypeScript that compiles, YAML that parses."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ..support import ROOT
from .conftest import QA, node

HOW_TO = ROOT / "site" / "docs" / "how-to" / "test-tracking.md"
FENCE = re.compile(r'```(\w+) title="([^"]+)"[^\n]*\n(.*?)```', re.DOTALL)


def examples(language: str) -> list[tuple[str, str]]:
    """Titles and codes of the page's examples in a language."""
    found = FENCE.findall(HOW_TO.read_text(encoding="utf-8"))
    return [(title, code) for name, title, code in found if name == language]


def test_typescript_of_the_how_to_compiles_with_the_built_types(kit: Path) -> None:
    shown = examples("ts")
    assert {"playwright.config.ts", "shop.spec.ts"} <= {title for title, _ in shown}
    folder = kit / "how-to"
    folder.mkdir()
    for title, code in shown:
        # Cypress is not installed.
        if 'from "cypress"' not in code:
            (folder / Path(title).name).write_text(code, encoding="utf-8")
    config = {"extends": f"{ROOT}/js/tsconfig.json", "include": ["*.ts", f"{QA}/types"]}
    (folder / "tsconfig.json").write_text(json.dumps(config), encoding="utf-8")
    compiler = ROOT / "js" / "node_modules" / "typescript" / "lib" / "tsc.js"
    command = [node(), str(compiler), "-p", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    shutil.rmtree(folder)  # Playwright would run what is in it
    assert done.returncode == 0, done.stdout


def test_yaml_of_the_how_to_has_jobs_that_run_the_suite() -> None:
    yaml = pytest.importorskip("yaml")
    shown = examples("yaml")
    assert len(shown) == 4
    for title, code in shown:
        job = yaml.safe_load(code)
        tracking = job["jobs"]["tracking"] if "jobs" in job else job["tracking"]
        steps = tracking.get("script") or [step.get("run", "") for step in tracking["steps"]]
        assert any(re.match(r"(pytest|npx playwright test)\b", step) for step in steps), title

"""The alerts for Prometheus: of metrics that there are, each explained, each seen to fire."""

import re
import shutil
import subprocess

import pytest

from collector.errors import REASONS
from collector.metrics import METRICS

from ..support import ROOT

RULES = ROOT / "deploy" / "prometheus-rules.yml"
RUNBOOK = ROOT / "site" / "docs" / "how-to" / "runbook.md"


def test_alerts_are_of_metrics_and_reasons_that_there_are() -> None:
    rules = RULES.read_text()
    known = {metric.name for metric in METRICS} | {
        f"{metric.name}_{part}"
        for metric in METRICS
        if metric.kind == "histogram"
        for part in ("bucket", "sum", "count")
    }
    assert set(re.findall(r"thamesthrive_\w+(?=[\[{ ])", rules)) - {"thamesthrive_commit_seconds"} <= known  # fmt: skip
    assert set(re.findall(r'reason="(\w+)"', rules)) <= set(REASONS)
    assert rules.count("- alert:") == rules.count("action:") == rules.count("severity:")


def test_the_runbook_says_what_to_do_about_each_alert() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    explained = re.findall(r"^### (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert explained == alerts != []


@pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool here")
def test_each_alert_fires_when_it_should_and_not_when_all_is_well() -> None:
    folder = ROOT / "tests" / "deploy"
    for command in (["check", "rules", str(RULES)], ["test", "rules", "rules_test.yml"]):
        done = subprocess.run(["promtool", *command], cwd=folder, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

"""`make storm-peers`: other trackers in our storm, one after the other. Writes
site/docs/explanation/storm-peers.md, and a table in delivery.md beside it.

`PEERS` and `MOODS` are names, separated by commas, `SEEDS` how many storms of each, with seeds from
`SEED` on. Runs are kept in build/storm-peers/runs.json, and the page is of all runs there: the same
run replaces its earlier one.
"""

import asyncio
import json
import os
import sys
import tempfile
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from ...browser.environment import Site
from ...browser.install import find_chromium
from ...browser.moods import MOODS, Mood
from ...support import ROOT
from ..__main__ import talk
from .packages import FOLDER, bundle, install, version
from .report import DELIVERY, PAGE, publish
from .run import Case, Run, ours
from .trackers import TRACKERS

RUNS = FOLDER / "runs.json"
DEFAULT_MOODS = "clean,flaky,outage"


def chosen(variable: str, known: list[str], default: str) -> list[str]:
    """The names in a variable, in the order in which they are known."""
    wanted = os.environ.get(variable, default).split(",")
    unknown = set(wanted) - set(known)
    if unknown:
        sys.exit(f"{variable}: no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [name for name in known if name in wanted]


def kept() -> list[Run]:
    """The runs so far."""
    return [Run(**run) for run in json.loads(RUNS.read_text())] if RUNS.exists() else []


def keep(run: Run) -> None:
    others = [other for other in kept() if other.key != run.key]
    RUNS.write_text(json.dumps([asdict(other) for other in [*others, run]], indent=1))


def problem(run: Run) -> str | None:
    """A tracker of which nothing comes in clean weather is not measured, it is not understood; and
    what we lose there, the harness loses."""
    if run.mood == "clean" and run.lost == run.tracked:
        return f"{run.tracker} {run.version}: nothing arrived in clean weather, see pages/"
    if run.mood == "clean" and run.tracker == "ours" and (run.lost or run.twice):
        return f"our own in clean weather: lost {run.lost}, twice {run.twice}, seed {run.seed}"
    return None


async def storms(executable: str, folder: Path, cases: list[tuple[Case, str]]) -> list[str]:
    """One storm at a time. The next one begins while the last events of one are waited for. Gives
    what is wrong with the comparison itself."""
    problems: list[str] = []
    turn, open_at_once = asyncio.Lock(), asyncio.Semaphore(3)
    with Site(folder / "site") as site:

        async def one(case: Case, script: str) -> None:
            async with open_at_once:
                run = await case.run(executable, site, script, turn)
            talk.print(
                f"{run.mood} {run.tracker} seed {run.seed}: {run.tracked} events,"
                f" {run.requests} requests, lost {run.lost}, repeats {run.repeats}, twice {run.twice}"
            )
            found = problem(run)
            if found:
                problems.append(found)
            else:
                keep(run)

        async with asyncio.TaskGroup() as group:
            for case, script in cases:
                group.create_task(one(case, script))
    return problems


def main() -> None:
    executable = find_chromium()
    assert executable, "no Chromium: python -m tests.browser.install"
    known = ["ours", *(tracker.key for tracker in TRACKERS)]
    names = chosen("PEERS", known, ",".join(known))
    # Nobody but us can be restarted, and clocks are our own tests' affair.
    able = [mood for mood in MOODS if mood.name not in ("restart", "clocks")]
    mood_names = chosen("MOODS", [mood.name for mood in able], DEFAULT_MOODS)
    first = int(os.environ.get("SEED", "1"))
    seeds = range(first, first + int(os.environ.get("SEEDS", "2")))
    moods: list[Mood] = [mood for mood in able if mood.name in mood_names]
    install()
    scripts = {tracker.key: bundle(tracker.key) for tracker in TRACKERS if tracker.key in names}
    with (
        tempfile.TemporaryDirectory(prefix="storm-", dir=FOLDER) as name,
        ours(Path(name)) as (own, snippet),
    ):
        cases = [
            (
                Case(tracker, version_of(tracker.package), mood, seed),
                scripts.get(tracker.key, snippet),
            )
            for seed in seeds
            for mood in moods
            for tracker in [own, *TRACKERS]
            if tracker.key in names
        ]
        problems = asyncio.run(storms(executable, Path(name), cases))
    if problems:
        sys.exit("Not measured:\n" + "\n".join(problems))
    publish(kept())
    talk.print(f"Written to {PAGE.relative_to(ROOT)} and {DELIVERY.relative_to(ROOT)}")


def version_of(package: str) -> str:
    return metadata.version(package) if package == "thamesthrive" else version(package)


if __name__ == "__main__":
    main()

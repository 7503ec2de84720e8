"""The page of the comparison."""

import re
from collections import Counter
from collections.abc import Callable

from ...support import ROOT
from ..__main__ import machine
from .run import EVENTS, SECONDS, Run
from .trackers import NOT_HERE, OURS_KEEPS, OURS_SETUP, TRACKERS

EXPLANATION = ROOT / "site" / "docs" / "explanation"
PAGE, DELIVERY = EXPLANATION / "storm-peers.md", EXPLANATION / "delivery.md"
NAMES = {"ours": "ThamesThrive", **{tracker.key: tracker.name for tracker in TRACKERS}}
WEATHERS = {
    "clean": "clean",
    "flaky": "flaky: of ten requests two are cut before they are stored, two after, one is answered 502; all take up to 0.3 s",
    "outage": "outage: none gets through for 15 of the 40 seconds",
    "half-open": "half-open: for 10 of the 40 seconds requests are accepted and never answered",
}


def publish(runs: list[Run]) -> None:
    """Writes the page, and the table on the page about delivery."""
    PAGE.write_text(report(runs), encoding="utf-8")
    old, table = DELIVERY.read_text(encoding="utf-8"), "\n".join(summary(runs))
    new, found = re.subn(r"\| tracker \| .*?(?=\n\n)", table, old, flags=re.DOTALL)
    assert found == 1, f"{DELIVERY} has no table of trackers"
    DELIVERY.write_text(new, encoding="utf-8")


def summary(runs: list[Run]) -> list[str]:
    """A table of what is lost: a row for each tracker at its latest version, a column for each
    network."""
    moods = _moods(runs)
    latest = {run.tracker: run.version for run in _in_order(runs)}
    rows = [f"| tracker | {' | '.join(moods)} |", "|---" * (1 + len(moods)) + "|"]
    for tracker, version in latest.items():
        shares = _cells(runs, (tracker, version), moods, _share)
        rows.append(f"| {NAMES[tracker]} | {shares} |")
    return rows


def _moods(runs: list[Run]) -> list[str]:
    return [mood for mood in WEATHERS if any(run.mood == mood for run in runs)]


def report(runs: list[Run]) -> str:
    """The page of all these runs."""
    moods = _moods(runs)
    measured = [tracker for tracker in TRACKERS if any(run.tracker == tracker.key for run in runs)]
    lines = [
        "+++",
        'title = "Other trackers in the storm"',
        'summary = "What other trackers lose and repeat when four tabs of a browser track through bad networks."',
        "order = 12",
        "+++",
        "",
        f"`make storm-peers` wrote this page. {_when(runs)}: {machine()}, Chromium {runs[-1].chromium}.",
        "",
        f"The [storm](delivery.md#the-storm): four tabs of one browser track {EVENTS} events in {SECONDS:.0f} seconds, navigate, go back,"
        " reload, crash and close. Each tracker gets the same acts by the same seeds, and the same networks:",
        "",
        *(f"- {WEATHERS[mood]}" for mood in moods),
        "",
        "Then the network is well. Two more pages of the site are opened and track an event each, as some trackers try again only then,",
        "and all tabs stay open for a minute. Lost is what has not arrived by then, of the calls of `track` that have returned. The figures",
        f"are of {_storms(runs)} of each tracker in each network.",
        "",
        "## Lost",
        "",
        *_table(runs, moods, _lost),
        "",
        "## Stored twice",
        "",
        "Events that a server would have stored more than once. Where a tracker gives events an id, its server removes repeats by",
        "it, as ours does, and so they are not counted. In brackets: deliveries of an event that had come before, with the same id or not.",
        "",
        *_table(runs, moods, _twice),
        "",
        "## How each was set up, and what it does",
        "",
        "The others are from npm, at the versions of the first table, bundled into a script in the page's `<head>`. What is not named is the",
        "default. The last column is what the package's source says of events that have not arrived.",
        "",
        "| tracker | set up with | events that have not arrived |",
        "|---|---|---|",
        f"| {NAMES['ours']} | {OURS_SETUP} | {OURS_KEEPS} |",
        *(f"| {tracker.name} | {tracker.setup} | {tracker.keeps} |" for tracker in measured),
        "",
        *LIMITS,
        "",
        *NOT_HERE,
    ]
    return "\n".join(lines) + "\n"


LIMITS = [
    "## What the figures don't say",
    "",
    "- The servers are one receiver of ours, which answers each tracker's requests with success, at once; only our own tracker has its real",
    "  collector behind it. A vendor's own server may remove repeats by more than the id, or less, or later: some leave it to the",
    "  warehouse.",
    "- A storm is worse than any visitor: pages live for seconds, many are left in the moment in which they track, and some crash. It is made",
    "  to find what we lose, and trackers that batch for seconds were made for calmer visits.",
    "- Only one host fails, so the browser believes itself online. Trackers that wait for `online`, or that take a failure for an ad",
    "  blocker's, would do better in an outage that the browser notices.",
    "- What arrives later than a minute after the network is well counts as lost. A tracker that keeps events and waits longer",
    "  between attempts would still deliver them to a visitor who stays, or comes back.",
    "- Half of the calls to our tracker ask it to send at once (`fire`, `asBeacon`), as in `make storm`. The others are not: where",
    "  they have such an option, it sends by a beacon, whose failure nobody sees.",
    "- Scripts and the settings that Segment and RudderStack read before they start come through a good network, as our script does.",
    "- CORS preflights meet the same weather as other requests. Their answers are valid for two hours.",
    "- On a busy machine more pages are left before an answer comes, and so more is sent again.",
    "- Timing differs from run to run, so the same seed does not give the same figures twice. Differences of a few events are noise.",
]


def _when(runs: list[Run]) -> str:
    days = sorted({run.day for run in runs})
    return f"Measured on {days[0]}" + (f" to {days[-1]}" if len(days) > 1 else "")


def _table(runs: list[Run], moods: list[str], cell: Callable[[list[Run]], str]) -> list[str]:
    """A row for each version of a tracker, a column for each network."""
    versions = list(dict.fromkeys((run.tracker, run.version) for run in _in_order(runs)))
    rows = [f"| tracker | version | {' | '.join(moods)} |", "|---" * (2 + len(moods)) + "|"]
    for tracker, version in versions:
        found = _cells(runs, (tracker, version), moods, cell)
        rows.append(f"| {NAMES[tracker]} | {version} | {found} |")
    return rows


def _cells(
    runs: list[Run], of: tuple[str, str], moods: list[str], cell: Callable[[list[Run]], str]
) -> str:
    """The cells of a tracker at a version, one for each network."""
    groups = (
        [run for run in runs if (run.tracker, run.version, run.mood) == (*of, mood)]
        for mood in moods
    )
    return " | ".join(cell(group) if group else "not run" for group in groups)


def _in_order(runs: list[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: [*NAMES].index(run.tracker))


def _lost(runs: list[Run]) -> str:
    lost, tracked = sum(run.lost for run in runs), sum(run.tracked for run in runs)
    return f"**{_share(runs)}** ({lost} of {tracked})"


def _share(runs: list[Run]) -> str:
    share = 100 * sum(run.lost for run in runs) / sum(run.tracked for run in runs)
    return f"{share:.1f} %" if share else "0"


def _twice(runs: list[Run]) -> str:
    return f"**{sum(run.twice for run in runs)}** ({sum(run.repeats for run in runs)})"


def _storms(runs: list[Run]) -> str:
    """How many storms each cell of the tables has."""
    found = Counter((run.tracker, run.version, run.mood) for run in runs).values()
    least, most = min(found), max(found)
    if least < most:
        return f"{least} to {most} storms"
    return f"{most} storms" if most > 1 else "one storm"

"""A test's timeline as a drawing: what was done above, what was tracked, and what was stored below."""

from dataclasses import dataclass

from .report import TestView

WIDTH = 1000
LEFT, RIGHT = 10, 990
ACTS, EVENTS, COMMITS = 22, 62, 102  # heights of the three lines
MAX_DRAWN = 300  # arrivals


@dataclass(frozen=True)
class Line:
    """An event's way: from what caused it, over the call of `track`, to the commit."""

    act: float
    tracked: float
    end: float
    is_stored: bool
    title: str


@dataclass(frozen=True)
class Drawing:
    """Positions from 0 to WIDTH. `acts`: of what was done, with its words."""

    acts: list[tuple[float, str]]
    lines: list[Line]
    ticks: list[tuple[float, str]]


def drawing_of(view: TestView) -> Drawing:
    """The drawing of a test."""
    ends = [arrival.tracked + arrival.took for arrival in view.arrivals]
    end = max([view.spent, *ends, *(act.at for act in view.acts), 1.0])

    def place(ms: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * min(max(ms, 0.0), end) / end, 1)

    lines = [
        Line(
            act=place(act.at),
            tracked=place(arrival.tracked),
            end=place(arrival.tracked + arrival.took),
            is_stored=arrival.verdict == "stored",
            title=f"{arrival.type}: {arrival.verdict} after {arrival.took:.0f} ms",
        )
        for act in view.acts
        for arrival in act.arrivals
    ]
    return Drawing(
        acts=[(place(act.at), act.title) for act in view.acts],
        lines=lines[:MAX_DRAWN],
        ticks=[(place(end * part / 4), f"{end * part / 4:.0f} ms") for part in range(5)],
    )

"""`make fuzz`: sends one collector whatever can be made up, for `FUZZ_MINUTES`.

Each round is of one kind: requests made up by Hypothesis, damaged bytes, one input cut at each of
its places, and requests made of the OpenAPI document by schemathesis. After each round the
collector must be as it was: see `Target.check`. What goes wrong is written to tests/fuzz/cases/,
which `make test` sends again.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..support import ROOT
from . import bodies, wire
from .target import Problem, Target, target

CASES = Path(__file__).parent / "cases"
BY_OPENAPI = "by OpenAPI"  # may remove events
MAX_CASES = 200  # inputs of a round that are sent again, alone, to find the one


def main() -> None:
    """Runs for as long as is asked. Exit code 1 if something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--minutes", type=float, default=float(os.environ.get("FUZZ_MINUTES") or 60))  # fmt: skip
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    options = parser.parse_args()
    seeds_from = [wire.RECORDINGS, *map(Path, filter(None, [os.environ.get("FUZZ_SEEDS")]))]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, target(Path(folder)) as victim:
        found = fuzz(victim, options.minutes * 60, options.seed, seeds_from)
    sys.exit(bool(found))


def fuzz(victim: Target, seconds: float, number: int, folders: list[Path]) -> list[str]:
    """Rounds until the time is over. Returns what was found."""
    seeds = [*wire.recorded(folders), *wire.others(victim.token)]
    rounds: list[tuple[str, Callable[[int], None]]] = [
        ("made up", partial(bodies.run, victim, examples=1500)),
        ("damaged", partial(wire.run, victim, inputs=800, seeds=seeds)),
        ("cut", partial(wire.cut, victim, seeds=seeds)),
        ("damaged", partial(wire.run, victim, inputs=800, seeds=seeds)),
        (BY_OPENAPI, partial(by_openapi, victim)),
    ]
    started = time.monotonic()
    found: list[str] = []
    turn = 0
    while (elapsed := time.monotonic() - started) < seconds:
        name, work = rounds[turn % len(rounds)]
        turn += 1
        if what := _round(victim, partial(work, number + turn), counted=name != BY_OPENAPI):
            found.append(f"{name}, seed {number + turn}: {what}")
            _say(f"FOUND {found[-1]}")
        answers = dict(sorted(victim.statuses.items()))
        _say(f"{elapsed:6.0f} s  {name}: {victim.requests} answers {answers}")
    try:
        victim.check_database()
        victim.restart()
        victim.check_database()
    except Problem as problem:
        found.append(f"at the end: {problem}")
    _say(f"{len(found)} found in {turn} rounds, {victim.requests} answers, seed {number}")
    for what in found:
        _say(what)
    return found


def _round(victim: Target, work: Callable[[], None], *, counted: bool) -> str:
    """Does a round and checks. Returns what is wrong, after keeping the input that shows it."""
    try:
        work()
    except Problem as problem:
        _keep(victim, problem.data)
        victim.forget()
        return str(problem)
    inputs = victim.sent.inputs[-MAX_CASES:]
    try:
        victim.check(counted=counted)
    except Problem as problem:
        for data in inputs:
            if _shows(victim, data):
                _keep(victim, data)
                break
        victim.forget()
        return str(problem)
    return ""


def _shows(victim: Target, data: bytes) -> bool:
    """Whether an input alone shows a problem."""
    victim.forget()
    try:
        victim.exchange([data])
        victim.check()
    except Problem:
        return True
    return False


def _keep(victim: Target, data: bytes) -> None:
    if data:
        hidden = victim.hide(data)
        name = hashlib.sha256(hidden).hexdigest()[:12]
        (CASES / f"{name}.http").write_bytes(hidden)
        _say(f"kept as tests/fuzz/cases/{name}.http")


def by_openapi(victim: Target, number: int) -> None:
    """Has schemathesis make requests of what /docs says. Raises Problem."""
    for phase in ("coverage", "fuzzing", "stateful"):
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            done = subprocess.run(
                [
                    Path(sys.executable).with_name("schemathesis"), "run", f"{victim.collector.url}/docs/openapi.json",
                    "--no-color", "--max-examples", "15", "--seed", str(number), "--phases", phase,
                    "--continue-on-failure", "-H", f"Authorization: Bearer {victim.token}",
                    # No document says what is a JSON Schema, nor what one may cost.
                    "--exclude-checks", "positive_data_acceptance",
                ],
                capture_output=True, text=True, timeout=600, cwd=folder, check=False,
            )  # fmt: skip
        if "An internal error occurred during the test run" in done.stdout:
            # Seen with 4.32: it splits whatever an answer has as an address.
            _say(f"schemathesis has ended by an error of its own ({phase})")
        elif done.returncode:
            report = ROOT / "build" / "fuzz" / f"schemathesis-{number}-{phase}.txt"
            report.parent.mkdir(parents=True, exist_ok=True)
            report.write_text(done.stdout.replace(victim.token, "TOKEN"), encoding="utf-8")
            raise Problem(f"schemathesis: see {report}")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()

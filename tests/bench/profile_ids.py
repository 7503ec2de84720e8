"""What issuing and verifying a profile id takes. `python -m tests.bench.profile_ids`."""

import timeit
import uuid
from statistics import median

from collector.ids import uuid7
from collector.profile_ids import ProfileIds

CALLS, ROUNDS = 20_000, 15


def main() -> None:
    ids = ProfileIds(b"x" * 64)
    session_id, source, scope = uuid7(), str(uuid.uuid4()), "group:shops"
    issued = ids.issue(session_id, source, scope)
    forged = issued[:-1] + ("0" if issued[-1] != "0" else "1")
    work = {
        "random (uuid7)": uuid7,
        "issue": lambda: ids.issue(session_id, source, scope),
        "verify": lambda: ids.verifies(issued, scope),
        "verify a forged one": lambda: ids.verifies(forged, scope),
        "verify another shape": lambda: ids.verifies(session_id, scope),
    }
    for name, call in work.items():
        taken = timeit.repeat(call, number=CALLS, repeat=ROUNDS)
        micros = [seconds / CALLS * 1e6 for seconds in taken]
        print(f"{name:<22} {median(micros):6.2f} µs (least {min(micros):.2f})")


if __name__ == "__main__":
    main()

"""What /docs says is what the server does: schemathesis makes requests of it and checks the
answers."""

import subprocess
import sys
from pathlib import Path

from collector import store

from ..support import Collector


def test_the_server_does_what_its_docs_say(collector: Collector, tmp_path: Path) -> None:
    with collector.database() as database:
        _, secret = store.create_token(database, "test")
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"), "run", f"{collector.url}/docs/openapi.json", "--no-color",
            "--max-examples", "5", "--phases", "examples,coverage,fuzzing", "--generation-deterministic",
            "-H", f"Authorization: Bearer {secret}",
        ],
        capture_output=True, text=True, timeout=170, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert "Tested: 40" in done.stdout
    assert not [line for line in collector.log if " error " in line]
    assert secret not in "\n".join(collector.log)

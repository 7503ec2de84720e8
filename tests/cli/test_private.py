"""Files and processes are the user's own: nobody else reads what is stored, and no folder that the
collector is started in adds code to it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..support import ROOT, Collector, run


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def test_what_a_collector_stores_is_for_its_user_alone(tmp_path: Path) -> None:
    collector = Collector(tmp_path).start()
    collector.post({"source": {"id": collector.add_source()}, "events": [{"type": "a"}]})
    found = {path.name: mode(path) for path in tmp_path.iterdir()}
    assert found == dict.fromkeys(["events.db", "events.db-wal", "events.db-shm"], "0o600")


def run_code(code: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs Python code in a folder, which is not on the module path."""
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "command",
    [["events", "export", "out.csv"], ["events", "export", "out.ndjson"], ["db", "backup", "out"]],
    ids=" ".join,
)
def test_what_commands_write_is_for_their_user_alone(tmp_path: Path, command: list[str]) -> None:
    run("source", "add", "A", cwd=tmp_path)
    assert run(*command, cwd=tmp_path).returncode == 0
    assert mode(tmp_path / "thamesthrive.db") == mode(tmp_path / command[-1]) == "0o600"


def test_a_built_site_can_be_read_by_a_web_server(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    page = '+++\ntitle = "Hello"\nsummary = "A page."\n+++\n\nA page.\n'
    (tmp_path / "docs" / "index.md").write_text(page)
    done = run("build", "site", "--from", str(tmp_path), "--out", str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    assert mode(tmp_path / "site" / "index.html") == "0o644"


def test_doctor_warns_of_a_database_that_others_can_read(tmp_path: Path) -> None:
    run("source", "add", "A", cwd=tmp_path)
    assert "chmod" not in run("doctor", "--port", "0", cwd=tmp_path).stdout
    (tmp_path / "thamesthrive.db").chmod(0o644)
    run("source", "list", cwd=tmp_path)
    assert mode(tmp_path / "thamesthrive.db") == "0o644"
    found = json.loads(run("doctor", "--port", "0", "--json", cwd=tmp_path).stdout)
    (finding,) = [each for each in found if each["check"] == "permissions"]
    assert finding["state"] == "warning"
    assert "Run: chmod 600 thamesthrive.db" in finding["detail"]


def test_no_process_imports_from_the_working_directory(tmp_path: Path) -> None:
    trap, sprung = tmp_path / "secrets.py", tmp_path / "sprung"
    trap.write_text(f"open({str(sprung)!r}, 'w').close()\nfrom random import *\n")
    (tmp_path / "collector").mkdir()
    (tmp_path / "collector" / "__init__.py").write_text(trap.read_text())
    code = (
        "from collector import Settings, running\n"
        "from pathlib import Path\n"
        "with running(Settings(db=Path('x.db'), port=0, workers=1)) as found: print(found.url)"
    )
    done = run_code(code, tmp_path, {**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.stdout.startswith("http://"), done.stderr
    assert not sprung.exists()


def test_processes_are_those_of_the_package_that_started_them(tmp_path: Path) -> None:
    """Also from a checkout that is not installed, and in a working directory elsewhere."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    (copy / "collector").symlink_to(ROOT / "collector")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = (
        f"import sys; sys.path.insert(0, {str(copy)!r})\n"
        "import os; from collector import Settings, running\n"
        "from pathlib import Path\n"
        "with running(Settings(db=Path('x.db'), port=0, workers=1)) as found:\n"
        "    me = str(os.getpid())\n"
        "    for entry in Path('/proc').glob('[0-9]*/stat'):\n"
        "        if entry.read_text().rpartition(')')[2].split()[1] == me:\n"
        "            print((entry.parent / 'cmdline').read_text())"
    )
    done = run_code(
        code, elsewhere, {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    )
    assert f"{copy}/collector/" in done.stdout, done.stderr

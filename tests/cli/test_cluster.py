"""`thamesthrive cluster`: the secret that machines share, and a start without it or with another."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..support import Collector, run


@pytest.fixture
def joined(tmp_path: Path) -> Collector:
    """A collector that has run with a secret, and is stopped."""
    done = run("cluster", "init", "--db", str(tmp_path / "events.db"))
    assert done.returncode == 0, done.stderr
    collector = Collector(tmp_path, options=("--cluster-secret", str(key_of(tmp_path)))).start()
    assert collector.stop() == 0
    return collector


def key_of(folder: Path) -> Path:
    return folder / "thamesthrive-cluster.key"


def serve(db: Path, *options: str) -> tuple[int, str]:
    """The exit code and the last line of a collector that does not start."""
    done = run("serve", "--db", str(db), "--port", "0", *options, timeout=30)
    return done.returncode, done.stderr.splitlines()[-1]


def finding(db: Path, *options: str) -> dict[str, Any] | None:
    """What doctor says of the cluster."""
    done = run("doctor", "--db", str(db), "--port", "0", "--json", *options)
    found = [each for each in json.loads(done.stdout) if each["check"] == "cluster"]
    if found and found[0]["state"] == "problem":
        assert done.returncode == 1
    return found[0] if found else None


def test_a_secret_is_created_once_beside_the_database(tmp_path: Path) -> None:
    init = ("cluster", "init", "--db", str(tmp_path / "events.db"))
    done = run(*init)
    file = key_of(tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{file}\n")
    assert "--cluster-secret" in done.stderr
    assert "Copy the file to every machine" in done.stderr
    secret = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = run(*init)
    assert (again.returncode, again.stdout) == (2, "")
    assert "is not overwritten" in again.stderr
    assert file.read_text().strip() == secret
    assert secret not in done.stdout + done.stderr + again.stderr


def test_a_secret_may_be_created_elsewhere_as_json(tmp_path: Path) -> None:
    file = tmp_path / "my.key"
    found = json.loads(run("cluster", "init", str(file), "--json", cwd=tmp_path).stdout)
    assert set(found) == {"file", "fingerprint"}
    assert found["file"] == str(file)
    assert found["fingerprint"] not in file.read_text()
    assert not (tmp_path / "thamesthrive.db").exists()


def test_show_tells_whether_the_secret_is_the_databases(joined: Collector, tmp_path: Path) -> None:
    secret = key_of(tmp_path)
    show = ("cluster", "show", "--db", str(joined.db), "--json")
    well = run(*show, "--cluster-secret", str(secret))
    assert well.returncode == 0
    found = json.loads(well.stdout)
    assert found["database"] == found["secret"]
    assert (found["matches"], found["problem"], found["file"]) == (True, None, str(secret))
    assert secret.read_text().strip() not in well.stdout
    by_variable = run(*show, env={"THAMESTHRIVE_CLUSTER_SECRET": str(secret)})
    assert by_variable.stdout == well.stdout
    ill = run(*show)
    assert (ill.returncode, json.loads(ill.stdout)["matches"]) == (1, False)
    assert "cluster_secret is not set" in ill.stderr
    plain = run(*show[:-1], "--cluster-secret", str(secret)).stdout
    assert plain.split()[:2] == ["database", found["database"]]


def replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "there is no file"),
    "short": (lambda file: file.write_text("short"), "must have from 32 to 1024 characters"),
    "another": (lambda file: file.write_text("0" * 64), "another secret"),
    "folder": (replace_by_folder, "cannot be read: Is a directory"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_secret_is_refused_at_the_start_and_told_by_doctor(
    joined: Collector, tmp_path: Path, name: str
) -> None:
    spoil, problem = WRONG[name]
    spoil(key_of(tmp_path))
    options = ("--cluster-secret", str(key_of(tmp_path)))
    code, said = serve(joined.db, *options)
    assert code == 2
    assert problem in said
    found = finding(joined.db, *options)
    assert found
    assert found["state"] == "problem"
    assert problem in found["detail"]


def test_a_start_without_the_secret_is_refused(joined: Collector) -> None:
    code, said = serve(joined.db)
    assert code == 2
    assert "cluster_secret is not set" in said
    assert "thamesthrive cluster leave" in said
    found = finding(joined.db)
    assert found
    assert (found["state"], found["detail"]) == ("problem", said.removeprefix("Error: "))


def test_doctor_says_when_all_is_well_or_others_can_read_the_secret(
    joined: Collector, tmp_path: Path
) -> None:
    options = ("--cluster-secret", str(key_of(tmp_path)))
    found = finding(joined.db, *options)
    assert found
    assert found["state"] == "ok"
    key_of(tmp_path).chmod(0o644)
    found = finding(joined.db, *options)
    assert found
    assert found["state"] == "warning"
    assert f"chmod 600 {key_of(tmp_path)}" in found["detail"]
    single = tmp_path / "single.db"
    assert run("source", "add", "A", "--db", str(single)).returncode == 0
    assert finding(single) is None
    found = finding(single, *options)
    assert found


def test_leaving_lets_it_start_without_the_secret(joined: Collector, tmp_path: Path) -> None:
    db = ("--db", str(joined.db))
    refused = run("cluster", "leave", *db)
    assert refused.returncode != 0  # nobody said yes
    assert serve(joined.db)[0] == 2
    shown = run("cluster", "show", *db, "--json").stdout
    done = run("cluster", "leave", "--yes", *db, "--json")
    assert json.loads(done.stdout) == {"left": json.loads(shown)["database"]}
    assert "belongs to no cluster" in run("cluster", "leave", *db).stderr
    joined.options = ()
    joined.start()
    assert joined.stop() == 0
    told = [row["action"] for row in joined.rows("SELECT action FROM audit ORDER BY seq")]
    assert told == ["cluster.join", "cluster.leave"]


def test_the_secret_is_in_no_output(joined: Collector, tmp_path: Path) -> None:
    file = key_of(tmp_path)
    db, options = ("--db", str(joined.db)), ("--cluster-secret", str(file))
    joined.start()
    commands = [
        ("doctor", "--port", "0", *db, *options),
        ("cluster", "show", *db, *options),
        ("config", "show", "--json"),
        ("audit", "list", "--json", *db),
    ]
    variable = {"THAMESTHRIVE_CLUSTER_SECRET": str(file)}
    done = [run(*command, env=variable) for command in commands]
    config = json.loads(done[2].stdout)
    assert config["cluster_secret"]["value"] == str(file)
    processes = [
        Path(f"/proc/{child}/cmdline").read_text() + Path(f"/proc/{child}/environ").read_text()
        for child in joined.children()
    ]
    said = [
        *(one.stdout + one.stderr for one in done),
        httpx.get(f"{joined.url}/metrics").text,
        *processes,
        *(path.read_bytes().decode("latin-1") for path in tmp_path.glob("events.db*")),
        *joined.log,
    ]
    assert not any(file.read_text().strip() in text for text in said)
    assert len(processes) == 2

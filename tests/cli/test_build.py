"""`thamesthrive build`: what it builds, and the mistakes it reports with file, line and cure."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.builder.bundle import BUDGETS, FEATURES, build_bundle
from cli.errors import BuildError, CliError

from ..support import ROOT, run

DIST = ROOT / "js" / "dist"

pytestmark = pytest.mark.alone


@pytest.fixture
def js(tmp_path: Path) -> Path:
    """A copy of the tracker's sources that a test may break."""
    for folder in ("src", "site", "console", "verify"):
        shutil.copytree(ROOT / "js" / folder, tmp_path / "js" / folder)
    # The style of the console begins with that of the documentation.
    shutil.copytree(ROOT / "templates" / "assets", tmp_path / "templates" / "assets")
    shutil.copy(ROOT / "js" / "tsconfig.json", tmp_path / "js")
    (tmp_path / "js" / "node_modules").symlink_to(ROOT / "js" / "node_modules")
    return tmp_path / "js"


@pytest.mark.parametrize("name", BUDGETS)
def test_files_stay_within_their_budget(name: str) -> None:
    """Loader at most 600 bytes brotli, tracker at most 4,200, page at most 1,100."""
    file = json.loads((DIST / "manifest.json").read_text())["files"][name]
    assert file["brotli"] <= file["budget"] == BUDGETS[name]
    assert file["brotli"] == (DIST / f"{name}.br").stat().st_size


def test_build_bundle_prints_a_table_of_sizes_and_hashes() -> None:
    done = run("build", "bundle", cwd=ROOT)
    assert done.returncode == 0
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["file", "raw", "gzip", "brotli", "budget", "integrity"]
    assert {"loader.min.js", "tracker.min.js", "page.min.js", "debug.min.js", "tracker.mjs"} <= {
        row.split()[0] for row in rows
    }
    assert all("sha384-" in row for row in rows)


def test_the_script_for_consent_managers_says_where_its_source_is() -> None:
    """Its licence, the MPL, asks for that."""
    head = (DIST / "verify" / "consent.js").read_text()[:300]
    assert head.startswith("/*! Contains @duckduckgo/autoconsent")
    assert "https://github.com/duckduckgo/autoconsent" in head
    assert "https://mozilla.org/MPL/2.0/" in head


def test_build_bundle_as_json_is_the_manifest() -> None:
    assert json.loads(run("build", "bundle", "--json", cwd=ROOT).stdout) == json.loads(
        (DIST / "manifest.json").read_text()
    )


def test_a_build_is_reproducible(js: Path) -> None:
    assert build_bundle(js).as_dict() == json.loads((DIST / "manifest.json").read_text())


def test_a_mistake_in_the_tracker_is_shown_with_file_and_line(js: Path) -> None:
    (js / "src" / "queue.ts").write_text("export const = 5;\n")
    with pytest.raises(BuildError, match=r"js/src/queue.ts:1:13"):
        build_bundle(js)


def test_growing_over_the_budget_fails_the_build(js: Path) -> None:
    source = js / "src" / "loader.ts"
    words = " ".join(str(n**7) for n in range(60))
    source.write_text(source.read_text() + f'\nconsole.debug("{words}");\n')
    with pytest.raises(
        BuildError, match=r"loader\.min\.js is \d+ bytes \(brotli\), its budget is 600"
    ):
        build_bundle(js)


def test_a_missing_esbuild_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="npm ci") as raised:
        build_bundle(tmp_path)
    assert raised.value.exit_code == 3


def test_source_maps_point_to_the_sources() -> None:
    """The loader's first mapping points behind its longer head; the sources are included."""
    source_map = json.loads((DIST / "loader.min.js.map").read_text())
    code = (DIST / "loader.min.js").read_text()
    column = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(source_map["mappings"][0]) >> 1
    assert code[:column] == "!function(){"
    assert any(source.endswith("src/loader.ts") for source in source_map["sources"])
    assert len(source_map["sourcesContent"]) == len(source_map["sources"])


def test_build_makes_bundle_and_site(tmp_path: Path) -> None:
    done = run(
        "build",
        "--out",
        str(tmp_path / "site"),
        "--source",
        "s-1",
        "--api",
        "https://e.example.com",
        "--url",
        "https://docs.example.com",
        "--json",
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["site"] == str(tmp_path / "site")
    guide = (tmp_path / "site" / "docs" / "tutorial" / "index.html").read_text()
    assert "s-1" in guide
    assert "https://e.example.com" in guide
    assert "ee2db027" not in guide
    assert '<link rel="canonical" href="https://docs.example.com/docs/tutorial/">' in guide
    assert (tmp_path / "site" / "pages" / "basic.html").is_file()


def test_build_site_alone(tmp_path: Path) -> None:
    done = run("build", "site", "--out", str(tmp_path / "site"), cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "")
    assert "pages in" in done.stderr
    assert (
        json.loads(
            run("build", "site", "--out", str(tmp_path / "site"), "--json", cwd=ROOT).stdout
        )["pages"]
        > 5
    )


def test_a_build_with_fewer_features_leaves_them_out(js: Path) -> None:
    built = build_bundle(js, ["views"], types=False)
    sizes = {file.name: file.brotli for file in built.files}
    whole = json.loads((DIST / "manifest.json").read_text())
    assert built.features == ["views"]
    assert sizes["tracker.min.js"] < whole["files"]["tracker.min.js"]["brotli"] - 200
    page = (js / "dist" / "page.min.js").read_text()
    assert "pushState" in page
    assert "data-thamesthrive-tag" not in page


def test_an_unknown_feature_is_a_usage_error() -> None:
    done = run("build", "bundle", "--features", "views,cookies", cwd=ROOT)
    assert done.returncode == 2
    assert "'cookies'" in done.stderr
    assert "triggers" in done.stderr


def test_sizes_of_features_are_printed() -> None:
    sizes = json.loads(run("build", "bundle", "--sizes", "--json", cwd=ROOT).stdout)
    assert set(sizes) == set(FEATURES)
    assert sizes["triggers"] > 200


def test_a_watching_build_builds_again() -> None:
    """Runs in the repository itself; a source is touched, and none is changed."""
    command = [sys.executable, "-m", "cli.main", "build", "bundle", "--watch"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            assert "Watching" in process.stderr.readline()
            assert "Built in" in process.stderr.readline()
            (ROOT / "js" / "src" / "page-views.ts").touch()
            assert "tracker.min.js" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
        finally:
            process.kill()


def test_the_module_can_be_imported_on_a_server_and_its_types_hold(tmp_path: Path) -> None:
    script = """
      const {createTracker} = await import(process.argv[1]);
      const result = await createTracker({source: {id: "s"}, url: {api: "http://x"}}).track("a");
      console.log(JSON.stringify(result));
    """
    # npm from a Python package brings Node along, in the same folder.
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script, str(DIST / "tracker.mjs")],
        capture_output=True, text=True, check=False, env=env,
    )  # fmt: skip
    assert json.loads(done.stdout) == {
        "stored": False, "id": "", "reason": "disabled_source", "detail": "there is no page"
    }, done.stderr  # fmt: skip
    shutil.copy(DIST / "tracker.d.ts", tmp_path / "tracker.d.ts")
    head = """import {createTracker} from "./tracker";
      declare global { interface ThamesThriveEvents { "sign-up": {plan: string} } }
      const tracker = createTracker({source: {id: "s"}, url: {api: "http://x"}});
    """
    good, bad = tmp_path / "good.ts", tmp_path / "bad.ts"
    good.write_text(
        head + 'void tracker.track("sign-up", {plan: "free"}); void tracker.track("other", {n: 1});'
    )
    bad.write_text(head + 'void tracker.track("sign-up", {plan: 5});')
    tsc = [
        str(ROOT / "js/node_modules/.bin/tsc"),
        "--noEmit",
        "--strict",
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
    ]
    results = [
        subprocess.run([*tsc, str(path)], capture_output=True, text=True, check=False, env=env)
        for path in (good, bad)
    ]
    assert [result.returncode for result in results] == [0, 2] or "TS2322" in results[1].stdout, (
        results
    )
    assert results[0].stdout == ""


def test_a_wheel_without_the_tracker_is_refused_in_words(js: Path) -> None:
    for name in ("pyproject.toml", "hatch_build.py", "README.md"):
        shutil.copy(ROOT / name, js.parent)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = subprocess.run(command, cwd=js.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "The tracker is not built, and a wheel carries it. Run `make build`"
    )
    assert "Traceback" not in done.stderr


def test_the_whole_build_shows_sizes_and_no_hashes(tmp_path: Path) -> None:
    done = run("build", "--out", str(tmp_path / "site"), cwd=ROOT)
    assert done.stdout.split("\n")[0].split() == ["file", "raw", "gzip", "brotli", "budget"]
    assert "sha384" not in done.stdout


def test_builds_at_the_same_time_wait_for_each_other(js: Path) -> None:
    code = (
        "from pathlib import Path; from cli.builder.bundle import build_bundle;"
        f" build_bundle(Path({str(js)!r}), types=False, smallest=False)"
    )
    builds = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for build in builds:
        _, said = build.communicate(timeout=60)
        assert build.returncode == 0, said

"""The site's builder: mistakes are reported with file, line and cure, and only what changed is
built again."""

import json
import re
import shutil
from pathlib import Path

import pytest

from cli.builder.command_reference import commands
from cli.builder.site import BuiltSite, build_site
from cli.builder.tracker_options import read_options
from cli.errors import BuildError
from collector.settings import Settings

from ..support import ROOT, run
from .dev_server import copy_repository
from .mistakes import MISTAKES

DIST = ROOT / "js" / "dist"


def build(site: Path, out: Path) -> BuiltSite:
    return build_site(out, source_id="s-1", api="https://e.example.com", bundle=DIST, site_dir=site)


def small_site(folder: Path, **pages: str) -> Path:
    """Writes a site of a few pages, named by their paths with `__` for the slash."""
    for name, text in pages.items():
        path = folder / "docs" / f"{name.replace('__', '/')}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built documentation: files in `site`, the result in `out`."""
    folder = tmp_path_factory.mktemp("before")
    shutil.copytree(ROOT / "site", folder / "site")
    build(folder / "site", folder / "out")
    return folder


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_fails_the_build_with_file_line_and_cure_and_keeps_the_old_site(
    before: Path, mistake: str
) -> None:
    file, right, wrong, message = MISTAKES[mistake]
    path = before / "site" / file
    text = path.read_text()
    assert right in text
    line = text[: text.index(right)].count("\n") + 1
    try:
        path.write_text(text.replace(right, wrong, 1), errors="surrogateescape")
        with pytest.raises(BuildError, match=message.format(line=line)):
            build(before / "site", before / "out")
    finally:
        path.write_text(text)
    assert "Three events" in (before / "out" / "pages" / "basic.html").read_text()


def build_with_option(folder: Path, declaration: str, use: str = "") -> str:
    """What a copy of the repository says that has another option in `types.ts`."""
    root = copy_repository(folder)
    types, debug = root / "js" / "src" / "types.ts", "  debug?: boolean;"
    types.write_text(types.read_text().replace(debug, f"{debug}\n{declaration}"))
    queue = root / "js" / "src" / "queue.ts"
    queue.write_text(queue.read_text() + use)
    done = run("build", "site", cwd=root, env={"PYTHONPATH": str(root)})
    assert done.returncode == 1
    return done.stderr


def test_an_option_without_a_description_fails_the_build(tmp_path: Path) -> None:
    assert re.search(
        r"js/src/types\.ts:\d+: the option 'settings\.shiny' is not explained\. Write /\*\*",
        build_with_option(tmp_path / "copy", "  shiny?: boolean;"),
    )


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("", "no source of the tracker reads the option 'settings.shiny'. Read it in js/src"),
        ("settings.shiny", "no test page shows the option 'settings.shiny'. Set shiny in one of"),
    ],
)
def test_an_option_that_nothing_reads_or_shows_fails_the_build(
    tmp_path: Path, use: str, message: str
) -> None:
    said = build_with_option(
        tmp_path / "copy", "  /** Makes it shine. @default false */\n  shiny?: boolean;", use
    )
    assert re.search(r"js/src/types\.ts:\d+: " + re.escape(message), said)


def test_options_are_read_from_the_declarations_as_from_the_sources() -> None:
    """An installed copy has no sources, and the compiler writes types in its own way."""
    found = [
        [
            (option.name, option.type, option.default, option.description)
            for option in read_options(path, interface)
        ]
        for path in (ROOT / "js" / "src" / "types.ts", DIST / "tracker.d.ts")
        for interface in ("TrackerOptions", "TrackOptions")
    ]
    assert found[:2] == found[2:]
    assert ("settings.consent", '"granted"') in {
        (name, default) for name, _, default, _ in found[0]
    }


def test_a_new_command_and_a_new_reason_are_in_the_reference_or_fail_the_build(
    tmp_path: Path,
) -> None:
    root = copy_repository(tmp_path / "copy")
    errors = root / "collector" / "errors.py"
    errors.write_text(
        errors.read_text() + '\n\nclass Asleep(Refused):\n    status = 503\n    code = "asleep"\n'
    )
    done = run("build", "site", cwd=root, env={"PYTHONPATH": str(root)})
    assert done.returncode == 1
    assert "site/docs/reference/reasons.md:" in done.stderr
    assert "the reason code 'asleep'" in done.stderr


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    site = small_site(tmp_path, one="# One\n\n[x](nowhere.md)\n", two="# Two\n\n[x](gone.md)\n")
    with pytest.raises(BuildError) as raised:
        build(site, tmp_path / "out")
    assert [(problem.path.name, problem.line) for problem in raised.value.problems] == [
        ("one.md", 3),
        ("two.md", 3),
    ]


def test_a_page_that_changed_is_the_only_one_written(tmp_path: Path) -> None:
    site = small_site(
        tmp_path,
        one="# One\n\nFirst.\n",
        two="# Two\n\nSecond.\n\nMore.\n",
        three="# Three\n\nThird.\n",
    )
    out = tmp_path / "out"
    build(site, out)
    assert build(site, out).written == []
    (site / "docs" / "two.md").write_text("# Two\n\nSecond.\n\nChanged.\n")
    assert sorted(build(site, out).written) == ["assets/search-index.js", "docs/two.html"]
    assert "Changed." in (out / "docs" / "two.html").read_text()


def test_a_title_that_changed_is_written_wherever_it_is_shown(tmp_path: Path) -> None:
    site = small_site(
        tmp_path,
        one="# One\n\nFirst.\n",
        two="# Two\n\nSecond.\n",
        deep__three="# Three\n\nThird.\n",
    )
    out = tmp_path / "out"
    build(site, out)
    (site / "docs" / "two.md").write_text("# Renamed\n\nSecond.\n")
    build(site, out)
    for page in ("index.html", "docs/one.html", "docs/deep/three.html"):
        assert "Renamed" in (out / page).read_text(), page


def test_a_deleted_page_is_removed_from_the_site(tmp_path: Path) -> None:
    site = small_site(tmp_path, one="# One\n\nFirst.\n", two="# Two\n\nSecond.\n")
    out = tmp_path / "out"
    build(site, out)
    (site / "docs" / "two.md").unlink()
    build(site, out)
    assert not (out / "docs" / "two.html").exists()
    assert "Second." not in (out / "assets" / "search-index.js").read_text()


def test_a_broken_link_fails_though_only_its_target_changed(
    tmp_path: Path,
) -> None:
    site = small_site(
        tmp_path, one="# One\n\n[two](two.md#part)\n", two="# Two\n\n## Part\n\nSecond.\n"
    )
    out = tmp_path / "out"
    build(site, out)
    (site / "docs" / "two.md").write_text("# Two\n\n## Another part\n\nSecond.\n")
    with pytest.raises(
        BuildError, match=r"one\.md:3: two\.md has no heading #part\. Did you mean #another-part\?"
    ):
        build(site, out)
    assert 'id="part"' in (out / "docs" / "two.html").read_text()


def test_deleted_files_and_a_broken_cache_are_built_again(tmp_path: Path) -> None:
    site = small_site(tmp_path, one="# One\n\nFirst.\n")
    out = tmp_path / "out"
    build(site, out)
    (out / "docs" / "one.html").unlink()
    build(site, out)
    assert (out / "docs" / "one.html").is_file()
    (tmp_path / "out.cache").write_bytes(b"not a database at all" * 100)
    build(site, out)
    assert "First." in (out / "docs" / "one.html").read_text()


def test_the_size_of_a_page_does_not_grow_with_the_site(tmp_path: Path) -> None:
    sizes = {}
    for count in (50, 500):
        pages = {f"page-{n:04}": f"# Page {n}\n\nText.\n" for n in range(count)}
        build(small_site(tmp_path / str(count), **pages), tmp_path / f"out-{count}")
        sizes[count] = (tmp_path / f"out-{count}" / "docs" / "page-0025.html").stat().st_size
    assert sizes[500] < sizes[50] * 1.1


def test_a_page_has_metadata_and_navigation(before: Path) -> None:
    page = (before / "out" / "docs" / "how-to" / "consent.html").read_text()
    assert (
        '<link rel="canonical" href="https://docs.thamesthrive.example/docs/how-to/consent.html">'
        in page
    )
    assert '<meta property="og:title" content="Ask for consent first">' in page
    assert 'aria-label="Breadcrumbs"' in page
    assert "/edit/main/site/docs/how-to/consent.md" in page
    assert 'rel="prev"' in page
    assert 'rel="next"' in page
    sitemap = (before / "out" / "sitemap.xml").read_text()
    assert "<loc>https://docs.thamesthrive.example/docs/how-to/consent.html</loc>" in sitemap
    assert "ee2db027" not in page


def test_snippets_have_the_source_and_the_collector_of_the_build(before: Path) -> None:
    for page in (
        "docs/how-to/install-wordpress.html",
        "docs/how-to/csp.html",
        "docs/how-to/install-nextjs.html",
    ):
        text = (before / "out" / page).read_text()
        assert "https://e.example.com" in text
        assert "s-1" in text
        assert "ee2db027" not in text


def test_the_reference_has_every_command_and_setting(before: Path) -> None:
    page = (before / "out" / "docs" / "reference" / "cli.html").read_text()
    assert [name for name, *_ in commands() if f'id="{name.replace(" ", "-")}"' not in page] == []
    settings = (before / "out" / "docs" / "reference" / "settings.html").read_text()
    assert [
        name
        for name in Settings.__dataclass_fields__
        if f"THAMESTHRIVE_{name.upper()}" not in settings
    ] == []


def test_build_site_as_a_command(tmp_path: Path) -> None:
    site = small_site(tmp_path / "mine", one="# One\n\nFirst.\n")
    done = run("build", "site", "--from", str(site), "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "2 pages in" in done.stderr
    printed = json.loads(
        run(
            "build",
            "site",
            "--from",
            str(site),
            "--out",
            str(tmp_path / "out"),
            "--json",
            cwd=tmp_path,
        ).stdout
    )
    assert (printed["pages"], printed["written"]) == (2, 0)
    (site / "docs" / "one.md").write_text("# One\n\n[x](nowhere.md)\n")
    done = run("build", "site", "--from", str(site), "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(r"one\.md:3: the link target nowhere\.md does not exist\.", done.stderr)
    assert "Traceback" not in done.stderr


def test_the_url_option_replaces_that_of_site_toml(tmp_path: Path) -> None:
    site = small_site(tmp_path / "mine", one="# One\n\nFirst.\n")
    (site / "site.toml").write_text('url = "https://old.example"\n')
    command = ["build", "site", "--from", str(site), "--out", str(tmp_path / "out"), "--url"]
    assert run(*command, "https://docs.example.com/tracker", cwd=tmp_path).returncode == 0
    address = "https://docs.example.com/tracker/docs/one.html"
    page = (tmp_path / "out" / "docs" / "one.html").read_text()
    assert f'<link rel="canonical" href="{address}">' in page
    assert f"<loc>{address}</loc>" in (tmp_path / "out" / "sitemap.xml").read_text()
    assert 'href="/tracker/index.html"' in (tmp_path / "out" / "404.html").read_text()
    done = run(*command, "docs.example.com", cwd=tmp_path)
    assert done.returncode == 2
    assert "'docs.example.com' is not an address. Write it as in https://" in done.stderr


def test_a_folder_without_docs_is_not_a_site(tmp_path: Path) -> None:
    done = run("build", "site", "--from", str(tmp_path), "--out", str(tmp_path / "out"))
    assert done.returncode == 3
    assert "docs" in done.stderr


def test_links_in_files_besides_the_site_have_targets() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "deploy/README.md"):
        folder = (ROOT / name).parent
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / name).read_text())
        assert [link for link in links if not (folder / link).exists()] == [], name

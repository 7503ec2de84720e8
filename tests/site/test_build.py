"""The site's builder: what is wrong in the sources is told with file, line and cure, and what did
not change is not made again."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from cli.builder.reference import commands
from cli.builder.site import BuiltSite, build_site
from cli.builder.tracker_options import options_of
from cli.errors import BuildError
from collector.settings import Settings

from ..support import ROOT, run

DIST = ROOT / "js" / "dist"


def build(site: Path, out: Path) -> BuiltSite:
    return build_site(out, source="s-1", api="https://e.example.com", bundle=DIST, site=site)


def small_site(folder: Path, **pages: str) -> Path:
    """A site of some pages, named by their paths with `__` for the slash."""
    for name, text in pages.items():
        path = folder / "docs" / f"{name.replace('__', '/')}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


# In the documentation itself: file, what is right, what is wrong, what is said. {line} is the line
# of what is right.
MISTAKES = {
    "javascript in a doc": (
        "docs/how-to/csp.md",
        'const start = () => window.tracker.track("page-view");',
        'const start = () => window.tracker.track("page-view";',
        r"csp\.md:{line}: this example does not parse.*Correct it, or call it `text`",
    ),
    "html in a doc": (
        "docs/index.md",
        '{"product": "Sun glasses - Badoo", "price": 13.45});',
        '{"product": "Sun glasses - Badoo", "price": 13.45);',
        r"index\.md:{line}: this example does not parse",
    ),
    "JSON in a doc": ("docs/reference/http.md", '"ux": [],', '"ux": [,', r"http\.md:{line}: this example does not parse"),
    "TOML in a doc": ("docs/reference/settings.md", "workers = 2", "workers = two", r"settings\.md:{line}: this example does not parse"),
    "Python in a doc": ("docs/how-to/server-side.md", "    except OSError as error:", "    except OSError as error", r"server-side\.md:{line}: this example"),
    "a script in a test page": (
        "pages/basic.html",
        'window.tracker.track("page-view", {});',
        'window.tracker.track("page-view", {);',
        r"basic\.html:{line}: this script does not parse",
    ),
    "an example that never ends": (
        "docs/reference/settings.md", "workers = 2\n```", "workers = 2\n", r"settings\.md:\d+: this example never ends\. Close it with a line of ```"
    ),
    "an unknown snippet": ("docs/how-to/csp.md", "```snippet one-line\n", "```snippet two-line\n", r"csp\.md:{line}: there is no 'snippet two-line', only"),
    "an unknown language": ("docs/how-to/csp.md", "```bash\n", "```bahs\n", r"csp\.md:{line}: nobody can highlight 'bahs'"),
    "an unknown option of code": ("docs/how-to/spa.md", "```js stores=", "```js store=", r"spa\.md:{line}: code has no option 'store'\. Did you mean 'stores'\?"),
    "a link to nowhere": (
        "docs/tutorial/index.md", "(../how-to/access-denied.md)", "(../how-to/acces-denied.md)",
        r"index\.md:{line}: there is no \.\./how-to/acces-denied\.md to link to\. Did you mean \.\./how-to/access-denied\.md\?",
    ),
    "a link to where a page was": (
        "docs/tutorial/index.md", "(../how-to/access-denied.md)", "(access-denied.md)", r"index\.md:{line}: there is no .* Did you mean \.\./how-to/access-denied\.md\?"
    ),
    "a link to a heading that there is not": (
        "docs/explanation/privacy.md", "backup.md#give-out-and-forget", "backup.md#give-out-and-forgt",
        r"privacy\.md:{line}: \.\./how-to/backup\.md has no heading #give-out-and-forgt\. Did you mean #give-out-and-forget\?",
    ),
    "a link in HTML": ("docs/index.md", '"tutorial/index.md"', '"tutorial/indx.md"', r"docs/index\.md:{line}: there is no tutorial/indx\.md to link to"),
    "a link to a file": ("docs/reference/http.md", "(../../assets/track.schema.json)", "(../../assets/track.scheme.json)", r"http\.md:{line}: there is no .*track\.scheme\.json.* Did you mean .*track\.schema\.json\?"),
    "a link in a test page": ("pages/pass.html", "{% block main %}", '{% block main %}<a href="pas.html">x</a>', r"pass\.html:{line}: there is no pas\.html to link to"),
    "a reference to nothing": ("docs/how-to/spa.md", "(With the one-line form:", "([With][nothing] the one-line form:", r"spa\.md:{line}: \[With\]\[nothing\] is a link to nothing"),
    "a footnote to nothing": ("docs/reference/writing.md", "footnotes[^1]", "footnotes[^2]", r"writing\.md:{line}: \[\^2\] is a footnote to nothing"),
    "a block that never ends": ("docs/how-to/test-pages.md", "where real visitors' events are.\n:::", "where real visitors' events are.\n", r"test-pages\.md:\d+: the block 'danger For test machines' never ends"),
    "a block that there is not": ("docs/how-to/test-pages.md", "::: danger", "::: dangr", r"test-pages\.md:{line}: there is no block 'dangr'\. Did you mean 'danger'\?"),
    "a cell too many": ("docs/how-to/clicks.md", "| `onClick` | It, or", "| `onClick` | It | or", r"clicks\.md:{line}: this row has 3 cells, its table 2 columns"),
    "a level left out": ("docs/how-to/spa.md", "## In tests", "#### In tests", r"spa\.md:{line}: 'In tests of your application' is a heading of level 4 below one of level 2\. Use ###"),
    "a second title": ("docs/how-to/spa.md", "## In tests", "# In tests", r"spa\.md:{line}: .* is a second title"),
    "a picture without words": ("docs/how-to/spa.md", "Call `track` where", "![](../../assets/test-page.png) Call `track` where", r"spa\.md:{line}: .*test-page\.png has no words"),
    "an unknown key": ("docs/how-to/spa.md", "order = 21", "ordr = 21", r"spa\.md:{line}: the front matter has no 'ordr'\. Did you mean 'order'\?"),
    "a key of another kind": ("docs/how-to/spa.md", "order = 21", 'order = "21"', r"spa\.md:{line}: 'order' in the front matter is a whole number"),
    "front matter no TOML": ("docs/how-to/spa.md", "order = 21", "order = twentyone", r"spa\.md:{line}: the front matter is not TOML"),
    "no title": ("docs/how-to/spa.md", '+++\ntitle = "Track', '\n\ntitle = "Track', r"spa\.md:1: this page has no title\. Begin it with"),
    "not UTF-8": ("docs/how-to/spa.md", "(With the", "(With \udce9 the", r"spa\.md:{line}: this is not UTF-8"),
    "a template that there is not": ("docs/index.md", 'template = "home.html"', 'template = "hom.html"', r"docs/index\.md:1: there is no template 'hom\.html'"),
    "an alias that is taken": ("docs/how-to/run.md", "docs/operation.html", "docs/how-to/spa.html", r"run\.md:1: the alias 'docs/how-to/spa\.html' is what docs/how-to/spa\.md is called"),
    "no front matter in a test page": ("pages/basic.html", "+++\ntitle", "title", r"basic\.html:1: no front matter"),
    "no summary in a test page": ("pages/basic.html", "summary = ", "sumary = ", r"basic\.html:{line}: the front matter has no 'sumary'\. Did you mean 'summary'\?"),
    "no expectations": ("pages/basic.html", "requests = 1", "", r"basic\.html:1: say what must happen"),
    "a source nobody defined": ("pages/basic.html", "order = 1", 'source = "mine"', r"basic\.html:1: source is demo or unknown"),
    "a typo in an event": ("pages/basic.html", 'type = "interest"', 'typ = "interest"', r"basic\.html:1: an \[\[expect\.events\]\]"),
    "a name the template lacks": ("pages/basic.html", "{% block main %}", "{% block main %}{{ nope }}", r"basic\.html:{line}: 'nope' is undefined"),
    "a guide without a place": ("guides.toml", 'slug = "hugo"\nname', 'slug = "hugo"\nnam', r"guide\.md:\d+: 'name' is undefined"),
    "a mistake in a guide": ("guides.toml", '{issue: 12});', '{issue: 12);', r"guides\.toml:\d+: this example does not parse"),
    "a key of the site": ("site.toml", "edit = ", "edti = ", r"site\.toml:{line}: .*Did you mean 'edit'\?"),
    "a reason word that is not explained": ("docs/reference/reasons.md", "## rate_limited\n", "## rate limits\n", r"reasons\.md:\d+: the reason word 'rate_limited' \(collector/errors\.py:\d+\) is not explained here\. Explain it below"),
    "an option that is not explained": ("docs/reference/options.md", "```generated options\n```", "", r"options\.md:\d+: the option 'settings\.consent' \(js/src/types\.ts:\d+\) is not explained"),
    "a command that is not explained": ("docs/reference/cli.md", "```generated commands\n```", "", r"cli\.md:\d+: the command 'thamesthrive source add' \(cli/commands/source\.py:\d+\) is not explained"),
    "a setting that is not explained": ("docs/reference/settings.md", "```generated settings\n```", "", r"settings\.md:\d+: the setting 'queue_mb' \(collector/settings\.py:\d+\) is not explained"),
    "a metric that is not explained": ("docs/reference/metrics.md", "```generated metrics\n```", "", r"metrics\.md:\d+: the metric 'thamesthrive_events_total'"),
    "a column that is not explained": ("columns.toml", 'bot = "1 if', '# bot = "1 if', r"columns\.toml:\d+: the column events\.bot is not explained\. Add a line"),
    "a column that there is not": ("columns.toml", 'bot = "1 if', 'bott = "1 if', r"columns\.toml:\d+: there is no column events\.bott\. Did you mean bot\?"),
    "something that is not generated": ("docs/reference/cli.md", "```generated commands", "```generated comands", r"cli\.md:{line}: nothing is generated as 'comands'"),
}  # fmt: skip


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as it is, built."""
    folder = tmp_path_factory.mktemp("before")
    shutil.copytree(ROOT / "site", folder / "site")
    build(folder / "site", folder / "out")
    return folder


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_fails_the_build_with_file_line_and_cure_and_keeps_the_old_site(
    before: Path, mistake: str
) -> None:
    name, right, wrong, message = MISTAKES[mistake]
    path = before / "site" / name
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


def test_an_option_without_words_fails_the_build(tmp_path: Path) -> None:
    """In a copy of the whole repository, as a contributor would make the mistake."""
    from .workshop import copy_repository

    root = copy_repository(tmp_path / "copy")
    types = root / "js" / "src" / "types.ts"
    types.write_text(
        types.read_text().replace("  debug?: boolean;", "  debug?: boolean;\n  shiny?: boolean;")
    )
    done = run("build", "site", cwd=root, env={"PYTHONPATH": str(root)})
    assert done.returncode == 1
    assert re.search(
        r"js/src/types\.ts:\d+: the option 'settings\.shiny' is not explained\. Write /\*\*",
        done.stderr,
    )


def test_options_are_read_from_the_declarations_as_from_the_sources() -> None:
    """An installed copy has no sources, and the compiler writes types in its own way."""
    found = [
        [
            (option.name, option.type, option.default, option.words)
            for option in options_of(path, interface)
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
    from .workshop import copy_repository

    root = copy_repository(tmp_path / "copy")
    errors = root / "collector" / "errors.py"
    errors.write_text(
        errors.read_text() + '\n\nclass Asleep(Refused):\n    status = 503\n    reason = "asleep"\n'
    )
    done = run("build", "site", cwd=root, env={"PYTHONPATH": str(root)})
    assert done.returncode == 1
    assert "site/docs/reference/reasons.md:" in done.stderr
    assert "the reason word 'asleep'" in done.stderr


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
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


def test_what_is_gone_from_the_sources_is_gone_from_the_site(tmp_path: Path) -> None:
    site = small_site(tmp_path, one="# One\n\nFirst.\n", two="# Two\n\nSecond.\n")
    out = tmp_path / "out"
    build(site, out)
    (site / "docs" / "two.md").unlink()
    build(site, out)
    assert not (out / "docs" / "two.html").exists()
    assert "Second." not in (out / "assets" / "search-index.js").read_text()


def test_a_link_to_a_page_that_went_fails_though_the_linking_page_did_not_change(
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


def test_a_site_that_somebody_emptied_is_built_again(tmp_path: Path) -> None:
    site = small_site(tmp_path, one="# One\n\nFirst.\n")
    out = tmp_path / "out"
    build(site, out)
    (out / "docs" / "one.html").unlink()
    build(site, out)
    assert (out / "docs" / "one.html").is_file()
    (tmp_path / "out.cache").write_bytes(b"not a database at all" * 100)
    build(site, out)
    assert "First." in (out / "docs" / "one.html").read_text()


def test_many_pages_do_not_carry_all_the_others(tmp_path: Path) -> None:
    """A page of a large site is as small as one of a small site, so the whole grows with the number
    of pages only."""
    sizes = {}
    for count in (50, 500):
        pages = {f"page-{n:04}": f"# Page {n}\n\nText.\n" for n in range(count)}
        build(small_site(tmp_path / str(count), **pages), tmp_path / f"out-{count}")
        sizes[count] = (tmp_path / f"out-{count}" / "docs" / "page-0025.html").stat().st_size
    assert sizes[500] < sizes[50] * 1.1


def test_what_a_page_has_of_the_site(before: Path) -> None:
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


def test_the_builders_own_values_stand_in_the_snippets(before: Path) -> None:
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
    told = json.loads(
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
    assert (told["pages"], told["written"]) == (2, 0)
    (site / "docs" / "one.md").write_text("# One\n\n[x](nowhere.md)\n")
    done = run("build", "site", "--from", str(site), "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(r"one\.md:3: there is no nowhere\.md to link to\.", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_no_site_says_so(tmp_path: Path) -> None:
    done = run("build", "site", "--from", str(tmp_path), "--out", str(tmp_path / "out"))
    assert done.returncode == 3
    assert "docs" in done.stderr


def test_links_in_the_files_beside_the_site_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "deploy/README.md"):
        folder = (ROOT / name).parent
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / name).read_text())
        assert [link for link in links if not os.path.exists(folder / link)] == [], name  # noqa: PTH110

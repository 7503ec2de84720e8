"""Every example of the documentation does what its page says."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from cli.builder.code_fence import FenceInfo
from collector.install.example_values import EXAMPLE_API

from .examples import Example, load_examples, open_reader, share_a_page

EXAMPLES = load_examples()


@pytest.mark.parametrize("page", EXAMPLES)
def test_the_examples_of_a_page(browser: Browser, tmp_path: Path, page: str) -> None:
    with open_reader(tmp_path, browser, EXAMPLES[page]) as one:
        for example in EXAMPLES[page]:
            one.run(example)


TOGETHER = {page: found for page in EXAMPLES if len(found := share_a_page(EXAMPLES[page])) > 1}


@pytest.mark.parametrize("page", TOGETHER)
def test_the_code_of_a_page_works_on_one_page(browser: Browser, tmp_path: Path, page: str) -> None:
    with open_reader(tmp_path, browser, TOGETHER[page]) as one:
        one.run_together(TOGETHER[page])


@pytest.mark.parametrize("page", EXAMPLES)
def test_what_a_visitor_does_is_not_in_the_code(page: str) -> None:
    """A reader who copied it would, say, consent for every visitor."""
    assert [example for example in EXAMPLES[page] if ".click()" in example.code] == []


BROKEN = {
    "a command that fails": ("bash", "thamesthrive source show nobody"),
    "a script that throws": ("js", 'window.tracker.trak("page-view");'),
    "a program that fails": ("python", "raise SystemExit(1)"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_example_is_reported_with_file_and_line(
    browser: Browser, tmp_path: Path, what: str
) -> None:
    language, code = BROKEN[what]
    example = Example("docs/page.md", 12, FenceInfo(language, {}), code)
    with (
        open_reader(tmp_path, browser, [example]) as one,
        pytest.raises(AssertionError, match=r"docs/page\.md:12"),
    ):
        one.run(example)


def test_examples_of_each_kind_are_run() -> None:
    languages = [example.info.language for page in EXAMPLES.values() for example in page]
    assert {language: languages.count(language) > 2 for language in ("bash", "js", "html")} == {
        "bash": True,
        "js": True,
        "html": True,
    }
    assert any(EXAMPLE_API in example.code for page in EXAMPLES.values() for example in page)

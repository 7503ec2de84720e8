"""Every example of the documentation does what its page says."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from .examples import EXAMPLE_API, Example, Info, examples, reader

EXAMPLES = examples()


@pytest.mark.parametrize("page", EXAMPLES)
def test_the_examples_of_a_page(browser: Browser, tmp_path: Path, page: str) -> None:
    with reader(tmp_path, browser, EXAMPLES[page]) as one:
        for example in EXAMPLES[page]:
            one.run(example)


BROKEN = {
    "a command that fails": ("bash", "thamesthrive source show nobody"),
    "a script that throws": ("js", 'window.tracker.trak("page-view");'),
    "a program that fails": ("python", "raise SystemExit(1)"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_example_is_told_with_its_place(
    browser: Browser, tmp_path: Path, what: str
) -> None:
    language, code = BROKEN[what]
    example = Example("docs/page.md", 12, Info(language, {}), code)
    with (
        reader(tmp_path, browser, [example]) as one,
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

"""Runs a test of the shop on each broken shop. All of these fail: `tests/testing/test_broken_shop.py`
runs them, and looks at what they say."""

import inspect
from typing import Any

import pytest
from playwright.sync_api import Page

from .mutations import IN_PAGES, ON_SERVERS, Mutation


def names(mutation: Mutation) -> str:
    return mutation.name


def run(mutation: Mutation, available: dict[str, Any]) -> None:
    wanted = inspect.signature(mutation.test).parameters
    mutation.test(**{name: available[name] for name in wanted})


@pytest.mark.parametrize("mutation", IN_PAGES, ids=names)
def test_in_a_page(mutation: Mutation, page: Page, arguments: dict[str, Any]) -> None:
    run(mutation, {"page": page, **arguments})


@pytest.mark.parametrize("mutation", ON_SERVERS, ids=names)
def test_on_a_server(mutation: Mutation, arguments: dict[str, Any]) -> None:
    run(mutation, arguments)

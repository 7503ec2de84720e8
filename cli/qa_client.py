"""Asks a running collector for runs of tests."""

import json
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from .errors import CliError

TIMEOUT = 10.0  # seconds
QUIET = 60.0  # seconds without a line of a stream, which says something every 15
PAGE = 1000  # events that are asked for at a time


class Unreachable(CliError):
    """No collector answers, or it is none for tests."""

    exit_code = 4


class QaClient:
    """A collector's `/qa/runs`. Every call raises Unreachable, and CliError for what is refused."""

    def __init__(self, address: str, token: str | None) -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def runs(self) -> list[dict[str, Any]]:
        """The runs there are, the newest first."""
        return self._list("/qa/runs", "runs")

    def events(self, run: str) -> list[dict[str, Any]]:
        """All events of a run, oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["seq"] if found else 0
            query = urlencode({"after": after, "limit": PAGE})
            page = self._list(f"{_path(run)}/events?{query}", "events")
            found += page
            if len(page) < PAGE:
                return found

    def rejected(self, run: str) -> list[dict[str, Any]]:
        """Rejected events of a run, oldest first."""
        return self._list(f"{_path(run)}/rejected?limit={PAGE}", "rejected")

    def journal(self, run: str) -> list[dict[str, Any]]:
        """The requests of a run, oldest first."""
        return self._list(f"{_path(run)}/journal", "requests")

    def stream(self, run: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """What comes in of a run, from its beginning on: the kind, and the data. Ends with the
        collector."""
        kind = ""
        with self._open(f"{_path(run)}/stream", QUIET) as answer:
            for raw in answer:
                name, _, value = raw.decode().rstrip("\r\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield kind, json.loads(value)

    def _list(self, path: str, name: str) -> list[dict[str, Any]]:
        with self._open(path, TIMEOUT) as answer:
            return cast("list[dict[str, Any]]", json.load(answer)[name])

    def _open(self, path: str, timeout: float) -> HTTPResponse:
        request = Request(f"{self._address}{path}", headers=self._headers)  # noqa: S310 - the user's own
        try:
            return cast("HTTPResponse", urlopen(request, timeout=timeout))  # noqa: S310
        except HTTPError as error:
            if error.code == 404:
                raise Unreachable(
                    f"The collector at {self._address} has no /qa. Start it with --qa: thamesthrive"
                    " serve --qa"
                ) from error
            raise CliError(_detail_of(error)) from error
        except (OSError, HTTPException, ValueError) as error:
            raise Unreachable(
                f"No collector answers at {self._address}. Start one: thamesthrive serve --qa. If it"
                " has another address: --url, or --port."
            ) from error


def _path(run: str) -> str:
    return f"/qa/runs/{quote(run, safe='')}"


def _detail_of(error: HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"The collector answers {error.code} {error.reason}."

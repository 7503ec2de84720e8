"""Talks to a collector: `/qa/runs` for what a run has stored, `/api` for its sources."""

import http.client
import json
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from .steps import Ask, Reply

TIMEOUT = 20.0  # seconds, beside what a question may take by itself


class CollectorUnreachable(Exception):
    """The collector does not answer, or does not offer what the kit needs."""


class Client:
    """A collector at an address. `token`: for `/api`, and for `/qa` from another machine."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, question: Ask) -> Reply:
        """The status and the body of an answer. Raises CollectorUnreachable."""
        return self._exchange("GET", address_of(question), None, question.patience + TIMEOUT)

    def change(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """A call of `/api` that changes something; its answer. Raises CollectorUnreachable if it is
        refused, with the collector's reason."""
        status, data = self._exchange(method, path, body, TIMEOUT)
        if status >= 400:
            raise CollectorUnreachable(f"{method} {self.url}{path}: {status} {data.get('detail')}")
        return data

    def _exchange(self, method: str, path: str, body: Any, timeout: float) -> Reply:
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(parts.netloc, timeout=timeout)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, f"{parts.path}{path}", content, self.headers)
            answer = connection.getresponse()
            return answer.status, decoded(answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise CollectorUnreachable(
                f"The collector at {self.url} does not answer: {error}"
            ) from error
        finally:
            connection.close()


def address_of(question: Ask) -> str:
    """The path and query of a question."""
    query = urlencode(question.query, quote_via=quote)
    return f"{question.path}?{query}" if query else question.path


def decoded(body: bytes) -> dict[str, Any]:
    """The JSON object of an answer; empty for anything else."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

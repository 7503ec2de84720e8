"""The rules on the connection to a collector: its name, its certificate, whether it answers."""

import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from .collector_facts import CollectorFacts, Probe
from .fetch import cause_of, explain
from .findings import Evidence
from .network import UnknownName
from .rules import Match, Rule

EXPIRED, HOSTNAME_MISMATCH = 10, 62  # OpenSSL's numbers


def certificate_error(failure: Exception | None) -> ssl.SSLCertVerificationError | None:
    """Why a certificate is not valid, if that is what went wrong."""
    cause = cause_of(failure) if failure else None
    return cause if isinstance(cause, ssl.SSLCertVerificationError) else None


def is_mismatch(failure: Exception) -> bool:
    """Whether a certificate is for other names."""
    error = certificate_error(failure)
    return error is not None and error.verify_code == HOSTNAME_MISMATCH


def _failed(facts: CollectorFacts) -> Probe | None:
    asked = (facts.bundle, facts.post, facts.preflight)
    return next((probe for probe in asked if probe and probe.failure), None)


def seen(probe: Probe, text: str) -> tuple[Evidence, ...]:
    """What was seen at an address."""
    return (Evidence(probe.url, text),)


def named(probe: Probe, **values: str) -> dict[str, str]:
    """An address and its host, as values of a code's texts, and others."""
    return {"address": probe.url, "host": urlsplit(probe.url).hostname or "", **values}


def _unknown_name(facts: CollectorFacts) -> Match | None:
    probe = _failed(facts)
    if probe is None or probe.failure is None or not _is_unknown_name(probe.failure):
        return None
    return Match(seen(probe, str(probe.failure)), named(probe))


def _is_unknown_name(failure: Exception) -> bool:
    return isinstance(failure, UnknownName) or isinstance(failure.__cause__, UnknownName)


def _expired(facts: CollectorFacts) -> Match | None:
    return _certificate(facts, lambda error: error.verify_code == EXPIRED)


def _for_other_names(facts: CollectorFacts) -> Match | None:
    names = ", ".join(facts.names) or "other names"
    return _certificate(facts, lambda error: error.verify_code == HOSTNAME_MISMATCH, names=names)


def _untrusted(facts: CollectorFacts) -> Match | None:
    return _certificate(facts, lambda _: True)


def _certificate(
    facts: CollectorFacts, fits: Callable[[ssl.SSLCertVerificationError], bool], **values: str
) -> Match | None:
    probe = _failed(facts)
    error = certificate_error(probe.failure) if probe else None
    if probe is None or error is None or not fits(error):
        return None
    shown = error.verify_message
    return Match(seen(probe, shown), named(probe, cause=shown, **values))


def _no_tls(facts: CollectorFacts) -> Match | None:
    probe = _failed(facts)
    cause = cause_of(probe.failure) if probe and probe.failure else None
    if probe is None or not isinstance(cause, ssl.SSLError):
        return None
    return Match(seen(probe, str(cause)), named(probe, cause=str(cause.reason or cause)))


def _too_late(facts: CollectorFacts) -> Match | None:
    probe = _failed(facts)
    if probe is None or not isinstance(probe.failure, httpx.TimeoutException):
        return None
    return Match(seen(probe, "no answer in time"), named(probe))


def _unreachable(facts: CollectorFacts) -> Match | None:
    probe = _failed(facts)
    if probe is None or probe.failure is None:
        return None
    cause = explain(probe.failure)
    return Match(seen(probe, cause), named(probe, cause=cause))


CONNECTION_RULES: tuple[Rule[CollectorFacts], ...] = (
    Rule("V050", _unknown_name),
    Rule("V053", _expired),
    Rule("V054", _for_other_names),
    Rule("V055", _untrusted),
    Rule("V056", _no_tls),
    Rule("V052", _too_late),
    Rule("V051", _unreachable),
)

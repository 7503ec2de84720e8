"""Fingerprints: short hashes that say whether something changed since the last build."""

import hashlib


def fingerprint_of(*parts: str | bytes) -> str:
    """Returns a hash of all parts together, 24 hex digits long."""
    state = hashlib.blake2b(digest_size=12)
    for part in parts:
        state.update(part.encode() if isinstance(part, str) else part)
        state.update(b"\0")
    return state.hexdigest()

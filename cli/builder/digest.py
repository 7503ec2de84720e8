"""Short names for texts."""

import hashlib


def digest_of(*parts: str | bytes) -> str:
    """A short name for some texts together."""
    state = hashlib.blake2b(digest_size=12)
    for part in parts:
        state.update(part.encode() if isinstance(part, str) else part)
        state.update(b"\0")
    return state.hexdigest()

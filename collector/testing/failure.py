"""What a failed expectation raises."""

from .chain import Broken


class ExpectationFailed(AssertionError):
    """An expectation that does not hold. `link`: the first broken link of the chain, None where the
    expectation is not about an event's way."""

    def __init__(self, text: str, broken: Broken | None = None) -> None:
        super().__init__(text)
        self.link = broken.link if broken else None
        self.broken = broken

"""The exception tree: every error a user can cause is one of these, one line each."""

from pathlib import Path


class JinghuError(Exception):
    """Base of all errors that are reported in one line, without a traceback."""


class ConfigError(JinghuError):
    """The configuration, an option or a rule table is wrong."""


class DataError(JinghuError):
    """An input was refused: the message names the input and the cause.

    Parameters
    ----------
    source
        File or request that was refused.
    cause
        What was wrong, what was wanted, and what to do where that is known.
    """

    def __init__(self, source: str | Path, cause: str) -> None:
        self.source = str(source)
        self.cause = cause
        super().__init__(f"{self.source}: {cause}")


class StoreError(JinghuError):
    """The store is damaged or cannot be written or read."""


class DeliveryError(JinghuError):
    """A message could not be handed over; ``retryable`` tells whether trying again can help."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        self.retryable = retryable
        super().__init__(message)


class NotBuiltError(JinghuError):
    """The contract names it, this version does not have it yet."""

"""Every error a user can meet, and its exit code.

StreamauditError
├── UsageError        2  a flag, a dimension, an expression or the configuration is wrong
├── InputError        3  nothing readable, an unknown format, too many bad records, an empty window
├── StoreError        4  the store is busy, damaged, or written by a newer version
└── DeliveryError     5  figures were computed but could not be delivered

Exit codes are part of the interface: 0 done, 1 a gate failed (and nothing else), 70 a bug, 130 / 141 / 143 signals. A
message says what was wrong and where; ``hint`` says what to try. Neither ever holds prompt or answer text.
"""

from difflib import get_close_matches

EXIT_OK = 0
EXIT_GATE_FAILED = 1
EXIT_BUG = 70
EXIT_INTERRUPTED = 130
EXIT_PIPE_CLOSED = 141
EXIT_TERMINATED = 143


class Terminated(BaseException):
    """SIGTERM arrived while no query was running."""


class StreamauditError(Exception):
    """Base of all errors shown to a user as one line; ``exit_code`` is the exit code of the process."""

    exit_code = EXIT_BUG

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(StreamauditError):
    """The command line or the configuration asks for something that does not exist."""

    exit_code = 2


class InputError(StreamauditError):
    """The input cannot be used: missing, unreadable, of an unknown format, or too damaged."""

    exit_code = 3


class StoreError(StreamauditError):
    """The store cannot be opened now (busy) or by this version (newer, or not a store)."""

    exit_code = 4


class DeliveryError(StreamauditError):
    """The figures exist but did not reach where they were sent."""

    exit_code = 5


def nearest(word: str, known: list[str]) -> str | None:
    """Return the known word closest to a mistyped one, or None when nothing is close."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return close[0] if close else None

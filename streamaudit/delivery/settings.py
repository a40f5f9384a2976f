"""Delivery settings, as the configuration gives them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PostSettings:
    """Settings of ``weekly --post``; times in seconds.

    ``targets`` are environment variables (a name) or files (a path) that hold the addresses, ``origin`` is where they
    are configured, as ``FILE:LINE``.
    """

    targets: tuple[str | Path, ...] = ()
    attempts: int = 5
    first_wait_s: float = 1.0
    give_up_after_s: float = 120.0
    timeout_s: float = 10.0
    origin: str = ""

"""How a summary is delivered, as the configuration states it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PostSettings:
    """How ``weekly --post`` delivers: which variables (a name) or files (a path) hold the addresses, how often one is
    tried, and for how long; times in seconds. ``origin`` is where the targets are configured, as ``FILE:LINE``."""

    targets: tuple[str | Path, ...] = ()
    attempts: int = 5
    first_wait_s: float = 1.0
    give_up_after_s: float = 120.0
    timeout_s: float = 10.0
    origin: str = ""

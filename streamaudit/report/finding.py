"""The one type for what an audit, a check or a comparison found; every renderer reads it, none recognises words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["critical", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")

Status = Literal["open", "undecided", "accepted", "passed"]
"""``open``: it was found; ``undecided``: the data is too little to tell; ``accepted``: it was found, and the
configuration holds or suppresses it with a reason; ``passed``: it was looked for and is not there."""

VERDICTS = ("regression", "improvement", "no change", "too little data")
"""The codes of a comparison of two sides, the first to be read first."""

MAX_EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found, or looked for, in one group of calls.

    ``code`` is the word that its table, JSON and ``--fail-on`` have for it: ``burst``, ``regression``, ``fail``.
    ``group`` maps dimensions to their value, NULL for calls without one, and is empty for all calls. ``evidence`` is
    one sentence with numbers, empty where the row's figures are all there is to say; it never quotes a dimension's
    value, so that ``--redact`` need not look into it. ``remedy`` is one sentence. NULL amounts are unknown, not zero.
    Raises ValueError for more than ``MAX_EXAMPLES`` call ids.
    """

    audit: str
    code: str
    severity: Severity
    status: Status = "open"
    group: Mapping[str, str | None] = field(default_factory=dict)
    calls: int | None = None
    """Calls examined."""
    affected_calls: int | None = None
    tokens_at_stake: int | None = None
    usd_at_stake: float | None = None
    evidence: str = ""
    examples: tuple[str, ...] = ()
    remedy: str = ""

    def __post_init__(self) -> None:
        if len(self.examples) > MAX_EXAMPLES:
            raise ValueError(f"a finding has at most {MAX_EXAMPLES} examples, not {len(self.examples)}")

    @property
    def affected_share(self) -> float | None:
        """Affected calls / calls examined; NULL where either is unknown or none was examined."""
        return self.affected_calls / self.calls if self.affected_calls is not None and self.calls else None

    @property
    def is_failure(self) -> bool:
        """Whether a test report counts it as failed."""
        return self.status == "open" and self.severity == "critical"

    @property
    def is_warning(self) -> bool:
        """Whether a test report warns of it without failing."""
        return self.status == "open" and self.severity == "warning"

    @property
    def is_undecided(self) -> bool:
        """Whether the data is too little to tell."""
        return self.status == "undecided"

    @property
    def is_skipped(self) -> bool:
        """Whether a test report neither passes nor fails it."""
        return self.status in ("undecided", "accepted")

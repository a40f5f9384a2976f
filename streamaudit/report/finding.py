"""The one type for a finding of an audit, a check or a comparison; no renderer parses words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["critical", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")

Status = Literal["open", "undecided", "accepted", "passed"]
"""``open``: found; ``undecided``: too little data to decide; ``accepted``: found, and the configuration holds or
suppresses it with a reason; ``passed``: checked and not found."""

VERDICTS = ("regression", "improvement", "no change", "too little data")
"""The codes of a comparison of two sides, in the order in which they are listed."""

INCONCLUSIVE = "inconclusive"
"""The word for a person, on screens, pages and in messages, whatever the code is."""

MAX_EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A result, good or bad, for one group of calls.

    ``code`` is its name in the table, in JSON and in ``--fail-on``: ``burst``, ``regression``, ``fail``. ``group`` maps
    dimensions to their value, NULL for calls without one, and is empty for all calls. ``evidence`` is one sentence with
    numbers, empty where the row's figures say everything; it never quotes a dimension's value, so that ``--redact``
    need not search it. ``remedy`` is one sentence. NULL amounts are unknown, not zero. Raises ValueError for more than
    ``MAX_EXAMPLES`` call ids.
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
    usd_estimated: bool = False
    """Whether the dollars rest on an assumption about prices; a screen marks them with ``~``."""
    evidence: str = ""
    examples: tuple[str, ...] = ()
    remedy: str = ""
    hold: str = ""
    """Until when and why it is accepted, or that this has expired; empty where nothing holds it."""
    fails_gate: bool | None = None
    """Whether it fails the gate that was asked for; None where none was, and severity decides."""

    def __post_init__(self) -> None:
        if len(self.examples) > MAX_EXAMPLES:
            raise ValueError(f"a finding has at most {MAX_EXAMPLES} examples, not {len(self.examples)}")

    @property
    def affected_share(self) -> float | None:
        """Affected calls / calls examined; NULL where either is unknown or none was examined."""
        return self.affected_calls / self.calls if self.affected_calls is not None and self.calls else None

    @property
    def is_failure(self) -> bool:
        """Whether a test report counts it as failed: it fails the gate, or without a gate it is critical."""
        return self.status == "open" and (self.severity == "critical" if self.fails_gate is None else self.fails_gate)

    @property
    def is_warning(self) -> bool:
        """Whether a test report warns of it without failing."""
        return self.status == "open" and not self.is_failure and self.severity != "info"

    @property
    def is_better(self) -> bool:
        """Whether a comparison found that the figure improved."""
        return self.code == "improvement"

    @property
    def is_undecided(self) -> bool:
        """Whether there is too little data to decide."""
        return self.status == "undecided"

    @property
    def word(self) -> str:
        """The code as a person reads it."""
        return INCONCLUSIVE if self.is_undecided else self.code

    @property
    def is_skipped(self) -> bool:
        """Whether a test report neither passes nor fails it."""
        return self.status in ("undecided", "accepted")

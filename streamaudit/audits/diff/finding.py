"""Findings of comparisons: a regression is open, too little data is undecided, everything else passed."""

from collections.abc import Mapping

from streamaudit.report.finding import Finding, Severity, Status
from streamaudit.stats import Comparison

_KINDS: Mapping[str, tuple[Severity, Status]] = {
    "regression": ("critical", "open"), "improvement": ("info", "passed"), "no change": ("info", "passed"),
    "too little data": ("info", "undecided"),
}  # fmt: skip


def finding_of(found: Comparison, group: Mapping[str, str | None]) -> Finding:
    """Return the finding of a decided comparison in a group; ``calls`` are those of both sides."""
    severity, status = _KINDS[found.verdict]
    return Finding(
        audit="diff", code=found.verdict, severity=severity, status=status, group=group,
        calls=found.base_n + found.head_n, evidence=found.reason,
    )  # fmt: skip

"""The streaming failures of a summary: findings that are new, worse or gone since the period before."""

from collections.abc import Iterator, Sequence
from datetime import date

from streamaudit.audits.failures.changes import Change, compare_windows, count_kinds
from streamaudit.audits.failures.suppressions import Suppression
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.weekly.period import Period
from streamaudit.report.finding import Finding
from streamaudit.report.model import Column, Mark, Note, Row, Table
from streamaudit.store.dimensions import DIMENSIONS
from streamaudit.store.store import Store

MOST = 6
"""The number of changes that a summary lists."""
_CHANGED = ("new", "worse", "gone", "not judged")
_COLUMNS = (
    Column("change", None, "new, worse, gone, or not judged: inconclusive, or no calls, in this period", kept=True),
    Column("finding", None, "what the audit found", kept=True, whole=True),
    Column("severity", None, "critical or warning"),
)
_FIGURES = (
    Column("affected_calls", "calls", "calls that show it in this period", kept=True),
    Column("affected_before", "calls", "calls that showed it in the period before"),
    Column("usd_at_stake", "usd", "what was paid for it in this period; NULL when unknown or unpriced", kept=True),
    Column("usd_before", "usd", "what was paid for it in the period before"),
    Column("evidence", None, "the numbers it rests on", wide=True),
    Column("examples", None, "up to three call ids; explain shows each of them", wide=True),
    Column("remedy", None, "what to do about it", wide=True),
)


def find_changes(
    store: Store, both: Scope, period: Period, suppressions: Sequence[Suppression], today: date
) -> list[Change]:
    """Return the findings of both periods, compared; remarks (severity info) are left out."""
    found = compare_windows(store, both, period.since, suppressions, today)
    return [one for one in found if one.finding.severity != "info"]


def changes_table(changes: Sequence[Change]) -> Iterator[Table]:
    """Yield the table of what changed, if anything did."""
    changed = [one for one in changes if one.kind in _CHANGED][:MOST]
    if not changed:
        return
    named = {name for one in changed for name in one.finding.group}
    dimensions = sorted(named, key=lambda name: DIMENSIONS.index(name) if name in DIMENSIONS else -1)
    columns = (*_COLUMNS, *(Column(name) for name in dimensions), *_FIGURES)
    blank = {
        (index, name): Mark(instead=" ")
        for index, one in enumerate(changed) for name in dimensions if name not in one.finding.group
    }  # fmt: skip
    findings = {index: one.now for index, one in enumerate(changed) if one.now is not None}
    rows = tuple(_row(one, dimensions) for one in changed)
    yield Table("failures", columns, rows, title="streaming failures", marks=blank, findings=findings)


def tally(changes: Sequence[Change], period: Period, *, compared: bool) -> Iterator[Note]:
    """Yield the number of findings of each kind; without calls in the period before nothing is new or gone."""
    counts = {kind: count for kind, count in count_kinds(changes).items() if compared or kind in ("open", "held")}
    if any(counts.values()):
        listed = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
        which = f" --week {period.name}" if period.kind == "week" else ""
        yield Note("failures", f"streaming failures: {listed}; streamaudit audit{which} lists them")


def describe(changes: Sequence[Change]) -> Iterator[str]:
    """Yield what the headline says of them."""
    counts = count_kinds(changes)
    changed = [f"{counts[kind]:,} {kind}" for kind in ("new", "worse", "gone") if counts[kind]]
    if changed:
        yield f"Streaming failures: {', '.join(changed)}."


def _row(one: Change, dimensions: Sequence[str]) -> Row:
    now, before = one.now, one.before
    found = one.finding

    def amounts(side: Finding | None) -> tuple[int | None, float | None]:
        return (side.affected_calls, side.usd_at_stake) if side else (None, None)

    # No such finding is not zero calls: below the least number of a finding there may be some.
    (calls, usd), (calls_before, usd_before) = amounts(now), amounts(before)
    return (
        one.kind, found.code, found.severity, *(found.group.get(name) for name in dimensions), calls, calls_before, usd,
        usd_before, found.evidence, " ".join(found.examples) or None, found.remedy,
    )  # fmt: skip

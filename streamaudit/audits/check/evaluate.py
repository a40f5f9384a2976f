"""Evaluate every threshold for every group: fail, warn, skip, held or pass."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from streamaudit.audits.check.figures import CENSORED, Figures, Group, QueriedFigures
from streamaudit.audits.check.thresholds import Check, Expectation, Figure, Judgement, judge
from streamaudit.audits.holds import find_hold
from streamaudit.audits.notes import interval_and_notes
from streamaudit.audits.scope.scope import Scope, group_members
from streamaudit.audits.scope.window import find_window_before
from streamaudit.errors import UsageError
from streamaudit.report.model import Interval, Note
from streamaudit.store.store import Store
from streamaudit.store.views.percentiles import MIN_CALLS

Verdict = Literal["fail", "warn", "skip", "held", "pass"]
VERDICTS: tuple[Verdict, ...] = ("fail", "warn", "skip", "held", "pass")
NO_GROUP = "*"
"""Placeholder for the group when there is no group at all."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of one threshold for one group: the observed figure and the verdict.

    ``number`` is the entry's in the configuration, from 1; ``reason`` explains what the figure alone does not.
    """

    number: int
    check: Check
    expectation: Expectation
    group: Group
    figure: Figure
    baseline: Figure | None
    verdict: Verdict
    reason: str
    censored: int | None = None

    @property
    def threshold(self) -> tuple[int, int]:
        """Identity of the threshold: the entry and the position within it."""
        return self.number, self.check.expect.index(self.expectation)


@dataclass(frozen=True, slots=True)
class Evaluations:
    """Every threshold of every group of one run, worst first."""

    rows: tuple[Evaluation, ...]
    interval: Interval
    filters: dict[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    verdict: Literal["pass", "fail", "insufficient"] = "pass"

    def count(self, verdict: Verdict) -> int:
        """Return the number of evaluations with a verdict."""
        return sum(one.verdict == verdict for one in self.rows)


def window_before(scope: Scope, checks: Sequence[Check], now: datetime | None) -> tuple[datetime, datetime] | None:
    """Return the window of the baselines, None when no check needs one.

    ``now`` ends a window that is open up to now. Raises UsageError when the window has no length.
    """
    relative = next((check for check in checks if check.needs_baseline), None)
    if relative is None:
        return None
    until = scope.until or now
    if scope.since is None or until is None or until <= scope.since:
        raise UsageError(
            f"{relative.origin}: a baseline is of the window before, so there must be a window with both ends",
            "--week last, --last 7d, or --since and --until",
        )
    try:
        return find_window_before(scope.since, until, scope.tz)
    except OverflowError:
        raise UsageError("the window before begins before the calendar does") from None


def run(
    store: Store,
    scope: Scope,
    checks: Sequence[Check],
    *,
    before: tuple[datetime, datetime] | None = None,
    on_insufficient: str = "warn",
    today: date | None = None,
) -> Evaluations:
    """Evaluate every check on the calls of ``scope``. ``before`` is the result of ``window_before``."""
    for check in checks:
        _check_groups(scope, check)
    today = today or datetime.now(ZoneInfo(scope.tz)).date()
    scope.prepare(store)
    asked = QueriedFigures(store, scope, before, checks)
    found: list[Evaluation] = []
    for number, check in enumerate(checks, start=1):
        now, then = asked.figures(check), asked.figures(check, past=True) if check.needs_baseline else {}
        for expectation in check.expect:
            found += _evaluations(number, check, expectation, now, then, on_insufficient, today)
    found.sort(key=lambda one: (VERDICTS.index(one.verdict), one.threshold, -one.figure.n))
    interval, notes = interval_and_notes(store, scope)
    metrics = [check.metric for check in checks]
    notes = tuple(replace(note, about=()) for note in notes if any(map(note.qualifies, metrics)))
    if before:
        notes = (*notes, *_before_notes(store, scope, before))
    return Evaluations(tuple(found), interval, scope.filters, notes, _verdict(found, on_insufficient))


def _check_groups(scope: Scope, check: Check) -> None:
    for name in check.by:
        if name.startswith("group:"):
            try:
                group_members(name.removeprefix("group:"), scope.groups)
            except UsageError as error:
                raise UsageError(f"{check.origin}: {error.message.removeprefix('--')}", error.hint) from None


def _evaluations(
    number: int, check: Check, expectation: Expectation, now: dict[Group, Figures], then: dict[Group, Figures],
    on_insufficient: str, today: date,
) -> Iterator[Evaluation]:  # fmt: skip
    """Yield one evaluation per group; a group without calls now is evaluated where its calls are counted."""
    what = (check.metric, expectation.stat)
    groups = sorted({*now, *(then if check.metric == "calls" else ())}, key=lambda group: [one or "" for one in group])
    # Without calls a count is 0, but every other figure, and every figure of an unknown group, is unknown.
    absent = Figure.exact(0, 0) if check.metric == "calls" and (groups or not check.by) else Figure(0)
    for group in groups or [(NO_GROUP,) * len(check.by)]:
        figures = now.get(group, {})
        figure = figures.get(what, absent)
        baseline = then.get(group, {}).get(what, Figure(0)) if expectation.of_baseline else None
        judgement = judge(expectation, figure, baseline, _min_n(check, expectation))
        verdict, reason = _decide(check, judgement, on_insufficient), judgement.why
        if verdict in ("fail", "warn"):
            verdict, reason = _apply_holds(check, group, verdict, reason, today)
        censored = figures.get(CENSORED) if check.metric in ("ttft_ms", "ttvt_ms") else None
        yield Evaluation(
            number, check, expectation, group, figure, baseline, verdict, reason, censored.n if censored else None
        )


def _min_n(check: Check, expectation: Expectation) -> int:
    least = 0 if check.metric == "calls" else 1
    return max(check.min_n or least, MIN_CALLS.get(expectation.stat or "", least))


def _decide(check: Check, judgement: Judgement, on_insufficient: str) -> Verdict:
    if judgement.result == "pass":
        return "pass"
    return "skip" if judgement.result == "insufficient" and on_insufficient != "fail" else check.severity


def _apply_holds(check: Check, group: Group, verdict: Verdict, reason: str, today: date) -> tuple[Verdict, str]:
    """Turn a breach under a hold that is still valid into ``held``; mention a hold that has expired."""
    held = find_hold(check.holds, dict(zip(check.by, group, strict=True)), today)
    if held is None:
        return verdict, reason
    return "held" if held.valid else verdict, _join_words(reason, held.words)


def _join_words(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _verdict(found: Iterable[Evaluation], on_insufficient: str) -> Literal["pass", "fail", "insufficient"]:
    verdicts = {one.verdict for one in found}
    if "fail" in verdicts:
        return "fail"
    return "insufficient" if "skip" in verdicts and on_insufficient == "warn" else "pass"


def _before_notes(store: Store, scope: Scope, before: tuple[datetime, datetime]) -> Iterator[Note]:
    """Yield the window of the baselines, and a note where the data does not cover all of it."""
    first, end = (moment.astimezone(ZoneInfo(scope.tz)) for moment in before)
    window = f"of {first:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} {scope.tz}, the window before"
    yield Note("baseline", f"baselines are {window}")
    _, notes = interval_and_notes(store, replace(scope, since=before[0], until=before[1]))
    reach = [note for note in notes if note.code in ("data_starts", "data_ends")]
    yield from (Note(f"baseline_{note.code}", f"before: {note.message}") for note in reach)

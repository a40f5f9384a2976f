"""Report evaluated thresholds: breaches first, then undecided ones, and a line that counts all of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from streamaudit.audits.check.evaluate import VERDICTS, Evaluation, Evaluations, Verdict
from streamaudit.audits.check.thresholds import number
from streamaudit.report.finding import INCONCLUSIVE, Finding, Severity, Status
from streamaudit.report.model import Column, Mark, Note, Report, Row, Table
from streamaudit.report.numbers import count
from streamaudit.store.dimensions import DIMENSIONS

TITLE = "thresholds"
SCREEN_SKIPS = 20
"""Inconclusive groups that a screen lists per threshold; there may be thousands."""

_SEVERITY: dict[str, Severity] = {"fail": "critical", "warn": "warning"}
_STATUS: dict[Verdict, Status] = {
    "fail": "open", "warn": "open", "skip": "undecided", "held": "accepted", "pass": "passed",
}  # fmt: skip

Alias = Callable[[str, str], str]

_LEADING = (
    Column("verdict", None, "fail, warn, skip (inconclusive), held (a breach that is accepted), or pass", kept=True),
    Column("metric", None, "the figure that is compared", kept=True),
    Column("expect", None, "what it is compared with", whole=True, kept=True),
    Column("where", None, "the calls it is of; NULL for all", kept=True),
    Column("value", None, "what was observed, in the unit that the metric's name ends in", kept=True),
)
_BASELINE = Column("baseline", None, "the same figure in the window before")
_TRAILING = (
    Column("n", "calls", "calls the figure is of"),
    Column("reason", None, "what the figures do not say"),
    Column("low", None, "the least it can be", wide=True),
    Column("high", None, "the most it can be; NULL when it has no known upper end", wide=True),
    Column("limit", None, "the number it is compared with", wide=True),
    Column("censored_calls", "calls", "cancelled or timed out with no first token seen, in no TTFT", wide=True),
    Column("severity", None, "fail or warn", wide=True),
    Column("check", None, "number of the entry in the configuration, from 1", wide=True),
    Column("by", None, "the dimensions that make its groups; NULL when there are none", wide=True),
)


def report(found: Evaluations, *, everything: bool, alias: Alias | None = None) -> Report:
    """Return the evaluated thresholds as a report.

    Without ``everything`` those that pass are only counted, and so are, for each threshold, the groups with the least
    data. ``alias`` gives the text to show instead of a dimension's value.
    """
    rows = list(found.rows) if everything else list(_pressing(found.rows))
    named = {name for one in found.rows for name in (*one.check.by, *dict(one.check.where))}
    dimensions = tuple(sorted(named, key=lambda name: (DIMENSIONS.index(name) if name in DIMENSIONS else -1, name)))
    relative = any(one.expectation.of_baseline for one in rows)
    columns = (
        *_LEADING, replace(_BASELINE, wide=not relative), *_TRAILING,
        *(Column(name, None, "value or pattern of the calls it is of", wide=True) for name in dimensions),
    )  # fmt: skip
    places = [_place(one, alias) for one in rows]
    table = Table(
        "thresholds", columns,
        tuple(_row(one, place, dimensions) for one, place in zip(rows, places, strict=True)),
        findings={index: _finding(one, place) for index, (one, place) in enumerate(zip(rows, places, strict=True))},
        marks={(index, name): mark for index, one in enumerate(rows) for name, mark in _marks(one, dimensions)},
    )  # fmt: skip
    unlisted = len(found.rows) - len(rows)
    headline = f"Of {count(len(found.rows), 'threshold')} {tally(found, all_verdicts=False)}"
    headline += f"; -v lists {unlisted:,} more." if unlisted else "."
    filters = dict.fromkeys(found.filters, "(redacted)") if alias else found.filters
    known = (replace(note, message=note.redacted or note.message) if alias else note for note in found.notes)
    notes = (*known, Note("tally", tally(found), data_only=True))
    return Report(
        TITLE, found.interval, (table,), filters=filters, notes=notes, verdict=found.verdict, headline=headline,
        command="check",
    )


def _pressing(rows: Sequence[Evaluation]) -> Iterator[Evaluation]:
    skipped: dict[tuple[int, int], int] = {}
    for one in rows:
        if one.verdict == "skip":
            skipped[one.threshold] = skipped.get(one.threshold, 0) + 1
            if skipped[one.threshold] > SCREEN_SKIPS:
                continue
        if one.verdict != "pass":
            yield one


def tally(found: Evaluations, *, all_verdicts: bool = True) -> str:
    """Return the number of thresholds per verdict as text, or only of the verdicts that occur."""
    words = ("failed", "warned", INCONCLUSIVE, "held", "passed")
    counted = [(found.count(verdict), word) for verdict, word in zip(VERDICTS, words, strict=True)]
    return ", ".join(f"{number:,} {word}" for number, word in counted if number or all_verdicts)


def _place(one: Evaluation, alias: Alias | None) -> dict[str, str | None]:
    """Return the selectors of an evaluation's check, then the values that identify its group."""
    values = {**dict(one.check.where), **dict(zip(one.check.by, one.group, strict=True))}
    if alias is None:
        return values
    return {name: alias(name, value) if value is not None else None for name, value in values.items()}


def _finding(one: Evaluation, place: dict[str, str | None]) -> Finding:
    """Return the finding of a threshold; ``place`` has the displayed values of its group."""
    value = one.figure.value
    return Finding(
        audit="check", code=one.verdict, severity=_SEVERITY[one.check.severity], status=_STATUS[one.verdict],
        group={name: place[name] for name in one.check.by}, calls=one.figure.n,
        tokens_at_stake=int(value) if value is not None and one.check.metric == "tax_tokens" else None,
        usd_at_stake=float(value) if value is not None and one.check.metric == "tax_usd" else None,
        evidence=one.reason,
    )  # fmt: skip


def _row(one: Evaluation, place: dict[str, str | None], dimensions: tuple[str, ...]) -> Row:
    figure, baseline = one.figure, one.baseline.value if one.baseline else None
    return (
        one.verdict, one.check.metric, one.expectation.text,
        " ".join(f"{name}={_quote(value)}" for name, value in place.items()) or None,
        figure.value, baseline, figure.n, one.reason or None, figure.low, figure.high, one.expectation.limit(baseline),
        one.censored, one.check.severity, one.number, ",".join(one.check.by) or None,
        *(place.get(name) for name in dimensions),
    )  # fmt: skip


def _quote(value: str | None) -> str:
    """Quote a value that would look like a missing one, or like several."""
    if value is None:
        return "-"
    return f'"{value}"' if value in ("", "-") or " " in value else value


def _marks(one: Evaluation, dimensions: tuple[str, ...]) -> Iterator[tuple[str, Mark]]:
    """Yield marks that blank figures that do not apply, and label bounds and estimates."""
    named = {*one.check.by, *dict(one.check.where)}
    yield from ((name, Mark(instead=" ")) for name in dimensions if name not in named)
    applies = {
        "reason": one.reason, "by": one.check.by, "baseline": one.baseline, "censored_calls": one.censored is not None,
    }  # fmt: skip
    yield from ((name, Mark(instead=" ")) for name, given in applies.items() if not given)
    if not named:
        yield "where", Mark(instead="(all)")
    for name, figure in (("value", one.figure), ("baseline", one.baseline)):
        if figure and figure.low is not None and not figure.certain:
            if figure.value is not None and figure.value > figure.low:
                yield name, Mark(prefix="~ ")
            elif figure.value is not None and figure.value < figure.low:
                # Calls with an interval and no value are in the low end alone.
                yield name, Mark(shows="", instead=f"≥ {number(figure.low)}")
            else:
                yield name, Mark(prefix="≥ ", instead=f"≥ {number(figure.low)}")

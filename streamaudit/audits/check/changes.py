"""Compare the broken thresholds with those at the last post: newly broken, resolved, still broken.

The state between two posts is a text of hashes, one for each threshold and group that is broken. Its first half is of
the threshold as written, so that those no longer in the configuration are forgotten. A group without a verdict now (too
little data, or no calls at all) keeps its state: silence is not health.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from streamaudit.audits.check.thresholds import number
from streamaudit.report.model import Note, Report, Table, Value
from streamaudit.report.numbers import count

_BROKEN, _MET = ("fail", "warn"), ("pass", "held")
_HALF = 12
"""Hexadecimal digits of each half of a hash."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes since a state: indexes of the rows newly broken and resolved, and the state now.

    A breach under a hold counts as resolved. ``still`` counts those broken before and not resolved, ``silent`` those of
    them without a verdict now.
    """

    new: tuple[int, ...]
    resolved: tuple[int, ...]
    still: int
    silent: int
    state: str

    def __bool__(self) -> bool:
        """Return whether there is anything to report."""
        return bool(self.new or self.resolved)


def compare(whole: Report, before: str | None, *, maybe: str | None = None, repeat: bool = False) -> Changes:
    """Return the changes of a report of thresholds with all of its rows; ``before`` None is before the first post.

    ``maybe`` is the state of a post that may have arrived: what it reported broken counts as new again, and as resolved
    too. With ``repeat`` everything broken counts as new.
    """
    table = whole.tables[0]
    names = list(_names(table))
    kept = {name.partition(".")[0] for name in names}
    known = {name for name in (before or "").split() if name.partition(".")[0] in kept}
    reported = known | set((maybe or "").split())
    verdicts = [str(row["verdict"]) for row in table.records()]
    rows = list(zip(names, verdicts, strict=True))
    broken = {name for name, verdict in rows if verdict in _BROKEN}
    met = {name for name, verdict in rows if verdict in _MET} - broken
    silent = known - broken - met
    new = tuple(at for at, (name, verdict) in enumerate(rows) if verdict in _BROKEN and (repeat or name not in known))
    resolved = tuple(at for at, (name, verdict) in enumerate(rows) if verdict in _MET and name in reported & met)
    still = len(silent) + (0 if repeat else len(known & broken))
    return Changes(new, resolved, still, len(silent), " ".join(sorted(broken | silent)))


def _names(table: Table) -> Iterator[str]:
    """Yield the hashed name of each row's threshold and group."""
    dimensions = [one.name for one in table.columns[table.position("by") + 1 :]]
    for row in table.records():
        groups = str(row["by"] or "").split(",")
        selectors = [[name, row[name]] for name in dimensions if name not in groups and row[name] is not None]
        threshold = [row["metric"], row["expect"], row["severity"], row["by"], selectors]
        yield f"{_hash(threshold)}.{_hash(row['where'])}"


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:_HALF]


def report(whole: Report, changes: Changes) -> Report:
    """Return the changes as a report: a headline, the newly broken, the resolved, and how many are still broken."""
    table = whole.tables[0]
    parts = [(changes.new, "new"), (changes.resolved, "resolved")]
    tables = tuple(replace(table.select(rows), name=name, title=name) for rows, name in parts if rows)
    headline, names = _headline(table, changes)
    still = Note("still_broken", _still(changes), changes.still)
    return replace(
        whole, tables=tables, notes=(*([still] if changes.still else []), *whole.notes), headline=headline,
        headline_names=names,
    )  # fmt: skip


def describe_quiet(changes: Changes, since: str) -> str:
    """Return the reason why there is nothing to report; ``since`` says when the last post was."""
    return f"nothing has changed{since}, {_still(changes)}" if changes.still else "no threshold is broken"


def _still(changes: Changes) -> str:
    judged = changes.still - changes.silent
    parts = [f"{judged:,} still {'fails' if judged == 1 else 'fail'}"] if judged else []
    parts += [f"{changes.silent:,} not resolved for lack of data"] if changes.silent else []
    return ", ".join(parts)


def _headline(table: Table, changes: Changes) -> tuple[str, tuple[tuple[str, Value], ...]]:
    """Return the counts and the first of the changes, and the name of its calls."""
    records = list(table.records())
    breaches = len(changes.new)
    held = sum(records[at]["verdict"] == "held" for at in changes.resolved)
    counted = [f"{breaches:,} new {'breach' if breaches == 1 else 'breaches'}"] if breaches else []
    counted += [f"{amount:,} {word}" for amount, word in ((len(changes.resolved) - held, "resolved"), (held, "held"))
                if amount]  # fmt: skip
    first = (*changes.new, *changes.resolved)[0]
    row = records[first]
    where = " of {0}" if row["where"] is not None else ""
    more = len(changes.new) + len(changes.resolved) - 1
    others = f"; and {count(more, 'other')}" if more else ""
    names = (("where", row["where"]),) if where else ()
    answer = f"{row['metric']}{where} is {_observed(table, first)}, expected {row['expect']}"
    return f"{', '.join(counted)}: {answer}{others}.", names


def _observed(table: Table, at: int) -> str:
    row = dict(zip([one.name for one in table.columns], table.rows[at], strict=True))
    value, mark = row["value"], table.marks.get((at, "value"))
    if mark is not None and mark.instead:
        return mark.instead
    return f"{mark.prefix if mark else ''}{number(value)}" if isinstance(value, int | float) else "unknown"

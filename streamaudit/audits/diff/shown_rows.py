"""Choose the rows of a comparison to list: whatever moved, and of the others as many as are asked for.

Verdicts, the gate and the headline are of all rows; this only shortens the tables of a report that has them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from streamaudit.audits.diff.compare import Compared
from streamaudit.report.finding import INCONCLUSIVE, VERDICTS
from streamaudit.report.model import Note, Report, Table, Value
from streamaudit.report.numbers import count

_MANY = 1000
_WORDS = {"too little data": INCONCLUSIVE}
_MOVED = VERDICTS[:2]
_Row = dict[str, Value]


def list_moved(report: Report, top: int | None) -> Report:
    """Return the report with the rows that moved and, of each table of groups, at most ``top`` rows in all.

    With a ``top`` of 0 a table of groups without such rows is left out, and the total has one row for each metric that
    did not move. None keeps every row. A note counts what is left out.
    """
    if top is None:
        return report
    tables: list[Table] = []
    left: Counter[str] = Counter()
    whole = sum(len(table.rows) for table in report.tables if table.shape == "intervals")
    for table in report.tables:
        if table.shape == "intervals":
            rows = list(table.records())
            kept = _choose(table, rows, top)
            left += Counter(str(row["verdict"]) for row in rows) - Counter(str(rows[at]["verdict"]) for at in kept)
            table = table.select(kept)
            if rows and not kept:
                continue
        tables.append(table)
    return replace(report, tables=tuple(tables), notes=(*_hidden_note(left, whole), *report.notes))


def drop_same_waits(rows: Sequence[Compared]) -> list[Compared]:
    """Return the rows without waits for a visible token that are those for the first token: without reasoning."""
    keys = [
        (row.group, row.metric, row.found.stat, row.found.base_value, row.found.head_value, row.found.verdict)
        for row in rows
    ]  # fmt: skip
    known = set(keys)
    return [
        row for row, (group, metric, *rest) in zip(rows, keys, strict=True)
        if metric != "ttvt" or (group, "ttft", *rest) not in known
    ]  # fmt: skip


def _choose(table: Table, rows: Sequence[_Row], top: int) -> list[int]:
    """Return the places of the rows to list."""
    places = _find_distinct(table, rows)
    moved = [at for at in places if rows[at]["verdict"] in _MOVED]
    if table.name != "total":
        return places[: max(len(moved), top)]  # those that moved come first
    if top:
        return places
    seen = {rows[at]["metric"] for at in moved}
    others = sorted((at for at in places if rows[at]["metric"] not in seen), key=lambda at: str(rows[at]["stat"]))
    return moved + sorted({rows[at]["metric"]: at for at in reversed(others)}.values())


def _find_distinct(table: Table, rows: Sequence[_Row]) -> list[int]:
    names = (*table.by, "stat", "base_value", "head_value", "verdict")
    waits = {tuple(row[name] for name in names) for row in rows if row["metric"] == "ttft"}
    return [
        at for at, row in enumerate(rows)
        if row["metric"] != "ttvt" or tuple(row[name] for name in names) not in waits
    ]  # fmt: skip


def _hidden_note(left: Counter[str], whole: int) -> tuple[Note, ...]:
    hidden = left.total()
    if not hidden:
        return ()
    found = [(left[name], _WORDS.get(name, name)) for name in VERDICTS if left[name]]
    listed = ", ".join(f"{number:,} {word}" for number, word in found) if len(found) > 1 else f"all {found[0][1]}"
    every = max(_MANY, 10 ** len(str(whole)))
    return (Note("rows_hidden", f"{count(hidden, 'row')} hidden ({listed}); --top {every} shows all", hidden),)

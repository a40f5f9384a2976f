"""Fields compared by ``--only-on-change``: verdicts, movers and broken thresholds.

Figures change every week, so they are not compared.
"""

from streamaudit.report.model import Report, Value

_TELLING = {
    "figures": ("figure", "verdict"),
    "movers": ("dimension", "name", "figure", "verdict"),
    "failures": ("change", "finding", "severity", "route", "model", "provider", "transport"),
    "gates": ("metric", "expect", "where", "verdict"),
}


def compared_rows(report: Report) -> list[list[Value]]:
    """Return the compared rows, in a fixed order; two summaries with equal rows report nothing new."""
    found: list[list[Value]] = [["verdict", report.verdict]]
    found += [["no calls"] for note in report.notes if note.code == "empty"]
    for table in report.tables:
        names = _TELLING.get(table.name, ())
        for record in table.records() if names else ():
            change = record.get("change")
            rises = change > 0 if isinstance(change, int | float) and table.name == "movers" else None
            found.append([table.name, *(record.get(name) for name in (*names, *table.by)), rises])
    return sorted(found, key=repr)

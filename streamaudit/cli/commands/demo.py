"""``streamaudit demo``."""

from typing import TYPE_CHECKING

from streamaudit.cli.options import Color, Wide

if TYPE_CHECKING:
    from streamaudit.report.model import Report, Table

GROUPS = 3
"""Tenants with a row of their own, so that the demo fits a screen."""
FINDING = ("finding", "severity", "route", "affected_calls", "usd_at_stake")


def command(color: Color = "auto", wide: Wide = False) -> int:
    """Three reports on synthetic traces: cost by tenant, what a deploy made worse, and the costliest failures.

    Example: streamaudit demo
    """
    import sys
    from dataclasses import replace

    from streamaudit.api import Session
    from streamaudit.audits.failures.report import report_costliest
    from streamaudit.cli import console
    from streamaudit.cli.options import Writing
    from streamaudit.cli.samples import sample_traces
    from streamaudit.config.settings import Settings
    from streamaudit.errors import EXIT_OK
    from streamaudit.report.frames import Result

    output = Writing(color=color, wide=wide).parse()
    console.note("Synthetic exports of Langfuse, Datadog and a raw log; nothing is stored.")
    # Fields and lookups of the configuration do not fit the sample traces.
    with sample_traces() as names, Session(Settings(), files=names) as session:
        results = (
            session.report(by="tenant", top=GROUPS), session.diff(by="route", metric="ttft", top=0),
            session.ask(report_costliest),
        )  # fmt: skip
    for result in results:
        output.write_one(Result(replace(result.report, tables=_shorten(result.report), notes=())))
        sys.stdout.write("\n")
    sys.stdout.flush()
    console.note("next: streamaudit report YOUR-EXPORT.jsonl --by tenant")
    return EXIT_OK


def _shorten(report: "Report") -> "tuple[Table, ...]":
    """Return the first table of a report, with its total where it has one; of findings only name, place and money."""
    from dataclasses import replace

    first = next(table for table in report.tables if not table.leads)
    if first.name != "findings":
        totals = [table for table in report.tables if table.name == "total" and first.shape == "rows"]
        return (first, *totals)
    columns = tuple(column for column in first.columns if column.name in FINDING)
    places = [first.columns.index(column) for column in columns]
    rows = tuple(tuple(row[place] for place in places) for row in first.rows)
    return (replace(first, columns=columns, rows=rows, by=(), shape="rows"),)

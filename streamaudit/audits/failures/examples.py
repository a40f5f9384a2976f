"""The moments of an example call of each finding, for a page to draw."""

from collections.abc import Iterator, Sequence

from streamaudit.audits.explain.report import timeline
from streamaudit.audits.failures.marks import moment_of
from streamaudit.report.finding import Finding
from streamaudit.report.model import Column, Row, Table
from streamaudit.store.store import Store

_COLUMNS = (
    Column("finding_row", None, "row of the table findings, from 0"),
    Column("call_id", None, "the first example of the finding"),
    Column("event", None, "what happened"),
    Column("at_ms", "ms", "after the request was issued; NULL when not recorded"),
)
_MOST_CHUNKS = 60
"""Chunks of a call that are kept; more of them are thinned out evenly."""
_CALLS = "SELECT * FROM matching_calls WHERE call_id IN (SELECT unnest($ids::VARCHAR[])) ORDER BY source"


def example_timelines(store: Store, found: Sequence[Finding]) -> Table:
    """Return the moments of the first example of every finding, the finding's own moment among them.

    The view ``matching_calls`` must be prepared.
    """
    ids = list(dict.fromkeys(one.examples[0] for one in found if one.examples))
    calls = {call["call_id"]: call for call in reversed(store.records(_CALLS, {"ids": ids}))} if ids else {}
    rows: list[Row] = []
    for index, one in enumerate(found):
        call = calls.get(one.examples[0]) if one.examples else None
        if call is not None:
            moments = [(str(row[0]), row[1]) for row in timeline(call)]
            rows += [(index, call["call_id"], event, at) for event, at in _thin(moments)]
            rows.append((index, call["call_id"], f"finding_{one.code}", moment_of(one.code, call)))
    return Table("examples", _COLUMNS, tuple(rows), shape="timeline", title="examples", aside=True)


def _thin(moments: Sequence[tuple[str, object]]) -> Iterator[tuple[str, float | None]]:
    counts = {name: sum(event == name for event, _ in moments) for name in ("chunk", "client_chunk")}
    seen = dict.fromkeys(counts, 0)
    for event, at in moments:
        if event in counts:
            seen[event] += 1
            step = -(-counts[event] // _MOST_CHUNKS)
            if (seen[event] - 1) % step and seen[event] < counts[event]:
                continue
        yield event, float(at) if isinstance(at, int | float) else None

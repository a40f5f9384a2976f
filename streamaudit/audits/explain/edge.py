"""The moments of a call that servers in front of the application and its client logged."""

from streamaudit.audits.explain.figures import Record
from streamaudit.report.model import Row
from streamaudit.store.store import Store

_IS_LOGGED = "SELECT EXISTS (FROM store.evidence)"
_LOGGED = """
SELECT coalesce(server, 'another log'), ttfb_ms, client_ttft_ms, CASE WHEN cancelled THEN cancelled_at_ms END,
    upstream_held_ms
FROM evidence_by_server WHERE source = $source AND call_id = $id ORDER BY 1
"""


def edge_moments(store: Store, record: Record) -> list[Row]:
    """Return a row of the timeline for each moment that another log has; none without evidence.

    Each is on the clock of its log, which starts when that observer saw the request.
    """
    if not store.one(_IS_LOGGED)[0]:
        return []
    rows: list[Row] = []
    about = {"source": record["source"], "id": record["call_id"]}
    for server, first_byte, first_text, left, held in store.query(_LOGGED, about):
        moments = (
            ("edge_first_byte", first_byte, "ttfb_ms"), ("client_first_text", first_text, "client_ttft_ms"),
            ("edge_cut", left, "cancelled_at_ms"), ("edge_closed_upstream", held, "upstream_held_ms"),
        )  # fmt: skip
        rows += [(event, at, None, f"{server}: {field}") for event, at, field in moments if at is not None]
    return rows

"""The steps of a trace around one call: read, choose the nearest, and say which of them lent the call a value."""

from streamaudit.audits.explain.figures import Record
from streamaudit.report.model import Row
from streamaudit.store.store import Store

STEPS_SHOWN = 40
STEPS_READ = 2000

_STEPS = """
SELECT * FROM (
    SELECT call_id AS id, parent_id, 'llm' AS kind, name, start_time, duration_ms, outcome AS status, inherited,
        route, tenant, user_id, session_id, deploy, environment, service
    FROM calls_without_lookups WHERE source = $source AND trace_id = $trace_id
    UNION ALL
    SELECT span_id, parent_id, kind, name, start_time, (epoch_us(end_time) - epoch_us(start_time)) / 1000.0, status,
        NULL, route, tenant, user_id, session_id, deploy, environment, service
    FROM store.spans
    WHERE source = $source AND trace_id = $trace_id
        AND span_id NOT IN (SELECT call_id FROM store.calls WHERE source = $source AND trace_id = $trace_id)
) ORDER BY start_time NULLS LAST, duration_ms DESC NULLS LAST, id LIMIT $steps
"""


def read_steps(store: Store, record: Record) -> list[Record]:
    """Return the steps of the call's trace in order of time, at most STEPS_READ; none without a trace."""
    if record["trace_id"] is None:
        return []
    names = (
        "id", "parent_id", "kind", "name", "start_time", "duration_ms", "status", "inherited", "route", "tenant",
        "user_id", "session_id", "deploy", "environment", "service",
    )  # fmt: skip
    about = {"source": record["source"], "trace_id": record["trace_id"], "steps": STEPS_READ}
    return [dict(zip(names, row, strict=True)) for row in store.query(_STEPS, about)]


_LENT = ("route", "tenant", "user_id", "session_id", "deploy", "environment", "service")


def name_giver(column: str, record: Record, steps: list[Record]) -> str:
    """Return the step that a call has a value from.

    It is the nearest enclosing step with the value, else the whole trace; a figure is that of the other record of the
    same call.
    """
    if column == "transport":
        return "the request that it sent, a step inside the call"
    if column not in _LENT:
        return "another step of the trace that records the same call"
    by_id = {step["id"]: step for step in steps}
    above, seen = by_id.get(record["parent_id"]), set()
    while above is not None and above["id"] not in seen:
        seen.add(above["id"])
        if above.get(column) is not None and column not in (above["inherited"] or []):
            return f"the enclosing step {above['id']}"
        above = by_id.get(above["parent_id"])
    return "the other steps of the trace, which agree"


def select_nearest(steps: list[Record], call_id: str) -> tuple[list[Record], int]:
    """Return the steps next to the call when there are too many to show, and how many are left out."""
    if len(steps) <= STEPS_SHOWN:
        return steps, 0
    place = next((index for index, step in enumerate(steps) if step["id"] == call_id), 0)
    first = max(min(place - STEPS_SHOWN // 2, len(steps) - STEPS_SHOWN), 0)
    return steps[first : first + STEPS_SHOWN], len(steps) - STEPS_SHOWN


def step_rows(steps: list[Record], record: Record) -> list[Row]:
    """Return the steps as rows of STEP_COLUMNS, with their milliseconds after the start of the call."""
    start = record["start_time"]

    def offset(step: Record) -> float | None:
        if start is None or step["start_time"] is None:
            return None
        return float((step["start_time"] - start).total_seconds() * 1000)

    return [
        (
            step["kind"], step["name"], offset(step), step["duration_ms"], step["status"], step["id"],
            step["parent_id"], step["id"] == record["call_id"],
        )
        for step in steps
    ]  # fmt: skip

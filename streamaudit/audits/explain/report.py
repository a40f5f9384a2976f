"""Explain one call: its timeline, every figure with its rule and field, and the steps around it.

This is not an audit of a scope: a call that is not counted can be explained too, with the reason why it is not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from streamaudit.audits.explain.edge import edge_moments
from streamaudit.audits.explain.figures import FIGURES, FIRST, LISTS, ORIGIN, TAX, Figure, Origin, Record
from streamaudit.audits.explain.rules import field_of, lack_of, rule_of
from streamaudit.audits.explain.steps import STEPS_READ, name_giver, read_steps, select_nearest, step_rows
from streamaudit.audits.failures.marks import Marked, findings_of_call
from streamaudit.audits.scope.scope import Scope
from streamaudit.errors import InputError
from streamaudit.report.model import Column, Interval, Note, Report, Row, Table, Value
from streamaudit.store.store import Store

TITLE = "streamaudit explain"
Link = Callable[[str, str, str], str | None]
"""The address of a trace by format, trace id and call id; None without an address."""

_BECAME = {
    "completed": "completed", "error": "failed", "timeout": "was cut by a deadline",
    "unknown": "ended in a way that nothing tells",
}  # fmt: skip
_NEAREST = 5
_SIMILAR = 0.8

# Kinds of id that a text may be, likeliest first, with the wording for several matches.
_MATCHES = (
    ("is the id of", "SELECT source, call_id FROM store.calls WHERE call_id = $id"),
    ("is the response id of", "SELECT source, call_id FROM store.calls WHERE response_id = $id"),
    ("is the trace id of", "SELECT source, call_id FROM store.calls WHERE trace_id = $id"),
    ("begins the ids of", "SELECT source, call_id FROM store.calls WHERE starts_with(call_id, $id)"),
)
_MANY = 1000
_ONE_SOURCE = " AND ($source::VARCHAR IS NULL OR source = $source) ORDER BY call_id, source LIMIT $many"
_NEAR = """
SELECT DISTINCT call_id, jaro_winkler_similarity(lower(call_id), lower($id)) AS likeness FROM store.calls
WHERE likeness >= $similar AND ($source::VARCHAR IS NULL OR source = $source)
ORDER BY likeness DESC, call_id LIMIT $nearest
"""
_LOAD = """
SELECT path, format, variant, date_trunc('second', loaded_at), tool_version, sample_rate, digest
FROM store.loads WHERE load_id = $load_id
"""
_KEYS = """
SELECT field, first(key ORDER BY rank), min(rank) FROM store.load_keys
WHERE source = $source AND digest = $digest GROUP BY field
"""
_LOAD_KEYS = (
    "SELECT field, min(rank), first(key ORDER BY rank) FROM store.load_keys WHERE load_id = $load_id GROUP BY field"
)
_STORED = "SELECT * FROM calls_without_lookups WHERE source = $source AND call_id = $id"
_OF_LOGS = frozenset((
    "delivered_chunks", "delivered_chars", "delivered_bytes", "ttfb_ms", "client_ttft_ms", "upstream_held_ms",
    "edge_servers",
))  # fmt: skip
"""Columns that only other logs fill."""
_DIMENSIONS = frozenset(("tenant", "route", "deploy", "environment", "service", "region"))

CALL_COLUMNS = (
    Column("call_id", None, "the source's id of the call"),
    Column("source", None, "source it came from"),
    Column("outcome"),
    Column("tenant"),
    Column("model"),
    Column("route"),
    Column("tax_class", None, "exact, estimated or unknown; NULL when the call was not cut"),
    Column("tax_tokens", "tokens", "billed output no user saw"),
)
TIMELINE_COLUMNS = (
    Column("event", None, "what happened"),
    Column("at_ms", "ms", "after the request was issued; NULL if not recorded"),
    Column("tokens", "tokens", "tokens of a chunk"),
    Column("evidence", None, "where the moment comes from"),
)
FIGURE_COLUMNS = (
    Column("group"),
    Column("figure", None, "column of the store, or figure derived from it"),
    Column("value", None, "NULL unknown; lists as their number of entries", of_call=True),
    Column("unit", None, "unit of the value"),
    Column("rule", None, "how the value was decided, or why there is none", prose=True),
    Column("from", None, "field or key it was read from", prose=True),
)
FINDING_COLUMNS = (
    Column("finding", None, "what the call shows by the rules of the audits"),
    Column("severity", None, "critical, warning or info"),
    Column("audit", None, "the audit that found it", wide=True),
    Column("at_ms", "ms", "after the request: where on the timeline it shows", wide=True),
    Column("evidence", None, "the numbers it rests on, of this call alone or of its group", prose=True),
    Column("remedy", None, "what to do about it", prose=True),
)
STEP_COLUMNS = (
    Column("step", None, "kind of the step; the explained call is marked"),
    Column("name"),
    Column("at_ms", "ms", "start, after the explained call's request"),
    Column("duration_ms", "ms"),
    Column("status"),
    Column("id", None, "the source's id of the step", wide=True),
    Column("parent_id", None, "id of the enclosing step", wide=True),
    Column("explained", None, "whether this is the call"),
)


def run(
    store: Store,
    call_id: str,
    source: str | None = None,
    *,
    reads: Mapping[str, Mapping[str, str]] | None = None,
    link: Link | None = None,
) -> Report:
    """Explain one call, found by its id, the unique beginning of it, or its response's or trace's id.

    ``reads`` gives by format and column the fields that fill it. Raises InputError when no call or several match.
    """
    Scope().prepare(store)
    found_source, found_id = find(store, call_id, source)
    record = _record(store, found_source, found_id)
    steps = read_steps(store, record)
    origin = _origin(store, record, steps, reads or {}, link)
    marked = findings_of_call(store, record)
    figures = tuple(_figure_rows(record, origin))
    tables: tuple[Table, ...] = (
        Table("call", CALL_COLUMNS, (_call_row(record),)),
        Table("timeline", TIMELINE_COLUMNS, (*timeline(record), *edge_moments(store, record), *map(_mark, marked)),
            shape="timeline", title="timeline"),
        *_findings(marked),
        Table(
            "figures", FIGURE_COLUMNS, figures, ("group",), shape="facts", title="figures",
            detail_rows=_find_details(record, figures),
        ),
    )
    notes: tuple[Note, ...] = ()
    if len(steps) > 1:
        shown, hidden = select_nearest(steps, found_id)
        tables = (*tables, Table(
            "steps", STEP_COLUMNS, tuple(step_rows(shown, record)), title="steps of its trace", detail=True
        ))  # fmt: skip
        if hidden:
            more = "more than " if len(steps) == STEPS_READ else ""
            notes = (Note("steps_left_out", f"the trace has {more}{hidden:,} more steps", hidden),)
    return Report(TITLE, _interval(record), tables, notes=notes, headline=_headline(record),
        subject=f"call {record['call_id']}")  # fmt: skip


def find(store: Store, text: str, source: str | None) -> tuple[str, str]:
    """Return source and id of the one call that a text identifies.

    Raises InputError naming candidates when no call or several match.
    """
    about = {"id": text, "source": source, "many": _MANY}
    for meaning, query in _MATCHES:
        rows = [(row[0], row[1]) for row in store.query(query + _ONE_SOURCE, about)]
        if len(rows) == 1:
            return rows[0]
        ids, sources = sorted({row[1] for row in rows}), sorted({row[0] for row in rows})
        if len(ids) == 1:
            raise InputError(
                f"call {ids[0]} is in {len(sources)} sources", " or ".join(f"--source {s}" for s in sources)
            )
        if rows:
            count = f"{_MANY:,} or more" if len(rows) == _MANY else f"{len(rows):,}"
            shown = ", ".join(ids[:_NEAREST]) + (", ..." if len(ids) > _NEAREST else "")
            raise InputError(f"{text} {meaning} {count} calls", f"one of {shown}")
    near = [row[0] for row in store.query(_NEAR, {**about, "similar": _SIMILAR, "nearest": _NEAREST})]
    where = f" in source {source}" if source else ""
    if near:
        raise InputError(f"no call {text}{where}", "near it: " + ", ".join(near))
    raise InputError(f"no call {text}{where}", "streamaudit tax --top-calls 20 lists calls by id")


def timeline(record: Record) -> list[Row]:
    """Return the moments of a call in their usual order; a moment that was not recorded is NULL."""
    rows: list[Row] = [("request_issued", 0.0, None, "start_time")]
    if record["ttft_status"] == "usable":
        rows.append(("first_chunk", record["ttft_ms"], None, f"ttft_ms, {record['ttft_basis']}"))
    elif record["ttft_status"] in ("not_recorded", "not_positive", "not_below_duration", "censored"):
        if not record["stopped_before_first_token"]:
            rows.append(("first_chunk", None, None, f"ttft_status {record['ttft_status']}"))
    if record["ttvt_ms"] is not None:
        rows.append(("first_visible_token", record["ttvt_ms"], None, "ttvt_ms"))
    tokens = record["chunk_tokens"] or []
    for index, at in enumerate(record["chunk_offsets_ms"] or []):
        rows.append(("chunk", at, tokens[index] if index < len(tokens) else None, "chunk_offsets_ms"))
    rows += [("client_chunk", at, None, "client_chunk_offsets_ms") for at in record["client_chunk_offsets_ms"] or []]
    if record["outcome"] in ("cancelled", "timeout", "interrupted"):
        rows.append(
            (record["outcome"], record["cancelled_at_ms"], None, f"cancel_evidence {record['cancel_evidence']}")
        )
    if record["upstream_end_ms"] is not None or record["upstream_cancelled"]:
        rows.append(("provider_stopped", record["upstream_end_ms"], None, "upstream_end_ms, upstream_cancelled"))
    rows.append(("end", record["duration_ms"], None, "duration_ms"))
    return rows


def _mark(one: Marked) -> Row:
    return f"finding_{one.finding.code}", one.at_ms, None, f"audit {one.finding.audit}"


def _findings(marked: Sequence[Marked]) -> Iterator[Table]:
    if marked:
        rows = tuple(
            (one.finding.code, one.finding.severity, one.finding.audit, one.at_ms, one.finding.evidence,
             one.finding.remedy)
            for one in marked
        )  # fmt: skip
        found = {index: one.finding for index, one in enumerate(marked)}
        yield Table("findings", FINDING_COLUMNS, rows, shape="facts", title="findings of audits", findings=found)


def _record(store: Store, source: str, call_id: str) -> Record:
    names = [row[0] for row in store.query("DESCRIBE call_tax")]
    values = store.one(
        "SELECT * FROM call_tax WHERE source = $source AND call_id = $id", {"source": source, "id": call_id}
    )
    return dict(zip(names, values, strict=True))


def _figure_rows(record: Record, origin: Origin) -> list[Row]:
    """Return one row per fact: group, figure, value, unit, rule, field.

    The load comes first, then every column of the call; a call without a tax has one row for it.
    """
    rows = [*_origin_rows(origin)]
    order = {name: place for place, name in enumerate(FIGURES)}
    for name in sorted(record, key=lambda name: order.get(name, len(order))):
        figure = FIGURES.get(name, Figure("other", name.replace("_", " ")))
        value = _scalar(name, record[name])
        known = value is not None
        if figure.group == TAX and not known and not record["ended_early"] and name != "tax_class":
            continue  # one row is enough for a call without a tax
        rule = rule_of(name, record, origin) if known else lack_of(name, record, origin, figure)
        rows.append((figure.group, name, value, figure.unit, rule, field_of(name, record, origin) if known else None))
    return rows


def _find_details(record: Record, rows: Sequence[Row]) -> frozenset[int]:
    """Return the places of the figures that a screen leaves out: all but money and tax, and of these what is unknown
    or repeats the value."""
    shown = {"cost_usd", "tax_class"} | {name for name in FIRST if record.get(name) is not None}
    for ends, value in (
        ({"tax_low", "tax_high"}, record["tax_best"]), ({"tax_low_usd", "tax_high_usd"}, record["tax_best_usd"])
    ):
        if {record[end] for end in ends} == {value}:
            shown -= ends
    return frozenset(place for place, row in enumerate(rows) if row[1] not in shown)


def _origin_rows(origin: Origin) -> list[Row]:
    about = {
        "file": "as it was ingested; - is standard input",
        "format": "recognised by its fields",
        "tool_version": "streamaudit that read it",
        "sample_rate": "share of the calls that the exporter kept",
    }
    rows: list[Row] = []
    for name, value in origin.load.items():
        if name == "sample_rate":
            rule = about[name] if value is not None else "nothing says that calls were sampled"
            rows.append((ORIGIN, name, value, "ratio", rule, None))
        elif name != "load_id":
            rows.append((ORIGIN, name, value, None, about.get(name), None))
    link = (
        None if origin.url else "no page of the vendor's is known: [links] in streamaudit.toml names the base address"
    )
    return [*rows, (ORIGIN, "trace_url", origin.url, None, link, None)]


def _scalar(name: str, value: Any) -> Value:
    if name in LISTS:
        return None if value is None else len(value)
    if name == "inherited":
        return ", ".join(value) if value else None
    return (
        value
        if value is None or isinstance(value, str | int | float | bool) or hasattr(value, "tzinfo")
        else str(value)
    )


def _origin(
    store: Store, record: Record, steps: list[Record], reads: Mapping[str, Mapping[str, str]], link: Link | None
) -> Origin:
    loads = store.query(_LOAD, {"load_id": record["load_id"]})
    path, form, variant, loaded_at, version, rate, digest = loads[0] if loads else (None,) * 7
    source = {"source": record["source"], "digest": digest, "load_id": record["load_id"], "id": record["call_id"]}
    chosen = {field: (key, rank) for field, key, rank in store.query(_KEYS, source)}
    passed_over = {
        field: key
        for field, rank, key in store.query(_LOAD_KEYS, source)
        if field in chosen and rank > chosen[field][1]
    }
    names = [row[0] for row in store.query("DESCRIBE calls_without_lookups")]
    stored = dict(zip(names, store.one(_STORED, source), strict=True))
    changed = frozenset(name for name in names if name in record and stored[name] != record[name])
    trace = record["trace_id"]
    return Origin(
        load={
            "file": path, "load_id": record["load_id"], "format": form, "variant": variant, "loaded_at": loaded_at,
            "tool_version": version, "sample_rate": rate,
        },
        reads=reads.get(form or "", {}),
        keys={field: key for field, (key, _) in chosen.items()},
        passed_over=passed_over,
        given_by={name: name_giver(name, record, steps) for name in record["inherited"] or []},
        looked_up=changed & _DIMENSIONS,
        joined=(changed - _DIMENSIONS) | {name for name in record if name in _OF_LOGS},
        url=link(form, trace, record["call_id"]) if link and form and trace else None,
    )  # fmt: skip


def _call_row(record: Record) -> Row:
    names = ("call_id", "source", "outcome", "tenant", "model", "route", "tax_class", "tax_best")
    return tuple(record[name] for name in names)


def _interval(record: Record) -> Interval:
    return Interval(_to_utc(record["start_time"]), _to_utc(record["end_time"] or record["start_time"]))


def _to_utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None


def _headline(record: Record) -> str:
    """Summarise the outcome of the call in one sentence, from figures only."""
    became = _BECAME.get(record["outcome"], f"was {record['outcome']}")
    if not record["ended_early"]:
        return f"This call {became}."
    if record["tax_best"] is None and record["tax_high"] is not None:
        between = f"{record['tax_low']:,} to {record['tax_high']:,}"
        return f"This call {became}: {between} billed output tokens were never shown."
    if record["tax_best"] is None:
        least = f" (at least {record['tax_low']:,} tokens)" if record["tax_low"] else ""
        return f"This call {became}; how much of its output no user saw is unknown{least}."
    about = "about " if record["tax_class"] == "estimated" else ""
    billed = f"{about}{record['tax_best']:,} of {record['billed_tokens']:,} billed output tokens"
    return f"This call {became}: {billed} were never shown."

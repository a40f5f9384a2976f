"""Report which fields the calls carry, which figures rest on them, and what to record to fill the gaps.

Shares are per source. A share is of the calls the field applies to: a call that was not cancelled needs no cancel time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from streamaudit.audits.base import group_tables
from streamaudit.audits.edge_notes import instrument_notes
from streamaudit.audits.metrics import column
from streamaudit.audits.notes import interval_and_notes, tenant_notes
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.model import Column, Mark, Note, Report, Row, Table, Value
from streamaudit.report.numbers import count, ratio
from streamaudit.store.store import Store

NAME = "coverage"
TITLE = "streamaudit coverage"
SUBJECT = "what the calls record"
THIN = 0.9
"""Below this share of the calls a remedy is named."""

Remedies = Mapping[str, Mapping[str, str]]
"""Remedies by format and capability: one sentence each."""


@dataclass(frozen=True, slots=True)
class Capability:
    """A field of a call: the condition for having it, the calls that could, what rests on it, and the remedy."""

    name: str
    has: str
    rests_on: str
    remedy: str
    applies: str = "calls"


# Which calls a capability applies to.
_APPLIES = {
    "calls": "true",
    "calls with a provider": "cache_hit IS DISTINCT FROM true",
    "streamed calls": "streamed",
    "calls that may stream": "ttft_status IN ('usable', 'not_recorded', 'not_positive', 'not_below_duration')",
    "calls with usage": "output_tokens IS NOT NULL AND usage_status = 'final' AND cache_hit IS DISTINCT FROM true",
    "cut calls": "outcome IN ('cancelled', 'timeout', 'interrupted')",
    "calls in a trace": "trace_id IS NOT NULL",
}  # fmt: skip

CAPABILITIES = (
    Capability("start_time", "start_time IS NOT NULL", "windows, day and week groups, diffs",
        "record when each request was issued"),
    Capability("duration", "duration_ms IS NOT NULL", "durations, output speed", "record when each call ended"),
    Capability("streamed", "streamed IS NOT NULL", "who should have a TTFT", "record whether the call streamed"),
    Capability("ttft", "ttft_status = 'usable'", "TTFT percentiles, histogram, SLO, diffs",
        "stamp the first chunk when it arrives", "calls that may stream"),
    Capability("ttvt", "ttvt_ms IS NOT NULL", "the wait behind hidden reasoning",
        "stamp the first token that a user can see", "calls that may stream"),
    Capability("chunk_times", "chunk_offsets_ms IS NOT NULL", "stalls, buffering, smoothness",
        "record when each chunk arrived", "streamed calls"),
    Capability("client_chunk_times", "client_chunk_offsets_ms IS NOT NULL", "buffering by a proxy, for certain",
        "record when each chunk reached the client", "streamed calls"),
    Capability("usage", "output_tokens IS NOT NULL AND usage_status = 'final'", "output tokens, cost, tax",
        "ask the provider for usage in the stream and record it", "calls with a provider"),
    Capability("input_tokens", "input_tokens IS NOT NULL", "cost, prompts without a seen answer",
        "record the input tokens", "calls with a provider"),
    Capability("reasoning", "reasoning_tokens IS NOT NULL", "hidden tokens",
        "record the reasoning tokens apart", "calls with usage"),
    Capability("billed_at_cut", "billed_tokens IS NOT NULL", "cancellation tax",
        "drain the stream after the cut, or fetch the provider's count later", "cut calls"),
    Capability("rendered", "rendered_tokens IS NOT NULL", "exact cancellation tax",
        "have the client report how many tokens it showed: rendered_tokens", "cut calls"),
    Capability("delivered", "delivered_tokens IS NOT NULL", "estimated tax, its parts",
        "count the tokens handed to the client: delivered_tokens", "cut calls"),
    Capability("cancel_time", "cancelled_at_ms IS NOT NULL", "cuts before the first token",
        "record when the client left: cancelled_at_ms", "cut calls"),
    Capability("provider_stop", "upstream_end_ms IS NOT NULL OR upstream_cancelled IS NOT NULL",
        "work that runs on unseen", "record when the provider stopped: upstream_end_ms", "cut calls"),
    Capability("outcome", "outcome NOT IN ('unknown', 'interrupted')", "cancel, error and time-out rates",
        "record how each call ended: outcome"),
    Capability("finish_reason", "finish_reason IS NOT NULL", "answers cut by length or filter",
        "record the provider's finish reason"),
    Capability("http_status", "http_status IS NOT NULL", "failures that answer 200", "record the HTTP status"),
    Capability("cost", "cost_usd IS NOT NULL", "everything in dollars", "record the cost, or model and tokens"),
    Capability("tenant", "tenant IS NOT NULL", "everything by tenant",
        "name your tenant key: --map tenant=PATH"),
    Capability("user", "user_id IS NOT NULL", "--by user_id, forget --user", "record the end user's id"),
    Capability("session", "session_id IS NOT NULL", "--by session_id", "record the conversation's id"),
    Capability("route", "route IS NOT NULL", "everything by route", "name your route key: --map route=PATH"),
    Capability("deploy", "deploy IS NOT NULL", "deploy diffs", "name your version key: --map deploy=PATH"),
    Capability("environment", "environment IS NOT NULL", "--by environment",
        "name the key: --map environment=PATH"),
    Capability("region", "region IS NOT NULL", "--by region", "name the key: --map region=PATH"),
    Capability("transport", "transport IS NOT NULL", "failures by transport",
        "record sse, websocket, grpc or http: transport"),
    Capability("model", "model IS NOT NULL", "everything by model, prices", "record the requested model"),
    Capability("provider", "provider_basis = 'reported'", "what a provider bills after a cut",
        "record the provider's name"),
    Capability("trace", "trace_id IS NOT NULL", "steps around a call, inherited keys",
        "record a trace id and the parent's"),
    Capability("response_id", "response_id IS NOT NULL", "one bill in two sources counted once",
        "record the provider's response id: response_id", "calls with a provider"),
    Capability("logical_request", "logical_request_id IS NOT NULL", "retries that were billed twice, for certain",
        "give all attempts of a request one id: logical_request_id"),
    Capability("input_hash", "input_hash IS NOT NULL", "retries without an id", "record a hash of the input"),
)  # fmt: skip

COLUMNS = (
    column("calls"),
    *(
        column
        for one in CAPABILITIES
        for column in (
            Column(
                f"{one.name}_known_calls", "calls", f"calls that say it; needed for {one.rests_on}",
                one.name not in ("ttft", "usage", "rendered", "tenant"),
            ),
            Column(f"{one.name}_of_calls", "calls", f"calls it applies to: {one.applies}", wide=True),
        )
    ),
)  # fmt: skip

_COUNTS = ",\n    ".join(
    f"count(*) FILTER (({_APPLIES[one.applies]}) AND ({one.has})),\n    count(*) FILTER ({_APPLIES[one.applies]})"
    for one in CAPABILITIES
)
_QUERY = "SELECT by_1, by_2, by_3, by_4, count(*),\n    " + _COUNTS + "\nFROM scope GROUP BY by_1, by_2, by_3, by_4"

CAPABILITY_COLUMNS = (
    Column("source"),
    Column("capability", None, "what a call may say"),
    Column("known_calls", "calls", "calls that say it", wide=True),
    Column("of_calls", "calls", "calls it applies to", wide=True),
    Column("applies_to", None, "which calls those are", wide=True),
    Column("known_rate", "ratio", "known / of; NULL where it applies to no call"),
    Column("rests_on", None, "figures that need it", prose=True),
    Column("add", None, "what to record, where less than 90 % say it", prose=True),
)

LOAD_COLUMNS = (
    Column("load_id", None, "number of the load"),
    Column("source"),
    Column("file", None, "path as ingested; - is standard input"),
    Column("format"),
    Column("variant", None, "shape of the format", wide=True),
    Column("loaded_at"),
    Column("read", "calls", "records read", kept=True),
    Column("new", "calls", "calls seen for the first time", kept=True),
    Column("repeated", "calls", "calls already there", wide=True),
    Column("replaced", "calls", "calls improved", wide=True),
    Column("rejected", "calls", "records that could not be used", kept=True),
    Column("not_calls", "calls", "spans, scores and other steps", wide=True),
    Column("sample_rate", "ratio", "share of the calls that the exporter kept", wide=True),
)

_LOADS = """
SELECT load_id, source, path, format, variant, date_trunc('second', loaded_at), read_records, new_calls,
    repeated_calls, replaced_calls, rejected_records, not_calls, sample_rate
FROM store.loads ORDER BY load_id
"""
_FORMATS = "SELECT source, list(DISTINCT format ORDER BY format) FROM store.loads GROUP BY source"


def run(store: Store, scope: Scope, remedies: Remedies | None = None) -> Report:
    """Return counts per group and in total, then each source's shares, then the loads behind them."""
    scope.prepare(store)
    tables = group_tables(store, scope, _QUERY, COLUMNS, rank=lambda row: (row["calls"],))
    by_source = group_tables(
        store, replace(scope, by=("source",), top=None), _QUERY, COLUMNS, lambda row: (row["calls"],)
    )
    formats = dict(store.query(_FORMATS))
    sources = list(by_source[0].records())
    loads = Table("loads", LOAD_COLUMNS, tuple(tuple(row) for row in store.query(_LOADS)), title="loads")
    interval, notes = interval_and_notes(store, scope, about=("provider",))
    tables = (*tables, _capabilities(sources, formats, remedies or {}), loads)
    hint = () if "tenant" in scope.by else _tenant_note(sources)
    narrower = instrument_notes(store, scope)
    (total,) = by_source[-1].records()
    answer = _describe(total)
    return Report(TITLE, interval, tables, scope.by, scope.filters, (*notes, *hint, *narrower), headline=answer,
        subject=SUBJECT, command=NAME)  # fmt: skip


def _describe(total: dict[str, Value]) -> str:
    """Say of how many calls the figures are known that everything rests on."""
    calls = total["calls"]
    if not isinstance(calls, int) or not calls:
        return "No calls match."
    shares = []
    for name, words in (("usage", "usage"), ("ttft", "TTFT"), ("rendered", "rendered tokens of cut calls")):
        known, of = total[f"{name}_known_calls"], total[f"{name}_of_calls"]
        if isinstance(known, int) and isinstance(of, int) and of:
            shares.append(f"{words} known for {ratio(known / of)}")
    return f"{count(calls, 'call')}: {', '.join(shares)}." if shares else f"{count(calls, 'call')}."


def _capabilities(sources: list[dict[str, Value]], formats: dict[str, list[str]], remedies: Remedies) -> Table:
    rows: list[Row] = []
    marks: dict[tuple[int, str], Mark] = {}
    well_known: set[int] = set()
    for record in sources:
        source = str(record["source"])
        for one in CAPABILITIES:
            known, of = _count(record[f"{one.name}_known_calls"]), _count(record[f"{one.name}_of_calls"])
            share = known / of if of else None
            thin = share is not None and share < THIN
            if share is None:
                marks[(len(rows), "known_rate")] = Mark(instead=f"no {one.applies}")
            if not thin:
                well_known.add(len(rows))
            remedy = _remedy(one, formats.get(source, []), remedies) if thin else None
            rows.append((source, one.name, known, of, one.applies, share, one.rests_on, remedy))
    return Table("capabilities", CAPABILITY_COLUMNS, tuple(rows), ("source",), shape="facts", marks=marks,
        title="fields", detail=len(well_known) == len(rows), detail_rows=frozenset(well_known))  # fmt: skip


def _remedy(one: Capability, formats: list[str], remedies: Remedies) -> str:
    """Return the remedies of the formats of the source's files; the general one if no format has its own."""
    own = [remedies[name][one.name] for name in formats if one.name in remedies.get(name, {})]
    return "; or ".join(dict.fromkeys(own)) or one.remedy


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _tenant_note(sources: list[dict[str, Value]]) -> tuple[Note, ...]:
    """Return the note for data in which no call has a tenant."""
    users = sum(_count(record["user_known_calls"]) for record in sources)
    if not sources or any(_count(record["tenant_known_calls"]) for record in sources):
        return ()
    return tenant_notes(users)

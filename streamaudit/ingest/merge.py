"""Merge one staged file into the store, inside the caller's transaction: which keys fill the columns, what a call cost,
and a tally whose sums agree. Which of several records of one call stays is the matter of ``contest.py``.

Everything is set-based SQL; no step depends on the order in which files or records arrive.
"""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from streamaudit.ingest.contest import Contest, define_contest_macros, hold_contest
from streamaudit.ingest.macros import define_macros
from streamaudit.ingest.mapping import KEYED
from streamaudit.ingest.one_call import return_figures
from streamaudit.ingest.stock import Stock
from streamaudit.store.omitted_columns import add_omitted, omit_columns
from streamaudit.store.package_files import package_text
from streamaudit.store.planning import FEW_CALLS
from streamaudit.store.store import Store


@dataclass(frozen=True, slots=True)
class Counts:
    """The tally of one file's records; ``read = new + repeated + replaced + rejected + not_calls``.

    ``displaced`` counts stored records that gave way to others.
    """

    read: int
    new: int
    repeated: int
    replaced: int
    rejected: int
    not_calls: int
    displaced: int = 0


UNPRICED = """
SELECT DISTINCT provider, coalesce(response_model, model), model, start_time::DATE, tier_of(service_tier)
FROM scratch.staged
WHERE reason IS NULL AND kind IN ('llm', 'embedding') AND coalesce(response_model, model) IS NOT NULL
    AND (cost_usd IS NULL OR input_cost_usd IS NULL OR output_cost_usd IS NULL OR coalesce(output_tokens, 0) = 0)
"""

# The file's calls as they will be stored: chosen keys only, priced where the source gave no cost.
# A query within the statements that use it, since a view would be planned once more for its definition.
_ARRIVING = """(
WITH uncosted AS (
    SELECT
        *,
        -- Who most likely served a call that does not say; a benchmark's server is called by any name.
        CASE WHEN provider IS NULL AND service_tier IS DISTINCT FROM 'benchmark'
            THEN seller_of(model, response_model) END AS seller
    FROM ({decided}) WHERE reason IS NULL AND kind IN ('llm', 'embedding')
)
{costed}
SELECT
    * EXCLUDE (
        line, kind, reason, span_kind, tenant_rank, route_rank, deploy_rank,
        delivered_tokens_rank, rendered_tokens_rank, said_outcome, app_outcome, sample_rate, for_diversity,
        total_tokens, misfits, cancel_flag, cut_evidence, failed, error_cancelled, error_timeout, stages, interrupted,
        seller
    ) REPLACE (
        -- A name is a label; long text in its place is cut.
        name[:256] AS name,
        -- After prices were looked up: the seller that a name suggests has no say in what a call cost.
        coalesce(provider, seller) AS provider,
        CASE WHEN provider IS NOT NULL THEN provider_basis WHEN seller IS NOT NULL THEN 'inferred' END
            AS provider_basis,
        CASE WHEN tenant_rank = getvariable('rank_tenant') THEN tenant END AS tenant,
        CASE WHEN route_rank = getvariable('rank_route') THEN route END AS route,
        CASE WHEN deploy_rank = getvariable('rank_deploy') THEN deploy END AS deploy,
        CASE WHEN rendered_tokens_rank = getvariable('rank_rendered_tokens') THEN rendered_tokens END
            AS rendered_tokens,
        CASE WHEN delivered_tokens_rank = getvariable('rank_delivered_tokens') THEN delivered_tokens END
            AS delivered_tokens
    ),
    getvariable('source') AS source,
    getvariable('load_id')::BIGINT + coalesce(file_of(line), 0) AS load_id,
    true AS counted,
    CASE WHEN rendered_tokens_rank = getvariable('rank_rendered_tokens') AND rendered_tokens IS NOT NULL
        THEN getvariable('key_rendered_tokens') END AS rendered_basis,
    bits_of(call_id) AS id_bits, bits_of(trace_id) AS trace_bits, bits_of(response_id) AS response_bits,
    NULL::VARCHAR AS request_id, NULL::STRUCT(start_time TIMESTAMP, attempt_number INTEGER, response_id VARCHAR)[]
        AS versions
FROM costed
) AS arriving_calls"""

_VERY_FEW = 500
"""Up to this many records, a statement without joins takes least with the briefest plan."""

# Few rows take longer to plan for than to keep for the three statements below.
_KEEP_ARRIVING = "CREATE OR REPLACE TEMP TABLE arriving_calls AS FROM {arriving}"

# The stored calls that arrive again, each with its row: by the id that the export gives, which may name a request of
# several attempts. Its hash is compared first, for reading all ids of a large store takes ten times as long.
_FIND_STORED = """
CREATE OR REPLACE TEMP TABLE stored_calls AS
WITH arriving AS (
    SELECT call_id FROM scratch.staged WHERE reason IS NULL AND kind IN ('llm', 'embedding')
), alike AS MATERIALIZED (
    SELECT rowid AS call_row, coalesce(request_id, call_id) AS call_id FROM store.calls
    WHERE source = getvariable('source')
        AND rowid IN (SELECT rowid FROM store.calls WHERE id_bits IN (SELECT bits_of(call_id) FROM arriving))
)
SELECT call_row, call_id FROM alike WHERE call_id IN (FROM arriving)
"""
_FIND_REPEATED = """
CREATE OR REPLACE TEMP TABLE repeated_calls AS
SELECT call_id FROM scratch.staged
WHERE reason IS NULL AND kind IN ('llm', 'embedding')
GROUP BY call_id HAVING count(*) > 1
UNION
SELECT call_id FROM stored_calls
"""

_INSERT_ALL = "INSERT INTO store.calls BY NAME SELECT * EXCLUDE (staged_row{omitted}) FROM {arriving}"
# Columns of a call that are those of its record, and that a load does not touch once its calls are written: where it
# does after all, they are added before (``add_omitted``).
_AS_STAGED = (
    "request_id", "versions", "parent_id", "logical_request_id", "attempt_number", "response_model", "session_id",
    "environment", "service", "region", "ttvt_ms", "server_ttft_ms", "chunk_count", "chunk_offsets_ms",
    "client_chunk_offsets_ms", "chunk_tokens", "cached_input_tokens", "cache_write_tokens", "cache_write_1h_tokens",
    "audio_input_tokens", "image_tokens", "audio_output_tokens", "rendered_chars", "rendered_chunks", "max_tokens",
    "cache_hit", "service_tier", "cancelled_by", "cancelled_at_ms", "upstream_cancelled", "upstream_end_ms",
    "error_type", "input_hash", "output_chars", "visible_output_chars", "source_updated_at",
)
_STAGED_COLUMNS = "SELECT column_name FROM duckdb_columns() WHERE database_name = 'scratch' AND table_name = 'filled'"
_ANY_FILLED = "SELECT EXISTS (FROM {arriving} WHERE {filled})"

_INSERT_FIRST_SEEN = """
INSERT INTO store.calls BY NAME
SELECT * EXCLUDE (staged_row) FROM {arriving} ANTI JOIN repeated_calls USING (call_id)
"""

_STAGED_SPANS = """
SELECT
    getvariable('source') AS source, call_id AS span_id, trace_id, parent_id,
    getvariable('load_id')::BIGINT AS load_id, span_kind AS kind, name, start_time, end_time,
    CASE WHEN failed THEN 'error' WHEN NOT failed THEN 'ok' END AS status,
    CASE WHEN route_rank = getvariable('rank_route') THEN route END AS route,
    CASE WHEN tenant_rank = getvariable('rank_tenant') THEN tenant END AS tenant,
    user_id, session_id,
    CASE WHEN deploy_rank = getvariable('rank_deploy') THEN deploy END AS deploy,
    environment, service, transport_label(transport) AS transport, stages, interrupted, record_hash,
    bits_of(call_id) AS id_bits, bits_of(trace_id) AS trace_bits
FROM named_records
WHERE kind = 'span' AND reason IS NULL AND call_id IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY call_id ORDER BY end_time IS NOT NULL DESC, record_hash DESC) = 1
"""
_INSERT_SPANS = """
INSERT INTO store.spans BY NAME
SELECT arriving.* FROM ({spans}) AS arriving
ANTI JOIN (
    SELECT span_id, end_time, record_hash FROM store.spans
    WHERE source = getvariable('source') AND rowid IN (
        SELECT rowid FROM store.spans WHERE id_bits IN (
            SELECT bits_of(call_id) FROM scratch.staged WHERE kind = 'span' AND reason IS NULL))
) AS stored
    ON stored.span_id = arriving.span_id
    AND (stored.end_time IS NOT NULL, stored.record_hash) >= (arriving.end_time IS NOT NULL, arriving.record_hash)
"""

_DELETE_OLD_SPANS = """
DELETE FROM store.spans WHERE rowid IN (
    WITH arrived AS (
        SELECT span_id, id_bits FROM store.spans WHERE load_id >= getvariable('load_id')
    ), alike AS MATERIALIZED (
        SELECT rowid AS span_row, span_id FROM store.spans
        WHERE source = getvariable('source') AND load_id < getvariable('load_id')
            AND rowid IN (SELECT rowid FROM store.spans WHERE id_bits IN (SELECT id_bits FROM arrived))
    )
    SELECT span_row FROM alike SEMI JOIN arrived USING (span_id))
"""

_DELETE_REREAD_CALLS = """
DELETE FROM store.calls WHERE list_contains($loads, load_id) AND (
    list_contains($same, load_id)
    OR coalesce(request_id, call_id) IN (SELECT call_id FROM scratch.staged WHERE reason IS NULL))
RETURNING call_id, response_id, trace_id
"""
_EMPTIED = """
SELECT load_id FROM store.loads WHERE list_contains($loads, load_id)
    AND load_id NOT IN (SELECT load_id FROM store.calls UNION SELECT load_id FROM store.spans)
"""
_DELETE_REREAD_SPANS = """
DELETE FROM store.spans WHERE list_contains($loads, load_id) AND (
    list_contains($same, load_id) OR span_id IN (SELECT call_id FROM scratch.staged WHERE reason IS NULL))
"""
_NO_REMOVED = """
CREATE OR REPLACE TEMP TABLE removed_calls (call_id VARCHAR, response_id VARCHAR, reread BOOLEAN);
-- Traces that calls had before a file brought them again.
CREATE OR REPLACE TEMP TABLE earlier_traces (trace_id VARCHAR)
"""
_KEEP_REMOVED = "INSERT INTO removed_calls SELECT unnest($ids::VARCHAR[]), unnest($responses::VARCHAR[]), true"
_KEEP_TRACES = "INSERT INTO earlier_traces SELECT DISTINCT unnest($traces::VARCHAR[])"
_REREAD = """
SELECT count(*) FROM store.calls SEMI JOIN (SELECT call_id FROM removed_calls WHERE reread) AS gone USING (call_id)
WHERE load_id = getvariable('load_id')
"""


def set_variables(store: Store, values: dict[str, Any]) -> None:
    """Set the session variables that the views of one merge read, since a view cannot take parameters."""
    for name, value in values.items():
        store.run(_SET[name], {"value": value})


_SET = {
    name: f"SET VARIABLE {name} = $value"
    for name in (
        "source", "load_id", "key_rendered_tokens", *(f"rank_{column}" for column in KEYED)
    )
}  # fmt: skip
_SET["file_ends"] = "SET VARIABLE file_ends = $value::BIGINT[]"


def replace_loads(store: Store, loads: list[int], same: list[int]) -> bool:
    """Delete the calls and steps that earlier loads of the same path hold under another mapping and that this file
    brings again, and remember those calls. Of loads in ``same``, which read the very same content, everything is
    deleted. Of a file that has been overwritten since, the calls that are no longer in it are kept. Return whether
    anything was deleted."""
    store.script(_NO_REMOVED)
    if not loads:
        return False
    about = {"loads": loads, "same": same}
    gone_calls = store.query(_DELETE_REREAD_CALLS, about)
    store.run(_KEEP_REMOVED, {"ids": [row[0] for row in gone_calls], "responses": [row[1] for row in gone_calls]})
    store.run(_KEEP_TRACES, {"traces": [row[2] for row in gone_calls if row[2] is not None]})
    store.run(_DELETE_REREAD_SPANS, about)
    gone = {"gone": [row[0] for row in store.query(_EMPTIED, about)]}
    store.run("DELETE FROM store.rejects WHERE list_contains($gone, load_id)", gone)
    store.run("DELETE FROM store.load_keys WHERE list_contains($gone, load_id)", gone)
    store.run("DELETE FROM store.loads WHERE list_contains($gone, load_id)", gone)
    return bool(gone_calls)


def merge(store: Store, stock: Stock, id_names: Literal["attempt", "request"], *, is_reread: bool) -> Counts:
    """Move the staged file into calls and spans; the variables of ``set_variables`` must be set.

    Where the ids of the source name requests, records of one id may be attempts of their own (``attempts.sql``).
    ``is_reread`` is whether ``replace_loads`` deleted calls, which may come again.
    """
    calls = stock.read - stock.rejected - stock.not_calls
    find_stored(store)
    store.run(_FIND_REPEATED)
    if store.one("SELECT count(*) FROM repeated_calls")[0]:
        if return_figures(store, "stored_calls"):
            find_stored(store)  # a changed list moves its row
        few = stock.read <= FEW_CALLS
        if few:
            store.run(_fill(_KEEP_ARRIVING))
        found = hold_contest(store, id_names, _arriving(kept=few))
        if calls > found.arrived:
            store.run(_fill(_INSERT_FIRST_SEEN, kept=few))
        new = calls - found.arrived + found.first_seen
        repeated, replaced, displaced = found.repeated, found.replaced, found.displaced
    else:
        # A store in memory need not have the columns of the schema.
        empty = _omit_empty(store) if store.path is None and stock.read > FEW_CALLS else ()
        with store.planning_least() if stock.read <= _VERY_FEW else nullcontext():
            store.run(_insert_all(empty))
        new, repeated, replaced, displaced = calls, 0, 0, 0
    if stock.not_calls:
        insert_spans(store)
    reread = store.one(_REREAD)[0] if is_reread else 0
    return Counts(
        stock.read, new - reread, repeated, replaced + reread, stock.rejected, stock.not_calls, displaced
    )


def _insert_all(omitted: tuple[str, ...]) -> str:
    return _fill(_INSERT_ALL).replace("{omitted}", "".join(f", {name}" for name in omitted))


def _omit_empty(store: Store) -> tuple[str, ...]:
    """Leave the columns that no staged call fills out of a table without calls, and return them."""
    if not store.is_small(0):
        return ()
    staged = {row[0] for row in store.query(_STAGED_COLUMNS)}
    empty = tuple(name for name in _AS_STAGED if name not in staged) if staged else ()
    filled = " OR ".join(f"{name} IS NOT NULL" for name in empty)
    if not empty or store.one(_fill(_ANY_FILLED).replace("{filled}", filled))[0]:
        return ()
    omit_columns(store, empty)
    return empty


def find_stored(store: Store) -> None:
    """List the calls of the source that are stored and staged, with their rows, in the table ``stored_calls``."""
    add_omitted(store)
    store.run(_FIND_STORED)


def merge_stored(store: Store, id_names: Literal["attempt", "request"]) -> Contest:
    """Move calls and spans that another store holds into calls and spans, by the rules of ``merge``.

    They are the relations ``arriving_calls`` and ``arriving_spans``, with the columns of the tables; ``call_id`` is the
    id that the export gives, and ``staged_row`` a number of each call. The ids that may name several records are in
    ``repeated_calls``.
    """
    if return_figures(store, "stored_calls"):
        find_stored(store)
    found = hold_contest(store, id_names, _arriving(kept=True))
    first_seen = store.run(_fill(_INSERT_FIRST_SEEN, kept=True))
    store.run(_INSERT_SPANS.replace("{spans}", "FROM arriving_spans"))
    store.run(_DELETE_OLD_SPANS)
    return replace(found, arrived=found.arrived + first_seen, first_seen=found.first_seen + first_seen)


def find_repeated(store: Store) -> None:
    """List the ids of staged calls that have several records, here or in the store, in ``repeated_calls``."""
    find_stored(store)
    store.run(_FIND_REPEATED)


def insert_spans(store: Store) -> None:
    """Move the staged steps that are no calls into spans, instead of older records of the same ones."""
    store.run(_fill(_INSERT_SPANS))
    store.run(_DELETE_OLD_SPANS)


def define_merge_macros(store: Store) -> None:
    """Define the macros that merging and what follows it use."""
    define_macros(store, _insert_all(()), UNPRICED)
    define_contest_macros(store)


@cache
def _fill(statement: str, *, kept: bool = False) -> str:
    """Return a statement with the staged records as decided, or as they will be stored, in it."""
    spans = _name_records(_STAGED_SPANS)
    return statement.replace("{arriving}", _arriving(kept=kept)).replace("{spans}", spans)


@cache
def _arriving(*, kept: bool) -> str:
    """Return the staged calls as they will be stored, ``kept`` in a table of their own or computed."""
    if kept:
        return "arriving_calls"
    decided = _name_records(package_text("ingest", "decided.sql"))
    return _ARRIVING.format(decided=decided, costed=package_text("store.pricing", "apply.sql"))


def _name_records(query: str) -> str:
    """Return a query over ``named_records`` with the query that these are in it."""
    return query.replace("FROM named_records", f"FROM ({package_text('ingest', 'named.sql')})")

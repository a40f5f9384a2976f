"""Merge one staged file into the store, inside the caller's transaction: which keys fill the columns, what a call cost,
which of two records of one call wins, and a tally whose sums agree.

Everything is set-based SQL; no step depends on the order in which files or records arrive.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from streamaudit.ingest.macros import define_macros
from streamaudit.ingest.mapping import KEYED
from streamaudit.ingest.one_call import return_figures
from streamaudit.ingest.stock import Stock
from streamaudit.store.package_files import package_text
from streamaudit.store.store import FEW_CALLS, Store


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


@dataclass(frozen=True, slots=True)
class Contest:
    """The result for arriving records of calls that have several: calls first seen, and stored ones replaced.

    ``displaced`` counts stored records that gave way to others.
    """

    arrived: int
    first_seen: int
    replaced: int
    displaced: int

    @property
    def repeated(self) -> int:
        """Arriving records that are equal to the one kept, or worse."""
        return self.arrived - self.first_seen - self.replaced

    def __add__(self, other: "Contest") -> "Contest":
        return Contest(
            self.arrived + other.arrived, self.first_seen + other.first_seen, self.replaced + other.replaced,
            self.displaced + other.displaced,
        )  # fmt: skip


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

_INSERT_ALL = "INSERT INTO store.calls BY NAME SELECT * EXCLUDE (staged_row) FROM {arriving}"

_INSERT_FIRST_SEEN = """
INSERT INTO store.calls BY NAME
SELECT * EXCLUDE (staged_row) FROM {arriving} ANTI JOIN repeated_calls USING (call_id)
"""

# Every record, stored or arriving, of an id that has more than one.
_RIVALS = """
CREATE OR REPLACE TEMP TABLE rivals AS
SELECT call_id AS given_id, staged_row, NULL::BIGINT AS stored_row, start_time, attempt_number, response_id, outcome,
    usage_basis, output_tokens, source_updated_at, end_time IS NOT NULL AS has_end, record_hash, input_hash,
    (output_chars IS NOT NULL)::INTEGER + (input_hash IS NOT NULL)::INTEGER AS texts, versions
FROM {arriving} SEMI JOIN repeated_calls USING (call_id)
UNION ALL
SELECT stored_calls.call_id, NULL, call_row, start_time, attempt_number, response_id, outcome,
    usage_basis, output_tokens, source_updated_at, end_time IS NOT NULL AS has_end, record_hash, input_hash,
    (output_chars IS NOT NULL)::INTEGER + (input_hash IS NOT NULL)::INTEGER, versions
FROM store.calls AS calls JOIN stored_calls ON stored_calls.call_row = calls.rowid
"""

_NO_ATTEMPTS = """
CREATE OR REPLACE TEMP TABLE attempts (
    given_id VARCHAR, start_time TIMESTAMP, attempt_number INTEGER, response_id VARCHAR, attempt BIGINT,
    versions STRUCT(start_time TIMESTAMP, attempt_number INTEGER, response_id VARCHAR)[]
)
"""

# The best record of each call, see "The winner" in docs/definitions.md. Identical ones count as the stored one.
_CONTEST = """
CREATE OR REPLACE TEMP TABLE contest AS
WITH ranked AS (
    SELECT
        given_id, attempt,
        first(struct_pack(staged_row, stored_row) ORDER BY
            outcome IN ('completed', 'cancelled', 'timeout', 'error') DESC,
            usage_rank(usage_basis) DESC,
            -- A correction may lower a count; progress only raises it, in whatever order it was written.
            CASE WHEN usage_basis <> 'partial' THEN source_updated_at END DESC NULLS LAST,
            output_tokens DESC NULLS LAST,
            source_updated_at DESC NULLS LAST,
            -- A step that was printed while it was open, and once more when it had ended.
            has_end DESC,
            -- The same record without its texts: what was found in them stays known.
            texts DESC,
            record_hash DESC,
            input_hash DESC NULLS LAST,
            staged_row NULLS FIRST
        ) AS winner,
        count(staged_row) AS arrived,
        count(stored_row) AS stored,
        any_value(seen) AS versions
    FROM (
        SELECT rivals.* EXCLUDE (versions), coalesce(attempts.attempt, 1) AS attempt, attempts.versions AS seen
        FROM rivals LEFT JOIN attempts
            ON attempts.given_id = rivals.given_id
            AND attempts.start_time IS NOT DISTINCT FROM rivals.start_time
            AND attempts.attempt_number IS NOT DISTINCT FROM rivals.attempt_number
            AND attempts.response_id IS NOT DISTINCT FROM rivals.response_id
    )
    GROUP BY given_id, attempt
)
SELECT
    given_id, winner.staged_row AS winner_row, winner.stored_row AS winner_stored, arrived, stored, versions,
    CASE WHEN count(*) OVER one_id > 1 THEN given_id || '#' || attempt ELSE given_id END AS call_id,
    CASE WHEN count(*) OVER one_id > 1 THEN given_id END AS request_id
FROM ranked
WINDOW one_id AS (PARTITION BY given_id)
"""

_DELETE_LOSERS = """
DELETE FROM store.calls
WHERE rowid IN (
    SELECT stored_row FROM rivals ANTI JOIN contest ON contest.winner_stored = rivals.stored_row
    WHERE stored_row IS NOT NULL)
"""

# A stored call may have become one of several attempts, or may have been one.
_RENAME_WINNERS = """
UPDATE store.calls AS calls
SET call_id = contest.call_id, request_id = contest.request_id, versions = contest.versions,
    logical_request_id = CASE WHEN contest.request_id IS NOT NULL
        THEN coalesce(calls.logical_request_id, contest.request_id)
        WHEN calls.request_id IS NOT NULL THEN nullif(calls.logical_request_id, calls.request_id)
        ELSE calls.logical_request_id END
FROM contest
WHERE calls.rowid = contest.winner_stored
    AND (contest.call_id, contest.request_id, contest.versions)
        IS DISTINCT FROM (calls.call_id, calls.request_id, calls.versions)
"""

_INSERT_WINNERS = """
INSERT INTO store.calls BY NAME
SELECT
    arriving_calls.* EXCLUDE (staged_row) REPLACE (
        contest.call_id AS call_id,
        coalesce(arriving_calls.logical_request_id, contest.request_id) AS logical_request_id,
        contest.request_id AS request_id, contest.versions AS versions
    )
FROM {arriving}
JOIN contest ON contest.given_id = arriving_calls.call_id AND contest.winner_row = arriving_calls.staged_row
"""

_CONTEST_TALLY = """
SELECT
    coalesce(sum(arrived), 0)::BIGINT,
    count(*) FILTER (stored = 0),
    count(*) FILTER (stored > 0 AND winner_row IS NOT NULL)
FROM contest
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
    environment, service, transport, stages, interrupted, record_hash,
    bits_of(call_id) AS id_bits, bits_of(trace_id) AS trace_bits
FROM ({decided})
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
RETURNING call_id, response_id
"""
_EMPTIED = """
SELECT load_id FROM store.loads WHERE list_contains($loads, load_id)
    AND load_id NOT IN (SELECT load_id FROM store.calls UNION SELECT load_id FROM store.spans)
"""
_DELETE_REREAD_SPANS = """
DELETE FROM store.spans WHERE list_contains($loads, load_id) AND (
    list_contains($same, load_id) OR span_id IN (SELECT call_id FROM scratch.staged WHERE reason IS NULL))
"""
_NO_REMOVED = "CREATE OR REPLACE TEMP TABLE removed_calls (call_id VARCHAR, response_id VARCHAR, reread BOOLEAN)"
_KEEP_REMOVED = "INSERT INTO removed_calls SELECT unnest($ids::VARCHAR[]), unnest($responses::VARCHAR[]), true"
_KEEP_BEATEN = """
INSERT INTO removed_calls
SELECT NULL, response_id, false
FROM rivals ANTI JOIN contest ON contest.winner_stored = rivals.stored_row
WHERE stored_row IS NOT NULL AND response_id IS NOT NULL
"""
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
    store.run(_NO_REMOVED)
    if not loads:
        return False
    about = {"loads": loads, "same": same}
    gone_calls = store.query(_DELETE_REREAD_CALLS, about)
    store.run(_KEEP_REMOVED, {"ids": [row[0] for row in gone_calls], "responses": [row[1] for row in gone_calls]})
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
        found = hold_contest(store, id_names, kept=few)
        if calls > found.arrived:
            store.run(_fill(_INSERT_FIRST_SEEN, kept=few))
        new = calls - found.arrived + found.first_seen
        repeated, replaced, displaced = found.repeated, found.replaced, found.displaced
    else:
        store.run(_fill(_INSERT_ALL))
        new, repeated, replaced, displaced = calls, 0, 0, 0
    if stock.not_calls:
        insert_spans(store)
    reread = store.one(_REREAD)[0] if is_reread else 0
    return Counts(
        stock.read, new - reread, repeated, replaced + reread, stock.rejected, stock.not_calls, displaced
    )


def find_stored(store: Store) -> None:
    """List the calls of the source that are stored and staged, with their rows, in the table ``stored_calls``."""
    store.run(_FIND_STORED)


def merge_stored(store: Store, id_names: Literal["attempt", "request"]) -> Contest:
    """Move calls and spans that another store holds into calls and spans, by the rules of ``merge``.

    They are the relations ``arriving_calls`` and ``arriving_spans``, with the columns of the tables; ``call_id`` is the
    id that the export gives, and ``staged_row`` a number of each call. The ids that may name several records are in
    ``repeated_calls``.
    """
    if return_figures(store, "stored_calls"):
        find_stored(store)
    found = hold_contest(store, id_names, kept=True)
    first_seen = store.run(_fill(_INSERT_FIRST_SEEN, kept=True))
    store.run(_INSERT_SPANS.replace("{spans}", "FROM arriving_spans"))
    store.run(_DELETE_OLD_SPANS)
    return replace(found, arrived=found.arrived + first_seen, first_seen=found.first_seen + first_seen)


def find_repeated(store: Store) -> None:
    """List the ids of staged calls that have several records, here or in the store, in ``repeated_calls``."""
    find_stored(store)
    store.run(_FIND_REPEATED)


def hold_contest(store: Store, id_names: Literal["attempt", "request"], *, kept: bool) -> Contest:
    """Keep the best record of each call in ``repeated_calls``, stored or arriving."""
    store.run(_fill(_RIVALS, kept=kept))
    store.run(_NO_ATTEMPTS if id_names == "attempt" else package_text("ingest", "attempts.sql"))
    store.run(_CONTEST)
    arrived, first_seen, replaced = store.one(_CONTEST_TALLY)
    store.run(_KEEP_BEATEN)
    displaced = store.run(_DELETE_LOSERS)
    store.run(_RENAME_WINNERS)
    store.run(_fill(_INSERT_WINNERS, kept=kept))
    return Contest(arrived, first_seen, replaced, displaced)


def insert_spans(store: Store) -> None:
    """Move the staged steps that are no calls into spans, instead of older records of the same ones."""
    store.run(_fill(_INSERT_SPANS))
    store.run(_DELETE_OLD_SPANS)


def define_merge_macros(store: Store) -> None:
    """Define the macros that merging and what follows it use."""
    define_macros(store, _fill(_INSERT_ALL), UNPRICED, _CONTEST)


@cache
def _fill(statement: str, *, kept: bool = False) -> str:
    """Return a statement with the staged records as decided, or as they will be stored, in it. The latter are ``kept``
    in a table of their own, or computed."""
    if kept:
        return statement.replace("{arriving}", "arriving_calls")
    decided = package_text("ingest", "decided.sql")
    arriving = _ARRIVING.format(decided=decided, costed=package_text("store.pricing", "apply.sql"))
    spans = _STAGED_SPANS.replace("{decided}", decided)
    return statement.replace("{arriving}", arriving).replace("{spans}", spans)

"""What the staged records of a file say against their own latencies: kept for being rare, or ends that many share."""

from streamaudit.ingest.mapping import Mapping
from streamaudit.store.store import Store

# What the user's paths filled. A keyed column says by rank 0 that it was they.
_FILLED = """
SELECT
    count(*), count(*) FILTER (tenant_rank = 0), count(*) FILTER (route_rank = 0), count(*) FILTER (deploy_rank = 0),
    count(*) FILTER (rendered_tokens_rank = 0), count(*) FILTER (delivered_tokens_rank = 0), count(cancel_flag),
    count(user_id), count(session_id), count(environment), count(service), count(region), count(transport), count(model)
FROM scratch.staged WHERE reason IS NULL AND kind <> 'other'
"""
_FILLED_COLUMNS = (
    "tenant", "route", "deploy", "rendered_tokens", "delivered_tokens", "cancelled", "user_id", "session_id",
    "environment", "service", "region", "transport", "model",
)  # fmt: skip

_DIVERSE = "SELECT count(*) FROM scratch.staged WHERE for_diversity AND kind IN ('llm', 'embedding') AND reason IS NULL"

_SHARED = """
WITH traces AS (
    SELECT
        trace_id,
        -- A clock of whole seconds gives many spans one end.
        min(ends) = max(ends) AND min(start_time) < max(start_time) AND microsecond(min(ends)) % 1000000 <> 0 AS same
    FROM (
        SELECT trace_id, start_time,
            coalesce(end_time, start_time + to_microseconds(try_cast(round(duration_ms * 1000) AS BIGINT))) AS ends
        FROM scratch.staged WHERE reason IS NULL AND trace_id IS NOT NULL AND start_time IS NOT NULL
    )
    WHERE ends IS NOT NULL
    GROUP BY trace_id HAVING count(*) >= 3
), branching AS (
    -- A parent ends with its last child, so a chain has one end; steps beside each other do not.
    SELECT trace_id
    FROM scratch.staged SEMI JOIN (FROM traces WHERE same) USING (trace_id)
    WHERE reason IS NULL
    GROUP BY trace_id
    HAVING count(parent_id) >= count(*) - 1 AND count(*) - count(DISTINCT parent_id) >= 2
        AND count(DISTINCT start_time) >= 3
)
SELECT CASE WHEN (SELECT count(*) FROM branching) * 2 > (SELECT count(*) FROM traces)
    THEN (SELECT count(*) FROM branching) ELSE 0 END
"""
_ENDS_BEFORE_START = """
SELECT count(*) FROM scratch.staged
WHERE reason IS NULL AND kind IN ('llm', 'embedding') AND (duration_ms < 0 OR end_time < start_time)
"""
# A record's own total that is larger than what it names, beyond rounding: tokens of a kind that has no key of its own.
_UNNAMED = """
SELECT count(*), coalesce(sum(total_tokens - input_tokens - output_tokens), 0)::BIGINT FROM scratch.staged
WHERE reason IS NULL AND kind IN ('llm', 'embedding')
    AND total_tokens <= 1e10 AND total_tokens::HUGEINT - input_tokens - output_tokens > greatest(1, total_tokens / 100)
"""
_HAS_PARENTS = "SELECT count(parent_id) FROM scratch.staged"


def for_diversity(store: Store) -> int:
    """How many staged calls were kept because they are rare, and are no sample of the traffic."""
    return int(store.one(_DIVERSE)[0])


def unnamed_tokens(store: Store) -> tuple[int, int]:
    """Calls whose own total exceeds their input and output by more than one percent, and by how many tokens in all."""
    calls, tokens = store.one(_UNNAMED)
    return int(calls), int(tokens)


def shared_ends(store: Store) -> int:
    """How many traces have steps beside each other that began apart and all ended within one microsecond, as an
    exporter writes that stamps whole batches (Mastra, mastra-ai/mastra#14474); 0 unless most traces of three spans and
    more are such."""
    return int(store.one(_SHARED)[0]) if store.one(_HAS_PARENTS)[0] else 0


def unfilled(store: Store, mapping: Mapping) -> frozenset[str]:
    """The mapped columns for which no record of the staged file has the user's path."""
    if not mapping.paths:
        return frozenset()
    records, *counts = store.one(_FILLED)
    found = dict(zip(_FILLED_COLUMNS, counts, strict=True))
    return frozenset(column for column in mapping.paths if records and not found.get(column))


def ends_before_start(store: Store) -> int:
    """Count the staged calls that end before they start, as two clocks make them: their end and duration are unknown,
    the rest of them is used."""
    return int(store.one(_ENDS_BEFORE_START)[0])

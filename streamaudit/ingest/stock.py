"""Take stock of a staged file in one scan: what is in it, so that whatever no record of it needs can be left out."""

from dataclasses import dataclass

from streamaudit.ingest.mapping import KEYED
from streamaudit.store.store import Store

# Best and worst ranks are in the order of KEYED. A record's own total may be larger than what it names, beyond
# rounding: tokens of a kind that has no key of its own.
_STOCK = """
SELECT
    count(*) AS read, count(reason) AS rejected, count(*) FILTER (reason = 'unreadable') AS unreadable,
    count(*) FILTER (reason IS NULL AND kind NOT IN ('llm', 'embedding')) AS not_calls,
    count(*) FILTER (parent_id IS NOT NULL OR kind = 'span') AS steps, count(parent_id) AS with_parent,
    count(trace_id) FILTER (reason IS NULL) AS with_trace, count(response_id) FILTER (reason IS NULL) AS with_response,
    count(*) FILTER (for_diversity AND is_call) AS for_diversity,
    count(*) FILTER (is_call AND (duration_ms < 0 OR end_time < start_time)) AS ends_before_start,
    count(*) FILTER (is_call AND over > greatest(1, total_tokens / 100)) AS with_unexplained,
    coalesce(sum(over) FILTER (is_call AND over > greatest(1, total_tokens / 100)), 0)::BIGINT AS unexplained_tokens,
    count(misfits) FILTER (is_call) AS misfits,
    greatest(max(lasted) / min(lasted), max(waited) / min(waited)) AS spread,
    min(sample_rate) FILTER (sample_rate > 0) AS sample_rate,
    [min(tenant_rank) FILTER (is_known), min(route_rank) FILTER (is_known), min(deploy_rank) FILTER (is_known),
        min(rendered_tokens_rank) FILTER (is_known), min(delivered_tokens_rank) FILTER (is_known)] AS best,
    [max(tenant_rank) FILTER (is_call), max(route_rank) FILTER (is_call), max(deploy_rank) FILTER (is_call),
        max(rendered_tokens_rank) FILTER (is_call), max(delivered_tokens_rank) FILTER (is_call)] AS worst
FROM (
    SELECT
        *,
        reason IS NULL AND kind IN ('llm', 'embedding') AS is_call,
        reason IS NULL AND kind <> 'other' AS is_known,
        reason IS NULL AND kind = 'llm' AND NOT coalesce(failed, false) AND NOT coalesce(cache_hit, false) AS is_timed,
        CASE WHEN is_timed AND duration_ms > 0 THEN duration_ms END AS lasted,
        CASE WHEN is_timed AND ttft_ms > 0 THEN ttft_ms END AS waited,
        CASE WHEN total_tokens <= 1e10 THEN total_tokens::HUGEINT - input_tokens - output_tokens END AS over
    FROM scratch.staged
)
"""


@dataclass(frozen=True, slots=True)
class Stock:
    """Numbers of staged records; all of them unless a field says otherwise."""

    read: int
    rejected: int
    unreadable: int
    not_calls: int
    """Usable records that are no calls."""
    steps: int
    """Records with a parent, and steps that are no calls."""
    with_parent: int
    with_trace: int
    """Usable records with a trace."""
    with_response: int
    """Usable records with the provider's id of a response."""
    for_diversity: int
    """Calls that were kept because they are rare, and are no sample of the traffic."""
    ends_before_start: int
    """Calls that end before they start, as two clocks make them: their end and duration are unknown."""
    with_unexplained: int
    """Calls whose own total exceeds input and output."""
    unexplained_tokens: int
    misfits: int
    """Calls with a mapped value of another kind."""
    spread: float | None
    """The largest duration of a call, or TTFT, divided by the smallest: the larger one of both; NULL without any. Calls
    that failed or were answered from a cache are left out."""
    sample_rate: float | None
    """The lowest share of the calls that a record says was kept; None where none says it."""
    best: dict[str, int | None]
    """By keyed column the rank of the best candidate key that occurs; None when none does."""
    worst: dict[str, int | None]
    """By keyed column the rank of the worst key among the calls."""


def take_stock(store: Store) -> Stock:
    """Count what is staged."""
    (found,) = store.records(_STOCK)
    ranks = {name: dict(zip(KEYED, found[name], strict=True)) for name in ("best", "worst")}
    return Stock(**{**found, **ranks})

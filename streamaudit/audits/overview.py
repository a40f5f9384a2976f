"""The overview: per group, how long users wait, how often they leave, and what was paid for tokens nobody saw."""

from streamaudit.audits.base import group_tables
from streamaudit.audits.notes import interval_and_notes
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.model import Column, Report
from streamaudit.store.store import Store

NAME = "report"
TITLE = "streamaudit report"

COLUMNS = (
    Column("calls", "calls", "LLM calls counted; embeddings only with --by operation", kept=True),
    Column("outcome_unknown_calls", "calls", "of these, calls that do not say how they ended", wide=True),
    Column("streamed_calls", "calls", "calls known to have streamed", wide=True),
    Column("ttft_calls", "calls", "calls with a usable time to first token", wide=True),
    Column("ttft_p50_ms", "ms", "median time to first token"),
    Column("ttft_p90_ms", "ms", "90th percentile, from 10 calls", wide=True),
    Column("ttft_p95_ms", "ms", "95th percentile, from 20 calls"),
    Column("ttft_p99_ms", "ms", "99th percentile, from 100 calls", wide=True),
    Column("duration_p50_ms", "ms", "median duration of all calls", wide=True),
    Column("duration_p95_ms", "ms", "95th percentile, from 20 calls", wide=True),
    Column("output_tokens_per_s_p50", "tokens_per_s", "median of 1000 / TPOT of completed streams", wide=True),
    Column("errors", "calls", "calls that failed", wide=True),
    Column("timeouts", "calls", "calls cut by a deadline", wide=True),
    Column("cancelled_calls", "calls", "calls whose client or user left", wide=True),
    Column("cancelled_before_first_token", "calls", "of these, with evidence that nothing had arrived", wide=True),
    Column("cancel_rate", "ratio", "cancelled calls / calls"),
    Column("input_tokens", "tokens", "billed input tokens where known", wide=True),
    Column("output_tokens", "tokens", "billed output tokens where known, reasoning included"),
    Column("hidden_tokens", "tokens", "reasoning of all calls", wide=True),
    Column("tax_low_tokens", "tokens", "cancellation tax: sum of the low ends, unknown calls adding 0", kept=True),
    Column("tax_tokens", "tokens", "exact and estimated calls", wide=True),
    Column("tax_high_tokens", "tokens", "sum of the high ends; NULL as soon as one call's is unknown", kept=True),
    Column("tax_open_calls", "calls", "cancelled calls without a known high end", wide=True),
    Column("tax_usd", "usd", "exact and estimated calls in dollars, output only", kept=True),
    Column("tax_low_usd", "usd", "the low end in dollars", wide=True),
    Column("tax_high_usd", "usd", "the high end in dollars; NULL when open or unpriced", wide=True),
    Column("tax_unpriced_calls", "calls", "calls with a tax and no price", wide=True),
    Column("cost_usd", "usd", "cost of the calls whose cost is known"),
    Column("usage_known_rate", "ratio", "calls with known output tokens / calls"),
    Column("cancelled_usage_known_rate", "ratio", "the same of cancelled calls"),
)

# What only cancelled calls have is summed apart, so that the bulk of the calls pays nothing for it.
_QUERY = """
, everyone AS (
    SELECT
        by_1, by_2, by_3, by_4,
        count(*) AS calls,
        count(*) FILTER (outcome = 'unknown') AS no_outcome,
        count(*) FILTER (streamed) AS streamed_calls,
        count(*) FILTER (ttft_status = 'usable') AS ttft_calls,
        quantile_cont(ttft_ms, [0.5, 0.9, 0.95, 0.99]) FILTER (ttft_status = 'usable') AS ttft,
        count(duration_ms) AS duration_calls,
        quantile_cont(duration_ms, [0.5, 0.95]) AS duration,
        median(1000 / tpot_ms) AS speed,
        count(*) FILTER (outcome = 'error') AS errors,
        count(*) FILTER (outcome = 'timeout') AS timeouts,
        sum(input_tokens)::BIGINT AS input_tokens,
        sum(output_tokens)::BIGINT AS output_tokens,
        sum(reasoning_tokens)::BIGINT AS hidden_tokens,
        round(fsum(cost_usd), 12) AS cost_usd,
        count(output_tokens) AS usage_known,
        [
            CASE WHEN bool_or(outcome = 'unknown') THEN 'cancel_rate' END,
            CASE WHEN bool_or(cost_usd IS NULL AND cache_hit IS DISTINCT FROM true) THEN 'cost_usd' END,
            CASE WHEN bool_or(output_tokens IS NULL AND operation <> 'embedding') THEN 'output_tokens' END,
            CASE WHEN bool_or(input_tokens IS NULL) THEN 'input_tokens' END,
            CASE WHEN bool_or(reasoning_tokens IS NULL AND operation <> 'embedding') THEN 'hidden_tokens' END
        ] AS leaves_out
    FROM scope
    GROUP BY by_1, by_2, by_3, by_4
), leavers AS (
    SELECT
        by_1, by_2, by_3, by_4,
        count(*) AS cancelled,
        count(*) FILTER (stopped_before_first_token) AS cancelled_early,
        sum(tax_best)::BIGINT AS tax_tokens,
        sum(tax_low)::BIGINT AS tax_low,
        CASE WHEN count(*) = count(tax_high) THEN sum(tax_high)::BIGINT END AS tax_high,
        count(*) - count(tax_high) AS tax_open,
        priced_sum(tax_best, tax_best_usd) AS tax_usd,
        priced_sum(tax_low, tax_low_usd) AS low_usd,
        CASE WHEN tax_open = 0 AND NOT bool_or(tax_high > 0 AND tax_high_usd IS NULL)
            THEN round(fsum(tax_high_usd), 12) END AS high_usd,
        count(*) FILTER ((tax_best > 0 AND tax_best_usd IS NULL) OR (tax_low > 0 AND tax_low_usd IS NULL)) AS unpriced,
        count(billed_tokens) AS usage_known
    FROM scope
    WHERE outcome = 'cancelled'
    GROUP BY by_1, by_2, by_3, by_4
)
SELECT
    e.by_1, e.by_2, e.by_3, e.by_4,
    e.calls, e.no_outcome, e.streamed_calls, e.ttft_calls,
    e.ttft[1], CASE WHEN e.ttft_calls >= 10 THEN e.ttft[2] END, CASE WHEN e.ttft_calls >= 20 THEN e.ttft[3] END,
    CASE WHEN e.ttft_calls >= 100 THEN e.ttft[4] END,
    e.duration[1], CASE WHEN e.duration_calls >= 20 THEN e.duration[2] END, e.speed,
    e.errors, e.timeouts,
    coalesce(l.cancelled, 0), coalesce(l.cancelled_early, 0),
    CASE WHEN e.no_outcome < e.calls THEN coalesce(l.cancelled, 0) / e.calls END,
    e.input_tokens, e.output_tokens, e.hidden_tokens,
    -- Nobody left: no tax. Somebody left: what the evidence gives, which may be nothing. No call says how it ended: no
    -- figure.
    CASE WHEN l.cancelled IS NULL THEN none ELSE l.tax_low END,
    CASE WHEN l.cancelled IS NULL THEN none ELSE l.tax_tokens END,
    CASE WHEN l.cancelled IS NULL THEN none ELSE l.tax_high END, coalesce(l.tax_open, 0),
    CASE WHEN l.cancelled IS NULL THEN none::DOUBLE ELSE l.tax_usd END,
    CASE WHEN l.cancelled IS NULL THEN none::DOUBLE ELSE l.low_usd END,
    CASE WHEN l.cancelled IS NULL THEN none::DOUBLE ELSE l.high_usd END, coalesce(l.unpriced, 0),
    e.cost_usd, e.usage_known / nullif(e.calls, 0), l.usage_known / l.cancelled, e.leaves_out
FROM (SELECT *, CASE WHEN no_outcome < calls THEN 0 END AS none FROM everyone) AS e
LEFT JOIN leavers AS l
    ON l.by_1 IS NOT DISTINCT FROM e.by_1 AND l.by_2 IS NOT DISTINCT FROM e.by_2
    AND l.by_3 IS NOT DISTINCT FROM e.by_3 AND l.by_4 IS NOT DISTINCT FROM e.by_4
"""


def run(store: Store, scope: Scope) -> Report:
    """One row per group, largest first, and the total."""
    scope.prepare(store)
    tables = group_tables(store, scope, _QUERY, COLUMNS, rank=lambda row: (row["calls"],))
    interval, notes = interval_and_notes(store, scope)
    return Report(TITLE, interval, tables, scope.by, scope.filters, notes)

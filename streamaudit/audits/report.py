"""The overview: per group, how long users wait, how often they leave, and what was paid for tokens nobody saw."""

from streamaudit.audits import group_tables
from streamaudit.audits._notes import coverage_notes, interval
from streamaudit.report import Column, Report
from streamaudit.scope import Scope
from streamaudit.store import Store

TITLE = "streamaudit report"

COLUMNS = (
    Column("calls", "calls", "LLM calls counted; embeddings only with --by operation"),
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
    Column("tax_tokens", "tokens", "cancellation tax: exact and estimated calls"),
    Column("tax_low_tokens", "tokens", "sum of the low ends, unknown calls adding 0", wide=True),
    Column("tax_high_tokens", "tokens", "sum of the high ends; unknown as soon as one call's is", wide=True),
    Column("tax_usd", "usd", "cancellation tax in dollars, output only"),
    Column("cost_usd", "usd", "cost of the calls whose cost is known"),
    Column("usage_known_rate", "ratio", "calls with known output tokens / calls"),
    Column("cancelled_usage_known_rate", "ratio", "the same of cancelled calls"),
)

_QUERY = """
SELECT
    by_1, by_2, by_3, by_4,
    calls, streamed_calls, ttft_calls,
    ttft[1], CASE WHEN ttft_calls >= 10 THEN ttft[2] END, CASE WHEN ttft_calls >= 20 THEN ttft[3] END,
    CASE WHEN ttft_calls >= 100 THEN ttft[4] END,
    duration[1], CASE WHEN duration_calls >= 20 THEN duration[2] END, speed,
    errors, timeouts, cancelled, cancelled_early, cancelled / nullif(calls, 0),
    input_tokens, output_tokens, hidden_tokens,
    CASE WHEN cancelled = 0 THEN 0 ELSE tax_tokens END,
    CASE WHEN cancelled = 0 THEN 0 ELSE tax_low END,
    CASE WHEN cancelled = 0 THEN 0 WHEN tax_open = 0 THEN tax_high END,
    CASE WHEN cancelled = 0 THEN 0.0 ELSE tax_usd END,
    cost_usd, usage_known / nullif(calls, 0), cancelled_usage_known / nullif(cancelled, 0)
FROM (
    SELECT
        by_1, by_2, by_3, by_4,
        count(*) AS calls,
        count(*) FILTER (streamed) AS streamed_calls,
        count(*) FILTER (ttft_status = 'usable') AS ttft_calls,
        quantile_cont(ttft_ms, [0.5, 0.9, 0.95, 0.99]) FILTER (ttft_status = 'usable') AS ttft,
        count(duration_ms) AS duration_calls,
        quantile_cont(duration_ms, [0.5, 0.95]) AS duration,
        median(1000 * (output_tokens - 1) / (duration_ms - ttft_ms))
            FILTER (ttft_status = 'usable' AND outcome = 'completed' AND output_tokens > 1) AS speed,
        count(*) FILTER (outcome = 'error') AS errors,
        count(*) FILTER (outcome = 'timeout') AS timeouts,
        count(*) FILTER (outcome = 'cancelled') AS cancelled,
        count(*) FILTER (outcome = 'cancelled' AND stopped_before_first_token) AS cancelled_early,
        sum(input_tokens)::BIGINT AS input_tokens,
        sum(output_tokens)::BIGINT AS output_tokens,
        sum(reasoning_tokens)::BIGINT AS hidden_tokens,
        sum(tax_best) FILTER (outcome = 'cancelled')::BIGINT AS tax_tokens,
        sum(tax_low) FILTER (outcome = 'cancelled')::BIGINT AS tax_low,
        sum(tax_high) FILTER (outcome = 'cancelled')::BIGINT AS tax_high,
        count(*) FILTER (outcome = 'cancelled' AND tax_high IS NULL) AS tax_open,
        sum(tax_best_usd) FILTER (outcome = 'cancelled') AS tax_usd,
        sum(cost_usd) AS cost_usd,
        count(output_tokens) AS usage_known,
        count(billed_tokens) FILTER (outcome = 'cancelled') AS cancelled_usage_known
    FROM scope
    GROUP BY by_1, by_2, by_3, by_4
)
"""


def run(store: Store, scope: Scope) -> Report:
    """One row per group, largest first, and the total."""
    scope.prepare(store)
    tables = group_tables(store, scope, _QUERY, COLUMNS, rank=lambda row: (row["calls"],))
    return Report(TITLE, interval(store, scope), tables, scope.by, scope.filters, coverage_notes(store, scope))

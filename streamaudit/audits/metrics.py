"""The one catalogue of figures about a group of calls: name, unit, SQL, fewest calls, and meaning.

An audit picks names: ``column`` gives the column of a table, ``figures.select`` the query that fills it. A figure is an
expression over sums, each of which is computed once a group: ``SUMS_OF_ALL`` over all of its calls, those of a part
(parts.py) over a relation of its own, such as ``SUMS_OF_CANCELLED`` over the cancelled calls. Only the sums that the
picked figures need are computed, so that other calls cost nothing for those of a part.

Definitions in words: docs/definitions.md. Unknown is not zero: without evidence a figure is NULL.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from streamaudit.audits.parts import GAPS, GOODPUT, Part
from streamaudit.audits.sums import (
    FIRST_START,
    PROMPT_UNSEEN,
    Sum,
    declare,
    dollars,
    mean,
    milliseconds,
    priced,
    whole_dollars,
)
from streamaudit.report.model import Column, Unit
from streamaudit.store.views.percentiles import MIN_CALLS

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Latency:
    """A duration in milliseconds: the column that holds it, and which of its values count (empty for all)."""

    column: str
    counts: str
    meaning: str


LATENCIES = {
    "ttft": Latency("ttft_ms", "ttft_status = 'usable'", "time to first token"),
    "ttvt": Latency("ttvt_ms", "ttft_status = 'usable' AND ttvt_ms > 0", "time to the first visible token"),
    "duration": Latency("duration_ms", "", "duration (E2E latency) of all calls"),
    "tpot": Latency("tpot_ms", "", "time per output token"),
}
RATES = ("cancel_rate", "error_rate", "tax_rate")

_ALL: dict[str, str | Sum] = {
    "calls": "count(*)",
    "no_outcome": "count(*) FILTER (WHERE outcome = 'unknown')",
    "streamed": "count(*) FILTER (WHERE streamed)",
    "censored": "count(*) FILTER (WHERE ttft_status = 'censored')",
    "within_slo": "count(*) FILTER (WHERE ttft_status = 'usable' AND ttft_ms <= $slo_ms)",
    "tolerated": "count(*) FILTER (WHERE ttft_status = 'usable' AND ttft_ms > $slo_ms AND ttft_ms <= 4 * $slo_ms)",
    "no_ttft": "count(*) FILTER (WHERE streamed AND ttft_status <> 'usable')",
    "ttft_total": milliseconds("ttft", "ttft_status = 'usable'"),
    "speed": "median(1000 / tpot_ms)",
    "failed": "count(*) FILTER (WHERE outcome = 'error')",
    "timed_out": "count(*) FILTER (WHERE outcome = 'timeout')",
    "input_sum": "sum(input_tokens)::BIGINT",
    "output_sum": "sum(output_low)::BIGINT",
    "output_mean": mean("output_tokens", "usage_status = 'final'"),
    "hidden_sum": "sum(reasoning_tokens)::BIGINT",
    "cost": dollars("cost_low_usd"),
    "usage_known": "count(output_tokens) FILTER (WHERE usage_status = 'final')",
    "cost_known": "count(*) FILTER (WHERE cost_usd IS NOT NULL OR cache_hit)",
    "no_cost": "bool_or(cost_usd IS NULL AND cache_hit IS DISTINCT FROM true)",
    "no_input": "bool_or(input_tokens IS NULL)",
    "no_output": "bool_or((output_tokens IS NULL OR usage_status <> 'final') AND operation <> 'embedding')",
    "no_hidden": "bool_or(reasoning_tokens IS NULL AND operation <> 'embedding')",
    "completed": "count(billed_tokens) FILTER (WHERE outcome = 'completed')",
    "completed_output": "coalesce(sum(billed_tokens) FILTER (WHERE outcome = 'completed'), 0)::BIGINT",
    "kept_cost": dollars("cost_usd", "outcome NOT IN ('unknown', 'cancelled')", rounded=False),
    "tenants": "count(DISTINCT tenant)",
    "first_call": FIRST_START,
}
_CANCELLED: dict[str, str | Sum] = {
    "cancelled": "count(*)",
    "cancelled_early": "count(*) FILTER (WHERE stopped_before_first_token)",
    "tax": "sum(tax_best)::BIGINT",
    "tax_low": "sum(tax_low)::BIGINT",
    "tax_high": "CASE WHEN count(*) = count(tax_high) THEN sum(tax_high)::BIGINT END",
    "tax_high_known": "coalesce(sum(tax_high), 0)::BIGINT",
    "tax_open": "count(*) FILTER (WHERE tax_high IS NULL)",
    "tax_usd_sum": priced("tax_best"),
    "tax_low_usd_sum": priced("tax_low"),
    "tax_high_usd_sum": whole_dollars("tax_high_usd"),
    "unpriced": "count(*) FILTER (WHERE (tax_best > 0 AND tax_best_usd IS NULL)"
                " OR (tax_low > 0 AND tax_low_usd IS NULL))",
    "taxed": "count(tax_best)",
    "taxed_output": "sum(billed_tokens) FILTER (WHERE tax_best IS NOT NULL)::BIGINT",
    "billed_low_sum": "sum(billed_low)::BIGINT",
    "billed_high_sum": "CASE WHEN count(*) = count(tax_high) THEN sum(billed_high)::BIGINT END",
    "billed_tax": "sum(tax_best) FILTER (WHERE billed_tokens IS NOT NULL)::BIGINT",
    "billed_taxed": "count(tax_best) FILTER (WHERE billed_tokens IS NOT NULL)",
    "billed_known": "count(billed_tokens)",
    "exact_tax": "sum(tax_best) FILTER (WHERE tax_class = 'exact')::BIGINT",
    "estimated_tax": "sum(tax_best) FILTER (WHERE tax_class = 'estimated')::BIGINT",
    "exact_calls": "count(*) FILTER (WHERE tax_class = 'exact')",
    "estimated_calls": "count(*) FILTER (WHERE tax_class = 'estimated')",
    "bounded_calls": "count(*) FILTER (WHERE tax_class = 'bounded')",
    "unknown_calls": "count(*) FILTER (WHERE tax_class = 'unknown')",
    "interval_calls": "count(*) FILTER (WHERE tax_class IN ('estimated', 'bounded') AND tax_high IS NOT NULL)",
    "exceeds": "count(*) FILTER (WHERE tax_rule = 'rendered_exceeds_billed')",
    # Numerator and denominator cover the same calls: cost known, and tax known in dollars.
    "shared_tax_usd": dollars("tax_best_usd", "cost_usd IS NOT NULL"),
    "taxed_cost": dollars("cost_usd", "tax_best_usd IS NOT NULL", rounded=False),
    "hidden_part": "sum(tax_hidden)::BIGINT",
    "undelivered_part": "sum(tax_undelivered)::BIGINT",
    "unread_part": "sum(tax_unread)::BIGINT",
    "orphaned": "count(*) FILTER (WHERE ran_on)",
    "orphaned_part": "sum(tax_orphaned)::BIGINT",
    "no_value": "count(*) FILTER (WHERE tax_best IS NULL)",
    "no_hidden_part": "count(*) FILTER (WHERE tax_hidden IS NULL)",
    "no_undelivered_part": "count(*) FILTER (WHERE tax_undelivered IS NULL)",
    "no_unread_part": "count(*) FILTER (WHERE tax_unread IS NULL)",
    "no_orphaned_part": "count(*) FILTER (WHERE tax_orphaned IS NULL)",
    "unseen_input": f"sum(input_tokens) FILTER (WHERE {PROMPT_UNSEEN})::BIGINT",
    "unseen_usd": dollars("input_cost_usd", PROMPT_UNSEEN),
    "no_unseen_input": f"count(*) FILTER (WHERE {PROMPT_UNSEEN} IS NULL OR ({PROMPT_UNSEEN} AND input_tokens IS NULL))",
    "no_unseen_usd": f"count(*) FILTER (WHERE {PROMPT_UNSEEN} IS NULL OR ({PROMPT_UNSEEN} AND input_cost_usd IS NULL))",
}
SUMS_OF_ALL, SUMS_OF_CANCELLED = declare(_ALL), declare(_CANCELLED)
"""Sums over all calls of a group, and over its cancelled ones, by name."""
OF_ALL = {name: one.exact for name, one in SUMS_OF_ALL.items()}
_OF_CANCELLED = {name: one.exact for name, one in SUMS_OF_CANCELLED.items()}
PARTS = (Part("leavers", "scope WHERE outcome = 'cancelled'", _OF_CANCELLED), GOODPUT, *GAPS)
"""Sums over other relations."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of the catalogue.

    ``sql`` is an expression over the sums above; ``leaves_out`` a condition over them under which the figure is a lower
    bound, ``rests_on_estimates`` one under which it is an estimate. Of fewer than ``min_n`` calls it is NULL.
    """

    name: str
    unit: Unit | None
    help: str
    sql: str
    leaves_out: str = ""
    rests_on_estimates: str = ""
    min_n: int = 1


def _of_those_that_left(sql: str, none: str = "0") -> str:
    """Return SQL for a tax: 0 without cancelled calls, NULL if no outcome is known, else ``sql``."""
    return f"CASE WHEN cancelled IS NOT NULL THEN {sql} WHEN no_outcome < calls THEN {none} END"


def _rate(part: str) -> str:
    return f"CASE WHEN no_outcome < calls THEN {part} / calls END"


def _percentiles(name: str, meaning: str, of: str = "calls") -> Iterator[Metric]:
    """Yield the percentiles of a latency, each of which needs a fewest number ``of`` calls or gaps."""
    for percentile, least in MIN_CALLS.items():
        ordinal = "median" if percentile == "p50" else f"{percentile[1:]}th percentile"
        text = f"{ordinal} {meaning}" if percentile == "p50" else f"{ordinal}, from {least} {of}"
        sql = f"from_enough({name}_{percentile}, '{percentile}', {name}_n)"
        yield Metric(f"{name}_{percentile}_ms", "ms", text, sql, min_n=least)


def _gaps(name: str, side: str) -> Iterator[Metric]:
    known = f"coalesce({name}_of_calls, 0)"
    yield Metric(f"{name}_calls", "calls", f"calls with two chunk times or more, {side}", known)
    yield Metric(f"{name}_gaps", "calls", f"gaps between two chunks of a call, {side}", f"coalesce({name}_n, 0)")
    yield from _percentiles(name, f"gap between two chunks, {side}", "gaps")


_USD_NONE = "0.0"
_TAX_USD = _of_those_that_left("tax_usd_sum", _USD_NONE)
_TAX_PARTS = ("hidden_part", "undelivered_part", "unread_part")
_UNSPLIT = " - ".join(["tax", *(f"coalesce({part}, 0)" for part in _TAX_PARTS)])

METRICS = {one.name: one for one in (
    Metric("calls", "calls", "LLM calls counted", "calls"),
    Metric("outcome_unknown_calls", "calls", "of these, calls that do not say how they ended", "no_outcome"),
    Metric("streamed_calls", "calls", "calls known to have streamed", "streamed"),
    Metric("ttft_calls", "calls", "calls with a usable time to first token", "ttft_n"),
    Metric("ttvt_calls", "calls", "calls with a known time to the first visible token", "ttvt_n"),
    Metric("tpot_calls", "calls", "completed streams with a known time per output token", "tpot_n"),
    Metric("ttft_sum_ms", "ms", "sum of the times to first token of these calls", "ttft_total"),
    *(metric for name, one in LATENCIES.items() for metric in _percentiles(name, one.meaning)),
    *_gaps("itl", "server side: as they came from the provider"),
    *_gaps("client_itl", "client side: as they reached the end client"),
    Metric("censored_calls", "calls", "cancelled or timed out with no first token seen: they waited longer still",
        "censored"),
    Metric("slo_rate", "ratio", "calls with a TTFT within the target / calls with a TTFT",
        "within_slo / nullif(ttft_n, 0)"),
    Metric("slo_unknown_calls", "calls", "streamed calls without a TTFT, in neither part of the share", "no_ttft"),
    Metric("apdex", "ratio", "(calls within T + half of those within 4 T) / a TTFT, at T = the target",
        "(within_slo + tolerated / 2) / nullif(ttft_n, 0)"),
    Metric("goodput_rate", "ratio", "streamed calls within all targets / those that met or missed them",
        "goodput_met / nullif(goodput_met + goodput_missed, 0)"),
    Metric("goodput_met_calls", "calls", "streamed calls within all targets", "coalesce(goodput_met, 0)"),
    Metric("goodput_missed_calls", "calls", "streamed calls that missed a target, failed or timed out",
        "coalesce(goodput_missed, 0)"),
    Metric("goodput_unknown_calls", "calls", "calls that cannot be judged: in neither part of the share",
        "coalesce(goodput_unknown, 0)"),
    Metric("output_tokens_per_s_p50", "tokens_per_s", "median of 1000 / TPOT of completed streams", "speed"),
    Metric("errors", "calls", "calls that failed", "failed"),
    Metric("timeouts", "calls", "calls cut by a deadline", "timed_out"),
    Metric("error_rate", "ratio", "failed calls / calls", _rate("failed")),
    Metric("cancelled_calls", "calls", "calls whose client or user left", "coalesce(cancelled, 0)"),
    Metric("cancelled_before_first_token", "calls", "of these, with evidence that nothing had arrived",
        "coalesce(cancelled_early, 0)"),
    Metric("cancel_rate", "ratio", "cancelled calls / calls", _rate("coalesce(cancelled, 0)"), "no_outcome > 0"),
    Metric("input_tokens", "tokens", "billed input tokens where known", "input_sum", "no_input"),
    Metric("output_tokens", "tokens", "billed output tokens where known, else what was billed at least", "output_sum",
        "no_output"),
    Metric("output_tokens_per_call", "tokens", "mean billed output of calls that say it", "output_mean"),
    Metric("hidden_tokens", "tokens", "reasoning of all calls", "hidden_sum", "no_hidden"),
    Metric("cost_usd", "usd", "the source's estimate where it reports one, else list price; low end of partial usage",
        "cost", "no_cost"),
    Metric("cost_known_rate", "ratio", "calls whose cost is known / calls", "cost_known / nullif(calls, 0)"),
    Metric("usage_known_rate", "ratio", "calls whose billed output tokens are known / calls",
        "usage_known / nullif(calls, 0)"),
    Metric("cancelled_usage_known_rate", "ratio", "cancelled calls with known usage / cancelled calls",
        "billed_known / cancelled"),
    Metric("tax_low_tokens", "tokens", "sum of the low ends; unknown calls add 0", _of_those_that_left("tax_low")),
    Metric("tax_tokens", "tokens", "exact and estimated calls; NULL where there are neither",
        _of_those_that_left("tax")),
    Metric("tax_high_tokens", "tokens", "sum of the high ends; NULL as soon as one call's is unknown",
        _of_those_that_left("tax_high")),
    Metric("tax_high_known_tokens", "tokens", "sum of the known high ends", _of_those_that_left("tax_high_known")),
    Metric("tax_open_calls", "calls", "cancelled calls without a known high end", "coalesce(tax_open, 0)"),
    Metric("tax_usd", "usd", "exact and estimated calls in dollars, output only", _TAX_USD),
    Metric("tax_low_usd", "usd", "the low end in dollars", _of_those_that_left("tax_low_usd_sum", _USD_NONE)),
    Metric("tax_high_usd", "usd", "the high end in dollars; NULL when open or unpriced",
        _of_those_that_left("tax_high_usd_sum", _USD_NONE)),
    Metric("tax_unpriced_calls", "calls", "calls with a tax and no price", "coalesce(unpriced, 0)"),
    # With an unknown tax, completed calls alone would make the rate 0.
    Metric("tax_rate", "ratio", "cancellation tax / billed output, of calls of which both are known",
        "CASE WHEN no_outcome < calls AND (cancelled IS NULL OR billed_taxed > 0)"
        " THEN coalesce(billed_tax, 0) / nullif(completed_output + coalesce(taxed_output, 0), 0) END",
        rests_on_estimates="estimated_calls > 0"),
    Metric("tax_exact_tokens", "tokens", "tax of the exact calls", "coalesce(exact_tax, 0)"),
    Metric("tax_estimated_tokens", "tokens", "tax of the estimated calls", "coalesce(estimated_tax, 0)"),
    Metric("tax_exact_calls", "calls", "billed and rendered both known", "coalesce(exact_calls, 0)"),
    Metric("tax_estimated_calls", "calls", "a stated rule gives a value and an interval",
        "coalesce(estimated_calls, 0)"),
    Metric("tax_bounded_calls", "calls", "an interval only", "coalesce(bounded_calls, 0)"),
    Metric("tax_unknown_calls", "calls", "neither a value nor an interval", "coalesce(unknown_calls, 0)"),
    Metric("tax_unknown_rate", "ratio", "calls of unknown tax / cancelled calls", "unknown_calls / cancelled"),
    Metric("tax_interval_rate", "ratio", "calls that have an interval with both ends / cancelled calls",
        "interval_calls / cancelled"),
    Metric("rendered_exceeds_billed", "calls", "more rendered than billed (another tokenizer): tax 0",
        "coalesce(exceeds, 0)"),
    Metric("tax_hidden_tokens", "tokens", "part of the tax: billed reasoning", _of_those_that_left("hidden_part"),
        "no_outcome + coalesce(no_value + no_hidden_part, 0) > 0"),
    Metric("tax_undelivered_tokens", "tokens", "part of the tax: generated, never delivered",
        _of_those_that_left("undelivered_part"), "no_outcome + coalesce(no_value + no_undelivered_part, 0) > 0"),
    Metric("tax_unread_tokens", "tokens", "part of the tax: delivered, never shown",
        _of_those_that_left("unread_part"), "no_outcome + coalesce(no_value + no_unread_part, 0) > 0"),
    Metric("tax_unsplit_tokens", "tokens", "part of the tax that the evidence cannot split",
        _of_those_that_left(_UNSPLIT)),
    Metric("orphaned_calls", "calls", "cancelled calls whose generation is known to have run on",
        "coalesce(orphaned, 0)"),
    Metric("tax_orphaned_tokens", "tokens", "part of undelivered: generated by calls that ran on",
        _of_those_that_left("orphaned_part"), "no_outcome + coalesce(no_orphaned_part, 0) > 0"),
    Metric("tax_per_1000_calls_usd", "usd", "tax in dollars / calls x 1,000",
        f"({_TAX_USD}) * 1000 / nullif(calls, 0)"),
    Metric("tax_per_tenant_usd", "usd", "tax in dollars / tenants with a call", f"({_TAX_USD}) / nullif(tenants, 0)"),
    Metric("tax_cost_share", "ratio", "tax / cost, both of the calls with a known cost and a known tax",
        f"({_of_those_that_left('shared_tax_usd', _USD_NONE)})"
        " / nullif(round(coalesce(kept_cost + taxed_cost, kept_cost, taxed_cost), 12), 0)"),
    Metric("unseen_input_tokens", "tokens", "prompts of calls cancelled before the first token",
        "coalesce(unseen_input, CASE WHEN coalesce(no_unseen_input, 0) = 0 AND no_outcome < calls THEN 0 END)",
        "no_outcome + coalesce(no_unseen_input, 0) > 0"),
    Metric("unseen_input_usd", "usd", "the same in dollars",
        "coalesce(unseen_usd, CASE WHEN coalesce(no_unseen_usd, 0) = 0 AND no_outcome < calls THEN 0.0 END)",
        "no_outcome + coalesce(no_unseen_usd, 0) > 0"),
    Metric("first_call", None, "seconds from 1970 to the first call", "first_call"),
)}  # fmt: skip


def column(
    name: str, *, wide: bool = False, kept: bool = False, essential: bool = False, help: str = ""
) -> Column:
    """Return the column of a figure; ``help`` replaces the catalogue's where a table's title repeats half of it."""
    metric = METRICS[name]
    return Column(name, metric.unit, help or metric.help, wide=wide, kept=kept, essential=essential)

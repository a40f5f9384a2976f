"""The cancellation tax: tokens billed minus tokens rendered, of the calls whose client or user left.

Every cancelled call is exact, estimated or unknown (view ``call_tax``); this file only sums. An unknown call adds 0 to
the low end and makes the high end unknown.
"""

from dataclasses import replace
from typing import Any

from streamaudit.audits import group_tables
from streamaudit.audits._notes import coverage_notes, interval, price_note
from streamaudit.report import Column, Mark, Note, Report, Table, Value
from streamaudit.scope import Scope
from streamaudit.store import Store

TITLE = "cancellation tax"

COLUMNS = (
    Column("calls", "calls", "LLM calls counted"),
    Column("cancelled_calls", "calls", "calls whose client or user left"),
    Column("cancelled_before_first_token", "calls", "of these, with evidence that nothing had arrived", wide=True),
    Column("cancel_rate", "ratio", "cancelled calls / calls"),
    Column("tax_low_tokens", "tokens", "sum of the low ends; unknown calls add 0"),
    Column("tax_tokens", "tokens", "exact and estimated calls; NULL where there are neither", wide=True),
    Column("tax_high_tokens", "tokens", "sum of the high ends; NULL as soon as one call's is unknown", wide=True),
    Column("tax_high_known_tokens", "tokens", "sum of the known high ends"),
    Column("tax_open_calls", "calls", "cancelled calls without a known high end", wide=True),
    Column("tax_usd", "usd", "exact and estimated calls in dollars, output only"),
    Column("cost_usd", "usd", "cost of the calls whose cost is known"),
    Column("tax_exact_tokens", "tokens", "tax of the exact calls", wide=True),
    Column("tax_estimated_tokens", "tokens", "tax of the estimated calls", wide=True),
    Column("tax_exact_calls", "calls", "billed and rendered both known"),
    Column("tax_estimated_calls", "calls", "a stated rule gives a value and an interval"),
    Column("tax_bounded_calls", "calls", "an interval only", wide=True),
    Column("tax_unknown_calls", "calls", "neither a value nor an interval"),
    Column("rendered_exceeds_billed", "calls", "more rendered than billed (another tokenizer): tax 0", wide=True),
    Column("tax_low_usd", "usd", "the low end in dollars", wide=True),
    Column("tax_high_usd", "usd", "the high end in dollars; NULL when open or unpriced", wide=True),
    Column("tax_unpriced_calls", "calls", "calls with a tax and no price", wide=True),
    Column("input_tokens", "tokens", "billed input tokens where known", wide=True),
    Column("output_tokens", "tokens", "billed output tokens where known", wide=True),
    Column("hidden_tokens", "tokens", "reasoning of all calls", wide=True),
    Column("tax_hidden_tokens", "tokens", "part of the tax: billed reasoning", wide=True),
    Column("tax_undelivered_tokens", "tokens", "part of the tax: generated, never delivered", wide=True),
    Column("tax_unread_tokens", "tokens", "part of the tax: delivered, never shown", wide=True),
    Column("tax_unsplit_tokens", "tokens", "part of the tax that the evidence cannot split", wide=True),
    Column("unseen_input_tokens", "tokens", "prompts of calls cancelled before the first token", wide=True),
    Column("unseen_input_usd", "usd", "the same in dollars"),
    Column("usage_known_rate", "ratio", "calls with known output tokens / calls", wide=True),
    Column("cancelled_usage_known_rate", "ratio", "cancelled calls with known usage / cancelled calls", wide=True),
)

_SUMS = """
    SELECT
        by_1, by_2, by_3, by_4, {key}
        count(*) AS calls,
        count(*) FILTER (taxed) AS cancelled,
        count(*) FILTER (taxed AND stopped_before_first_token) AS cancelled_early,
        coalesce(sum(tax_low) FILTER (taxed), 0)::BIGINT AS tax_low,
        sum(tax_best) FILTER (taxed)::BIGINT AS tax_tokens,
        coalesce(sum(tax_high) FILTER (taxed), 0)::BIGINT AS tax_high_known,
        count(*) FILTER (taxed AND tax_high IS NULL) AS tax_open,
        sum(tax_best) FILTER (taxed AND tax_class = 'exact')::BIGINT AS tax_exact,
        sum(tax_best) FILTER (taxed AND tax_class = 'estimated')::BIGINT AS tax_estimated,
        count(*) FILTER (taxed AND tax_class = 'exact') AS exact_calls,
        count(*) FILTER (taxed AND tax_class = 'estimated') AS estimated_calls,
        count(*) FILTER (taxed AND tax_class = 'bounded') AS bounded_calls,
        count(*) FILTER (taxed AND tax_class = 'unknown') AS unknown_calls,
        count(*) FILTER (taxed AND tax_rule = 'rendered_exceeds_billed') AS exceeds,
        sum(tax_low_usd) FILTER (taxed) AS low_usd,
        sum(tax_best_usd) FILTER (taxed) AS tax_usd,
        sum(tax_high_usd) FILTER (taxed) AS high_usd,
        count(*) FILTER (taxed AND tax_best > 0 AND tax_best_usd IS NULL) AS unpriced,
        count(*) FILTER (taxed AND tax_high > 0 AND tax_high_usd IS NULL) AS unpriced_high,
        sum(input_tokens)::BIGINT AS input_tokens,
        sum(output_tokens)::BIGINT AS output_tokens,
        sum(reasoning_tokens)::BIGINT AS hidden_tokens,
        coalesce(sum(tax_hidden) FILTER (taxed), 0)::BIGINT AS part_hidden,
        coalesce(sum(tax_undelivered) FILTER (taxed), 0)::BIGINT AS part_undelivered,
        coalesce(sum(tax_unread) FILTER (taxed), 0)::BIGINT AS part_unread,
        sum(input_tokens) FILTER (taxed AND unseen_prompt)::BIGINT AS unseen_input,
        sum(input_cost_usd) FILTER (taxed AND unseen_prompt) AS unseen_usd,
        count(*) FILTER (taxed AND unseen_prompt) AS unseen_calls,
        count(*) FILTER (taxed AND unseen_prompt AND input_tokens IS NOT NULL) AS unseen_known,
        sum(cost_usd) AS cost_usd,
        count(output_tokens) AS usage_known,
        count(billed_tokens) FILTER (taxed) AS billed_known
    FROM (SELECT *, outcome = 'cancelled' AS taxed FROM scope)
    GROUP BY ALL
"""

_QUERY = (
    """
SELECT
    by_1, by_2, by_3, by_4,
    calls, cancelled, cancelled_early, cancelled / nullif(calls, 0),
    tax_low, CASE WHEN cancelled = 0 THEN 0 ELSE tax_tokens END, CASE WHEN tax_open = 0 THEN tax_high_known END,
    tax_high_known, tax_open, CASE WHEN cancelled = 0 THEN 0.0 ELSE tax_usd END, cost_usd,
    coalesce(tax_exact, 0), coalesce(tax_estimated, 0), exact_calls, estimated_calls, bounded_calls, unknown_calls,
    exceeds,
    CASE WHEN cancelled = 0 THEN 0.0 ELSE low_usd END,
    CASE WHEN cancelled = 0 THEN 0.0 WHEN tax_open = 0 AND unpriced_high = 0 THEN high_usd END,
    unpriced, input_tokens, output_tokens, hidden_tokens,
    part_hidden, part_undelivered, part_unread,
    coalesce(tax_tokens, 0) - part_hidden - part_undelivered - part_unread,
    CASE WHEN unseen_calls = 0 THEN 0 ELSE unseen_input END, CASE WHEN unseen_calls = 0 THEN 0.0 ELSE unseen_usd END,
    usage_known / nullif(calls, 0), billed_known / nullif(cancelled, 0)
FROM (
"""
    + _SUMS.format(key="")
    + ")"
)

OUTCOME_COLUMNS = (
    Column("ended_early", None, "how the call ended: cancelled, timeout, interrupted, error, or all of them"),
    Column("calls", "calls", "calls that ended so"),
    Column("unseen_output_tokens", "tokens", "billed output nobody saw, exact and estimated calls"),
    Column("unseen_output_low_tokens", "tokens", "the same counting unknown calls as 0", wide=True),
    Column("unseen_output_usd", "usd", "the same in dollars"),
    Column("unseen_input_tokens", "tokens", "prompts of calls stopped before the first token", wide=True),
    Column("exact_calls", "calls", "billed and rendered both known"),
    Column("estimated_calls", "calls", "by a stated rule"),
    Column("unknown_calls", "calls", "neither"),
)

_BY_OUTCOME = """
SELECT
    outcome, count(*), sum(tax_best)::BIGINT, coalesce(sum(tax_low), 0)::BIGINT, sum(tax_best_usd),
    coalesce(sum(input_tokens) FILTER (unseen_prompt), 0)::BIGINT,
    count(*) FILTER (tax_class = 'exact'), count(*) FILTER (tax_class = 'estimated'),
    count(*) FILTER (tax_class = 'unknown')
FROM scope WHERE ended_early
GROUP BY outcome
"""

CALL_COLUMNS = (
    Column("call_id", None, "the source's id of the call"),
    Column("source", None, "source it came from"),
    Column("tenant"),
    Column("model"),
    Column("route"),
    Column("tax_class", None, "exact, estimated or unknown"),
    Column("tax_rule", None, "the rule that decided"),
    Column("tax_low_tokens", "tokens", "low end"),
    Column("tax_tokens", "tokens", "the value, NULL unknown"),
    Column("tax_high_tokens", "tokens", "high end, NULL unknown"),
    Column("tax_usd", "usd", "the value in dollars"),
)

_TOP_CALLS = """
SELECT call_id, source, tenant, model, route, tax_class, tax_rule, tax_low, tax_best, tax_high, tax_best_usd
FROM scope WHERE outcome = 'cancelled'
ORDER BY tax_low_usd DESC NULLS LAST, tax_low DESC, source, call_id
LIMIT $top_calls
"""

_ORDER = ("cancelled", "timeout", "interrupted", "error")


def run(store: Store, scope: Scope, *, split: bool = False, top_calls: int = 0) -> Report:
    """Tax per group, ranked by its low end in dollars, then the same by how calls ended, then the worst calls."""
    scope.prepare(store)
    tables = group_tables(store, scope, _QUERY, COLUMNS, rank=_rank)
    tables = tuple(_bounded_marks(_parts_shown(table) if split else table) for table in tables)
    tables = (*tables, _by_outcome(store, scope))
    if top_calls:
        rows = store.query(scope.sql(_TOP_CALLS), {**scope.params(), "top_calls": top_calls})
        tables = (*tables, Table("top_calls", CALL_COLUMNS, tuple(tuple(row) for row in rows)))
    notes = (*coverage_notes(store, scope), *_class_notes(tables), *price_note(store, scope))
    return Report(TITLE, interval(store, scope), tables, scope.by, scope.filters, notes)


def _rank(row: dict[str, Value]) -> tuple[Any, ...]:
    return (row["tax_low_usd"] or 0.0, row["tax_low_tokens"], row["cancelled_calls"], row["calls"])


def _parts_shown(table: Table) -> Table:
    """The same table with the parts of the tax on screen in place of the classes."""
    parts = {"tax_hidden_tokens", "tax_undelivered_tokens", "tax_unread_tokens", "tax_unsplit_tokens"}
    classes = {"tax_exact_calls", "tax_estimated_calls", "tax_unknown_calls", "tax_high_known_tokens"}
    columns = tuple(
        replace(column, wide=False if column.name in parts else True if column.name in classes else column.wide)
        for column in table.columns
    )
    return replace(table, columns=columns)


def _bounded_marks(table: Table) -> Table:
    """Lead with the low end, and say beside the high end how many calls it leaves open."""
    marks = dict(table.marks)
    for index, record in enumerate(table.records()):
        if record["tax_open_calls"]:
            marks[(index, "tax_low_tokens")] = Mark(prefix="≥ ")
            marks[(index, "tax_usd")] = Mark(prefix="≥ ")
            marks[(index, "tax_high_known_tokens")] = Mark(prefix="≤ ", suffix=f" + {record['tax_open_calls']:,} open")
        if record["tax_unpriced_calls"]:
            marks[(index, "tax_usd")] = Mark(prefix="≥ ")
    return replace(table, marks=marks)


def _by_outcome(store: Store, scope: Scope) -> Table:
    found = {row[0]: row for row in store.query(scope.sql(_BY_OUTCOME), scope.total().params())}
    rows = [tuple(found.get(name, (name, 0, 0, 0, 0.0, 0, 0, 0, 0))) for name in _ORDER]
    paid = ("paid for nothing", *(_sum([row[index] for row in rows]) for index in range(1, len(OUTCOME_COLUMNS))))
    table = Table("by_outcome", OUTCOME_COLUMNS, (*rows, paid))
    marks = {
        (index, name): Mark(prefix="≥ ")
        for index, record in enumerate(table.records())
        for name in ("unseen_output_tokens", "unseen_output_usd")
        if record["unknown_calls"] and record[name] is not None
    }
    return replace(table, marks=marks)


def _sum(values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _class_notes(tables: tuple[Table, ...]) -> tuple[Note, ...]:
    total = next(table for table in tables if table.name == "total")
    record = next(iter(total.records()))
    stated = (
        (
            "tax_unknown",
            record["tax_unknown_calls"],
            "cancelled calls have no known tax: usage, or what was rendered, was never recorded; "
            "they add 0 to the low end and leave the high end open",
        ),
        ("tax_estimated", record["tax_estimated_calls"], "cancelled calls are estimated: delivered counts as rendered"),
        (
            "rendered_exceeds_billed",
            record["rendered_exceeds_billed"],
            "cancelled calls show more rendered than billed tokens (counted by another tokenizer?): their tax is 0",
        ),
        (
            "tax_unpriced",
            record["tax_unpriced_calls"],
            "cancelled calls have a tax and no price; dollars leave them out",
        ),
    )
    return tuple(
        Note(code, f"{count:,} {message}", count) for code, count, message in stated if isinstance(count, int) and count
    )

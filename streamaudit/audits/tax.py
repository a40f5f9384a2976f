"""The cancellation tax: tokens billed minus tokens rendered, of the calls whose client or user left.

Every cancelled call is exact, estimated, bounded or unknown (view ``call_tax``); this file only sums. An unknown call
adds 0 to the low end and makes the high end unknown.
"""

from dataclasses import replace
from typing import Any

from streamaudit.audits.base import group_tables, mark_bound, mark_high_end, mark_value
from streamaudit.audits.edge_notes import contradiction_notes
from streamaudit.audits.figures import ask
from streamaudit.audits.headline import describe_tax
from streamaudit.audits.metrics import column
from streamaudit.audits.notes import interval_and_notes, price_note
from streamaudit.audits.scope.portable import Text, Texts
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.unseen_output import by_cause, by_outcome
from streamaudit.report.model import Column, Mark, Note, Report, Table, Value
from streamaudit.report.numbers import count
from streamaudit.store.store import Store

NAME = "tax"
TITLE = "cancellation tax"

COLUMNS = (
    column("calls", kept=True),
    column("outcome_unknown_calls", wide=True),
    column("cancelled_calls"),
    column("cancelled_before_first_token", wide=True),
    column("cancel_rate", kept=True),
    column("tax_low_tokens"),
    column("tax_tokens", kept=True),
    column("tax_high_tokens"),
    column("tax_high_known_tokens", wide=True),
    column("tax_open_calls", wide=True),
    column("tax_usd", essential=True),
    column("tax_cost_share", essential=True),
    column("cost_usd", kept=True),
    column("cost_known_rate", wide=True),
    column("tax_exact_tokens", wide=True),
    column("tax_estimated_tokens", wide=True),
    column("tax_exact_calls"),
    column("tax_estimated_calls"),
    column("tax_bounded_calls"),
    column("tax_unknown_calls"),
    column("tax_unknown_rate", wide=True),
    column("tax_interval_rate", wide=True),
    column("rendered_exceeds_billed", wide=True),
    column("tax_low_usd", wide=True),
    column("tax_high_usd", wide=True),
    column("tax_unpriced_calls", wide=True),
    column("input_tokens", wide=True),
    column("output_tokens", wide=True),
    column("hidden_tokens", wide=True),
    column("tax_hidden_tokens", wide=True),
    column("tax_undelivered_tokens", wide=True),
    column("tax_unread_tokens", wide=True),
    column("tax_unsplit_tokens", wide=True),
    column("orphaned_calls", wide=True),
    column("tax_orphaned_tokens", wide=True),
    column("tax_per_1000_calls_usd", wide=True),
    column("tax_per_tenant_usd", wide=True),
    column("unseen_input_tokens", wide=True),
    column("unseen_input_usd"),
    column("usage_known_rate", wide=True),
    column("cancelled_usage_known_rate", wide=True),
)
_NAMES = tuple(one.name for one in COLUMNS)
# As _rank: dollars and tokens of the low ends, 0 where they are unknown.
_RANKS = (
    "COALESCE(SUM(CAST(tax_low_nano_usd AS DECIMAL(20, 0))) FILTER (WHERE outcome = 'cancelled'), 0)",
    "COALESCE(SUM(tax_low) FILTER (WHERE outcome = 'cancelled'), 0)",
    "COUNT(*) FILTER (WHERE outcome = 'cancelled')", "COUNT(*)",
)  # fmt: skip
_QUERY = ask(_NAMES, with_left_out=True, ranks=_RANKS)

STOPPED_COLUMNS = (
    Column("provider"),
    Column("route"),
    Column("on_disconnect", None, "what the provider does: stops, runs_on, contested, or not known"),
    Column("cancelled_calls", "calls", "calls whose client or user left"),
    Column("saved_low_tokens", "tokens", "saved if it stopped as late as is assumed"),
    Column("saved_high_tokens", "tokens", "saved if it stopped at once; NULL as soon as one call's is unknown"),
    Column("saved_high_known_tokens", "tokens", "sum of the known high ends", wide=True),
    Column("saved_low_usd", "usd", "the low end in dollars; NULL when some of it has no price"),
    Column("saved_high_usd", "usd", "the high end in dollars; NULL when open or unpriced"),
    Column("open_calls", "calls", "calls without a known high end"),
)
_IF_STOPPED = """
SELECT
    provider, route, CASE WHEN ran_on THEN 'runs_on' ELSE on_disconnect END AS behaviour, count(*),
    sum(saved_low)::BIGINT, CASE WHEN count(*) = count(saved_high) THEN sum(saved_high)::BIGINT END,
    sum(saved_high)::BIGINT,
    CASE WHEN count(*) FILTER (saved_low > 0 AND usd_per_output_token IS NULL) = 0
        THEN coalesce(round(fsum(saved_low * usd_per_output_token) FILTER (saved_low > 0), 12), 0.0) END,
    CASE WHEN count(*) FILTER (saved_high IS NULL OR (saved_high > 0 AND usd_per_output_token IS NULL)) = 0
        THEN coalesce(round(fsum(saved_high * usd_per_output_token) FILTER (saved_high > 0), 12), 0.0) END,
    count(*) FILTER (saved_high IS NULL)
FROM scope WHERE outcome = 'cancelled'
GROUP BY ALL ORDER BY 8 DESC NULLS LAST, 5 DESC, 7 DESC, 1, 2, 3
"""

UNPRICED_COLUMNS = (
    Column("provider"),
    Column("model"),
    Column("calls", "calls", "calls whose cost is unknown"),
    Column("input_tokens", "tokens", "their input"),
    Column("output_tokens", "tokens", "their output"),
    Column("tax_low_tokens", "tokens", "low end of their tax"),
)
_UNPRICED = """
SELECT provider, coalesce(response_model, model) AS priced_model, count(*) AS calls, CAST(sum(input_tokens) AS BIGINT)
    AS input_sum, CAST(sum(output_tokens) AS BIGINT) AS output_sum,
    CAST(coalesce(sum(tax_low) FILTER (WHERE outcome = 'cancelled'), 0) AS BIGINT) AS low
FROM scope
WHERE output_usd_per_token IS NULL AND output_cost_usd IS NULL AND cache_hit IS DISTINCT FROM true
    AND (output_tokens > 0 OR tax_high > 0)
GROUP BY provider, coalesce(response_model, model)
ORDER BY output_sum DESC NULLS LAST, calls DESC, provider NULLS LAST, priced_model NULLS LAST
LIMIT 50
"""

CALL_COLUMNS = (
    Column("call_id", None, "the source's id of the call", whole=True, essential=True),
    Column("source", None, "source it came from"),
    Column("tenant", kept=True),
    Column("model"),
    Column("route", kept=True),
    Column("tax_class", None, "exact, estimated, bounded or unknown"),
    Column("tax_rule", None, "the rule that decided"),
    Column("tax_low_tokens", "tokens", "low end"),
    Column("tax_tokens", "tokens", "the value, NULL unknown", kept=True),
    Column("tax_high_tokens", "tokens", "high end, NULL unknown"),
    Column("tax_usd", "usd", "the value in dollars", of_call=True, essential=True),
    Column("tax_low_usd", "usd", "low end in dollars", wide=True, of_call=True),
    Column("tax_high_usd", "usd", "high end in dollars", wide=True, of_call=True),
)

# As groups are ranked: by the low end, in dollars and then in tokens; an unknown amount adds nothing to a rank.
_TOP_CALLS = """
SELECT
    call_id, source, tenant, model, route, tax_class, tax_rule, tax_low, tax_best, tax_high, tax_best_usd,
    tax_low_usd, tax_high_usd
FROM scope WHERE outcome = 'cancelled'
ORDER BY
    coalesce(tax_low_usd, 0) DESC, tax_low DESC, coalesce(tax_best_usd, 0) DESC, coalesce(tax_best, 0) DESC,
    coalesce(tax_high_usd, 0) DESC, coalesce(tax_high, 0) DESC, source, call_id
LIMIT $top_calls
"""

STEP_COLUMNS = (
    Column("step", None, "billed, its parts that no user saw, and what is left", kept=True),
    Column("calls", "calls", "cancelled calls whose amount is known"),
    Column("tokens", "tokens", "sum over these calls; NULL when no call knows it", kept=True),
)
# All steps cover the same calls, those whose tax is known, so that they add up.
_STEPS = """
SELECT
    count(*) AS calls, sum(billed_tokens) AS billed, sum(tax_best) AS tax,
    sum(tax_hidden) AS hidden, sum(tax_undelivered) AS undelivered, sum(tax_unread) AS unread,
    count(tax_hidden) AS hidden_calls, count(tax_undelivered) AS undelivered_calls, count(tax_unread) AS unread_calls
FROM scope WHERE outcome = 'cancelled' AND tax_best IS NOT NULL
"""
_KEPT_WITH_PARTS = ("tax_tokens",)
PARTS = ("tax_hidden_tokens", "tax_undelivered_tokens", "tax_unread_tokens", "tax_unsplit_tokens")


def run(store: Store, scope: Scope, *, split: bool = False, top_calls: int = 0, if_stopped: bool = False) -> Report:
    """Return the tax per group, ranked by its low end in dollars, by ending and cause, and unpriced models.

    ``split`` shows the parts as columns and as bars, ``top_calls`` lists the most expensive calls, ``if_stopped`` adds
    the saving if every provider were stopped at the cancel.
    """
    scope.prepare(store)
    tables = group_tables(store, scope, _QUERY, COLUMNS, rank=_rank)
    if split:
        tables = tuple(map(_show_parts, tables))
    if split:
        tables = (*tables, _bars(tables[0]), _waterfall(store, scope))
    tables = (*tables, by_outcome(store, scope), by_cause(store, scope))
    if if_stopped:
        tables = (*tables, _list_calls(store, scope, "if_stopped", STOPPED_COLUMNS, _IF_STOPPED))
    unpriced = _list_calls(store, scope, "unpriced_models", UNPRICED_COLUMNS, _UNPRICED)
    if unpriced.rows:
        tables = (*tables, unpriced)
    if top_calls:
        query = Texts(_TOP_CALLS, _TOP_CALLS.replace("$top_calls", str(top_calls)))
        rows = scope.total().rows(store, query, {"top_calls": top_calls})
        tables = (*tables, _mark_calls(Table("top_calls", CALL_COLUMNS, tuple(tuple(row) for row in rows))))
    interval, notes = interval_and_notes(store, scope)
    notes = (*notes, *_class_notes(tables), *price_note(store, scope), *contradiction_notes(store, scope))
    (total,) = next(table for table in tables if table.name == "total").records()
    return Report(TITLE, interval, tables, scope.by, scope.filters, notes, headline=describe_tax(total),
        command=NAME)  # fmt: skip


def _list_calls(store: Store, scope: Scope, name: str, columns: tuple[Column, ...], query: Text) -> Table:
    found = scope.total().rows(store, query)
    table = Table(name, columns, tuple(tuple(row) for row in found))
    return _stopped_marks(table) if columns == STOPPED_COLUMNS else table


def _mark_calls(table: Table) -> Table:
    """Return the calls with the marks that the sum of a group has."""
    marks: dict[tuple[int, str], Mark] = {}
    for index, record in enumerate(table.records()):
        for unit in ("tokens", "usd"):
            low, value, high = (f"tax_{end}{unit}" for end in ("low_", "", "high_"))
            found = {
                low: mark_bound(record[low], record[low], record[high]),
                value: mark_value(record[value], record[low], record[high], low),
                high: mark_high_end(record[high], 0, differs=record[low] != record[high]),
            }
            marks |= {(index, name): mark for name, mark in found.items() if mark}
    return replace(table, marks=marks)


def _bars(table: Table) -> Table:
    """Return the parts of each group's tax, for a screen to draw as one bar."""
    names = [column.name for column in table.columns]
    places = [*range(len(table.by)), *(names.index(part) for part in PARTS)]
    rows = tuple(tuple(row[place] for place in places) for row in table.rows)
    columns = tuple(table.columns[place] for place in places)
    return Table(
        "tax_parts", columns, rows, table.by, table.rest_row, table.rest_groups, table.rest_is, shape="stacked"
    )  # fmt: skip


def _waterfall(store: Store, scope: Scope) -> Table:
    """Return the steps from the billed to the rendered tokens of cancelled calls whose tax is known."""
    calls, billed, tax, *parts = scope.total().rows(store, _STEPS)[0]
    named = dict(zip(("hidden", "undelivered", "unread"), zip(parts[3:], parts[:3], strict=True), strict=True))
    split = sum(tokens or 0 for _, tokens in named.values())
    found = [
        ("billed", calls, billed, calls), *((name, known, tokens, calls) for name, (known, tokens) in named.items()),
        ("unsplit", calls, None if tax is None else tax - split, calls),
        ("rendered", calls, None if billed is None or tax is None else billed - tax, calls),
    ]  # fmt: skip
    # Calls that cannot split their tax are in `unsplit`, so the known parts are lower bounds.
    marks = {
        (index, "tokens"): Mark(prefix="≥ ")
        for index, (_, known, tokens, calls) in enumerate(found) if tokens is not None and known < calls
    }  # fmt: skip
    rows = tuple(tuple(row[:3]) for row in found)
    return Table("tax_waterfall", STEP_COLUMNS, rows, shape="waterfall", marks=marks)


def _rank(row: dict[str, Value]) -> tuple[Any, ...]:
    return (row["tax_low_usd"] or 0.0, row["tax_low_tokens"] or 0, row["cancelled_calls"], row["calls"])


def _show_parts(table: Table) -> Table:
    """Return the same table with the parts of the tax on screen instead of the classes."""
    classes = {"tax_exact_calls", "tax_estimated_calls", "tax_bounded_calls", "tax_unknown_calls"}
    columns = tuple(
        replace(column, wide=False, kept=True) if column.name in PARTS
        else replace(column, wide=column.wide or column.name in classes, kept=column.name in _KEPT_WITH_PARTS)
        for column in table.columns
    )  # fmt: skip
    return replace(table, columns=columns)


def _stopped_marks(table: Table) -> Table:
    marks: dict[tuple[int, str], Mark] = {}
    for index, record in enumerate(table.records()):
        for unit in ("tokens", "usd"):
            low, high = f"saved_low_{unit}", f"saved_high_{unit}"
            found = {
                low: mark_bound(record[low], record[low], record[high]),
                high: mark_high_end(record[high], record["open_calls"], differs=record[low] != record[high]),
            }
            marks |= {(index, name): mark for name, mark in found.items() if mark}
    return replace(table, marks=marks)


def _percent(rate: Value) -> str:
    return f"{rate * 100:.1f} %" if isinstance(rate, float) else "-"


def _class_notes(tables: tuple[Table, ...]) -> tuple[Note, ...]:
    total = next(table for table in tables if table.name == "total")
    record = next(iter(total.records()))
    intervals = record["tax_interval_rate"]
    known = f"; {_percent(intervals)} of all have a range" if isinstance(intervals, float) else ""
    stated = (
        ("tax_unknown", record["tax_unknown_calls"],
            f"({_percent(record['tax_unknown_rate'])}) cannot be sized, for lack of usage or rendered tokens: they add "
            f"0 to the lower bound and leave no upper bound{known}"),
        ("tax_estimated", record["tax_estimated_calls"], "estimated; streamaudit explain shows the rule of each"),
        ("tax_bounded", record["tax_bounded_calls"], "with a range and no estimate: only the bounds include them"),
        ("rendered_exceeds_billed", record["rendered_exceeds_billed"],
            "with more rendered than billed tokens (of another tokenizer?): their tax is 0"),
        ("tax_unpriced", record["tax_unpriced_calls"], "with a tax and no price: dollars exclude them"),
    )  # fmt: skip
    return tuple(
        Note(code, f"{count(calls, 'cancelled call')} {message}", calls)
        for code, calls, message in stated if isinstance(calls, int) and calls
    )  # fmt: skip

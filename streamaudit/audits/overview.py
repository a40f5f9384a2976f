"""The overview: waits, cancels, and the cost of tokens that no user saw, per group."""

from streamaudit.audits.base import group_tables
from streamaudit.audits.figures import ask
from streamaudit.audits.goodput import goodput_notes, goodput_params, goodput_tables, streaming_columns
from streamaudit.audits.headline import describe_tax, describe_waits
from streamaudit.audits.metrics import column
from streamaudit.audits.notes import interval_and_notes
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.targets import Targets
from streamaudit.audits.trend import add_trend
from streamaudit.report.model import Report
from streamaudit.store.store import Store

NAME = "report"
TITLE = "streamaudit report"
SUBJECT = "waits, cancels and cost"

# What a screen of 80 columns has room for comes first, then what one of 120 adds.
COLUMNS = (
    column("calls", kept=True, help="LLM calls counted; embeddings only with --by operation"),
    column("ttft_p50_ms", kept=True),
    column("ttft_p95_ms", kept=True),
    column("cancel_rate", kept=True),
    column("cost_usd", kept=True),
    column("tax_usd", kept=True, help="cancellation tax in dollars: exact and estimated calls"),
    column("tax_cost_share"),
    column("usage_known_rate"),
    column("cancelled_usage_known_rate", help="the same of cancelled calls"),
    column("output_tokens", help="billed output tokens where known, reasoning included"),
    column("outcome_unknown_calls", wide=True),
    column("streamed_calls", wide=True),
    column("ttft_calls", wide=True),
    column("ttft_p90_ms", wide=True),
    column("ttft_p99_ms", wide=True),
    column("duration_p50_ms", wide=True),
    column("duration_p95_ms", wide=True),
    column("tpot_calls", wide=True),
    column("tpot_p50_ms", wide=True),
    column("tpot_p90_ms", wide=True),
    column("tpot_p95_ms", wide=True),
    column("tpot_p99_ms", wide=True),
    column("output_tokens_per_s_p50", wide=True),
    column("errors", wide=True),
    column("timeouts", wide=True),
    column("cancelled_calls", wide=True),
    column("cancelled_before_first_token", wide=True),
    column("input_tokens", wide=True),
    column("hidden_tokens", wide=True),
    column("tax_low_tokens", wide=True, help="cancellation tax: sum of the low ends, unknown calls adding 0"),
    column("tax_tokens", wide=True, help="exact and estimated calls"),
    column("tax_high_tokens", wide=True),
    column("tax_open_calls", wide=True),
    column("tax_low_usd", wide=True),
    column("tax_high_usd", wide=True),
    column("tax_unpriced_calls", wide=True),
    column("tax_unknown_calls", wide=True),
    column("cost_known_rate", wide=True),
)


def run(
    store: Store, scope: Scope, *, targets: Targets | None = None, gaps: bool = False, trend: bool = False
) -> Report:  # fmt: skip
    """Return one row per group, largest first, and the total.

    ``targets`` adds goodput, ``gaps`` the latencies between chunks, ``trend`` the median TTFT by day, week or month.
    """
    scope.prepare(store)
    columns = (*COLUMNS, *streaming_columns(targets, gaps=gaps))
    names = tuple(one.name for one in columns)
    query, bound = ask(names, with_left_out=True, ranks=("count(*)",)), goodput_params(store, scope, targets)
    tables = group_tables(store, scope, query, columns, lambda row: (row["calls"],), bound)
    interval, notes = interval_and_notes(store, scope)
    (total,) = tables[-1].records()
    if trend:
        tables = add_trend(store, scope, tables, interval, "ttft_p50_ms", after="ttft_p95_ms")
    answer = describe_tax(total)
    if total["calls"]:
        answer += " " + describe_waits(total, tables[0])
    tables, notes = (*tables, *goodput_tables(store, scope, targets)), (*goodput_notes(targets), *notes)
    return Report(TITLE, interval, tables, scope.by, scope.filters, notes, headline=answer,
        subject=SUBJECT, command=NAME)  # fmt: skip

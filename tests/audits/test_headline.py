"""The sentence on top: what it says of much data, of little, and of none, and never more than the figures hold."""

from dataclasses import replace

import pytest

from streamaudit.audits.headline import describe_tax, describe_waits
from streamaudit.report.model import NO_WINDOW, Column, Report, Table, Value
from streamaudit.report.redact import redact_report
from streamaudit.report.render import json as as_json
from streamaudit.report.render import table as as_table
from streamaudit.report.render.formats import Screen

EXACT: dict[str, Value] = {
    "calls": 1000, "cancelled_calls": 50, "outcome_unknown_calls": 0, "tax_unknown_calls": 0,
    "tax_low_usd": 1.26, "tax_usd": 1.26, "tax_high_usd": 1.26, "tax_low_tokens": 900, "tax_tokens": 900,
    "tax_high_tokens": 900, "cost_usd": 174.91, "cost_known_rate": 1.0, "tax_cost_share": 0.0072,
}  # fmt: skip
PAID = "was paid for answers that no user saw"


@pytest.mark.parametrize(("changes", "sentence"), [
    ({}, f"$1.26 of $174.91 (0.7 %) {PAID}."),
    ({"cost_known_rate": 0.95}, f"$1.26 of at least $174.91 (0.7 %) {PAID}."),
    ({"cost_known_rate": 0.79}, f"$1.26 {PAID}."),
    ({"tax_low_usd": 0.9, "tax_high_usd": None, "tax_unknown_calls": 829},
     f"At least $0.90 and about $1.26 of $174.91 (0.7 %) {PAID}; 829 cancelled calls cannot be sized."),
    ({"tax_low_usd": 0.0}, f"About $1.26 of $174.91 (0.7 %) {PAID}."),
    ({"tax_high_usd": 2.0}, f"At least $1.26 of $174.91 (0.7 %) {PAID}."),
    ({"outcome_unknown_calls": 3}, f"At least $1.26 of $174.91 (0.7 %) {PAID}."),
    # A bounded call is in the low end and has no value: a middle below the low end is never shown.
    ({"tax_usd": 1.0, "tax_low_usd": 1.5, "tax_high_usd": None}, f"At least $1.50 of $174.91 (0.7 %) {PAID}."),
    ({"tax_usd": None, "tax_low_usd": None, "tax_high_usd": None},
     "900 tokens were billed for answers that no user saw, at unknown prices."),
    ({"tax_usd": 0.0, "tax_low_usd": 0.0}, f"$0.00 of $174.91 (0.7 %) {PAID}."),
    ({"tax_usd": 0.001, "tax_low_usd": 0.001, "tax_high_usd": 0.001, "tax_cost_share": None},
     f"Less than $0.01 of $174.91 {PAID}."),
    ({"tax_usd": 0.041, "tax_low_usd": 0.04, "tax_high_usd": 2.0}, f"About $0.04 of $174.91 (0.7 %) {PAID}."),
    ({"tax_usd": 1.0, "tax_low_usd": 0.002, "tax_high_usd": 2.0},
     f"At least a fraction of a cent and about $1.00 of $174.91 (0.7 %) {PAID}."),
    ({"cancelled_calls": 0}, "No call was cancelled."),
    ({"cancelled_calls": 0, "outcome_unknown_calls": 1},
     "No call is known to be cancelled; how 1 call ended is not recorded."),
    ({"outcome_unknown_calls": 1000}, "No call records how it ended, so the cancellation tax is unknown."),
    ({"calls": 0}, "No calls match."),
])  # fmt: skip
def test_the_tax_in_a_sentence(changes: dict[str, Value], sentence: str) -> None:
    """Exact, bounded, estimated, unpriced, partly covered, none."""
    if changes == {"tax_usd": 0.0, "tax_low_usd": 0.0}:
        changes = {**changes, "tax_high_usd": 0.0}
    assert describe_tax({**EXACT, **changes}) == sentence


def test_a_tax_of_which_nothing_is_known_is_not_zero() -> None:
    """Zero as a lower bound of unknown calls is no amount: the sentence says that it is unknown."""
    nothing: dict[str, Value] = {
        name: 0 if "low" in name else None for name in EXACT if name.startswith("tax_") and "calls" not in name
    }
    said = describe_tax({**EXACT, **nothing, "tax_unknown_calls": 50})
    assert said == "What 50 cancelled calls cost for nothing is unknown: see streamaudit coverage."


def waits(calls: int, p50: float | None, p95: float | None) -> dict[str, Value]:
    """A row of waits."""
    return {"calls": calls, "streamed_calls": calls, "ttft_calls": calls, "ttft_p50_ms": p50, "ttft_p95_ms": p95}


def by_tenant(*p95: float | None, rest_row: int | None = None) -> Table:
    """A table whose last row is of the calls without a tenant, or of all tenants beyond ``--top``."""
    names = [*(f"t{number}" for number in range(len(p95) - 1)), None]
    columns = (Column("tenant"), Column("ttft_p95_ms", "ms"))
    return Table("by_tenant", columns, tuple(zip(names, p95, strict=True)), ("tenant",), rest_row, 9)


def test_the_wait_in_a_sentence() -> None:
    """Groups above the limit are counted among those that have a name and a p95."""
    total = waits(100, 419.0, 1250.0)
    table = by_tenant(2001.0, 2000.0, None, 9000.0)
    assert describe_waits(total, table) == "TTFT p50 419 ms, p95 1.25 s; 1 of 2 tenants is above 2.00 s."
    assert describe_waits(total, table, 800.0).endswith("; 2 of 2 tenants are above 800 ms.")
    assert describe_waits(total) == "TTFT p50 419 ms, p95 1.25 s."
    assert describe_waits(waits(5, 12.0, None)) == "TTFT p50 12.0 ms."
    assert describe_waits({**waits(5, None, None), "ttft_calls": 0}) == "No call has a TTFT."
    assert describe_waits(waits(0, None, None)) == "No calls match."


def test_a_wait_of_few_calls_says_how_many() -> None:
    """Below 80 % of the streams a percentile may be of another kind of calls."""
    assert describe_waits({**waits(100, 419.0, 1250.0), "ttft_calls": 79}) == (
        "TTFT p50 419 ms, p95 1.25 s (79 of 100 streamed calls)."
    )
    assert "streamed" not in describe_waits({**waits(100, 419.0, 1250.0), "ttft_calls": 80})


def test_groups_beyond_the_top_are_not_counted_as_fast() -> None:
    """The sentence is of the groups that are shown."""
    table = by_tenant(2001.0, 100.0, 9000.0, rest_row=2)
    assert describe_waits(waits(9, 419.0, 1250.0), table).endswith("; 1 of 2 tenants shown is above 2.00 s.")


NAMED = Report(
    "r", NO_WINDOW, (Table("total", (Column("calls"),), ((1,),)),), headline="the largest on {0}: +54 %",
    headline_names=(("route", "GET /{x}\x1b[31m"),),
)  # fmt: skip


def test_a_name_in_a_headline_is_escaped_and_can_be_hidden() -> None:
    """It comes from trace data: braces are no places, escapes are made visible, an alias replaces it."""
    assert "\x1b" not in as_table.render(NAMED, Screen())
    assert "GET /{x}" in as_table.render(NAMED, Screen())
    hidden = redact_report(NAMED, ("route",), "key")
    assert hidden.answer.startswith("the largest on route-")
    assert "GET" not in as_json.render(hidden, Screen())
    assert redact_report(NAMED, ("tenant",), "key").answer == NAMED.answer


def test_a_headline_without_names_is_literal() -> None:
    """So that a figure in braces breaks nothing."""
    assert replace(NAMED, headline="{0}", headline_names=()).answer == "{0}"

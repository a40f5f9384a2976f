"""The gap by cause: what reported costs leave out, what calls cannot tell, and that the parts add up exactly."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaudit.audits.reconcile.bill import Bill, Billed, Volume
from streamaudit.audits.reconcile.causes import CAUSES, split_gap
from streamaudit.audits.reconcile.report import run
from streamaudit.audits.reconcile.traced import ENOUGH_CALLS, LEFT_OUT, Effect, Traced
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.model import Report
from streamaudit.store.pricing.reprice import reprice
from streamaudit.store.store import Store
from tests.support import Record, ingest, raw_call, store_of, write_lines

NOVEMBER = ("2026-11", "openai")
# Of gpt-5.4 on 21 November 2026, USD a token: above 272,000 tokens of input a call costs the second.
INPUT, CACHED, OUTPUT = 2.5e-6, 0.25e-6, 15e-6
LONG_INPUT, LONG_OUTPUT = 5e-6, 22.5e-6


def call(name: str, cost: float | None, **fields: Any) -> Record:
    """A call of gpt-5.4 at the cost that its source reports; every kind of token known."""
    fields = {
        "provider": "openai", "model": "gpt-5.4", "input_tokens": 1000, "cached_input_tokens": 0, "output_tokens": 100,
        "reasoning_tokens": 0, "service_tier": "default", "cost_usd": cost,
        **fields,
    }  # fmt: skip
    return raw_call(name, **fields)


def split(path: Path, calls: Iterable[Record], billed: Billed) -> Record:
    """The first row's figures, causes without their frame."""
    with repriced(path, calls) as store:
        return split_of(run(store, Scope(), Bill({NOVEMBER: billed}, "plain")))


@contextmanager
def repriced(path: Path, calls: Iterable[Record]) -> Iterator[Store]:
    """A store with these calls, in the tier that each has."""
    records = list(calls)
    with store_of(write_lines(path / "calls.jsonl", records)) as store:
        for record in records:  # raw lines do not record it
            tier = {"id": record["request_id"], "tier": record.get("service_tier")}
            store.run("UPDATE store.calls SET service_tier = $tier WHERE call_id = $id", tier)
        reprice(store)
        yield store


def split_of(report: Report) -> Record:
    """The first row's figures, causes without their frame, which add up."""
    row = next(report.tables[0].records())
    assert exact_sum(row) == Decimal(repr(row["gap_usd"]))
    found: Record = {cause: row[f"gap_{cause}_usd"] for cause in CAUSES}
    return found


def exact_sum(row: Mapping[str, Any]) -> Decimal:
    parts = (row[f"gap_{cause}_usd"] for cause in CAUSES)
    return sum((Decimal(repr(part)) for part in parts if part is not None), Decimal(0))


def billed(usd: float, **more: Any) -> Billed:
    return Billed(Decimal(repr(usd)), None, 1, **more)


@pytest.mark.parametrize(
    ("fields", "cost", "cause", "part"),
    [
        # All input at the price of plain input, though 800 of 1,000 tokens came from the cache.
        ({"cached_input_tokens": 800}, 1000 * INPUT + 100 * OUTPUT, "cache", 800 * (CACHED - INPUT)),
        # The answer without the reasoning that is billed with it.
        ({"reasoning_tokens": 60}, 1000 * INPUT + 40 * OUTPUT, "reasoning", 60 * OUTPUT),
        # The price of short inputs for a long one.
        (
            {"input_tokens": 300_000}, 300_000 * INPUT + 100 * OUTPUT, "long_context",
            300_000 * (LONG_INPUT - INPUT) + 100 * (LONG_OUTPUT - OUTPUT),
        ),
        # The standard price for a batch at half of it.
        ({"service_tier": "batch"}, 1000 * INPUT + 100 * OUTPUT, "service_tier", -(1000 * INPUT + 100 * OUTPUT) / 2),
    ],
)  # fmt: skip
def test_what_a_reported_cost_leaves_out_is_the_cause(
    tmp_path: Path, fields: Record, cost: float, cause: str, part: float
) -> None:
    """The invoice has what the tokens cost at list price, so nothing else is left of the gap."""
    found = split(tmp_path, [call("1", cost, **fields)], billed(cost + part))
    assert found[cause] == pytest.approx(part, abs=1e-9)
    assert {found[other] for other in LEFT_OUT if other != cause} == {0.0}
    assert found["unknown"] == pytest.approx(0, abs=1e-9)
    assert found["calls_without_usage"] == 0.0
    assert [found[other] for other in ("calls_without_traces", "discounts", "other_charges", "taxes")] == [None] * 4


def test_two_things_left_out_are_two_causes(tmp_path: Path) -> None:
    cost = 1000 * INPUT + 40 * OUTPUT
    paid = 200 * INPUT + 800 * CACHED + 100 * OUTPUT
    found = split(tmp_path, [call("1", cost, cached_input_tokens=800, reasoning_tokens=60)], billed(paid))
    assert found["cache"] == pytest.approx(800 * (CACHED - INPUT), abs=1e-9)
    assert found["reasoning"] == pytest.approx(60 * OUTPUT, abs=1e-9)
    assert found["unknown"] == pytest.approx(0, abs=1e-9)


def test_a_cost_near_no_list_price_has_no_known_cause(tmp_path: Path) -> None:
    """A reseller's own price: the kinds of tokens are known, what the cost is made of is not."""
    found = split(tmp_path, [call("1", 0.5, cached_input_tokens=800)], billed(2.0))
    assert [found[cause] for cause in LEFT_OUT] == [None] * 4
    assert found["unknown"] == 1.5


def test_calls_that_do_not_tell_make_a_cause_unknown_and_not_zero(tmp_path: Path) -> None:
    """No call records the cache, reasoning or its tier; a long input it would be seen by its length."""
    silent = {"cached_input_tokens": None, "reasoning_tokens": None, "service_tier": None}
    cost = 1000 * INPUT + 100 * OUTPUT
    found = split(tmp_path, [call("1", cost, **silent)], billed(cost + 1))
    assert [found[cause] for cause in LEFT_OUT] == [None, 0.0, None, None]
    assert found["unknown"] == 1.0


def test_a_list_price_leaves_nothing_out(tmp_path: Path) -> None:
    found = split(tmp_path, [call("1", None, cached_input_tokens=800)], billed(1.0))
    assert [found[cause] for cause in LEFT_OUT] == [0.0] * 4


def test_calls_without_usage_cost_what_the_others_of_their_model_do(tmp_path: Path) -> None:
    """From 20 calls on, and marked as an estimate; what tokens were billed beyond it has no trace."""
    lost = [call(f"x{index}", None, input_tokens=None, output_tokens=None, outcome="cancelled") for index in range(2)]
    known = [call(f"k{index}", 0.5, cached_input_tokens=0) for index in range(ENOUGH_CALLS)]
    assert split(tmp_path, [*known[1:], *lost], billed(20))["calls_without_usage"] is None
    volumes = {"input": Volume(30_000, Decimal(15)), "output": Volume(2_000, Decimal(5))}
    with repriced(tmp_path, [*known, *lost]) as store:
        plain, report = (
            run(store, Scope(), Bill({NOVEMBER: bill}, "plain")) for bill in (billed(20), billed(20, volumes=volumes))
        )
    assert split_of(plain)["calls_without_usage"] == 1.0
    found = split_of(report)
    assert found["calls_without_usage"] == 1.0
    assert found["calls_without_traces"] == 15 / 3 - 1
    assert {name for (_, name), mark in report.tables[1].marks.items() if mark.prefix == "~ "} == {
        "gap_calls_without_usage_usd", "gap_calls_without_traces_usd", "gap_unknown_usd",
    }  # fmt: skip


def test_a_bill_without_calls_is_all_of_calls_without_traces(store: Store) -> None:
    """But for the charges that are of no call; nothing of it is unknown."""
    bill = billed(10, discount_usd=Decimal("-2"), other_usd=Decimal("-1"), tax_usd=Decimal("0.5"))
    report = run(store, Scope(), Bill({NOVEMBER: bill}, "focus"))
    row = next(report.tables[0].records())
    assert row["gap_calls_without_traces_usd"] == 12.5
    assert {row[f"gap_{cause}_usd"] for cause in (*LEFT_OUT, "calls_without_usage", "unknown")} == {0.0}


def test_the_answer_names_the_gap_and_its_largest_cause(tmp_path: Path) -> None:
    """With its sign; at most where calls lack a cost, and none where nothing is known."""
    path = write_lines(tmp_path / "calls.jsonl", [call("1", 10.0, cached_input_tokens=None)])
    with store_of(path) as store:

        def answer(bill: Billed) -> str:
            return run(store, Scope(), Bill({NOVEMBER: bill}, "plain")).headline

        assert answer(billed(12)) == "$2.00 of the $12.00 billed has no traced cost; no cause is known."
        taxed = billed(12, tax_usd=Decimal(3), discount_usd=Decimal(-4))
        assert answer(taxed) == (
            "$2.00 of the $12.00 billed has no traced cost; the largest known cause is discounts, -$4.00."
        )
        assert answer(billed(7)).startswith("Traced cost exceeds the $7.00 billed by $3.00;")
        lost = call("2", None, input_tokens=None, output_tokens=None)
        ingest(store, write_lines(tmp_path / "more.jsonl", [lost]))
        assert answer(billed(12)).startswith("At most $2.00 of the $12.00 billed has no traced cost;")
        assert answer(billed(7)).startswith("Traced cost exceeds the $7.00 billed by at least $3.00;")


def test_a_row_without_a_gap_has_no_causes(tmp_path: Path) -> None:
    """Calls that no invoice line has, and calls of which none knows its cost."""
    calls = [call("1", 1.0), call("2", None, provider="anthropic", model="a-model-without-a-price")]
    with store_of(write_lines(tmp_path / "calls.jsonl", calls)) as store:
        report = run(store, Scope(), Bill({("2026-11", "anthropic"): billed(5)}, "plain"))
    for row in report.tables[0].records():
        assert row["gap_usd"] is None
        assert {row[f"gap_{cause}_usd"] for cause in CAUSES} == {None}


def test_the_tiers_of_the_bill_serve_where_no_call_tells_its_own(tmp_path: Path) -> None:
    cost = 1000 * INPUT + 100 * OUTPUT
    bill = billed(1, tier_usd=Decimal("-0.25"))
    assert split(tmp_path, [call("1", cost, service_tier=None)], bill)["service_tier"] == -0.25
    assert split(tmp_path, [call("1", cost)], bill)["service_tier"] == 0.0


def test_an_embedding_knows_both_counts_of_tokens(store: Store, tmp_path: Path) -> None:
    """It has no output, which is no unknown output."""
    fields = {"operation": "embedding", "cost_usd": 0.1, "input_tokens": 50, "output_tokens": None}
    embedding = raw_call("1", provider="openai", **fields)
    ingest(store, write_lines(tmp_path / "calls.jsonl", [embedding]))
    row = next(run(store, Scope(), Bill({NOVEMBER: Billed(Decimal(1), 60, 1)}, "plain")).tables[0].records())
    assert (row["tokens"], row["tokens_unknown_calls"], row["gap_tokens"]) == (50, 0, 10)


_MONEY = st.decimals(-1000, 1000, places=6)
_EFFECT = st.one_of(st.none(), st.floats(-1e3, 1e3, allow_nan=False))


@given(st.floats(-1e6, 1e6), st.tuples(*[_EFFECT] * 4), _EFFECT, _MONEY | st.none(), st.integers(0, 3000))
def test_parts_add_up_to_the_gap_exactly(
    gap: float, left_out: tuple[float | None, ...], no_usage: float | None, tax: Decimal | None, tokens: int
) -> None:
    """Whatever is known: in decimal, at the twelve places that are kept of money."""
    gap = round(gap, 12)
    calls = Traced(
        calls=9, usd=1.0, input_tokens=1000, left_out=tuple(Effect(usd, 1) for usd in left_out),
        no_usage=Effect(None if no_usage is None else abs(no_usage), 1),
    )  # fmt: skip
    bill = billed(5, tax_usd=tax, volumes={"input": Volume(tokens, Decimal(5))} if tokens else {})
    for side in (calls, None):
        parts = split_gap(gap, side, bill).parts
        known = [effect.usd for effect in parts.values() if effect.usd is not None]
        assert list(parts) == list(CAUSES)
        assert float(sum((Decimal(repr(usd)) for usd in known), Decimal(0))) == pytest.approx(gap, abs=1e-9)

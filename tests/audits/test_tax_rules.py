"""The cancellation tax, rule by rule: what is exact, estimated and unknown, and that every part and total adds up."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from streamaudit.audits.scope.scope import Scope
from streamaudit.store.store import Store
from tests.support import AUDITS, Record, audit, calls, grouped, ingest, notes, raw_call, store_of, total, write_lines

# (what is known of a cancelled call that billed 100 tokens at 0.0001 dollars each) -> (class, low, best, high, rule)
KNOWN = tuple[str, int, int | None, int | None, str]
CASES: dict[str, tuple[Record, KNOWN]] = {
    "billed and rendered": ({"rendered_tokens": 30}, ("exact", 70, 70, 70, "billed_minus_rendered")),
    "all of it rendered": ({"rendered_tokens": 100}, ("exact", 0, 0, 0, "billed_minus_rendered")),
    "nothing rendered": ({"rendered_tokens": 0}, ("exact", 100, 100, 100, "billed_minus_rendered")),
    "more rendered than billed": ({"rendered_tokens": 140}, ("exact", 0, 0, 0, "rendered_exceeds_billed")),
    "rendered goes before delivered": (
        {"rendered_tokens": 30, "delivered_tokens": 60}, ("exact", 70, 70, 70, "billed_minus_rendered"),
    ),
    "only delivered": ({"delivered_tokens": 60}, ("estimated", 40, 40, 100, "delivered_counts_as_rendered")),
    "more delivered than billed": ({"delivered_tokens": 140}, ("estimated", 0, 0, 100, "delivered_counts_as_rendered")),
    "nothing delivered": ({"delivered_tokens": 0}, ("exact", 100, 100, 100, "nothing_delivered")),
    "left before the first chunk by the clock": (
        {"cancelled_at_ms": 300, "ttft_ms": 900}, ("exact", 100, 100, 100, "stopped_before_first_token"),
    ),
    "left after the first chunk by the clock": (
        # 600 of the 4,700 ms in which 100 tokens came: 13 shown at an even pace, and nobody knows that it was even
        {"cancelled_at_ms": 900, "ttft_ms": 300}, ("estimated", 0, 87, 100, "even_pace"),
    ),
    "left after the end by the clock": (
        {"cancelled_at_ms": 5100, "ttft_ms": 300}, ("bounded", 0, None, 100, "no_rendered_evidence"),
    ),
    "left while a provider that ran on was generating": (
        {"cancelled_at_ms": 1300, "ttft_ms": 300, "duration_ms": 1300, "upstream_end_ms": 4300},
        ("estimated", 0, 75, 100, "even_pace"),
    ),
    "reasoning was never shown": (
        {"reasoning_tokens": 40}, ("bounded", 40, None, 100, "no_rendered_evidence"),
    ),
    "chunks until the cancel": (
        {"chunk_offsets_ms": [300, 400, 500, 600], "chunk_tokens": [10, 20, 30, 40], "cancelled_at_ms": 450},
        ("estimated", 70, 70, 100, "chunks_until_cancel"),
    ),
    "chunks at the client": (
        {"client_chunk_offsets_ms": [700, 800], "chunk_tokens": [10, 20, 30, 40], "cancelled_at_ms": 750},
        ("estimated", 90, 90, 100, "chunks_until_cancel"),
    ),
    "chunks shown": (
        {"chunk_offsets_ms": [300, 400, 500, 600], "chunk_tokens": [10, 20, 30, 40], "rendered_chunks": 2},
        ("exact", 70, 70, 70, "billed_minus_rendered"),
    ),
    "text received, no other call to learn from": (
        # 60 characters are 15 tokens at 4 a token; as Chinese or emoji they may be more than all that was billed
        {"output_chars": 60}, ("estimated", 0, 85, 100, "received_text"),
    ),
    "little text received, no other call to learn from": (
        {"output_chars": 20}, ("estimated", 20, 95, 100, "received_text"),
    ),
    "text received by a logger that went on after the user had left": (
        {"output_chars": 20, "cancelled_at_ms": 900, "ttft_ms": 300, "upstream_cancelled": False},
        ("estimated", 20, 87, 100, "even_pace"),
    ),
    "text shown": (
        # at least 2 tokens at 8 characters, at most 80 at a quarter
        {"rendered_chars": 20}, ("estimated", 20, 95, 98, "rendered_text"),
    ),
    "a missing first token is no evidence": (
        {"cancelled_at_ms": 300}, ("bounded", 0, None, 100, "no_rendered_evidence"),
    ),
    "a cancel time below 0 is no evidence": (
        {"cancelled_at_ms": -1, "ttft_ms": 300}, ("bounded", 0, None, 100, "no_rendered_evidence"),
    ),
    "no chunk was counted": ({"chunk_count": 0}, ("exact", 100, 100, 100, "stopped_before_first_token")),
    "nothing known": ({}, ("bounded", 0, None, 100, "no_rendered_evidence")),
    "no usage": ({"output_tokens": None, "rendered_tokens": 30}, ("unknown", 0, None, None, "no_usage")),
    "no usage though nothing was delivered": (
        {"output_tokens": None, "delivered_tokens": 0}, ("unknown", 0, None, None, "no_usage"),
    ),
    "usage counted from the received text": (
        {"usage_source": "estimated", "rendered_tokens": 30}, ("unknown", 0, None, None, "usage_from_tokenizer"),
    ),
    "usage of the part that came": (
        {"usage_source": "provider_partial", "rendered_tokens": 30}, ("bounded", 70, None, None, "usage_partial"),
    ),
    "no usage, but a cap": (
        {"output_tokens": None, "rendered_tokens": 30, "max_tokens": 400, "cost_usd": None, "output_cost_usd": None,
         "model": "gpt-4o-mini", "provider": "openai"},
        ("bounded", 0, None, 370, "no_usage"),
    ),
    "no usage, more delivered than shown, and a cap": (
        {"output_tokens": None, "rendered_tokens": 30, "delivered_tokens": 60, "max_tokens": 400},
        ("bounded", 30, None, 370, "no_usage"),
    ),
    "no usage, more delivered than shown": (
        {"output_tokens": None, "rendered_tokens": 30, "delivered_tokens": 60}, ("bounded", 30, None, None, "no_usage"),
    ),
    "the call to the provider was stopped too": (
        # 60 tokens in 600 ms; 500 ms until it stopped, at most at twice the speed: 100 more, and one in flight
        {"output_tokens": None, "reasoning_tokens": 0, "delivered_tokens": 60, "ttft_ms": 300, "cancelled_at_ms": 900,
         "upstream_cancelled": True, "upstream_end_ms": 1400, "provider": "deepinfra"},
        ("bounded", 0, None, 161, "no_usage"),
    ),
    "the connection to a provider that runs on was closed too": (
        {"output_tokens": None, "reasoning_tokens": 0, "delivered_tokens": 60, "ttft_ms": 300, "cancelled_at_ms": 900,
         "upstream_cancelled": True, "provider": "bedrock"},
        ("unknown", 0, None, None, "no_usage"),
    ),
    "a provider that stops, with the delay that is assumed": (
        {"output_tokens": None, "reasoning_tokens": 0, "delivered_tokens": 60, "ttft_ms": 300, "cancelled_at_ms": 900,
         "provider": "deepinfra", "duration_ms": 900},
        ("bounded", 0, None, 461, "no_usage"),
    ),
    "too few tokens to tell a speed": (
        {"output_tokens": None, "reasoning_tokens": 0, "delivered_tokens": 15, "ttft_ms": 300, "cancelled_at_ms": 900,
         "provider": "deepinfra", "duration_ms": 900},
        ("unknown", 0, None, None, "no_usage"),
    ),
    "no cap is no bound": (
        {"output_tokens": None, "rendered_tokens": 0, "max_tokens": -1}, ("unknown", 0, None, None, "no_usage"),
    ),
    "a cap that was exceeded is none": (
        {"output_tokens": None, "delivered_tokens": 100, "max_tokens": 50}, ("unknown", 0, None, None, "no_usage"),
    ),
    "a chunk of unknown size makes the list worthless": (
        {"chunk_offsets_ms": [100, 200, 300], "chunk_tokens": [10, None, 30], "rendered_chunks": 3},
        ("bounded", 0, None, 100, "no_rendered_evidence"),
    ),
    "a clock that is off by a hair": (
        {"output_tokens": None, "reasoning_tokens": 0, "delivered_tokens": 1000, "ttft_ms": 1234.5,
         "cancelled_at_ms": 1234.5000000000002, "provider": "together", "duration_ms": 1300},
        ("bounded", 0, None, 4001001, "no_usage"),
    ),
    "it may have reasoned in secret": (
        {"output_tokens": None, "delivered_tokens": 60, "ttft_ms": 300, "cancelled_at_ms": 900,
         "provider": "deepinfra"},
        ("unknown", 0, None, None, "no_usage"),
    ),
    "a provider that runs on": (
        {"output_tokens": None, "reasoning_tokens": 0, "delivered_tokens": 60, "ttft_ms": 300, "cancelled_at_ms": 900,
         "provider": "bedrock"},
        ("unknown", 0, None, None, "no_usage"),
    ),
    "zeros on an abort although tokens flowed": (
        {"output_tokens": 0, "delivered_tokens": 60, "rendered_tokens": 30},
        ("bounded", 30, None, None, "usage_zero_on_abort"),
    ),
    "a usage of nothing but zeros": (
        {"output_tokens": 0, "input_tokens": 0, "rendered_tokens": 0},
        ("unknown", 0, None, None, "no_usage"),
    ),
    "the placeholder that opens an Anthropic stream": (
        {"output_tokens": 4, "output_cost_usd": 0.0004, "provider": "anthropic", "delivered_tokens": 60,
         "rendered_tokens": 30,
         "max_tokens": 400},
        ("bounded", 30, None, 370, "usage_placeholder"),
    ),
    "a short answer of Anthropic that ended": (
        {"output_tokens": 4, "provider": "anthropic", "rendered_tokens": 4, "finish_reason": "end_turn",
         "output_cost_usd": 0.0004},
        ("exact", 0, 0, 0, "billed_minus_rendered"),
    ),
    "nothing billed": (
        {"output_tokens": 0, "rendered_tokens": 0, "output_cost_usd": 0}, ("exact", 0, 0, 0, "billed_minus_rendered"),
    ),
}  # fmt: skip


def known_price(name: str) -> bool:
    """Whether the case has a usage from which its price of 0.0001 dollars a token follows."""
    return bool(CASES[name][0].get("output_tokens", 100))


def cancelled(name: str, **fields: Any) -> Record:
    """A cancelled call in a group of its own, with its price."""
    known = {"outcome": "cancelled", "model": "ours", "tenant": name, "cost_usd": 0.02, "output_cost_usd": 0.01}
    return raw_call(name, **{**known, **fields})


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Every case as a group of one call."""
    path = tmp_path_factory.mktemp("tax") / "cases.jsonl"
    with store_of(write_lines(path, [cancelled(name, **fields) for name, (fields, _) in CASES.items()])) as store:
        yield store


@pytest.fixture(scope="module")
def classed(cases: Store) -> dict[str, Record]:
    """The call of every case."""
    return calls(cases)


@pytest.fixture(scope="module")
def groups(cases: Store) -> dict[str, Record]:
    """The tax of every case."""
    return grouped(cases, "tax", "tenant")


@pytest.mark.parametrize("name", CASES)
def test_a_cancelled_call_is_classed_by_what_is_known_of_it(
    classed: dict[str, Record], groups: dict[str, Record], name: str
) -> None:
    """Its class, its low end, value and high end, and the rule that gave them; its group says the same."""
    call, row = classed[name], groups[name]
    known = CASES[name][1]
    assert (call["tax_class"], call["tax_low"], call["tax_best"], call["tax_high"], call["tax_rule"]) == known
    kind, low, best, high, rule = known
    assert [row[f"tax_{each}_calls"] for each in ("exact", "estimated", "bounded", "unknown")] == [
        int(kind == each) for each in ("exact", "estimated", "bounded", "unknown")
    ]
    assert (row["tax_low_tokens"], row["tax_tokens"], row["tax_high_tokens"]) == (low, best, high)
    assert (row["tax_exact_tokens"], row["tax_estimated_tokens"]) == (
        (best, 0) if kind == "exact" else (0, best) if kind == "estimated" else (0, 0)
    )
    assert (row["tax_high_known_tokens"], row["tax_open_calls"]) == (high or 0, int(high is None))
    assert row["rendered_exceeds_billed"] == int(rule == "rendered_exceeds_billed")
    if known_price(name):
        dollars: list[object] = [None if value is None else pytest.approx(value * 1e-4) for value in (low, best, high)]
    else:
        dollars = [row["tax_low_usd"] if low else 0.0, None if best is None else 0.0, row["tax_high_usd"]]
    assert [row["tax_low_usd"], row["tax_usd"], row["tax_high_usd"]] == dollars


def test_the_overview_gives_the_same_tax(cases: Store, groups: dict[str, Record]) -> None:
    """``report`` and ``tax`` sum the same calls."""
    shared = ("cancelled_calls", "tax_tokens", "tax_low_tokens", "tax_high_tokens", "tax_usd", "cancel_rate")
    for name, row in grouped(cases, "report", "tenant").items():
        assert [row[column] for column in shared] == [groups[name][column] for column in shared], name


def test_more_rendered_than_billed_is_said_in_a_note(cases: Store) -> None:
    """It means another tokenizer counted, so it is counted beside the figures."""
    said = notes(cases, "tax")
    kinds = [known[0] for _, known in CASES.values()]
    assert said["rendered_exceeds_billed"] == 1
    assert {each: said[f"tax_{each}"] for each in ("estimated", "bounded", "unknown")} == {
        each: kinds.count(each) for each in ("estimated", "bounded", "unknown")
    }


def test_a_completed_call_has_no_tax_and_a_group_without_cancelled_calls_has_0(store: Store, tmp_path: Path) -> None:
    """Hidden tokens of completed calls stand in a column of their own."""
    record = raw_call("a", rendered_tokens=10, reasoning_tokens=60)
    ingest(store, write_lines(tmp_path / "calls.jsonl", [record]))
    row = total(store, "tax")
    assert (row["hidden_tokens"], row["tax_hidden_tokens"]) == (60, 0)
    assert [row[f"tax_{each}"] for each in ("tokens", "low_tokens", "high_tokens", "usd")] == [0, 0, 0, 0.0]
    assert calls(store)["a"]["tax_class"] is None
    assert row["cancelled_usage_known_rate"] is None


def test_one_open_call_opens_the_high_end_of_its_group(store: Store, tmp_path: Path) -> None:
    """The low end adds 0 for it, the high end is unknown, and the known part of it stands beside."""
    records = [cancelled("a", rendered_tokens=30, tenant="t"),
               cancelled("b", tenant="t", output_tokens=None, output_cost_usd=None),
               cancelled("c", delivered_tokens=60, tenant="t")]  # fmt: skip
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    row = total(store, "tax")
    assert (row["tax_low_tokens"], row["tax_tokens"], row["tax_high_tokens"]) == (110, 110, None)
    assert (row["tax_high_known_tokens"], row["tax_open_calls"]) == (170, 1)
    assert row["tax_usd"] == pytest.approx(0.011)
    assert row["tax_high_usd"] is None


def test_a_tax_without_a_price_is_unknown_in_dollars_and_counted(store: Store, tmp_path: Path) -> None:
    """Neither a cost nor a listed model: dollars leave it out and say so."""
    bare = {"cost_usd": None, "output_cost_usd": None, "rendered_tokens": 30}
    records = [cancelled("a", **bare), cancelled("b", **{**bare, "rendered_tokens": 100})]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    row = total(store, "tax")
    assert (row["tax_tokens"], row["tax_unpriced_calls"]) == (70, 1)
    assert (row["tax_usd"], row["tax_low_usd"], row["tax_high_usd"]) == (None, None, None)
    assert notes(store, "tax")["tax_unpriced"] == 1


def test_an_outcome_that_is_unknown_has_no_tax_of_0(store: Store, tmp_path: Path) -> None:
    """Such a call may have been cancelled: alone it has no figure, beside others it makes the figures lower bounds."""
    unknown = raw_call("b", outcome=None, output_tokens=None, tenant="u")
    ingest(store, write_lines(tmp_path / "calls.jsonl", [cancelled("a", rendered_tokens=30, tenant="t"), unknown]))
    for name in ("report", "tax"):
        row = grouped(store, name, "tenant")["u"]
        assert {row[f"tax_{each}"] for each in ("low_tokens", "tokens", "high_tokens", "usd")} == {None}
        assert (row["outcome_unknown_calls"], row["cancel_rate"]) == (1, None)
        said = next(table for table in AUDITS[name].run(store, Scope()).tables if table.name == "total").marks
        assert {said[0, column].prefix for column in ("cancel_rate", "tax_low_tokens")} == {"≥ "}
        assert said[0, "tax_usd"].open  # shown as its low end and a question mark
        assert said[0, "tax_high_tokens"].suffix == " + 1 open"


def test_what_leaves_calls_out_is_shown_as_a_lower_bound(store: Store, tmp_path: Path) -> None:
    """``report`` and ``tax`` mark alike; the known high end of some calls never stands below the low end of all."""
    records = [
        cancelled("a", rendered_tokens=30, delivered_tokens=60, reasoning_tokens=10, input_tokens=70),
        cancelled("b", usage_source="provider_partial", output_tokens=500, rendered_tokens=30, cost_usd=None),
        cancelled("c", delivered_tokens=0),
    ]
    ingest(store, write_lines(tmp_path / "calls.jsonl", [{**record, "tenant": "t"} for record in records]))
    shown = {
        name: next(table for table in AUDITS[name].run(store, Scope()).tables if table.name == "total")
        for name in ("report", "tax")
    }
    for name, table in shown.items():
        (row,) = table.records()
        assert (row["tax_low_tokens"], row["tax_high_tokens"]) == (70 + 470 + 100, None)
        assert table.marks[0, "tax_low_tokens"].prefix == "≥ "
        assert table.marks[0, "tax_high_tokens"].instead == "no upper bound"
        assert table.marks[0, "cost_usd"].prefix == "≥ "
        assert table.marks[0, "tax_usd"].between == ("tax_low_usd", "tax_high_usd"), name
    (row,) = shown["tax"].records()
    assert [row[f"tax_{part}_tokens"] for part in ("hidden", "undelivered", "unread")] == [10, 30, 30]
    assert row["unseen_input_tokens"] is None  # of the one call that ended before its first token nobody knows it
    marks = shown["tax"].marks
    assert {marks[0, f"tax_{part}_tokens"].prefix for part in ("hidden", "undelivered", "unread")} == {"≥ "}


def test_every_way_to_end_early_is_summed_to_what_was_paid_for_nothing(store: Store, tmp_path: Path) -> None:
    """A 60 second proxy cut costs the same as a click, so the second table sums both."""
    outcomes = {"cancelled": 10, "timeout": 20, "interrupted": 30, "error": 40, "completed": 50}
    records = [cancelled(name, outcome=name, rendered_tokens=rendered) for name, rendered in outcomes.items()]
    records += [cancelled(f"{name}-open", outcome=name, output_tokens=None) for name in outcomes]
    early = cancelled("early", outcome="timeout", delivered_tokens=0, input_tokens=700)
    ingest(store, write_lines(tmp_path / "calls.jsonl", [*records, early]))
    rows = {row["ended_early"]: row for row in audit(store, "tax")["by_outcome"]}
    assert {name: row["unseen_output_tokens"] for name, row in rows.items()} == {
        "cancelled": 90, "timeout": 180, "interrupted": 70, "error": 60, "paid for nothing": 400,
    }  # fmt: skip
    assert [row["calls"] for row in rows.values()] == [2, 3, 2, 2, 9]
    assert rows["timeout"]["unseen_input_tokens"] == 700 == rows["paid for nothing"]["unseen_input_tokens"]
    assert rows["paid for nothing"]["unseen_output_usd"] == pytest.approx(0.04)
    assert sum(row["unknown_calls"] for row in rows.values()) == 2 * 4
    assert total(store, "tax")["tax_tokens"] == 90


def test_prompts_that_nobody_saw_an_answer_to_stand_apart(store: Store, tmp_path: Path) -> None:
    """Their tokens and dollars are no part of the tax, which is output only."""
    fields = {"input_tokens": 700, "input_cost_usd": 0.007}
    records = [cancelled("a", delivered_tokens=0, **fields), cancelled("b", rendered_tokens=30, **fields)]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    row = total(store, "tax")
    assert (row["unseen_input_tokens"], row["unseen_input_usd"]) == (700, 0.007)
    assert (row["tax_tokens"], row["cancelled_before_first_token"]) == (170, 1)


def test_the_parts_of_the_tax_add_up_to_it_for_whatever_is_known(store: Store, tmp_path: Path) -> None:
    """hidden + undelivered + unread + unsplit = tax, none of them negative, for every mixture of evidence."""
    values: tuple[int | None, ...] = (None, 0, 30, 60, 100, 140)
    mixtures = list(product(values, values, values))
    records = [
        cancelled(f"{number}", reasoning_tokens=reasoning, delivered_tokens=delivered, rendered_tokens=rendered)
        for number, (reasoning, delivered, rendered) in enumerate(mixtures)
    ]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    for name, row in grouped(store, "tax", "tenant").items():
        parts = [row[f"tax_{part}_tokens"] for part in ("hidden", "undelivered", "unread", "unsplit")]
        known = [part for part in parts if part is not None]
        assert min(known, default=0) >= 0, (mixtures[int(name)], parts)
        assert sum(known) == (row["tax_tokens"] or 0), mixtures[int(name)]
        assert (parts[3] is None) == (row["tax_tokens"] is None), mixtures[int(name)]
    row = grouped(store, "tax", "tenant")[str(mixtures.index((30, 60, 30)))]
    assert [row[f"tax_{part}_tokens"] for part in ("hidden", "undelivered", "unread", "unsplit")] == [30, 10, 30, 0]


def test_the_waterfall_goes_from_billed_to_rendered(store: Store, tmp_path: Path) -> None:
    """Only calls with a tax of their own are in it, so its steps add up; a part that no call knows is NULL."""
    whole = cancelled("whole", reasoning_tokens=30, delivered_tokens=60, rendered_tokens=30)
    unsplit = cancelled("unsplit", reasoning_tokens=None, delivered_tokens=None, rendered_tokens=40)
    unbilled = cancelled("unbilled", output_tokens=None, rendered_tokens=5)
    ingest(store, write_lines(tmp_path / "calls.jsonl", [whole, unsplit, unbilled]))

    def steps(scope: Scope) -> tuple[dict[Any, Any], set[tuple[int, str]]]:
        made = AUDITS["tax"].run(store, scope, split=True).tables
        table = next(table for table in made if table.shape == "waterfall")
        return {row[0]: row[2] for row in table.rows}, set(table.marks)

    found, marks = steps(Scope())
    assert found == {"billed": 200, "hidden": 30, "undelivered": 10, "unread": 30, "unsplit": 60, "rendered": 70}
    assert marks == {(1, "tokens"), (2, "tokens"), (3, "tokens")}
    found, _ = steps(Scope(only=(("tenant", "unsplit"),)))
    assert (found["hidden"], found["unread"], found["unsplit"]) == (None, None, 60)
    found, _ = steps(Scope(only=(("tenant", "unbilled"),)))
    assert set(found.values()) == {None}


def test_the_worst_calls_come_first(store: Store, tmp_path: Path) -> None:
    """``top_calls`` ranks by the low end in dollars and says the rule of each."""
    records = [cancelled(f"r{rendered}", rendered_tokens=rendered) for rendered in (50, 0, 80, 20)]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    rows = audit(store, "tax", top_calls=3)["top_calls"]
    assert [(row["call_id"], row["tax_tokens"]) for row in rows] == [("r0", 100), ("r20", 80), ("r50", 50)]
    assert {row["tax_rule"] for row in rows} == {"billed_minus_rendered"}

"""The tables beside the tax: by cause, what stopping would save, models without a price, and the parts as bars."""

from math import ceil, sqrt
from pathlib import Path

import pytest

from streamaudit.audits.scope.scope import Scope
from streamaudit.config import loader
from streamaudit.ingest.retention import unload
from streamaudit.report.render.formats import Screen, load
from streamaudit.store.providers import read_providers, resolve_behaviours
from streamaudit.store.store import Store
from streamaudit.store.views.refresh import refresh
from tests.reused import empty_store
from tests.support import AUDITS, Record, audit, calls, grouped, ingest, raw_call, total, write_lines


def cancelled(name: str, **fields: object) -> Record:
    """A cancelled call of 100 billed tokens at a ten-thousandth of a dollar each."""
    known = {"outcome": "cancelled", "model": "ours", "cost_usd": 0.02, "output_cost_usd": 0.01}
    return raw_call(name, **{**known, **fields})


def test_causes_are_kept_apart(store: Store, tmp_path: Path) -> None:
    """Who left, what cut and what failed; a time-out at a round limit is the infrastructure's; a cap is no tax."""
    records = [
        cancelled("user", cancelled_by="user"), cancelled("proxy", http_status=499), cancelled("who"),
        cancelled("sixty", outcome="timeout", duration_ms=60_020),
        cancelled("slow", outcome="timeout", duration_ms=45_000),
        cancelled("hundred", outcome="interrupted", duration_ms=99_500), cancelled("lost", outcome="interrupted"),
        cancelled("failed", outcome="error"), raw_call("capped", finish_reason="length", output_cost_usd=0.01),
        raw_call("done"),
    ]  # fmt: skip
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    rows = audit(store, "tax")["by_cause"]
    assert {(row["ended_early"], row["ended_by"]): row["calls"] for row in rows} == {
        ("cancelled", "user"): 1, ("cancelled", "client"): 1, ("cancelled", "unknown"): 1,
        ("timeout", "infrastructure_limit"): 1, ("timeout", "deadline"): 1,
        ("interrupted", "infrastructure_limit"): 1, ("interrupted", "unknown"): 1,
        ("error", "provider_failure"): 1, ("completed", "length"): 1,
    }  # fmt: skip
    (capped,) = [row for row in rows if row["ended_by"] == "length"]
    assert (capped["unseen_output_tokens"], capped["exact_calls"] + capped["unknown_calls"]) == (None, 0)


STOPPABLE = {
    "output_tokens": 100, "delivered_tokens": 10, "reasoning_tokens": 0, "ttft_ms": 1000, "cancelled_at_ms": 3000,
    "duration_ms": 3000,
}  # fmt: skip


def test_stopping_saves_what_came_after_the_cancel(store: Store, tmp_path: Path) -> None:
    """At most 90 of the 100; 10 tokens in 2 s make at most 20 more in the 2 s that stopping takes, so at least 70."""
    records = [
        cancelled("on", provider="groq", route="/a", **STOPPABLE),
        cancelled("stops", provider="deepinfra", route="/a", **STOPPABLE),
        cancelled("contested", provider="openai", route="/a", **STOPPABLE),
        cancelled("nobody", provider="home", route="/a", **STOPPABLE),
        cancelled("seen", provider="deepinfra", route="/b", upstream_cancelled=False, **STOPPABLE),
        cancelled("open", provider="groq", route="/c", **{**STOPPABLE, "output_tokens": None}),
    ]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    rows = {(row["provider"], row["route"]): row for row in audit(store, "tax", if_stopped=True)["if_stopped"]}
    saved = {
        key: (row["on_disconnect"], row["saved_low_tokens"], row["saved_high_tokens"]) for key, row in rows.items()
    }
    assert saved == {
        ("groq", "/a"): ("runs_on", 70, 90), ("deepinfra", "/a"): ("stops", 0, 0),
        ("openai", "/a"): ("contested", 0, 90),
        ("home", "/a"): (None, 0, 90), ("deepinfra", "/b"): ("runs_on", 70, 90), ("groq", "/c"): ("runs_on", 0, None),
    }  # fmt: skip
    assert rows["groq", "/a"]["saved_low_usd"] == pytest.approx(0.007)
    assert rows["groq", "/c"]["open_calls"] == 1


def test_the_configuration_goes_before_the_table(store: Store, tmp_path: Path) -> None:
    """What a team knows of its providers, and how long they take to stop, moves bounds and no exact figure."""
    records = [
        cancelled(
            "bounded",
            provider="groq",
            **{**STOPPABLE, "delivered_tokens": 20, "output_tokens": None, "output_cost_usd": None},
        ),
        cancelled("exact", provider="groq", **{**STOPPABLE, "rendered_tokens": 5}),
    ]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    assert [calls(store)[name]["tax_high"] for name in ("bounded", "exact")] == [None, 95]
    (tmp_path / "streamaudit.toml").write_text('stop_delay = "1s"\n[providers]\nGroq = "stops"\n')
    store.providers = loader.load(tmp_path / "streamaudit.toml").provider_overrides()
    store.stale = True
    # 20 delivered, at most 20 more in the second that stopping takes, and one in flight
    assert [calls(store)[name]["tax_high"] for name in ("bounded", "exact")] == [41, 95]


def test_the_table_of_providers_is_dated_and_knows_the_usual_spellings() -> None:
    assert {one.on_disconnect for one in read_providers()} == {"stops", "runs_on", "contested"}
    assert all(one.as_of and one.source.startswith("https://") and one.evidence for one in read_providers())
    known = resolve_behaviours(["OpenAI", "azure_openai", "aws.bedrock", "gcp.vertex_ai", "together-ai", "my-own"])
    assert set(known) == {"OpenAI", "azure_openai", "aws.bedrock", "gcp.vertex_ai", "together-ai"}
    assert known["aws.bedrock"] == "runs_on"


def test_models_without_a_price_are_listed_with_their_tokens(store: Store, tmp_path: Path) -> None:
    bare = {"cost_usd": None, "output_cost_usd": None, "input_tokens": 700}
    records = [cancelled("a", rendered_tokens=30, **bare), raw_call("b", model="ours", **bare), raw_call("c")]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    (row,) = audit(store, "tax")["unpriced_models"]
    assert (row["model"], row["calls"], row["input_tokens"], row["output_tokens"], row["tax_low_tokens"]) == (
        "ours", 2, 1400, 200, 70,
    )  # fmt: skip


def test_the_model_s_own_answers_say_how_long_a_token_is(store: Store, tmp_path: Path) -> None:
    """Twenty answers between 2 and 5 characters a token, 3 pooled; nineteen are too few."""
    answers = [
        raw_call(f"{n}", model="ours", output_tokens=100, output_chars=chars, visible_output_chars=chars)
        for n, chars in enumerate([200, 500, *[290] * 10, *[300] * 8])
    ]
    left = cancelled("left", output_tokens=400, output_chars=600)
    ingest(store, write_lines(tmp_path / "calls.jsonl", [*answers, left]))
    refresh(store)
    call = calls(store)["left"]
    pooled = (200 + 500 + 2900 + 2400) / 2000
    assert (call["tax_rule"], call["tax_low"], call["tax_best"], call["tax_high"]) == (
        "received_text", 400 - ceil(300 * (1 + 2 / sqrt(600 / pooled))), 400 - round(600 / pooled), 400,
    )  # fmt: skip
    with empty_store() as few:
        ingest(few, write_lines(tmp_path / "few.jsonl", [*answers[1:], left]))
        assert calls(few)["left"]["tax_best"] == 400 - 150


def test_the_parts_are_drawn_as_one_bar_a_group(store: Store, tmp_path: Path) -> None:
    """Every part has a sign of its own, at least one of it where there is any, and the sum behind it."""
    records = [
        cancelled(
            "a", tenant="big", output_tokens=1000, reasoning_tokens=500, delivered_tokens=300, rendered_tokens=299
        ),
        cancelled("b", tenant="none", rendered_tokens=100),
    ]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    report = AUDITS["tax"].run(store, Scope(by=("tenant",)), split=True)
    text = load("table").render(report, Screen())
    (bar,) = [line for line in text.splitlines() if line.startswith("big ") and "#" in line]
    drawn = bar.split()[1]
    assert set(drawn) == {"#", "=", "+"} and drawn.count("+") == 1
    assert abs(drawn.count("#") - 60 * 500 / 701) <= 1
    assert bar.endswith("701")
    assert "# hidden tokens" in text


def test_the_tax_is_set_against_calls_tenants_and_the_bill(store: Store, tmp_path: Path) -> None:
    records = [
        cancelled("a", tenant="t", rendered_tokens=0),
        *(raw_call(str(n), tenant="u", cost_usd=0.01) for n in range(3)),
    ]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    row = total(store, "tax")
    assert row["tax_per_1000_calls_usd"] == pytest.approx(0.01 * 1000 / 4)
    assert row["tax_per_tenant_usd"] == pytest.approx(0.01 / 2)
    assert row["tax_cost_share"] == pytest.approx(0.01 / 0.05)
    # Calls without a known tax or cost are on neither side.
    more = [cancelled("open", tenant="t"), cancelled("free", cost_usd=None, rendered_tokens=0)]
    ingest(store, write_lines(tmp_path / "more.jsonl", more))
    assert total(store, "tax")["tax_cost_share"] == pytest.approx(0.01 / 0.05)


def test_generation_that_is_known_to_have_run_on_is_an_orphan(store: Store, tmp_path: Path) -> None:
    """Its undelivered part counts as orphaned; without any sign of it either way the share is unknown."""
    fields = {"rendered_tokens": 10, "delivered_tokens": 20, "reasoning_tokens": 0, "cancelled_at_ms": 1000}
    ingest(store, write_lines(tmp_path / "a.jsonl", [cancelled("a", duration_ms=1000, **fields)]))
    assert (total(store, "tax")["orphaned_calls"], total(store, "tax")["tax_orphaned_tokens"]) == (0, None)
    ingest(store, write_lines(tmp_path / "b.jsonl", [cancelled("b", upstream_end_ms=9000, **fields)]))
    assert (total(store, "tax")["orphaned_calls"], total(store, "tax")["tax_orphaned_tokens"]) == (1, 80)


def test_a_tax_stays_with_its_call_when_another_process_rewrites_the_store(tmp_path: Path) -> None:
    """A tax is joined by the number of its call's row, which changes when calls before it are deleted."""
    path = tmp_path / "store.duckdb"
    first = [cancelled(f"x{n}", tenant="x", rendered_tokens=0) for n in range(9)]
    second = [cancelled("a", tenant="a", rendered_tokens=10), cancelled("b", tenant="b", rendered_tokens=40)]
    with Store.open(path, write=True) as store:
        for number, records in enumerate((first, second)):
            ingest(store, write_lines(tmp_path / f"{number}.jsonl", records))
        taxes = {name: row["tax_tokens"] for name, row in grouped(store, "tax", "tenant").items()}
        assert taxes == {"x": 900, "a": 90, "b": 60}
        with store.release(), Store.open(path, write=True) as other:
            unload(other, 1)
            other.rewrite()
        taxes = {name: row["tax_tokens"] for name, row in grouped(store, "tax", "tenant").items()}
    assert taxes == {"a": 90, "b": 60}

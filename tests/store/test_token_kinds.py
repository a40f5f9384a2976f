"""Tokens that have a price of their own, and tiers: priced at it or not at all, never as the plain kind."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage, calc_price

from streamaudit.store.pricing.reprice import reprice
from streamaudit.store.store import Store
from tests.support import Record, ingest, raw_call, store_of, stored_calls, write_lines

START = datetime(2026, 11, 16, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with one call, and the call as it was read."""
    path = tmp_path_factory.mktemp("one") / "one.jsonl"
    with store_of(write_lines(path, [raw_call("one", provider="openai", input_tokens=1)])) as store:
        store.run("CREATE TEMP TABLE as_read AS FROM store.calls")
        yield store


@pytest.fixture
def one(filled: Store) -> Store:
    """The same with the call as it was read."""
    filled.run("DELETE FROM store.calls")
    filled.run("INSERT INTO store.calls FROM as_read")
    return filled


def priced(store: Store, **fields: Any) -> Record:
    """The stored call with these columns, priced."""
    for name, value in fields.items():
        store.run(f"UPDATE store.calls SET {name} = $value", {"value": value})
    store.run("UPDATE store.calls SET response_model = model")
    reprice(store)
    assert reprice(store) == 0
    return stored_calls(store)["one"]


def theirs(provider: str, model: str, context: dict[str, str] | None = None, **usage: int) -> float:
    """What the calculator of the price package says."""
    return float(calc_price(
        Usage(**usage), model, provider_id=provider, genai_request_timestamp=START, price_context=context
    ).total_price)  # fmt: skip


ANTHROPIC = {"provider": "anthropic", "model": "claude-sonnet-4-5", "output_tokens": 40}
GEMINI = {"provider": "google", "model": "gemini-2.5-flash", "output_tokens": 40}
OPENAI = {"provider": "openai", "model": "gpt-5", "input_tokens": 10_000, "output_tokens": 500}


def test_a_write_to_the_one_hour_cache_has_its_own_price(one: Store) -> None:
    call = priced(one, **ANTHROPIC, input_tokens=90_000, cache_write_tokens=80_000,
        cache_write_1h_tokens=50_000, cached_input_tokens=5_000)  # fmt: skip
    assert call["cost_usd"] == pytest.approx(theirs(
        "anthropic", "claude-sonnet-4-5", input_tokens=90_000, cache_read_tokens=5_000, cache_write_tokens=80_000,
        cache_write_1h_tokens=50_000, output_tokens=40,
    ))  # fmt: skip


def test_a_kind_without_a_price_leaves_the_cost_unknown(one: Store) -> None:
    """The model has no price for sound, so no call with sound in it has a cost."""
    call = priced(one, **OPENAI, audio_input_tokens=10)
    assert (call["cost_usd"], call["input_cost_usd"], call["cost_basis"]) == (None, None, "none")
    assert priced(one, audio_input_tokens=None, image_tokens=3)["cost_usd"] is None
    assert priced(one, image_tokens=0, cache_write_tokens=5, cache_write_1h_tokens=5)["cost_usd"] is None
    assert priced(one, cache_write_1h_tokens=None, cache_write_tokens=None)["cost_usd"] is not None


def test_sound_and_pictures_have_their_own_prices(one: Store) -> None:
    call = priced(one, **GEMINI, input_tokens=10_100, audio_input_tokens=10_000)
    assert call["cost_usd"] == pytest.approx(theirs(
        "google", "gemini-2.5-flash", input_tokens=10_100, input_audio_tokens=10_000, output_tokens=40
    ))  # fmt: skip
    # Which part of it was cached is not known.
    assert priced(one, cached_input_tokens=50)["cost_usd"] is None


def test_a_model_that_answers_in_sound_is_priced_only_where_sound_and_text_are_told_apart(
    one: Store
) -> None:
    model = {"provider": "openai", "model": "gpt-realtime", "input_tokens": 100, "output_tokens": 540}
    call = priced(one, **model)
    assert (call["output_cost_usd"], call["output_usd_per_token"]) == (None, None)
    call = priced(one, audio_output_tokens=500)
    assert call["output_cost_usd"] == pytest.approx(
        theirs("openai", "gpt-realtime", output_tokens=540, output_audio_tokens=500)
    )


@pytest.mark.parametrize(
    ("served", "context"),
    [
        (None, None), ("default", {"service_tier": "default"}), ("flex", {"service_tier": "flex"}),
        ("priority", {"service_tier": "priority"}), ("batch", {"processing": "batch"}),
    ],
)  # fmt: skip
def test_a_tier_has_its_own_price(
    one: Store, served: str | None, context: dict[str, str] | None
) -> None:
    call = priced(one, **OPENAI, service_tier=served)
    assert call["cost_usd"] == pytest.approx(theirs("openai", "gpt-5", context, input_tokens=10_000, output_tokens=500))


def test_a_tier_without_a_price_leaves_the_cost_unknown(one: Store) -> None:
    """The price package would give the standard price in silence."""
    for served in ("scale", "Priority", "misspelt", "benchmark"):
        assert priced(one, **OPENAI, service_tier=served)["cost_usd"] is None
    assert priced(one, **ANTHROPIC, input_tokens=10, service_tier="priority")["cost_usd"] is None
    # Batches have a price in the data from October on.
    early = datetime(2026, 9, 1)
    assert priced(one, **OPENAI, service_tier="batch", start_time=early)["cost_usd"] is None


def test_a_price_that_steps_by_input_needs_the_input(one: Store) -> None:
    call = priced(one, **ANTHROPIC, input_tokens=None)
    assert (call["output_cost_usd"], call["output_usd_per_token"]) == (None, None)
    assert priced(one, input_tokens=200_000)["output_usd_per_token"] == pytest.approx(15e-6)
    assert priced(one, input_tokens=200_001)["output_usd_per_token"] == pytest.approx(22.5e-6)


def test_a_discount_on_the_whole_is_one_on_its_parts(store: Store, tmp_path: Path) -> None:
    records = [
        raw_call("whole", cost_usd=0.0133, input_cost_usd=0.0025, output_cost_usd=0.0165),
        raw_call("listed", cost_usd=1e-6, provider="openai", input_tokens=1000),
        raw_call("one part", cost_usd=0.5, output_cost_usd=0.75, input_tokens=None),
        raw_call("a fee more", cost_usd=0.5, input_cost_usd=0.1, output_cost_usd=0.2),
    ]  # fmt: skip
    ingest(store, write_lines(tmp_path / "x.jsonl", records))
    found = stored_calls(store)
    for call in found.values():
        assert (call["input_cost_usd"] or 0) + (call["output_cost_usd"] or 0) <= call["cost_usd"] * (1 + 1e-9)
    assert found["whole"]["output_cost_usd"] == pytest.approx(0.0165 * 0.7)
    assert found["a fee more"]["output_cost_usd"] == 0.2
    assert reprice(store) == 0


def test_a_benchmark_of_ones_own_server_has_no_price_by_its_models_name(store: Store, tmp_path: Path) -> None:
    row = {"error_code": None, "ttft_s": 0.2, "end_to_end_latency_s": 2.0, "number_input_tokens": 50,
        "number_output_tokens": 100, "inter_token_latency_s": 0.01, "request_output_throughput_token_per_s": 50.0,
        "model": "openai/gpt-4o"}  # fmt: skip
    path = tmp_path / "llmperf_individual_responses.json"
    path.write_text(json.dumps([row]))
    (result,) = ingest(store, path, mapping=["model=model"])
    assert result.problem is None
    (call,) = stored_calls(store).values()
    assert (call["cost_usd"], call["service_tier"], call["output_usd_per_token"]) == (None, "benchmark", None)

"""Why a call has no price: the reason is the one for which the price was not found, case by case."""

from pathlib import Path

import pytest

from streamaudit.audits.explain.missing_price import explain_missing_price
from streamaudit.store.pricing.reprice import reprice
from streamaudit.store.store import Store
from streamaudit.store.views.refresh import refresh
from tests.support import Record, ingest, raw_call, write_lines

MINI: Record = {"model": "gpt-4o-mini", "provider": "openai", "input_tokens": 100}
SONNET: Record = {"model": "claude-sonnet-4-5", "provider": "anthropic", "input_tokens": 100}
CASES: dict[str, tuple[Record, str, str]] = {
    "no model": ({"model": None, "input_tokens": 1}, "cost_usd", "the model is unknown"),
    "no tokens": ({**MINI, "output_tokens": None}, "cost_usd", "its output tokens are unknown"),
    "no input": ({**MINI, "input_tokens": None}, "input_cost_usd", "no input cost was recorded, and its input tokens"),
    "a model of one's own": ({"model": "our-llama", "input_tokens": 1}, "cost_usd", "does not have its model"),
    "a provider's": (
        {"model": "gpt-4o-mini", "provider": "anthropic", "input_tokens": 1}, "cost_usd",
        "does not have its model under its provider"),
    "a tier": ({**MINI, "service_tier": "scale"}, "cost_usd", "no price for its model in the service tier scale"),
    "a tier of an unknown model": (
        {"model": "our-llama", "input_tokens": 1, "service_tier": "flex"}, "cost_usd", "does not have its model"),
    "a tier, and no tokens": (
        {**MINI, "service_tier": "flex", "output_tokens": None}, "cost_usd", "its output tokens are unknown"),
    "two prices in a day": (
        {"model": "deepseek-chat", "provider": "deepseek", "input_tokens": 1}, "cost_usd",
        "no single price for all tokens of its model"),
    "a long context": (
        {**SONNET, "input_tokens": None}, "output_cost_usd", "depends on the length of the input, which is unknown"),
    "counted by a tokenizer": (
        {**MINI, "usage_source": "estimated"}, "input_cost_usd", "its usage gives none (counted by a tokenizer)"),
    "parts above the whole": (
        {**MINI, "image_tokens": 200}, "input_cost_usd", "add up to more than the input"),
    "audio in the input": ({**MINI, "audio_input_tokens": 10}, "cost_usd", "no price for its audio"),
    "a price of its own": (
        {**MINI, "output_cost_usd": 0.1, "cost_usd": 0.2}, "output_usd_per_token", "own output cost gives its price"),
}  # fmt: skip


@pytest.fixture
def records(tmp_path: Path, store: Store) -> dict[str, Record]:
    """The calls of all cases as they are stored."""
    calls = [raw_call(case, **given) for case, (given, _, _) in CASES.items()]
    ingest(store, write_lines(tmp_path / "calls.jsonl", calls))
    for call in calls:
        for column in ("service_tier", "audio_input_tokens", "image_tokens"):  # no key of a raw line
            value = {"call": call["request_id"], "value": call.get(column)}
            store.run(f"UPDATE store.calls SET {column} = $value WHERE call_id = $call", value)
    reprice(store)
    refresh(store)
    return {record["call_id"]: record for record in store.records("FROM call_tax")}


def test_each_missing_price_has_its_true_reason(records: dict[str, Record]) -> None:
    """The figure is unknown, and the sentence names what made it so."""
    for case, (_, name, expected) in CASES.items():
        assert records[case][name] is None, case
        assert expected in explain_missing_price(name, records[case], {}), case

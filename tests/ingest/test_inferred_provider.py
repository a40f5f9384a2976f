"""A provider that no record names: inferred from the model's name, marked, and without a say in any other figure."""

from decimal import Decimal
from itertools import permutations
from pathlib import Path

import pytest

from streamaudit.audits.reconcile.bill import Bill, Billed
from streamaudit.audits.reconcile.report import run
from streamaudit.audits.scope.scope import Scope
from streamaudit.ingest.sources.registry import discover
from streamaudit.store.pricing.reprice import reprice
from streamaudit.store.store import Store
from tests.support import (
    Record,
    audit,
    content,
    grouped,
    ingest,
    langfuse_row,
    notes,
    otel_batch,
    otel_span,
    raw_call,
    store_of,
    write_lines,
)

SELLERS = {
    "gpt-4o-mini": "openai", "openai/gpt-4.1": "openai", "o3-mini": "openai", "O4-mini": "openai",
    "ft:gpt-4o-mini:acme::1": "openai", "chatgpt-4o-latest": "openai", "text-embedding-3-small": "openai",
    "claude-sonnet-4-5": "anthropic", "anthropic/claude-3-haiku": "anthropic",
    "us.anthropic.claude-sonnet-4-20250514-v1:0": "aws.bedrock", "bedrock/meta.llama3-70b": "aws.bedrock",
    "gemini-2.5-pro": "google", "models/gemini-2.0-flash": "google", "vertex_ai/claude-opus-4": "gcp.vertex_ai",
    "mistral-large-latest": "mistral", "command-r-plus": "cohere", "deepseek-chat": "deepseek", "grok-4": "xai",
    "azure/gpt-4o": "azure", "groq/llama-3.3-70b": "groq", "together_ai/Qwen/Qwen3": "together",
    "openrouter/openai/gpt-4o": "openrouter", "@cf/meta/llama-3": "cloudflare",
    "llama-3.3-70b": None, "gpt-oss-120b": None, "openai/gpt-oss-20b": None, "openai/my-server": None,
    "qwen3-32b": None, "mistral-7b-instruct": None, "deepseek-r1-distill": None, "ollama/claude-like": None,
    "hosted_vllm/gpt-4o": None, "our-gpt-4": None, "octopus": None,
}  # fmt: skip
"""Provider by model; None where any server may run it."""


def providers(store: Store) -> dict[str, tuple[str | None, str | None]]:
    """Provider and its basis by call."""
    found = store.query("SELECT call_id, provider, provider_basis FROM store.calls")
    return {call: (provider, basis) for call, provider, basis in found}


def test_a_models_name_suggests_its_seller(store: Store, tmp_path: Path) -> None:
    """Hosts at the head of a name, makers of models that only they sell; open weights suggest none."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", [raw_call(model, model=model) for model in SELLERS]))
    assert {call: provider for call, (provider, _) in providers(store).items()} == SELLERS
    assert all((basis == "inferred") == (name is not None) for name, basis in providers(store).values())


@pytest.mark.parametrize("record", [
    raw_call("a", provider="my-gateway"), langfuse_row("a", metadata={"ls_provider": "my-gateway"}),
    otel_batch(otel_span("a", {"gen_ai.provider.name": "my-gateway"})),
], ids=["raw", "langfuse", "otel"])  # fmt: skip
def test_a_provider_of_the_records_own_stays(record: Record, store: Store, tmp_path: Path) -> None:
    """Whatever its model is called."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", [record]))
    assert list(providers(store).values()) == [("my-gateway", "reported")]


def test_a_response_model_speaks_where_an_alias_says_nothing(store: Store, tmp_path: Path) -> None:
    """The model that was asked for goes first: it may name the host."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", [
        raw_call("alias", model="fast", response_model="gpt-4o-2024-08-06"),
        raw_call("host", model="azure/fast", response_model="gpt-4o-2024-08-06"),
    ]))  # fmt: skip
    assert providers(store) == {"alias": ("openai", "inferred"), "host": ("azure", "inferred")}


def test_a_benchmarks_model_suggests_nobody(store: Store, tmp_path: Path) -> None:
    """A server of one's own answers under any name."""
    record = {
        "error_code": None, "ttft_s": 0.2, "end_to_end_latency_s": 1.0, "inter_token_latency_s": 0.1,
        "number_input_tokens": 10, "number_output_tokens": 20, "model": "gpt-4o",
    }  # fmt: skip
    file = write_lines(tmp_path / "run_individual_responses.json", [record])
    (result,) = ingest(store, file, mapping=["model=model"])
    assert result.source is discover()["llmperf"]
    assert [provider for provider, _ in providers(store).values()] == [None]


def test_an_inferred_provider_is_marked_and_counted_apart(store: Store, tmp_path: Path) -> None:
    """A group of its own name; a note says how many; coverage still asks for the real one."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", [raw_call("1"), raw_call("2", provider="openai")]))
    assert {name: row["calls"] for name, row in grouped(store, "report", "provider").items()} == {"openai": 2}
    assert notes(store, "report", by=("provider",))["provider_inferred"] == 1
    assert "provider_inferred" not in notes(store, "report")
    assert notes(store, "coverage")["provider_inferred"] == 1
    covered = audit(store, "coverage")["total"][0]
    assert (covered["provider_known_calls"], covered["provider_of_calls"]) == (1, 2)


def test_it_matches_no_invoice_and_moves_no_bound_and_no_price(store: Store, tmp_path: Path) -> None:
    """Of a call through somebody else's gateway, the maker sends no invoice, and does not say who stops."""
    cut = {"outcome": "cancelled", "output_tokens": None, "delivered_tokens": 10, "ttft_ms": 100, "duration_ms": 900}
    ingest(store, write_lines(tmp_path / "calls.jsonl", [
        raw_call("paid", cost_usd=2.0), raw_call("free", input_tokens=10), raw_call("cut", model="grok-4", **cut),
    ]))  # fmt: skip
    report = run(store, Scope(), Bill({("2026-11", "openai"): Billed(Decimal(5), None, 1)}, "plain"))
    rows = {row["provider"]: row for row in report.tables[0].records()}
    assert (rows["openai"]["calls"], rows["openai"]["gap_usd"], rows[None]["calls"]) == (0, 5.0, 3)
    assert store.query("SELECT on_disconnect FROM call_tax WHERE call_id = 'cut'") == [(None,)]
    before = content(store)
    assert reprice(store) == 0
    assert content(store) == before


def test_a_reported_provider_of_the_other_step_wins_in_any_order(tmp_path: Path) -> None:
    """The step around a call names the provider or the model that the call itself lacks; without it, as before. The
    orders have traces of their own and share four files: the n-th holds what comes n-th in each."""
    orders = list(permutations("oipq"))
    files = [
        write_lines(tmp_path / f"{place}.jsonl", [_step(order[place], number) for number, order in enumerate(orders)])
        for place in range(4)
    ]
    with store_of(*files) as store:
        found = providers(store)
    kept = {name: {found.get(f"{name}{number}") for number in range(len(orders))} for name in "oipq"}
    assert kept["i"] == {("my-gateway", "reported")}
    assert kept["q"] == {("anthropic", "inferred")}
    assert [len(kept[name]) for name in "op"] == [1, 1]
    with store_of(write_lines(tmp_path / "alone.jsonl", [_step("i", 0)])) as alone:
        assert providers(alone) == {"i0": ("openai", "inferred")}


def _step(name: str, number: int) -> Record:
    """A step of the two traces of an order: ``o`` around ``i``, ``p`` around ``q``."""
    fields: dict[str, Record] = {
        "o": {"provider": "my-gateway", "output_tokens": None}, "i": {"parent_id": f"o{number}"},
        "p": {"model": "claude-sonnet-4-5"}, "q": {"parent_id": f"p{number}", "model": None},
    }  # fmt: skip
    return raw_call(f"{name}{number}", trace_id=f"{'t' if name in 'oi' else 'u'}{number}", **fields[name])

"""What gateways keep in tables of their own, and answer in forms of another: after public reports."""

import json
from pathlib import Path
from typing import Any

import pytest

from sample_traces.records import helicone, litellm, openrouter, spend_row
from tests.support import Record, store_of, stored_calls, write_lines

# What the source knows of a call of which nothing was counted.
UNCOUNTED = {"input_tokens": None, "output_tokens": None, "cost_usd": None}
Case = tuple[Record, dict[str, Any]]


def read(path: Path) -> dict[str, Record]:
    with store_of(path) as store:
        return stored_calls(store)


def check(path: Path, cases: dict[str, Case]) -> None:
    found = read(path)
    for name, (_, expected) in cases.items():
        assert {column: found[name][column] for column in expected} == expected, name


def helicone_row(name: str, **fields: Any) -> Record:
    """A row of ``request_response_rmt``, as ClickHouse writes it."""
    return {
        "response_id": f"r-{name}", "response_created_at": "2026-11-16 08:00:05.000", "latency": "5000",
        "status": "200", "completion_tokens": "100", "prompt_tokens": "50", "request_id": name,
        "model": "gpt-4o-mini-2024-07-18",
        "request_created_at": "2026-11-16 08:00:00.000", "user_id": "u1", "time_to_first_token": "734",
        "provider": "OPENAI", "organization_id": "83635a30-5ba6-41a8-8cc6-fb7df941b24a", "cost": "3000000",
        "properties": {"tenant": "acme"}, "cache_reference_id": "00000000-0000-0000-0000-000000000000", **fields,
    }  # fmt: skip


def test_rows_of_helicones_own_table(tmp_path: Path) -> None:
    """Whole costs are billionths of a dollar; a query may have divided them."""
    cases: dict[str, Case] = {
        "whole": ({}, {"source": "helicone", "cost_usd": 0.003, "duration_ms": 5000.0, "ttft_ms": 734.0,
                       "tenant": "acme", "user_id": "u1", "outcome": "completed", "http_status": 200}),
        "divided": ({"cost": "0.003"}, {"cost_usd": 0.003}),
        "left": ({"status": "-3", "prompt_tokens": "0", "completion_tokens": "0", "cost": "0"},
                 {"outcome": "cancelled", **UNCOUNTED}),
        "cached": ({"cache_reference_id": "c0ffee"}, {"cost_usd": 0.0, "cache_hit": True}),
    }  # fmt: skip
    rows = [helicone_row(name, **fields) for name, (fields, _) in cases.items()]
    check(write_lines(tmp_path / "rows.jsonl", rows), cases)
    exported = read(write_lines(tmp_path / "export.jsonl", [helicone("a", cost=3, latency=9)]))
    assert (exported["a"]["cost_usd"], exported["a"]["duration_ms"]) == (3.0, 5000.0)


def test_a_generation_of_vercels_gateway(tmp_path: Path) -> None:
    """It has the form of OpenRouter's, but its latency is the first token's."""
    asked = openrouter("gen_01ARZ3NDEKTSV4RRFFQ69G5FAV", latency=734, generation_time=5000, native_tokens_cached=20,
                       native_tokens_cache_creation=10)  # fmt: skip
    (call,) = read(write_lines(tmp_path / "one.jsonl", [asked])).values()
    expected = {"provider": "vercel", "ttft_ms": 734.0, "duration_ms": 5000.0, "cost_usd": 0.003,
                "cache_write_tokens": 10}  # fmt: skip
    assert {column: call[column] for column in expected} == expected


def test_metadata_of_openrouters_activity_page(tmp_path: Path) -> None:
    """Its ids are 0 or numbers of its own, costs are usage and the provider's bill (can1357/oh-my-pi 6956)."""
    plain = openrouter("", model="anthropic/claude-opus-4-5-20251101", usage=0.8)["data"]
    del plain["total_cost"]
    shown = [
        {**plain, "id": 0, "generation_id": "gen-1", "byok_usage_inference": 0, "usage_cache": 0.1},
        {**plain, "id": 0, "generation_id": "gen-2", "byok_usage_inference": 0.2, "usage": 0.01},
    ]
    found = read(write_lines(tmp_path / "shown.jsonl", shown))
    assert {name: round(call["cost_usd"], 4) for name, call in found.items()} == {"gen-1": 0.8, "gen-2": 0.21}
    assert {(call["model"], call["output_tokens"]) for call in found.values()} == {("anthropic/claude-opus-4-5", 100)}


PORTKEY = {
    "created_at": "2026-11-16T08:00:00Z", "ai_org": "openai", "ai_model": "gpt-4o-mini", "req_units": 100,
    "res_units": 20, "cost": 1.5, "response_time": 1500, "response_status_code": 200, "cache_status": "MISS",
}  # fmt: skip
BIFROST = {
    "timestamp": "2026-11-16T08:00:00Z", "object": "chat.completion.chunk", "provider": "openai",
    "model": "gpt-4o-mini", "number_of_retries": 0, "fallback_index": 0, "latency": 1500.5, "prompt_tokens": 100,
    "completion_tokens": 20,
    "token_usage": {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 7}},
    "cost": 0.002, "status": "success", "error_details": None, "stream": True,
}  # fmt: skip
NONE = {"prompt_tokens": 0, "completion_tokens": 0, "token_usage": "", "cost": 0}
TENSORZERO = {
    "inference_id": "i", "model_name": "openai::gpt-4o-mini", "model_provider_name": "openai", "input_tokens": 100,
    "output_tokens": 20, "response_time_ms": 1500, "ttft_ms": 250, "timestamp": "2026-11-16T08:00:00Z",
    "cached": False, "finish_reason": "stop", "provider_cache_read_input_tokens": 7, "cost": None,
}  # fmt: skip
LOGS: dict[str, tuple[Record, dict[str, Case]]] = {
    "portkey": (PORTKEY, {
        "p1": ({}, {"cost_usd": 0.015, "cache_hit": False, "duration_ms": 1500.0}),
        "p2": ({"response_status_code": 499, "req_units": 0, "res_units": 0, "cost": 0},
               {"outcome": "cancelled", **UNCOUNTED}),
        "p3": ({"cache_status": "HIT", "cost": 0}, {"cache_hit": True, "cost_usd": 0.0}),
        "p4": ({"response_status_code": 429, "req_units": 0, "res_units": 0, "cost": 0},
               {"outcome": "error", **UNCOUNTED}),
    }),
    "bifrost": (BIFROST, {
        "b1": ({}, {"duration_ms": 1500.5, "cached_input_tokens": 7, "cost_usd": 0.002, "outcome": "completed"}),
        "b2": (NONE, {"outcome": "completed", **UNCOUNTED}),
        "b3": ({**NONE, "status": "error", "error_details": {"is_bifrost_error": False, "status_code": 429,
                "error": {"type": "rate_limit_error", "message": "x"}}},
               {"outcome": "error", "http_status": 429, "error_type": "rate_limit_error", **UNCOUNTED}),
        "b4": ({**NONE, "status": "error", "error_details": {"error": {"type": "request_cancelled", "message": "x"}}},
               {"outcome": "cancelled"}),
        "b5": ({"status": "success", "error_details": {"error": {"message": "upstream"}}}, {"outcome": "error"}),
    }),
    "tensorzero": (TENSORZERO, {
        "t1": ({}, {"provider": "openai", "input_tokens": 100, "cached_input_tokens": 7, "ttft_ms": 250.0,
                    "cost_basis": "priced"}),
        "t2": ({"cached": True}, {"cost_usd": 0.0, "cache_hit": True}),
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", LOGS)
def test_logs_of_other_gateways(tmp_path: Path, name: str) -> None:
    """As lines, and as the page that the gateway's API answers."""
    plain, cases = LOGS[name]
    check(write_lines(tmp_path / "log.jsonl", [{"id": key, **plain, **fields} for key, (fields, _) in cases.items()]),
          cases)  # fmt: skip


PAGES: list[Record] = [
    {"logs": [], "pagination": {"limit": 50, "offset": 0}, "stats": {}},
    {"success": True, "errors": [], "messages": [], "result": [], "result_info": {"page": 1}},
    {"result": [], "result_info": {"page": 1}, "success": True},
]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_pages_of_gateways_apis(tmp_path: Path, page: Record) -> None:
    """Short ones, and ones of which the head of the file shows a part."""
    key = "logs" if "logs" in page else "result"
    short, long = tmp_path / "short.json", tmp_path / "long.json"
    short.write_text(json.dumps({**page, key: [{"id": str(number), **BIFROST} for number in range(2)]}))
    bulky = [{"id": f"long-{number}", **BIFROST, "output_message": "x" * 60_000} for number in range(40)]
    long.write_text(json.dumps({**page, key: bulky}))
    with store_of(short, long) as store:
        assert len(stored_calls(store)) == 42


def test_a_list_of_logs_or_results_is_no_page(tmp_path: Path) -> None:
    """A record may have a list of its own under such a name, or a word."""
    lines = [{"id": str(number), **BIFROST, "logs": [{"line": "x"}], "result": [{"a": 1}]} for number in range(2)]
    assert set(read(write_lines(tmp_path / "lines.jsonl", lines))) == {"0", "1"}
    page = {"data": [spend_row("a")], "result": "ok", "logs": 1}
    (tmp_path / "page.json").write_text(json.dumps(page))
    assert set(read(tmp_path / "page.json")) == {"a"}


def test_rows_without_an_id_are_calls_of_their_own(tmp_path: Path) -> None:
    """LiteLLM writes the id of the answer, none or None: BerriAI/litellm 6633, 39749."""
    rows = [
        spend_row("None"), spend_row("None", completion_tokens=7), spend_row(""),
        spend_row("None", metadata={"litellm_call_id": "c-1"}),
    ]  # fmt: skip
    found = read(write_lines(tmp_path / "rows.jsonl", [*rows, litellm("c-2", id="None")]))
    # The first and the third say the same of one instant.
    assert len(found) == 4 and {"c-1", "c-2"} < found.keys()
    assert {call["response_id"] for call in found.values()} == {None}
    assert not any(call["logical_request_id"] == "None" for call in found.values())


def test_payloads_of_litellm_in_datadogs_logs(tmp_path: Path) -> None:
    """Its callback logs the payload, parsed or as the message; the proxy's other lines are no calls."""
    left = litellm("b", error_information={"error_code": "499", "error_class": "ClientDisconnected"})
    lines = [{"id": "L1", "type": "log", "attributes": {"timestamp": "2026-11-16T08:00:05Z", **fields}} for fields in (
        {"attributes": litellm("a")}, {"message": json.dumps(left), "attributes": {}},
        {"message": "started", "attributes": {"port": 4000}},
    )]  # fmt: skip
    found = read(write_lines(tmp_path / "page.jsonl", [{"data": lines}]))
    assert found.keys() == {"a", "b"}
    assert (found["a"]["ttft_ms"], found["a"]["cost_usd"], found["a"]["tenant"]) == (734.0, 0.003, "acme")
    assert (found["b"]["outcome"], found["b"]["cost_usd"]) == ("cancelled", None)

"""Langfuse's usage details: which buckets exclude each other, decided record by record by its own total."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import Record, calls, langfuse_row, store_of, write_lines

LEFT: Record = {"metadata": {"cancelled": True, "rendered_tokens": 30}}
UNKNOWN_INPUT = {"input_tokens": None, "cached_input_tokens": 400, "cost_usd": None}


def usage(**counts: int) -> Record:
    """Usage details under keys with dots written as double underscores."""
    return {"usage_details": {key.replace("__", "."): count for key, count in counts.items()}}


def span(counts: Record, **written: int) -> Record:
    """The same of an OpenTelemetry span that had these counts, and no total: Langfuse adds one up."""
    total = sum(written.values())
    return {**usage(**written, total=total), "metadata": {"attributes": {k: str(n) for k, n in counts.items()}}}


ANSWERED: Record = {"metadata": {"attributes": {
    "gen_ai.usage.input_tokens": "900", "gen_ai.usage.output_tokens": "993",
    "gcp.vertex.agent.llm_response": json.dumps({"usage_metadata": {
        "prompt_token_count": 900, "candidates_token_count": 60, "thoughts_token_count": 33, "total_token_count": 993,
        "cached_content_token_count": 400, "prompt_tokens_details": []}}),
}}}  # fmt: skip
SPAN = {"gen_ai.usage.input_tokens": 900, "gen_ai.usage.output_tokens": 90}
Case = tuple[Record, dict[str, Any]]
CASES: dict[str, Case] = {
    "reasoning inside the output": (
        usage(input=70, output=90, output_reasoning_tokens=33, total=160),
        {"input_tokens": 70, "output_tokens": 90, "reasoning_tokens": 33},
    ),
    "reasoning beside the output": (
        usage(input=70, output=90, output_reasoning_tokens=33, total=193), {"output_tokens": 123},
    ),
    "reasoning inside, under a name without output": (
        usage(input=6, output=2055, completion_details__reasoning=1104, total=2061),
        {"output_tokens": 2055, "reasoning_tokens": 1104},
    ),
    "reasoning of which no total tells": (
        {**usage(input=70, output=90, output_reasoning_tokens=33), **LEFT},
        {"output_tokens": 90, "usage_basis": "partial", "output_low": 90, "reasoning_tokens": 33,
         "billed_tokens": None, "tax_class": "bounded", "tax_low": 60, "tax_best": None, "tax_high": 93},
    ),
    "reasoning of which no total tells, whoever counted": (
        {**usage(input=70, output=90, output_reasoning_tokens=33), "metadata": {"usage_source": "provider_final"}},
        {"output_tokens": 90, "usage_basis": "partial", "output_low": 90, "billed_tokens": None},
    ),
    "reasoning of which the total says neither": (
        usage(input=70, output=90, output_reasoning_tokens=33, total=500),
        {"output_tokens": 90, "usage_status": "partial", "input_tokens": 70},
    ),
    "reasoning of a total that Langfuse computed": (
        {**usage(input=70, output=90, reasoning=33, total=193),
         "provided_usage_details": {"input": 70, "output": 90, "reasoning": 33}},
        {"output_tokens": 90, "input_tokens": 70, "usage_basis": "partial"},
    ),
    "reasoning of a total that was provided": (
        {**usage(input=70, output=90, reasoning=33, total=193),
         "provided_usage_details": {"input": 70, "output": 90, "reasoning": 33, "total": 193}},
        {"output_tokens": 123, "usage_basis": "provider"},
    ),
    "more reasoning than output": (usage(input=70, output=90, output_reasoning=133), {"output_tokens": 223}),
    "more reasoning than output, which the total includes": (
        usage(input=70, output=102, output_reasoning_tokens=109, total=172),
        {"output_tokens": 102, "reasoning_tokens": None},
    ),
    "both sides included": (
        usage(input=900, input_cached_tokens=400, output=90, output_reasoning=33, total=990),
        {"input_tokens": 900, "cached_input_tokens": 400, "output_tokens": 90, "reasoning_tokens": 33},
    ),
    "only the input excluded": (
        usage(input=900, input_cached_tokens=400, output=90, output_reasoning=33, total=1390),
        {"input_tokens": 1300, "output_tokens": 90},
    ),
    "only the output excluded": (
        usage(input=900, input_cached_tokens=400, output=90, output_reasoning=33, total=1023),
        {"input_tokens": 900, "output_tokens": 123},
    ),
    "one total of two readings": (
        usage(input=900, input_cached_tokens=50, output=90, output_reasoning=50, total=1040),
        {"input_tokens": None, "output_tokens": 90, "usage_status": "partial", "cached_input_tokens": 50,
         "reasoning_tokens": 50},
    ),
    "cached input of which no total tells": (
        usage(input=900, cache_read_input_tokens=400, output=90), {**UNKNOWN_INPUT, "output_tokens": 90},
    ),
    "more cached than input": (
        usage(input=4, cache_read_input_tokens=400, cache_creation_input_tokens=30, output=90),
        {"input_tokens": 434, "cached_input_tokens": 400, "cache_write_tokens": 30},
    ),
    "more cached than input, whatever the total": (
        usage(input=21, cache_read_input_tokens=400, output=93, output_reasoning=7, total=114),
        {"input_tokens": 421, "cached_input_tokens": 400, "output_tokens": 93},
    ),
    "one cached count under two names": (
        usage(input=900, cache_read_input_tokens=400, input_cached_tokens=400, output=90, total=990),
        {"input_tokens": 900, "cached_input_tokens": 400},
    ),
    "cache writes by lifetime inside their sum": (
        usage(input=10, input_cache_creation=500, input_cache_creation_5m=200, input_cache_creation_1h=300, output=4,
              total=514),
        {"input_tokens": 510, "cache_write_tokens": 500},
    ),
    "cache writes by lifetime in LangChain's names": (
        usage(input=10, input_cache_read=90, input_cache_creation=0, input_ephemeral_5m_input_tokens=200,
              input_ephemeral_1h_input_tokens=300, output=4, total=604),
        {"input_tokens": 600, "cached_input_tokens": 90, "cache_write_tokens": 500, "cache_write_1h_tokens": 300},
    ),
    "OpenAI's own names, with details": (
        usage(prompt_tokens=900, completion_tokens=90, prompt_tokens_details__cached_tokens=400,
              completion_tokens_details__reasoning_tokens=33),
        {"input_tokens": 900, "output_tokens": 90, "cached_input_tokens": 400, "reasoning_tokens": 33},
    ),
    "a raw total beside Langfuse's sum of all keys": (
        usage(prompt_tokens=900, completion_tokens=90, total_tokens=990, reasoning_tokens=33, total=2013),
        {"input_tokens": 900, "output_tokens": 90, "reasoning_tokens": 33},
    ),
    "Gemini's names in the spelling of Python": (
        usage(prompt_token_count=900, candidates_token_count=60, thoughts_token_count=33, total_token_count=993,
              cached_content_token_count=400),
        {"input_tokens": 900, "output_tokens": 93, "reasoning_tokens": 33, "cached_input_tokens": 400},
    ),
    "Gemini's prompt of tool results": (
        usage(promptTokenCount=900, toolUsePromptTokenCount=50, candidatesTokenCount=60, totalTokenCount=1010),
        {"input_tokens": 950, "output_tokens": 60},
    ),
    "Gemini's candidates that hold the thoughts": (
        usage(promptTokenCount=900, candidatesTokenCount=93, thoughtsTokenCount=33, totalTokenCount=993),
        {"output_tokens": 93, "reasoning_tokens": 33},
    ),
    "DeepSeek's names": (
        usage(prompt_tokens=900, completion_tokens=90, total_tokens=990, prompt_cache_hit_tokens=400,
              prompt_cache_miss_tokens=500),
        {"input_tokens": 900, "cached_input_tokens": 400, "output_tokens": 90},
    ),
    "details that overlap": (
        usage(input_tokens=900, output_tokens=90, total_tokens=990, input_token_details__text_tokens=300,
              input_token_details__audio_tokens=600, input_token_details__cached_tokens=640),
        {"input_tokens": 900, "cached_input_tokens": 640, "audio_input_tokens": 600},
    ),
    "the read cache beside the input, the written inside": (
        usage(input=900, cache_read_input_tokens=4000, cache_creation_input_tokens=870, output=90, total=4990),
        {"input_tokens": 4900, "cached_input_tokens": 4000, "cache_write_tokens": 870},
    ),
    "a span's counts, which Langfuse added up": (
        span(SPAN, input=900, cache_read_tokens=400, output=90, output_reasoning=33),
        {"input_tokens": 900, "output_tokens": 90, "cached_input_tokens": 400, "reasoning_tokens": 33},
    ),
    "a span's counts, which Langfuse took apart": (
        span(SPAN, input=500, input_cached_tokens=400, output=57, output_reasoning_tokens=33),
        {"input_tokens": 900, "output_tokens": 90},
    ),
    "a span's counts, which leave the cache out": (
        span(SPAN, input=900, cache_read_tokens=4000, output=90), {"input_tokens": 4900},
    ),
    "a span's counts in a bucket": (
        {**usage(input=900, cache_read_tokens=400, output=90, total=1390),
         "metadata": {f"attributes.{key}": str(count) for key, count in SPAN.items()}},
        {"input_tokens": 900},
    ),
    "text that overlaps what was cached, both taken out": (
        usage(input=0, input_text_tokens=900, input_cached_tokens=400, output=90, total=990),
        {"input_tokens": 900, "cached_input_tokens": 400, "output_tokens": 90},
    ),
    "modalities of both sides, all taken out": (
        usage(input=0, input_modality_text=900, cached_content_token_count=400, output=0, output_modality_text=60,
              thoughts_token_count=33, total=993),
        {"input_tokens": 900, "cached_input_tokens": 400, "output_tokens": 93},
    ),
    "reasoning taken out of an output that never included it": (
        usage(input=70, output=57, output_reasoning_tokens=33, total=193),
        {"output_tokens": 123, "reasoning_tokens": 33, "usage_basis": "provider"},
    ),
    "more reasoning than that output": (
        usage(input=70, output=0, output_reasoning_tokens=133, total=263), {"output_tokens": 193},
    ),
    "a cache taken out of an input that never included it": (
        usage(input=0, input_cached_tokens=4000, output=90, total=4990),
        {"input_tokens": 4900, "cached_input_tokens": 4000, "cost_basis": "priced"},
    ),
    "the same with a total that leaves the cache out": (
        usage(input=0, input_cached_tokens=4000, output=90, total=990), {"input_tokens": 4900},
    ),
    "the same by the span's counts": (
        {**span(SPAN, input=0, input_cached_tokens=4000, output=90),
         "cost_details": {"input": 0, "input_cached_tokens": 0.003, "output": 0.0005, "total": 0.0035}},
        {"input_tokens": 4900, "cost_basis": "priced"},
    ),
    "one cache taken out twice": (
        span(SPAN, input=100, input_cached_tokens=400, input_cache_read=400, output=90), {"input_tokens": 900},
    ),
    "predictions, which OpenAI includes": (
        usage(input=70, output=90, accepted_prediction_tokens=20, rejected_prediction_tokens=5, total=185),
        {"output_tokens": 90},
    ),
    "Pipecat's audio, a part of both sides": (
        {"usage_details": {"input": 772, "input_cached_tokens": 128, "output": 300, "audio.input_tokens": 500,
                           "audio.output_tokens": 280, "cache_read.audio_tokens": 64, "total": 2044}},
        {"input_tokens": 900, "cached_input_tokens": 128, "output_tokens": 300, "audio_input_tokens": 500,
         "audio_output_tokens": 280},
    ),
    "a span's names in a sum of all keys": (
        usage(input=900, output=90, cache_read_tokens=300, details__reasoning_tokens=33, total=1323),
        {"input_tokens": 900, "cached_input_tokens": 300, "output_tokens": 90, "reasoning_tokens": 33},
    ),
    "Anthropic's own names, which exclude each other": (
        usage(input_tokens=900, cache_read_input_tokens=400, output_tokens=90), {"input_tokens": 1300},
    ),
    "what was not cached, by the AI SDK's name": (
        usage(inputTokens=900, outputTokens=90, totalTokens=990, inputTokenDetails__noCacheTokens=500,
              inputTokenDetails__cacheReadTokens=400),
        {"input_tokens": 900, "cached_input_tokens": 400},
    ),
    "Gemini's answer beside a total for an output": (
        {**usage(input=900, output=993, total=1893), **ANSWERED,
         "cost_details": {"input": 0.0009, "output": 0.004, "total": 0.0049}},
        {"input_tokens": 900, "cached_input_tokens": 400, "output_tokens": 93, "cost_basis": "priced"},
    ),
    "audio beside the text": (
        usage(input=100, input_audio_tokens=800, output=40, output_audio_tokens=500, total=1440),
        {"input_tokens": 900, "output_tokens": 540},
    ),
    "kinds of tokens": (
        usage(input=100, input_audio_tokens=800, input_image=70, input_cache_creation_1h=60, output=40,
              output_audio_tokens=500, total=1570),
        {"audio_input_tokens": 800, "image_tokens": 70, "cache_write_1h_tokens": 60, "cache_write_tokens": 60,
         "audio_output_tokens": 500, "input_tokens": 1030, "output_tokens": 540},
    ),
    "text and audio inside": (
        usage(input=900, input_text=100, input_audio=800, output=40, total=940), {"input_tokens": 900},
    ),
    "a zero in front of the count": (
        {**usage(input=0, output=0, total=0), "usage": {"input": 0, "output": 0}, "promptTokens": 50,
         "completionTokens": 100},
        {"input_tokens": 50, "output_tokens": 100},
    ),
    "a prompt of 0 beside an answer": (
        usage(input=0, output=90, total=90), {"input_tokens": None, "output_tokens": 90},
    ),
    "a prompt that came from the cache as a whole": (
        usage(input=0, input_cached_tokens=400, output=90, total=490), {"input_tokens": 400},
    ),
    "zeros everywhere, which were not counted": (
        {**usage(input=0, output=0, total=0), "promptTokens": 0, "completionTokens": 0,
         "cost_details": {"input": 0, "output": 0, "total": 0}},
        {"input_tokens": None, "output_tokens": None, "usage_basis": "none", "cost_usd": None, "input_cost_usd": None},
    ),
    "characters, which are no tokens": (
        {**usage(input=300, output=400, total=700), "usage": {"unit": "CHARACTERS", "input": 300, "output": 400},
         "promptTokens": 300, "completionTokens": 400, "cost_details": {"total": 0.5}},
        {"input_tokens": None, "output_tokens": None, "cost_usd": 0.5},
    ),
    "zeros of an answer from a cache": (
        {**usage(input=0, output=0, total=0), "metadata": {"cache_hit": True}}, {"input_tokens": 0, "output_tokens": 0},
    ),
    "Langfuse's price of tokens that it counted twice": (
        {**usage(input=900, input_cached_tokens=400, output=90, total=990),
         "cost_details": {"input": 0.0009, "input_cached_tokens": 0.0002, "output": 0.0004, "total": 0.0015}},
        {"cost_basis": "priced", "input_cost_basis": "priced", "output_cost_basis": "reported",
         "output_cost_usd": 0.0004},
    ),
    "Langfuse's cost without a price for the reasoning": (
        {**usage(input=70, output=90, thoughtsTokenCount=33, total=193),
         "cost_details": {"input": 0.0009, "output": 0.0004, "total": 0.0013}, "provided_cost_details": {}},
        {"output_tokens": 123, "cost_basis": "priced", "input_cost_usd": 0.0009, "output_cost_basis": "priced"},
    ),
    "Langfuse's cost without a price for what was cached": (
        {**usage(input=500, input_cached_tokens=400, output=90, total=990),
         "cost_details": {"input": 0.0009, "output": 0.0004, "total": 0.0013}, "provided_cost_details": {}},
        {"input_tokens": 900, "cost_basis": "priced", "output_cost_usd": 0.0004},
    ),
    "a cost of the whole input, which the application may have sent": (
        {**usage(input=500, input_cached_tokens=400, output=90, total=990),
         "cost_details": {"input": 0.0009, "output": 0.0004, "total": 0.0013}},
        {"cost_basis": "reported", "cost_usd": 0.0013},
    ),
    "a price of 0 for what was not counted": (
        {"usage_details": {}, "cost_details": {"input": 0, "output": 0, "total": 0}}, {"cost_usd": None},
    ),
    "a price that the application sent": (
        {**usage(input=900, input_cached_tokens=400, output=90, total=990),
         "cost_details": {"input": 0.0009, "input_cached_tokens": 0.0002, "output": 0.0004, "total": 0.0015},
         "provided_cost_details": {"total": 0.0015}},
        {"cost_usd": 0.0015, "cost_basis": "reported"},
    ),
    "a price in another currency": (
        {"cost_details": {"total": 0.0158}, "total_cost": 0.0158,
         "metadata": {"total_price": "0.0158000", "currency": "RMB"}}, {"cost_basis": "priced"},
    ),
    "the same in dollars": (
        {"cost_details": {"total": 0.0158}, "metadata": {"total_price": "0.0158000", "currency": "USD"}},
        {"cost_usd": 0.0158, "cost_basis": "reported"},
    ),
    "a discount after the parts": (
        {"cost_details": {"input": 0.002, "output": 0.006, "total": 0.004}},
        {"cost_usd": 0.004, "input_cost_usd": 0.001, "output_cost_usd": 0.003},
    ),
}  # fmt: skip
CAPS = (
    "max_tokens", "max_completion_tokens", "max_output_tokens", "maxTokens", "maxOutputTokens", "max_new_tokens",
)  # fmt: skip


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """Every case as a call, all out of one file."""
    rows = [langfuse_row(name, **changes) for name, (changes, _) in CASES.items()]
    rows += [langfuse_row(cap, model_parameters={cap: 512}) for cap in CAPS]
    rows.append(langfuse_row("nested cap", model_parameters='{"generationConfig": {"maxOutputTokens": 512}}'))
    with store_of(write_lines(tmp_path_factory.mktemp("usage") / "rows.jsonl", rows)) as store:
        return calls(store)


@pytest.mark.parametrize("name", CASES)
def test_usage_is_read_by_its_own_total(stored: dict[str, Record], name: str) -> None:
    """The case's name says how the details lie."""
    assert {column: stored[name][column] for column in CASES[name][1]} == CASES[name][1]


@pytest.mark.parametrize("cap", [*CAPS, "nested cap"])
def test_an_output_cap_is_known_by_every_name(stored: dict[str, Record], cap: str) -> None:
    """Names of OpenAI's two APIs, LangChain, Gemini and Hugging Face."""
    assert stored[cap]["max_tokens"] == 512


def test_usage_as_text_of_a_cell_is_the_same(tmp_path: Path) -> None:
    """A CSV has usage, costs and metadata as JSON text."""
    row = langfuse_row("cell", **usage(input=70, output=90, output_reasoning_tokens=33, total=160))
    cells = ",".join('"' + str(value).replace("'", '""') + '"' for value in row.values())
    (tmp_path / "rows.csv").write_text(",".join(row) + "\n" + cells + "\n")
    with store_of(tmp_path / "rows.csv") as store:
        assert calls(store)["cell"]["output_tokens"] == 90

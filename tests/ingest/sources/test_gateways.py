"""LiteLLM, LangSmith, Helicone and OpenRouter, trap by trap."""

import csv
import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sample_traces.records import START_S, helicone, langsmith, litellm, openrouter, spend_row
from streamaudit.store.store import Store
from tests.reused import empty_store
from tests.support import Record, calls, ingest, store_of, stored_calls, write_lines

START = datetime(2026, 11, 16, 8)
LEFT = {"error_code": "499", "error_class": "ClientDisconnected", "error_message": "Client disconnected"}
DETAILED = {
    "usage_object": {
        "completion_tokens_details": {"reasoning_tokens": 20}, "prompt_tokens_details": {"cached_tokens": 10},
    },
}  # fmt: skip
# What an Anthropic stream's first chunk makes of a row's usage: every detail, and a placeholder for the output.
OPENING = {
    "completion_tokens": 1, "prompt_tokens": 50, "completion_tokens_details": {"reasoning_tokens": 0, "text_tokens": 1},
    "prompt_tokens_details": {"cached_tokens": 10}, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 0,
}  # fmt: skip
DRAINED = {**OPENING, "completion_tokens": 511, "completion_tokens_details": {"reasoning_tokens": 0}}
OPENED = {"metadata": {"usage_object": OPENING}, "completion_tokens": 1, "response_cost": 0.00009,
          "cost_breakdown": {"input_cost": 0.000075, "output_cost": 0.000015, "total_cost": 0.00009}}  # fmt: skip
CLAUDE = {"model": "claude-sonnet-4-5-20250929", "model_group": "claude-sonnet-4-5", "custom_llm_provider": "anthropic"}
UNCOUNTED = {
    "output_tokens": None, "reasoning_tokens": None, "output_cost_usd": None, "cost_usd": None, "cost_basis": "none",
    "input_tokens": 50, "cached_input_tokens": 10, "input_cost_usd": 0.000075, "usage_basis": "none",
}  # fmt: skip
Case = tuple[Record, dict[str, Any]]

LITELLM: dict[str, Case] = {
    "seconds since 1970": ({}, {"start_time": START, "duration_ms": 5000.0, "ttft_ms": 734.0, "ttft_status": "usable"}),
    "a response time that is the first token's": ({"response_time": 0.734}, {"duration_ms": 5000.0}),
    "the alias that was asked for": (
        {"model_group": "large", "model": "azure/gpt-4o"}, {"model": "large", "response_model": "azure/gpt-4o"},
    ),
    "a client that left is a success with 499": (
        {"error_information": LEFT},
        {"outcome": "cancelled", "cancel_evidence": "http_status", "usage_basis": "tokenizer", "tax_class": "unknown"},
    ),
    "a client that left, with the provider's own usage": (
        {"error_information": LEFT, "metadata": {**DETAILED, "spend_logs_metadata": {"rendered_tokens": 70}}},
        {"outcome": "cancelled", "usage_basis": "provider", "reasoning_tokens": 20, "cached_input_tokens": 10},
    ),
    "a client that left before anything was counted": (
        {"error_information": LEFT, "completion_tokens": 0}, {"output_tokens": None, "tax_class": "unknown"},
    ),
    "a first token stamped at the flush": (
        {"error_information": LEFT, "completionStartTime": START_S + 4.999},
        {"ttft_ms": None, "ttft_status": "not_below_duration"},
    ),
    "a first token of a call that did not stream": (
        {"stream": False, "completionStartTime": START_S + 5.0}, {"ttft_ms": None, "streamed": False},
    ),
    "a late first token of a stream": ({"completionStartTime": START_S + 4.99}, {"ttft_ms": 4990.0}),
    "a failure": (
        {"status": "failure", "prompt_tokens": 0, "completion_tokens": 0, "response_cost": 0.0,
         "error_information": {"error_code": "429", "error_class": "RateLimitError"}},
        {"outcome": "error", "http_status": 429, "output_tokens": None, "input_tokens": None, "cost_usd": None,
         "error_type": "RateLimitError"},
    ),
    "an error that is empty text is none": (
        {"completion_tokens": 0, "error_information": {"error_code": "", "error_class": "", "error_message": ""}},
        {"outcome": "completed", "output_tokens": 0, "error_type": None},
    ),
    "a stream cut by the proxy's own limit": (
        {"status": "failure", "error_information": {"error_class": "Timeout", "error_message": "Stream exceeded max"}},
        {"outcome": "timeout"},
    ),
    "a cache hit": ({"cache_hit": True, "response_cost": 0.0}, {"cost_usd": 0.0, "ttft_status": "cache_hit"}),
    "a cache hit with the cost of the answer that it repeats": (
        {"cache_hit": True, "response_cost": 0.003}, {"cost_usd": 0.0, "billed_tokens": 0},
    ),
    "a deadline in the text alone of an old payload": (
        {"status": "failure", "error_information": None, "error_str": "litellm.Timeout: it took too long"},
        {"outcome": "timeout"},
    ),
    "a client that left in the text alone of an old payload": (
        {"status": "failure", "error_information": None, "error_str": "CancelledError: client disconnected"},
        {"outcome": "cancelled"},
    ),
    "a model without a price is not free": (
        {"response_cost": 0.0, "model": "our-own", "model_group": "our-own", "custom_llm_provider": "our"},
        {"cost_usd": None, "cost_basis": "none"},
    ),
    "an attempt of a request": ({"trace_id": "t1"}, {"logical_request_id": "t1", "call_id": "an attempt of a request"}),
    "the release among the tags": ({"request_tags": ["prod", "release:9"]}, {"deploy": "9"}),
    "an embedding": ({"call_type": "aembedding"}, {"operation": "embedding"}),
    "a call of a tool is no call": ({"call_type": "call_mcp_tool"}, {}),
    "an id that another answer has too": (
        {"id": "chatcmpl-seconds since 1970"}, {"call_id": "an id that another answer has too", "counted": True},
    ),
    "the key's team and the proxy's own route": ({}, {"tenant": "acme", "route": "/v1/chat/completions"}),
    "a task that was cancelled": (
        {"status": "failure", "error_information": {"error_code": "", "error_class": "CancelledError"}},
        {"outcome": "cancelled", "cancel_evidence": "error"},
    ),
    "a failure of a general class whose message names who stopped it": (
        {"status": "failure", "error_information": {"error_code": "500", "error_class": "APIConnectionError",
                                                    "error_message": "APIConnectionError: context canceled"}},
        {"outcome": "cancelled", "cancel_evidence": "error"},
    ),
    "a failure in the middle of a stream": (
        {"status": "failure", "completion_tokens": 60, "error_information": {"error_class": "MidStreamFallbackError"}},
        {"outcome": "error", "output_tokens": 60, "usage_basis": "tokenizer", "billed_tokens": None},
    ),
    "a response as text": (
        {"response": '{"choices": [{"finish_reason": "length", "message": {"content": "12345"}}]}'},
        {"finish_reason": "length", "output_chars": 5},
    ),
    "texts that were redacted": (
        {"response": "redacted-by-litellm", "messages": "redacted-by-litellm"},
        {"finish_reason": None, "output_chars": None, "input_hash": None, "outcome": "completed"},
    ),
    # Streams of Anthropic: only the last chunk has the count, and only some paths wait for it.
    "Anthropic's placeholder of a client that left": (
        {**CLAUDE, **OPENED, "call_type": "anthropic_messages", "error_information": LEFT,
         "response": {"choices": [{"finish_reason": "stop"}]}},
        {**UNCOUNTED, "outcome": "cancelled", "tax_class": "unknown", "finish_reason": None},
    ),
    "Anthropic's placeholder under the name of the asynchronous call": (
        {**OPENED, "call_type": "aanthropic_messages", "error_information": LEFT, "model": "ours", "model_group": "o"},
        {**UNCOUNTED, "outcome": "cancelled"},
    ),
    "Anthropic's placeholder of a path passed through": (
        {**CLAUDE, **OPENED, "call_type": "pass_through_endpoint", "completion_tokens": 4, "error_information": LEFT},
        {**UNCOUNTED, "outcome": "cancelled"},
    ),
    "Anthropic's placeholder of a stream that failed": (
        {**CLAUDE, **OPENED, "call_type": "anthropic_messages", "status": "failure",
         "error_information": {"error_code": "", "error_class": "ReadError"}},
        {**UNCOUNTED, "outcome": "error", "error_type": "ReadError"},
    ),
    "a client that left Anthropic's stream, which was read to its end": (
        {**CLAUDE, "metadata": {"usage_object": DRAINED, "spend_logs_metadata": {"rendered_tokens": 80}},
         "call_type": "anthropic_messages", "completion_tokens": 511, "response_cost": 0.00858,
         "error_information": LEFT, "completionStartTime": START_S + 4.999},
        {"outcome": "cancelled", "output_tokens": 511, "usage_basis": "provider", "cost_usd": 0.00858, "ttft_ms": None,
         "tax_class": "exact", "tax_best": 431},
    ),
    "a client that left Anthropic's stream, of which the text was counted": (
        {**CLAUDE, "metadata": {"usage_object": {**DRAINED, "completion_tokens": 41, "cost": None}},
         "call_type": "anthropic_messages", "completion_tokens": 41, "error_information": LEFT},
        {"output_tokens": 41, "usage_basis": "tokenizer", "tax_class": "unknown", "cost_usd": None},
    ),
    "a client that left a path passed through, of which the text was counted": (
        {**CLAUDE, "metadata": {"usage_object": DRAINED}, "call_type": "pass_through_endpoint",
         "completion_tokens": 199, "error_information": LEFT},
        {"output_tokens": 199, "usage_basis": "tokenizer", "tax_class": "unknown", "cost_usd": None},
    ),
    "a spend for what the proxy counted itself": (
        {"error_information": LEFT, "metadata": {}, "response_cost": 0.003,
         "cost_breakdown": {"input_cost": 0.001, "output_cost": 0.002}},
        {"outcome": "cancelled", "usage_basis": "tokenizer", "cost_usd": None, "cost_basis": "none",
         "input_cost_usd": None, "output_cost_usd": None},
    ),
    "a spend for what the provider counted of a call that was left": (
        {"error_information": LEFT, "response_cost": 0.003, "metadata": {"usage_object": {
         "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}}}},
        {"outcome": "cancelled", "usage_basis": "provider", "cost_usd": 0.003, "cost_basis": "reported"},
    ),
    "a cached count of 0 in front of the real one": (
        {"prompt_tokens": 2459, "metadata": {"usage_object": {"prompt_tokens_details": {"cached_tokens": 0},
         "cache_read_input_tokens": 2455, "cache_creation_input_tokens": 0}}},
        {"input_tokens": 2459, "cached_input_tokens": 2455, "cache_write_tokens": 0},
    ),
    "an input without its cache": (
        {"prompt_tokens": 4, "metadata": {"usage_object": {"cache_read_input_tokens": 400,
         "cache_creation_input_tokens": 30}}},
        {"input_tokens": 434, "cached_input_tokens": 400, "cache_write_tokens": 30},
    ),
    "an input without its cache, by the total": (
        {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1430, "metadata": {"usage_object": {
         "cache_read_input_tokens": 400, "cache_creation_input_tokens": 30}}}, {"input_tokens": 1330},
    ),
    "an input without its cache, by the usage object": (
        {"prompt_tokens": 900, "metadata": {"usage_object": {"prompt_tokens": 1330,
         "cache_read_input_tokens": 400, "cache_creation_input_tokens": 30}}}, {"input_tokens": 1330},
    ),
    "a stream cut by the proxy without a count of its prompt": (
        {"status": "failure", "prompt_tokens": 0, "completion_tokens": 296, "response_cost": 0, "metadata": {},
         "error_information": {"error_code": "408", "error_class": "Timeout"}},
        {"outcome": "timeout", "input_tokens": None, "output_tokens": 296, "usage_basis": "tokenizer"},
    ),
    "counts of 0 in front of those of the usage object": (
        {"prompt_tokens": 0, "completion_tokens": 0, "metadata": {"usage_object": {"input_tokens": 70,
         "output_tokens": 90, "output_tokens_details": {"reasoning_tokens": 33},
         "input_tokens_details": {"cached_tokens": 7}}}},
        {"input_tokens": 70, "output_tokens": 90, "reasoning_tokens": 33, "cached_input_tokens": 7},
    ),
    "no prompt beside an answer of LiteLLM": ({"prompt_tokens": 0}, {"input_tokens": None, "output_tokens": 100}),
    "a prompt that the proxy counted of a failure": (
        {"status": "failure", "prompt_tokens": 2900, "completion_tokens": 0, "response_cost": 0, "metadata": {},
         "error_information": {"error_code": "408", "error_class": "Timeout"}},
        {"outcome": "timeout", "input_tokens": None, "output_tokens": None, "cost_usd": None, "input_cost_usd": None},
    ),
    "a prompt that the proxy counted for a client that left": (
        {"error_information": LEFT, "prompt_tokens": 2900, "completion_tokens": 0, "response_cost": 0, "metadata": {}},
        {"outcome": "cancelled", "input_tokens": None, "output_tokens": None, "input_cost_usd": None},
    ),
    "a failure whose row says so in its metadata only": (
        {"status": None, "metadata": {"status": "failure", "error_information": {"error_class": "RateLimitError"}},
         "prompt_tokens": 0, "completion_tokens": 0},
        {"outcome": "error", "error_type": "RateLimitError"},
    ),
    "a response that was only read again": ({"call_type": "aget_responses"}, {}),
    "a response that was only deleted": ({"call_type": "adelete_responses"}, {}),
    "a listing of what a response was asked": ({"call_type": "alist_input_items"}, {}),
    "a batch that was retrieved": ({"call_type": "aretrieve_batch"}, {}),
    "a response that was asked for": ({"call_type": "aresponses"}, {"operation": "chat", "output_tokens": 100}),
    "Gemini's own route": ({"call_type": "agenerate_content"}, {"operation": "chat"}),
    "an output cap of the Responses API": ({"model_parameters": {"max_output_tokens": 500}}, {"max_tokens": 500}),
    "an answer that reached its cap": (
        {"call_type": "aresponses", "response": {"status": "incomplete",
         "incomplete_details": {"reason": "max_output_tokens"}}},
        {"finish_reason": "length"},
    ),
    "parts before a discount": (
        {"response_cost": 0.0133, "cost_breakdown": {"input_cost": 0.0025, "output_cost": 0.0165}},
        {"cost_usd": 0.0133, "input_cost_usd": pytest.approx(0.00175), "output_cost_usd": pytest.approx(0.01155)},
    ),
    "parts of a cost with a margin": (
        {"response_cost": 0.03, "cost_breakdown": {"input_cost": 0.0025, "output_cost": 0.0165}},
        {"cost_usd": 0.03, "input_cost_usd": 0.0025, "output_cost_usd": 0.0165},
    ),
    "audio, images and an hour of cache": (
        {"prompt_tokens": 900, "metadata": {"usage_object": {
            "prompt_tokens_details": {"audio_tokens": 70, "image_tokens": 80, "cached_tokens": 0,
                "cache_creation_tokens": 300,
                "cache_creation_token_details": {"ephemeral_1h_input_tokens": 200}},
            "completion_tokens_details": {"audio_tokens": 60}}}},
        {"audio_input_tokens": 70, "image_tokens": 80, "audio_output_tokens": 60, "cache_write_tokens": 300,
         "cache_write_1h_tokens": 200},
    ),
    "the tier that served": (
        {"model_parameters": {"service_tier": "auto"}, "response": {"service_tier": "flex"}}, {"service_tier": "flex"},
    ),
    "a tier that was only asked for": ({"model_parameters": {"service_tier": "priority"}}, {"service_tier": None}),
    "a tier that is no answer": ({"response": {"service_tier": "auto"}}, {"service_tier": None}),
    "an answer of Anthropic of one token": (
        {**CLAUDE, **OPENED, "call_type": "anthropic_messages"}, {"output_tokens": 1, "cost_usd": 0.00009},
    ),
}  # fmt: skip
ROWS: dict[str, Case] = {
    "times as text": ({}, {"start_time": START, "ttft_ms": 734.0, "tenant": "acme"}),
    "metadata as text": (
        {"metadata": json.dumps({"error_information": LEFT, **DETAILED})},
        {"outcome": "cancelled", "usage_basis": "provider"},
    ),
    "a row of a stored response that was read": ({"call_type": "aget_responses"}, {}),
    "a cache hit as a word": ({"cache_hit": "True"}, {"ttft_status": "cache_hit"}),
    "a cache hit whose guardrail was paid for": (
        {"cache_hit": "True", "spend": 0.0001, "cost_breakdown": {"input_cost": 0, "guardrail_cost": 0.0001}},
        {"cost_usd": 0.0001, "billed_tokens": 0},
    ),
    "the request as it was asked": (
        {
            "proxy_server_request": '{"stream": true, "max_tokens": 77, "messages": []}',
            "completionStartTime": "2026-11-16T08:00:05Z",
        },
        {"streamed": True, "max_tokens": 77, "ttft_status": "not_below_duration"},
    ),
    "a cache among the other values of the usage": (
        {"metadata": {"additional_usage_values": {"cache_read_input_tokens": 20, "cache_creation_input_tokens": 5}}},
        {"input_tokens": 50, "cached_input_tokens": 20, "cache_write_tokens": 5},
    ),
    "details in the words of the realtime API": (
        {
            "metadata": {
                "usage_object": {
                    "input_token_details": {"audio_tokens": 30, "cached_tokens": 9},
                    "output_token_details": {"audio_tokens": 70},
                }
            }
        },
        {"audio_input_tokens": 30, "cached_input_tokens": 9, "audio_output_tokens": 70},
    ),
    "tags as text": ({"request_tags": '["release:9"]'}, {"deploy": "9"}),
}
LANGSMITH: dict[str, Case] = {
    "times without a zone are UTC": ({}, {"start_time": START, "ttft_ms": 734.0, "duration_ms": 5000.0}),
    "costs as text": ({}, {"cost_usd": 0.003, "output_cost_usd": 0.002}),
    "costs of 0 are no price": (
        {"total_cost": "0", "prompt_cost": "0", "completion_cost": "0"},
        {"cost_basis": "priced"},
    ),
    "kinds of tokens, and an answer, as JSON text": (
        {"prompt_token_details": '{"cache_read": 20}', "completion_token_details": '{"reasoning": 30}',
         "outputs": '{"generations": [[{"generation_info": {"finish_reason": "length"}, "message": {"kwargs": '
                    '{"response_metadata": {"id": "chatcmpl-1", "service_tier": "flex"}}}}]]}'},
        {"cached_input_tokens": 20, "reasoning_tokens": 30, "finish_reason": "length", "service_tier": "flex",
         "response_id": "chatcmpl-1"},
    ),
    "the model in the metadata": ({}, {"model": "gpt-4o-mini", "response_model": "gpt-4o-mini-2024-07-18"}),
    "the session is a project": ({"session_id": "my-project"}, {"session_id": None}),
    "a chain carries sums": ({"run_type": "chain"}, {}),
    "events of tokens": (
        {"first_token_time": None, "events": [
            {"name": "start", "time": "2026-11-16T08:00:00"}, {"name": "new_token", "time": "2026-11-16T08:00:01"},
            {"name": "new_token", "time": "2026-11-16T08:00:02"}]},
        {"ttft_ms": 1000.0, "chunk_count": 2, "chunk_offsets_ms": [1000.0, 2000.0]},
    ),
    "cancelled by the error's class": (
        {"status": "error", "error": "GeneratorExit('private')"}, {"outcome": "cancelled",
            "error_type": "GeneratorExit"},
    ),
    "pending is unknown and not cancelled": (
        {"status": "pending", "end_time": None, "completion_tokens": None, "prompt_tokens": None},
            {"outcome": "unknown"},
    ),
    "pending, with an error that says who left": (
        {"status": "pending", "end_time": None, "error": "CancelledError()"}, {"outcome": "cancelled"},
    ),
    "a run without counts": (
        {"completion_tokens": None, "prompt_tokens": None, "total_cost": None, "completion_cost": None},
        {"output_tokens": None, "usage_basis": "none", "input_tokens": None},
    ),
    "details of the counts": (
        {"prompt_token_details": {"cache_read": 8, "cache_creation": 9}, "completion_token_details": {"reasoning": 7}},
        {"cached_input_tokens": 8, "cache_write_tokens": 9, "reasoning_tokens": 7},
    ),
    "a revision as the deploy": (
        {"extra": {"metadata": {"revision_id": "9f31c2a"}, "invocation_params": {"model": "m", "stream": True}}},
        {"deploy": "9f31c2a", "model": "m", "streamed": True},
    ),
    "extra as text, as a bulk export has it": (
        {"extra": '{"metadata":{"ls_model_name":"m","tenant":"globex"}}'}, {"model": "m", "tenant": "globex"},
    ),
}  # fmt: skip
# How Helicone writes that it knows no count, and what that is.
UNSPOKEN = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "prompt_cache_read_tokens": 0, "cost": 0}
UNHEARD = {"input_tokens": None, "output_tokens": None, "billed_tokens": None, "cost_usd": None}
HELICONE: dict[str, Case] = {
    "milliseconds": ({}, {"duration_ms": 5000.0, "ttft_ms": 734.0, "ttft_status": "usable"}),
    "properties": ({}, {"tenant": "acme", "deploy": "9", "route": "/v1/chat/completions", "user_id": "u1"}),
    "a client that left": ({"response_status": 499}, {"outcome": "cancelled", "http_status": 499}),
    "a code of its own is no status": ({"response_status": -3, "completion_tokens": None}, {"http_status": None}),
    "its own code of a client that left": (
        {"response_status": -3, **UNSPOKEN},
        {"outcome": "cancelled", "cancel_evidence": "error", **UNHEARD},
    ),
    "its own code of a client that left, as text": ({"response_status": "-3", **UNSPOKEN}, {"outcome": "cancelled"}),
    "its own code of a time-out": (
        {"response_status": -1, "time_to_first_token": 0, **UNSPOKEN},
        {"outcome": "timeout", **UNHEARD},
    ),
    "its own code of a call that is pending": (
        {"response_status": -2, "response_created_at": None, "delay_ms": None, **UNSPOKEN},
        {"outcome": "unknown", **UNHEARD},
    ),
    "zeros of a failure": ({"response_status": 500, **UNSPOKEN}, {"outcome": "error", **UNHEARD}),
    "what a client that left had been told": (
        {"response_status": -3, "completion_tokens": 0},
        {"input_tokens": 50, "output_tokens": None},
    ),
    "an input that leaves the cache out": (
        {
            "prompt_tokens": 600,
            "prompt_cache_read_tokens": 500,
            "prompt_cache_write_tokens": 20,
            "completion_tokens": 30,
            "total_tokens": 1150,
        },
        {"input_tokens": 1120, "cached_input_tokens": 500, "cache_write_tokens": 20},
    ),
    "an input that has the cache in it": (
        {"prompt_tokens": 600, "prompt_cache_read_tokens": 500, "completion_tokens": 30, "total_tokens": 630},
        {"input_tokens": 600, "cached_input_tokens": 500},
    ),
    "an input smaller than its cache": (
        {"prompt_tokens": 21, "prompt_cache_read_tokens": 500, "completion_tokens": 30, "total_tokens": None},
        {"input_tokens": 521},
    ),
    "a cache of which no total tells": (
        {
            "prompt_tokens": 600,
            "prompt_cache_read_tokens": 500,
            "completion_tokens": 30,
            "total_tokens": None,
            "cost": None,
        },
        {"input_tokens": None, "cached_input_tokens": 500, "output_tokens": 30, "input_cost_usd": None},
    ),
    "a cost of 0 in front of the real one": ({"costUSD": 0, "cost": 0.004}, {"cost_usd": 0.004}),
    "a prompt of 0 beside an answer": ({"prompt_tokens": 0}, {"input_tokens": None, "output_tokens": 100}),
    "an output cap by Gemini's name": (
        {"request_body": {"generationConfig": {"maxOutputTokens": 9}}},
        {"max_tokens": 9},
    ),
    "the tier in the answer": (
        {"request_body": {"service_tier": "auto"}, "response_body": {"service_tier": "priority"}},
        {"service_tier": "priority"},
    ),
    "a first token of a call that did not stream": (
        {"time_to_first_token": 5000, "request_body": {"stream": False}},
        {"ttft_ms": None, "streamed": False},
    ),
    "a body as text": ({"request_body": '{"stream":true,"max_tokens":9}'}, {"streamed": True, "max_tokens": 9}),
    "an answer from the cache": ({"cache_reference_id": "c0ffee"}, {"ttft_status": "cache_hit"}),
    "the cache's empty id": (
        {"cache_reference_id": "00000000-0000-0000-0000-000000000000"},
        {"ttft_status": "usable"},
    ),
    "numbers as floats": (
        {"response_status": 200.0, "delay_ms": 5000.0, "prompt_tokens": 50.0, "completion_tokens": 100.0},
        {"http_status": 200, "duration_ms": 5000.0, "input_tokens": 50, "output_tokens": 100},
    ),
    "the other names of properties and cost": (
        {
            "request_properties": None,
            "properties": {"tenant": "acme"},
            "cost": None,
            "costUSD": 0.5,
            "request_user_id": None,
            "helicone_user": "u2",
        },
        {"tenant": "acme", "cost_usd": 0.5, "user_id": "u2"},
    ),
    "a first token after the end": (
        {"time_to_first_token": 9000},
        {"ttft_status": "not_below_duration", "streamed": None},
    ),
    "a cancel without usage": (
        {"response_status": 499, "completion_tokens": None},
        {"output_tokens": None, "tax_class": "unknown"},
    ),
    "a cost of nothing is unknown": (
        {"cost": 0, "request_model": "ours", "response_model": "ours", "provider": "CUSTOM"},
        {"cost_usd": None},
    ),
}
OPENROUTER: dict[str, Case] = {
    "the native counts are billed": ({}, {"input_tokens": 50, "output_tokens": 100, "reasoning_tokens": 20}),
    "latencies that cannot be trusted": ({}, {"ttft_ms": None, "duration_ms": None}),
    "cancelled": (
        {"cancelled": True, "finish_reason": None, "native_finish_reason": None},
        {"outcome": "cancelled", "cancel_evidence": "flag", "usage_basis": "provider"},
    ),
    "an error in the stream": ({"finish_reason": "error"}, {"outcome": "error"}),
    "finished": ({}, {"outcome": "completed", "cost_usd": 0.003, "response_id": "up-finished"}),
    "a generation of sound": ({"api_type": "tts"}, {}),
    "a fee beside the bill of one's own key": (
        {"total_cost": 0.0005, "is_byok": True, "upstream_inference_cost": 0.01},
        {"cost_usd": pytest.approx(0.0105)},
    ),
    "no fee beside the bill of one's own key": (
        {"total_cost": 0, "usage": 0, "is_byok": True, "upstream_inference_cost": 0.01},
        {"cost_usd": 0.01},
    ),
    "a fee without the bill of one's own key": (
        {"is_byok": True, "upstream_inference_cost": None, "model": "ours/own"},
        {"cost_usd": None},
    ),
    "what the host was paid is inside": (
        {"total_cost": 0.003, "is_byok": False, "upstream_inference_cost": 0.003},
        {"cost_usd": 0.003},
    ),
    "more cached than went in": ({"native_tokens_cached": 400}, {"input_tokens": 450, "cached_input_tokens": 400}),
    "no prompt beside an answer": ({"native_tokens_prompt": 0, "native_tokens_cached": 0}, {"input_tokens": None}),
    "the tier of a generation": ({"service_tier": "flex"}, {"service_tier": "flex"}),
    "hosts that refused before one that answered": (
        {"provider_responses": [{"provider_name": "Other", "status": 529}, {"provider_name": "Host", "status": 200}]},
        {"outcome": "completed", "http_status": None},
    ),
}
SPELT: dict[str, Case] = {
    "keys as its SDK prints them": (
        {"cancelled": True, "finish_reason": None},
        {"input_tokens": 50, "output_tokens": 100, "reasoning_tokens": 20, "cost_usd": 0.003, "outcome": "cancelled",
         "response_id": "up-keys as its SDK prints them", "user_id": "u1", "start_time": START},
    ),
}  # fmt: skip
ACTIVITY: dict[str, Case] = {
    "a row of the CSV": (
        {},
        {"start_time": START, "duration_ms": 5000.0, "ttft_ms": 734.0, "ttft_status": "usable", "input_tokens": 50,
         "cached_input_tokens": 10, "output_tokens": 100, "reasoning_tokens": 20, "cost_usd": 0.003,
         "model": "openai/gpt-5.1", "response_model": "openai/gpt-5.1-20251113", "provider": "openrouter",
         "tenant": "key-a", "route": "demo", "user_id": "u1", "outcome": "completed", "streamed": True},
    ),
    "a row of who left": (
        {"cancelled": "true", "finish_reason_normalized": "", "finish_reason_raw": ""},
        {"outcome": "cancelled", "cancel_evidence": "flag", "output_tokens": 100},
    ),
    "a row that did not stream": ({"streamed": "false"}, {"ttft_ms": None, "ttft_status": "not_streamed"}),
    "a row whose first token is no first token": (
        {"time_to_first_token_ms": 5000}, {"ttft_status": "not_below_duration"},
    ),
    "a row without an end": (
        {"finish_reason_normalized": "", "finish_reason_raw": "", "tokens_completion": ""}, {"outcome": "unknown"},
    ),
    "a row of an error": ({"finish_reason_normalized": "error"}, {"outcome": "error", "error_type": "error"}),
    "a row of one's own key": ({"byok_usage_inference": "0.01"}, {"cost_usd": pytest.approx(0.013)}),
    "a row whose cache saved money": ({"cost_cache": "-0.001"}, {"cost_usd": 0.003}),
}  # fmt: skip


def activity(name: str, /, **fields: Any) -> Record:
    """A row of the CSV that OpenRouter's Activity page exports."""
    return {
        "generation_id": name, "created_at": "2026-11-16 08:00:00.000", "cost_total": "0.003", "cost_cache": "0",
        "byok_usage_inference": "0", "tokens_prompt": 50, "tokens_completion": 100, "tokens_reasoning": 20,
        "tokens_cached": 10, "model_permaslug": "openai/gpt-5.1-20251113", "provider_name": "OpenAI",
        "variant": "standard", "cancelled": "false", "streamed": "true", "user": "u1", "finish_reason_raw": "stop",
        "finish_reason_normalized": "stop", "generation_time_ms": 5000, "time_to_first_token_ms": 734,
        "app_name": "demo", "api_key_name": "key-a", "api_key_disabled": "false", **fields,
    }  # fmt: skip


def write_csv(path: Path, rows: list[Record]) -> Path:
    """Records as a table, their keys in the header."""
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return path


def camels(name: str, /, **fields: Any) -> Record:
    """A generation as OpenRouter's SDK prints it."""
    return {re.sub("_(.)", lambda found: found[1].upper(), key): value for key, value in
            openrouter(name, **fields)["data"].items()}  # fmt: skip


ALL: dict[str, tuple[Callable[..., Record], dict[str, Case]]] = {
    "litellm": (litellm, LITELLM), "rows": (spend_row, ROWS), "langsmith": (langsmith, LANGSMITH),
    "helicone": (helicone, HELICONE), "openrouter": (openrouter, OPENROUTER), "camels": (camels, SPELT),
    "activity": (activity, ACTIVITY),
}  # fmt: skip
NAMES = [(form, name) for form, (_, cases) in ALL.items() for name in cases]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Record]]:
    """Every case of a form in one file, by form and name."""
    folder, found = tmp_path_factory.mktemp("gateways"), dict[str, dict[str, Record]]()
    for form, (make, cases) in ALL.items():
        records = [make(name, **changes) for name, (changes, _) in cases.items()]
        is_table = form == "activity"
        path = write_csv(folder / "rows.csv", records) if is_table else write_lines(folder / f"{form}.jsonl", records)
        with store_of(path) as store:
            found[form] = calls(store)
    return found


@pytest.mark.parametrize(("form", "name"), NAMES)
def test_a_gateways_trap_becomes_what_it_means(stored: dict[str, dict[str, Record]], form: str, name: str) -> None:
    """The case's name says what the record holds."""
    _, expected = ALL[form][1][name]
    if not expected:
        assert name not in stored[form]
        return
    assert {column: stored[form][name][column] for column in expected} == expected


def test_a_row_of_the_spend_log_may_lack_its_first_token(tmp_path: Path) -> None:
    """A query may leave the column out: what it spent is still the proxy's own figure."""
    row = {key: value for key, value in spend_row("a").items() if key != "completionStartTime"}
    with store_of(write_lines(tmp_path / "rows.jsonl", [row])) as store:
        (call,) = stored_calls(store).values()
    assert (call["source"], call["cost_usd"], call["ttft_ms"], call["duration_ms"]) == ("litellm", 0.003, None, 5000.0)


def test_a_folder_of_single_objects_is_read(store: Store, tmp_path: Path) -> None:
    """As LiteLLM writes them to a bucket: an object a file, pretty-printed or not; and all of them in one."""
    for number in range(3):
        (tmp_path / f"{number}.json").write_text(json.dumps(litellm(str(number)), indent=number or None))
    (tmp_path / "all.json").write_text("".join(json.dumps(litellm(str(number))) for number in range(3)))
    results = ingest(store, *sorted(tmp_path.glob("*.json")))
    assert [result.problem for result in results] == [None] * 4
    assert set(stored_calls(store)) == {"0", "1", "2"}


def test_a_generation_of_both_of_openrouters_exports_counts_once(tmp_path: Path) -> None:
    """The id of a row of the CSV is the id that the API is asked for."""
    with store_of(
        write_csv(tmp_path / "rows.csv", [activity("gen-1"), activity("gen-2")]),
        write_lines(tmp_path / "api.jsonl", [openrouter("gen-1")]),
    ) as store:
        assert set(stored_calls(store)) == {"gen-1", "gen-2"}


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_openrouters_sums_by_day_are_refused_by_their_name(tmp_path: Path, suffix: str) -> None:
    """The message says what the file is, and the hint what to export instead."""
    day = {"date": "2026-11-16", "model_permaslug": "m", "usage": 1.5, "byok_usage_inference": 0, "requests": 12}
    path = tmp_path / f"days.{suffix}"
    write = write_csv if suffix == "csv" else write_lines
    with empty_store() as store:
        (result,) = ingest(store, write(path, [day]))
    assert result.problem is not None and "activity summary" in result.problem
    assert result.hint is not None and "one row a generation" in result.hint

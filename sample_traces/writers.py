"""Write a fleet as raw JSON lines; and what all writers share: files and texts."""

import gzip
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from sample_traces.model import Call, Fleet, instant

Record = dict[str, object]

WORDS = (
    "order refund parcel invoice policy customer account window return label carrier delay update manager "
    "report quarter margin service region contract renewal ticket summary outage payment balance credit"
).split()
ANSWER_WORDS_MAX = 40


def dump(value: object) -> str:
    """Serialise compactly, on one line."""
    return json.dumps(value, separators=(",", ":"))


def write_text(path: str | Path, text: Iterable[str]) -> None:
    """Write pieces of text, gzipped reproducibly when the name ends in .gz."""
    path = Path(path)
    data = "".join(text).encode()
    path.write_bytes(gzip.compress(data, 9, mtime=0) if path.suffix == ".gz" else data)


def write_lines(path: str | Path, records: Iterable[object]) -> None:
    """Write JSON lines."""
    write_text(path, (dump(record) + "\n" for record in records))


def prompt_text(fleet: Fleet, number: int) -> str:
    """Return the private prompt of a numbered call or step; it holds a marker that a test can look for."""
    return f"CONFIDENTIAL-PROMPT-{number} " + _sentence(f"prompt-{fleet.seed}-{number}", 18)


def answer_text(fleet: Fleet, number: int, tokens: int | None = None) -> str:
    """Return the private answer, longer with more tokens up to a limit that keeps files small."""
    words = min(ANSWER_WORDS_MAX, max(6, (tokens or 100) // 10))
    return f"CONFIDENTIAL-ANSWER-{number} " + _sentence(f"answer-{fleet.seed}-{number}", words)


def call_answer(fleet: Fleet, call: Call) -> str:
    """Return the answer as far as it was received: nothing before the first chunk, and nothing where nobody counted
    what arrived, since a text would tell."""
    if not call.has_output or call.operation == "embedding" or call.delivered_tokens is None:
        return ""
    return answer_text(fleet, call.number, call.delivered_tokens)


def _sentence(seed: str, words: int) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words)).capitalize() + "."


def ms(us: int | None) -> float | None:
    """Turn microseconds into milliseconds."""
    return None if us is None else us / 1000


def write_raw(fleet: Fleet, path: str | Path) -> None:
    """Write one JSON line a call. The shape has no place for steps; unknown values are absent."""
    write_lines(path, raw_records(fleet))


def raw_records(fleet: Fleet) -> Iterator[Record]:
    """Yield the calls as raw records, in order of start."""
    return (_raw(fleet, call) for call in fleet.calls)


def _raw(fleet: Fleet, call: Call) -> Record:
    cancelled = call.outcome == "cancelled"
    record: Record = {
        "schema": "streamaudit.attempt/1",
        "request_id": call.call_id,
        "trace_id": call.trace_id,
        "span_id": call.call_id,
        "parent_span_id": call.parent_id,
        "start_time": f"{instant(call.start_us):%Y-%m-%dT%H:%M:%S.%f}Z",
        "duration_ms": ms(call.duration_us),
        "stream": call.streamed,
        "time_to_first_chunk_ms": ms(call.ttft_us),
        "time_to_first_output_token_ms": ms(call.ttvt_us),
        "operation_name": "chat" if call.operation == "chat" else "embeddings",
        "provider": call.provider,
        "request_model": call.model,
        "response_model": call.response_model,
        "route": call.route,
        "service_name": call.service,
        "service_version": call.deploy,
        "environment": call.environment,
        "tenant_id": call.tenant,
        "user_id": call.user_id,
        "conversation_id": call.session_id,
        "input_tokens": call.input_tokens,
        "cache_read_input_tokens": call.cached_input_tokens,
        "output_tokens": call.output_tokens,
        "reasoning_output_tokens": call.reasoning_tokens,
        "streamed_output_tokens": call.delivered_tokens,
        "rendered_output_tokens": call.rendered_tokens,
        "max_tokens": call.max_tokens,
        "usage_source": "none" if call.output_tokens is None else "provider_final",
        "cost_usd": call.cost_usd,
        "input_cost_usd": call.input_cost_usd,
        "output_cost_usd": call.output_cost_usd,
        "outcome": call.outcome,
        "cancelled_by": "client" if cancelled else None,
        "cancelled_at_ms": ms(call.cancelled_at_us),
        "finish_reason": call.finish_reason,
        "http_status_code": call.http_status,
        "error_type": call.error_type,
        "cache_hit": call.cache_hit,
        "prompt": prompt_text(fleet, call.number),
        "completion": call_answer(fleet, call),
        **call.extra,
    }
    return {name: value for name, value in record.items() if value is not None}

"""The logs of this world: what a gateway writes of a call, from everything it saw to next to nothing, as JSON lines and
as the row that an SDK leaves in a Langfuse bucket export; and what clients and providers write.
"""

import csv
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from tests.truth.client import Screen
from tests.truth.gateway import OnLeave, Seen
from tests.truth.provider import House

Record = dict[str, Any]

EPOCH = datetime(2026, 11, 20, 9, tzinfo=UTC)

Usage = Literal["final", "none", "running", "tokenizer", "zeros", "placeholder"]
Shown = Literal[
    "rendered", "rendered_chunks", "rendered_chars", "delivered", "chunks", "client_chunks", "timed_text", "text",
    "times", "flag",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Level:
    """What the gateway writes down of one call."""

    usage: Usage
    """The provider's last word; nothing; its running count; the gateway's own count of what it received; the zeros or
    the placeholder that its library holds until the last word comes."""
    shown: Shown
    """What tells how much reached the user. A timed text has the times of its chunks but no tokens; ``times`` is first
    token, end and cancel; ``flag`` not even these."""
    cap: bool
    """Whether the cap on the answer's length is logged."""
    says_upstream: bool
    """Whether it logs what became of the provider's stream."""
    way: int
    """In which of several ways it says that the client left."""

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.usage}{'+cap' if self.cap else ''} / {self.shown}"


_WAYS: tuple[Record, ...] = (
    {"outcome": "cancelled"}, {"client_disconnected": True}, {"http_status_code": 499}, {"finish_reason": "abort"},
)  # fmt: skip


def choose(rng: random.Random, house: House, on_leave: OnLeave, paints: str) -> Level:
    """A level of detail that a gateway with that behaviour can have. ``paints`` is how its client paints: one that
    reports whole chunks must show whole chunks."""
    usages: list[Usage] = ["none", "none", "tokenizer", "zeros", "running"]
    if on_leave != "close":
        usages += ["final"] * 6
    if house.placeholder:
        usages += ["placeholder"] * 3
    shown: list[Shown] = ["rendered", "rendered_chars", "delivered", "delivered", "chunks", "client_chunks"]
    shown += ["timed_text", "text", "times", "times", "flag"]
    if paints == "chunks":
        shown += ["rendered_chunks"] * 2
    return Level(rng.choice(usages), rng.choice(shown), rng.random() < 0.5, rng.random() < 0.6, rng.randrange(4))


def raw_line(request_id: str, tenant: str, house: House, cap: int, seen: Seen, screen: Screen, level: Level) -> Record:
    """The gateway's JSON line."""
    ended_early = seen.left_ms is not None or seen.error_type is not None
    record: Record = {
        "request_id": request_id, "response_id": seen.response_id, "start_time": _instant(seen.started_ms).isoformat(),
        "duration_ms": round(seen.ended_ms, 3), "stream": True, "provider": house.name, "request_model": house.model,
        "tenant_id": tenant, "route": "/chat", "max_tokens": cap if level.cap else None,
        **_ending(seen, level),
    }  # fmt: skip
    if not ended_early:
        record |= _usage(seen, Level("final", "text", False, False, 0))
        record |= {"time_to_first_chunk_ms": _ms(seen.first_ms), "output_chars": len(seen.text)}
    else:
        record |= _usage(seen, level)
        if level.shown != "flag":
            record |= {"time_to_first_chunk_ms": _ms(seen.first_ms), "cancelled_at_ms": _ms(seen.left_ms)}
            record |= _upstream(seen, level) | _shown(seen, screen, level.shown)
    return {name: value for name, value in record.items() if value is not None}


def _ending(seen: Seen, level: Level) -> Record:
    if seen.left_ms is not None:
        return {"finish_reason": seen.finish_reason, **_WAYS[level.way]}
    if seen.error_type is not None:
        return {"outcome": "error", "error_type": seen.error_type}
    return {"outcome": "completed", "finish_reason": seen.finish_reason, "http_status_code": 200}


def _usage(seen: Seen, level: Level) -> Record:
    if level.usage in ("final", "zeros", "placeholder") and seen.final_usage is not None:
        output, hidden = seen.final_usage
        known: Record = {"input_tokens": 12, "output_tokens": output, "reasoning_output_tokens": hidden}
        return known | ({"usage_source": "provider_final"} if level.says_upstream else {})
    if level.usage == "running" and seen.running_usage is not None:
        output, hidden = seen.running_usage
        return {
            "input_tokens": 12, "output_tokens": output, "reasoning_output_tokens": hidden,
            "usage_source": "provider_partial",
        }  # fmt: skip
    if level.usage == "tokenizer" and seen.chunks:
        counted: Record = {"input_tokens": 12, "output_tokens": sum(seen.tokens), "usage_source": "estimated"}
        return counted | {"output_chars": len(seen.text)}
    if level.usage == "zeros":
        return {"input_tokens": 0, "output_tokens": 0}
    if level.usage == "placeholder" and seen.opening_usage is not None:
        return {"input_tokens": 12, "output_tokens": seen.opening_usage}
    return {}


def _upstream(seen: Seen, level: Level) -> Record:
    if seen.left_ms is None or not level.says_upstream:
        return {}
    if not seen.provider_ended:
        return {"upstream_cancelled": True}
    return {"upstream_cancelled": seen.half_closed, "upstream_end_ms": _ms(seen.ended_ms)}


def _shown(seen: Seen, screen: Screen, shown: Shown) -> Record:
    offsets = [_ms(offset) for offset in seen.offsets_ms]
    match shown:
        case "rendered":
            return {"rendered_output_tokens": screen.painted}
        case "rendered_chunks":
            return {"chunk_offsets_ms": offsets, "chunk_tokens": seen.tokens, "rendered_chunks": screen.painted_chunks}
        case "rendered_chars":
            return {"rendered_chars": screen.painted_chars}
        case "delivered":
            return {"streamed_output_tokens": seen.delivered_tokens}
        case "chunks":
            return {"chunk_offsets_ms": offsets, "chunk_tokens": seen.tokens}
        case "client_chunks":
            sent = [_ms(offset) for offset in seen.sent_ms]
            return {"chunk_offsets_ms": offsets, "client_chunk_offsets_ms": sent, "chunk_tokens": seen.tokens}
        case "timed_text":
            return {"chunk_offsets_ms": offsets, "output_chars": len(seen.text)}
        case "text":
            return {"output_chars": len(seen.text)}
        case _:
            return {}


_APPLICATION = (
    "provider", "route", "stream", "response_id", "outcome", "client_disconnected", "http_status_code", "finish_reason",
    "cancelled_at_ms", "upstream_cancelled", "upstream_end_ms", "streamed_output_tokens", "rendered_output_tokens",
    "rendered_chars",
)  # fmt: skip


def langfuse_row(line: Record, seen: Seen) -> Record:
    """The same call as an SDK in the gateway would have sent it, in a bucket export of ``observations_v2``. The
    application's own keys are metadata; text is kept where the line keeps its length."""
    started = _instant(seen.started_ms)
    first_ms, failed = line.get("time_to_first_chunk_ms"), "error_type" in line
    settings = {"max_tokens": line["max_tokens"]} if "max_tokens" in line else {}
    usage = _buckets(line)
    known = {"tenant": line["tenant_id"], **{name: line[name] for name in _APPLICATION if name in line}}
    return {
        "id": line["request_id"], "trace_id": f"{line['request_id']:0>32}", "project_id": "p", "type": "GENERATION",
        "parent_observation_id": "", "is_root_observation": True, "name": "answer", "trace_name": "POST /chat",
        "start_time": _text(started), "end_time": _text(started + timedelta(milliseconds=line["duration_ms"])),
        "completion_start_time": None if first_ms is None else _text(started + timedelta(milliseconds=first_ms)),
        "level": "ERROR" if failed else "DEFAULT", "status_message": line.get("error_type", ""),
        "environment": "production", "user_id": "", "session_id": "", "release": "", "version": "", "tags": [],
        "provided_model_name": line["request_model"], "model_parameters": json.dumps(settings),
        "usage_details": usage, "cost_details": {}, "total_cost": 0, "input": "",
        "output": seen.text if "output_chars" in line else "",
        "metadata": {name: json.dumps(value).strip('"') for name, value in known.items()},
    }  # fmt: skip


def _buckets(line: Record) -> Record:
    """Usage as exclusive buckets. A library sends no running count. Where none was sent Langfuse counts the text, but
    not of a generation that failed; such a count has no detail."""
    output, source = line.get("output_tokens"), line.get("usage_source")
    if output is None or source == "provider_partial" or (source == "estimated" and "error_type" in line):
        return {}
    hidden = line.get("reasoning_output_tokens")
    detail = {} if hidden is None else {"input_cached_tokens": 0, "output_reasoning_tokens": hidden}
    given = {"input": line["input_tokens"], "output": output - (hidden or 0), **detail}
    return {**given, "total": sum(given.values())}


def client_log(path: Path, screens: Iterable[tuple[str, Screen]]) -> Path:
    """What clients report: how far they painted and when their user left, if he did."""
    rows = [
        (request_id, screen.painted, "" if screen.left_ms is None else round(screen.left_ms, 3))
        for request_id, screen in screens
    ]
    return _csv(path, ("request_id", "rendered_tokens", "left_at_ms"), rows)


def invoice(path: Path, lines: Iterable[tuple[str, int]]) -> Path:
    """What the providers billed, by their own ids."""
    return _csv(path, ("response_id", "billed_output_tokens"), list(lines))


def _csv(path: Path, names: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)
    return path


def _ms(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _instant(at_ms: float) -> datetime:
    return EPOCH + timedelta(milliseconds=at_ms)


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M:%S.%f")

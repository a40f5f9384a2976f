"""Voice turns as LiveKit Agents, Pipecat and an application of one's own record them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

from tests.audits.failures.cases import START, stream
from tests.support import Record, otel_batch, otel_span


@dataclass(frozen=True)
class Turn:
    """The waits of a turn in milliseconds; None is not recorded."""

    endpointing: float | None = 120.25
    stt: float | None = 60.5
    llm: float = 80.0
    tts: float | None = 35.5
    measured: float | None = None
    """All of it, as the framework measured it."""
    interrupted: bool = False
    cancelled: bool = False


def turns(count: int, **waits: Any) -> list[Turn]:
    """So many turns whose endpointing differs a little, as a measured one does."""
    endpointing = waits.pop("endpointing", 120.25)
    return [
        Turn(endpointing=None if endpointing is None else endpointing + number / 8, **waits) for number in range(count)
    ]


def _span(name: str, begin_s: float, end_s: float, trace: str, parent: str | None, /, **attributes: Any) -> Record:
    nanoseconds = round(START.timestamp()) * 1_000_000_000
    chosen = {f"{key}".replace("__", "."): value for key, value in attributes.items() if value is not None}
    span = otel_span(
        name, {}, traceId=trace.encode().hex().ljust(32, "0"), name=name.split("-")[0],
        startTimeUnixNano=str(nanoseconds + round(begin_s * 1e9)),
        endTimeUnixNano=str(nanoseconds + round(end_s * 1e9)),
        spanId=_id(name), parentSpanId=_id(parent) if parent else "",
    )  # fmt: skip
    return {**span, "attributes": [{"key": key, "value": _value(value)} for key, value in chosen.items()]}


def _id(name: str) -> str:
    return md5(name.encode()).hexdigest()[:16]


def _value(value: Any) -> Record:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else (
        {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}
    )


def _s(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000


def livekit(some: Sequence[Turn], session: str = "room") -> list[Record]:
    """A session of LiveKit Agents: one trace, the user's turns and the agent's next to each other."""
    spans = [_span(f"agent_session-{session}", 0, 10_000, session, None, lk__agent_label="support")]
    for number, turn in enumerate(some):
        at, tag = 20.0 * number, f"{session}{number}"
        end_of_turn = turn.endpointing and turn.endpointing + (turn.stt or 0)
        tokens = {} if turn.cancelled else {"completion_tokens": 40, "prompt_tokens": 400}
        metrics = {"ttft": turn.llm / 1000, "cancelled": turn.cancelled, "completion_tokens": 0, "prompt_tokens": 0}
        metrics |= tokens
        spans += [
            _span(f"user_turn-{tag}", at, at + 3, session, f"agent_session-{session}", gen_ai__request__model="nova-3",
                gen_ai__provider__name="deepgram", lk__transcription_delay=_s(turn.stt) or 0.0,
                lk__end_of_turn_delay=_s(end_of_turn) or 0.0, lk__pii__user_transcript="zebra canary"),
            # What is set, not what was measured.
            _span(f"eou_detection-{tag}", at + 2, at + 2.1, session, f"user_turn-{tag}",
                lk__eou__endpointing_delay=0.5),
            _span(f"agent_turn-{tag}", at + 3, at + 12, session, f"agent_session-{session}",
                lk__generation_id=f"g{tag}", lk__interrupted=turn.interrupted, lk__e2e_latency=_s(turn.measured)),
            _span(f"llm_node-{tag}", at + 3, at + 6, session, f"agent_turn-{tag}", lk__function_tools="[]",
                gen_ai__request__model="gpt-4o-mini", gen_ai__provider__name="openai",
                lk__response__ttft=turn.llm / 1000),
            _span(f"llm_request-{tag}", at + 3, at + 6, session, f"llm_node-{tag}", gen_ai__operation__name="chat",
                gen_ai__request__model="gpt-4o-mini", gen_ai__provider__name="openai",
                gen_ai__usage__input_tokens=tokens.get("prompt_tokens"),
                gen_ai__usage__output_tokens=tokens.get("completion_tokens"), lk__llm_metrics=json.dumps(metrics)),
            _span(f"tts_node-{tag}", at + 3, at + 12, session, f"agent_turn-{tag}", gen_ai__request__model="sonic",
                gen_ai__provider__name="cartesia", lk__response__ttfb=_s(turn.tts)),
            _span(f"tts_request-{tag}", at + 3, at + 9, session, f"tts_node-{tag}", lk__tts__streaming=True,
                lk__tts_metrics=f'{{"ttfb": {_s(turn.tts) or -1}}}'),
            # A second answer in the same turn, after a tool: nobody waited for it from the beginning.
            _span(f"agent_turn-z{tag}", at + 13, at + 16, session, f"agent_session-{session}", lk__generation_id="x"),
            _span(f"llm_request-z{tag}", at + 13, at + 16, session, f"agent_turn-z{tag}",
                gen_ai__operation__name="chat", gen_ai__request__model="gpt-4o-mini", gen_ai__provider__name="openai",
                lk__llm_metrics='{"ttft": 2.5, "cancelled": false, "completion_tokens": 9, "prompt_tokens": 500}'),
        ]  # fmt: skip
    return [otel_batch(*spans, scope="livekit-agents")]


def pipecat(some: Sequence[Turn], session: str = "call") -> list[Record]:
    """A conversation of Pipecat: one trace, a step for each turn around its services."""
    spans = [_span(f"conversation-{session}", 0, 10_000, session, None, conversation__id=session)]
    for number, turn in enumerate(some):
        at, tag = 20.0 * number, f"{session}{number}"
        spans += [
            _span(f"turn-{tag}", at, at + 12, session, f"conversation-{session}", turn__number=number + 1,
                turn__was_interrupted=turn.interrupted, turn__user_bot_latency_seconds=_s(turn.measured)),
            # The step lasts as long as the user speaks; its wait is the attribute.
            _span(f"stt-{tag}", at, at + 3, session, f"turn-{tag}", gen_ai__operation__name="stt",
                gen_ai__request__model="nova-2", gen_ai__provider__name="deepgram", metrics__ttfb=_s(turn.stt),
                transcript="zebra canary"),
            _span(f"llm-{tag}", at + 3, at + 5, session, f"turn-{tag}", gen_ai__operation__name="chat",
                gen_ai__request__model="gpt-4o-mini", gen_ai__provider__name="openai", stream=True,
                metrics__ttfb=turn.llm / 1000, gen_ai__usage__input_tokens=400, gen_ai__usage__output_tokens=40,
                output="zebra canary"),
            _span(f"tts-{tag}", at + 4, at + 12, session, f"turn-{tag}", gen_ai__operation__name="tts",
                gen_ai__request__model="sonic", metrics__ttfb=_s(turn.tts), text="zebra canary"),
        ]  # fmt: skip
    return [otel_batch(*spans, scope="pipecat")]


def raw(some: Sequence[Turn], session: str = "own") -> list[Record]:
    """Lines of one's own: a trace a turn, a line a stage, and the call."""
    lines: list[Record] = []
    for number, turn in enumerate(some):
        trace, begin = f"{session}{number}", START + timedelta(minutes=number)
        lines.append(stream(f"{trace}-call", number, trace_id=trace, ttft_ms=turn.llm, duration_ms=2000))
        waits = {"endpointing": turn.endpointing, "stt": turn.stt, "tts": turn.tts}
        lines += [
            {"request_id": f"{trace}-call", "trace_id": trace, "kind": kind, "start_time": begin.isoformat(),
             "duration_ms": ms} for kind, ms in waits.items() if ms is not None
        ]  # fmt: skip
    return lines


def named(records: list[Record]) -> list[Record]:
    """The same session as LiveKit Agents writes it from version 1.8 on, by the GenAI conventions."""
    for span in _spans_of(records):
        operation = {"agent_turn": "invoke_agent", "agent_session": "invoke_workflow"}.get(span["name"])
        if operation:
            span["attributes"].append({"key": "gen_ai.operation.name", "value": _value(operation)})
    return records


def _spans_of(records: Sequence[Record]) -> list[Record]:
    return [span for one in records for scope in one["resourceSpans"][0]["scopeSpans"] for span in scope["spans"]]


_TYPES = {"chat": "GENERATION", "invoke_agent": "AGENT"}


def in_langfuse(records: Sequence[Record]) -> list[Record]:
    """The same spans as Langfuse keeps them: what names a model is a generation, and attributes are texts."""
    rows: list[Record] = []
    scope = records[0]["resourceSpans"][0]["scopeSpans"][0]["scope"]["name"]
    for span in _spans_of(records):
        found = {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}
        names = {"input": "gen_ai.usage.input_tokens", "output": "gen_ai.usage.output_tokens"}
        model = texts.get("gen_ai.request.model")
        kind = _TYPES.get(texts.get("gen_ai.operation.name", ""), "GENERATION" if model else "SPAN")
        begin, end = (int(span[f"{side}TimeUnixNano"]) / 1e9 for side in ("start", "end"))
        rows.append({
            "id": span["spanId"], "traceId": span["traceId"], "parentObservationId": span["parentSpanId"] or None,
            "type": kind, "name": span["name"], "startTime": datetime.fromtimestamp(begin, UTC).isoformat(),
            "endTime": datetime.fromtimestamp(end, UTC).isoformat(), "model": model, "level": "DEFAULT",
            "usageDetails": {name: int(texts[key]) for name, key in names.items() if key in texts},
            "metadata": {"attributes": texts, "resourceAttributes": {"service.name": "bot"},
                "scope": {"name": scope, "attributes": {}}},
            "output": texts.get("output"),
        })  # fmt: skip
    return rows


def _langfuse_livekit(some: Sequence[Turn]) -> list[Record]:
    return in_langfuse(named(livekit(some)))


def _langfuse_pipecat(some: Sequence[Turn]) -> list[Record]:
    return in_langfuse(pipecat(some))


def _livekit_named(some: Sequence[Turn]) -> list[Record]:
    return named(livekit(some))


SHAPES: dict[str, Callable[[Sequence[Turn]], list[Record]]] = {
    "livekit": livekit, "livekit 1.8": _livekit_named, "pipecat": pipecat, "raw": raw,
    "livekit in langfuse": _langfuse_livekit, "pipecat in langfuse": _langfuse_pipecat,
}  # fmt: skip

"""Planted failures, each with a clean twin and the traps that look like it: records as an application would log them.

Amounts are small and worked out by hand; ``PLANTED`` says of each what must be found and in how many calls.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Record = dict[str, Any]
LABELLED = Path(__file__).parents[2] / "data" / "corrections.jsonl"
START = datetime(2026, 11, 16, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Planted:
    """Records with a failure: the audit and the finding that must come out, and the calls it affects."""

    audit: str
    finding: str
    affected: int
    records: list[Record]


_IDS = ("request_id", "session_id", "input_hash", "response_id")


def set_apart(name: str, records: list[Record]) -> list[Record]:
    """Return the records as those of an environment of this name, with ids of their own: a store can hold many cases,
    and ``only`` picks one."""
    return [
        {**record, "environment": name, **{key: f"{name}-{record[key]}" for key in _IDS if key in record}}
        for record in records
    ]


def read_corrections() -> list[Record]:
    """The labelled answers: language, whether it corrects itself, what kind of case it is, and its text."""
    return [json.loads(line) for line in LABELLED.read_text(encoding="utf-8").splitlines()]


def at(minutes: float = 0, seconds: float = 0) -> str:
    """A moment after the start."""
    return (START + timedelta(minutes=minutes, seconds=seconds)).isoformat()


def stream(name: str, minute: float = 0, /, **fields: Any) -> Record:
    """A completed stream of 200 tokens over four seconds after a wait of 400 ms; None leaves a field out."""
    record = {
        "request_id": name, "start_time": at(minute), "model": "gpt-4o-mini", "route": "/chat", "stream": True,
        "ttft_ms": 400, "duration_ms": 4400, "input_tokens": 800, "output_tokens": 200, "outcome": "completed",
        "finish_reason": "stop", "http_status": 200, **fields,
    }  # fmt: skip
    return {key: value for key, value in record.items() if value is not None}


def streams(name: str, count: int, **fields: Any) -> list[Record]:
    """So many streams, a minute apart."""
    return [stream(f"{name}{number}", number, **fields) for number in range(count)]


def offsets(count: int, gap_ms: float, first_ms: float = 400) -> list[float]:
    """When chunks arrive that come at a steady pace."""
    return [first_ms + gap_ms * number for number in range(count)]


def clumps(count: int, size: int, beat_ms: float) -> list[float]:
    """When chunks arrive that something holds back and lets go of together."""
    return [400 + beat_ms * clump + 0.1 * number for clump in range(count) for number in range(size)]


def blocks(size: int, begins_ms: list[float]) -> list[float]:
    """When chunks arrive that a buffer of so many holds until it is full; the last block is what was left."""
    return [at for place, at in enumerate(begins_ms) for _ in range(size if place + 1 < len(begins_ms) else size // 2)]


STEADY = offsets(40, 100)
BURST = [4300 + 0.5 * number for number in range(40)]


def buffering() -> Iterator[Planted]:
    """A proxy that holds the stream, seen from one side and from both, and one that lets go of it in clumps."""
    clean = streams("clean", 10, chunk_offsets_ms=STEADY)
    yield Planted("buffering", "burst", 10, [*clean, *streams("held", 10, ttft_ms=4350)])
    both = streams("both", 10, chunk_offsets_ms=STEADY, client_chunk_offsets_ms=BURST)
    yield Planted("buffering", "buffered", 10, both)
    yield Planted("buffering", "coalesced", 10, streams("clump", 10, chunk_offsets_ms=clumps(20, 5, 200)))
    # The pace varies and the blocks do not: 42 events of 97 bytes fill 4 KiB.
    held = blocks(42, [900, 1500, 2700, 3100, 4300])
    yield Planted("buffering", "block", 10, streams("block", 10, chunk_offsets_ms=held, output_tokens=189))
    # Chunk times of few calls are enough: the others cannot show it.
    few = [*streams("bare", 90), *streams("block", 10, chunk_offsets_ms=held, output_tokens=189)]
    yield Planted("buffering", "block", 10, few)
    # All chunks came in one read, stamped with the end of the call in whole milliseconds.
    whole = streams("whole", 10, ttft_ms=4400, client_chunk_offsets_ms=[4400] * 40)
    yield Planted("buffering", "burst", 10, [*clean, *whole])


def false_ok() -> Iterator[Planted]:
    """Answers that a status of 200 hides."""
    usual = streams("usual", 60)
    yield Planted("false-ok", "error_in_stream", 4, [*usual, *streams("broken", 4, outcome="error")])
    yield Planted("false-ok", "no_terminal_event", 4, [*usual, *streams("open", 4, finish_reason=None)])
    yield Planted("false-ok", "empty_output", 4, [*usual, *streams("empty", 4, output_chars=0, visible_output_chars=0)])
    starved = streams("starved", 4, finish_reason="length", reasoning_tokens=196, max_tokens=200)
    yield Planted("false-ok", "reasoning_starved", 4, [*usual, *starved])
    yield Planted("false-ok", "filtered", 4, [*usual, *streams("filtered", 4, finish_reason="content_filter")])
    yield Planted("false-ok", "cut_by_length", 4, [*usual, *streams("cut", 4, finish_reason="length")])


def _resent(failed: Record, after_s: float, number: int) -> list[Record]:
    again = stream(f"again{number}", input_hash=f"q{number}", tenant="acme")
    return [failed, {**again, "start_time": at(20 * number, after_s)}]


def retries() -> Iterator[Planted]:
    """Attempts that were billed although their client had given up."""
    timed_out = [
        stream(f"late{n}", 20 * n, outcome="timeout", duration_ms=60_000, input_hash=f"q{n}", tenant="acme")
        for n in range(5)
    ]
    pairs = [one for number, failed in enumerate(timed_out) for one in _resent(failed, 61, number)]
    yield Planted("retries", "retry_billed", 5, pairs)
    overlap = [{**failed, "response_id": f"a{failed['request_id']}"} for failed in timed_out]
    double = [
        {**one, "response_id": one.get("response_id", f"b{one['request_id']}")}
        for number, failed in enumerate(overlap)
        for one in _resent(failed, 30, number)
    ]
    yield Planted("retries", "double_send", 5, double)
    twice = [stream(f"twice{number}-{turn}", 20 * number + turn, input_hash=f"r{number}") for number in range(5)
        for turn in range(2)]  # fmt: skip
    yield Planted("retries", "repeat", 5, twice)


def stalls() -> Iterator[Planted]:
    """Gaps inside streams, and limits that cut them."""
    clean = streams("clean", 20, chunk_offsets_ms=STEADY)
    stuck = [*STEADY[:20], *(one + 5000 for one in STEADY[20:])]
    yield Planted("stalls", "stall", 5, [*clean, *streams("stuck", 5, chunk_offsets_ms=stuck, duration_ms=9400)])
    idle = [
        stream(f"idle{number}", number, chunk_offsets_ms=STEADY[: 5 + number], outcome="interrupted", http_status=504,
            duration_ms=STEADY[4 + number] + 60_050, output_tokens=None, finish_reason=None) for number in range(10)
    ]  # fmt: skip
    yield Planted("stalls", "idle_cut", 10, [*clean, *idle])
    # A limit that is on no list: servers fire a little early, clients hear of it a little late.
    own = [
        stream(f"own{n}", n, chunk_offsets_ms=STEADY[: 5 + n], outcome="interrupted", output_tokens=None,
            duration_ms=STEADY[4 + n] + 19_750 + 40 * n, finish_reason=None) for n in range(10)
    ]  # fmt: skip
    yield Planted("stalls", "idle_cut", 10, [*clean, *own])
    cut = [stream(f"cut{n}", n, outcome="timeout", duration_ms=100_020 + n, finish_reason=None) for n in range(10)]
    yield Planted("stalls", "deadline_cut", 10, [*clean, *cut])


def orphans() -> Iterator[Planted]:
    """Work that runs on after its user has left."""
    cancelled = {"outcome": "cancelled", "cancelled_at_ms": 1000, "duration_ms": 1000, "finish_reason": None}
    polite = streams("polite", 5, **cancelled, upstream_end_ms=1200)
    yield Planted("orphans", "orphan", 5, [*polite, *streams("deaf", 5, **cancelled, upstream_end_ms=4400)])
    drained = streams("drained", 5, **{**cancelled, "finish_reason": "stop"}, upstream_end_ms=4400)
    yield Planted("orphans", "drained", 5, drained)
    lost = [
        stream(f"lost{number}-{turn}", 10 * number + turn / 2, session_id=f"s{number}", input_hash=f"t{number}",
            **({"outcome": "interrupted", "duration_ms": 2000, "finish_reason": None} if not turn else {}))
        for number in range(5) for turn in range(2)
    ]  # fmt: skip
    yield Planted("orphans", "lost_task", 5, lost)


def cache() -> Iterator[Planted]:
    """Sessions that send the same beginning again and again, and a cache that does not hold it."""
    def session(name: str, count: int, gap_minutes: float, **fields: Any) -> list[Record]:
        return [
            stream(f"{name}{turn}", turn * gap_minutes, session_id=name, input_tokens=4000 + 500 * turn, **fields)
            for turn in range(count)
        ]

    yield Planted("cache", "cache_miss", 5, session("miss", 6, 1, cached_input_tokens=0))
    yield Planted("cache", "cache_expired", 5, session("late", 6, 30, cached_input_tokens=0))
    yield Planted("cache", "cache_rewrite", 5, session("again", 6, 1, cached_input_tokens=0, cache_write_tokens=4000))
    before = [stream(f"b{n}", n, deploy="v1", input_tokens=4000, cached_input_tokens=3000) for n in range(30)]
    after = [stream(f"a{n}", 30 + n, deploy="v2", input_tokens=4000, cached_input_tokens=1000) for n in range(30)]
    yield Planted("cache", "cache_lost_on_deploy", 30, [*before, *after])


def growth() -> Iterator[Planted]:
    """Sessions that carry all that came before, and one that never ends."""
    def session(name: str, turns: int, grow: int) -> list[Record]:
        return [
            stream(f"{name}-{turn}", turn, session_id=name, input_tokens=1000 + grow * turn) for turn in range(turns)
        ]

    yield Planted("growth", "context_growth", 36, [one for n in range(6) for one in session(f"s{n}", 6, 400)])
    usual = [one for n in range(6) for one in session(f"u{n}", 4, 0)]
    yield Planted("growth", "runaway_session", 60, [*usual, *session("run", 60, 200)])


def billing_drift() -> Iterator[Planted]:
    """From the sixth day on a fifth more tokens are billed for the same answers."""
    records = [
        stream(f"d{day}-{number}", day * 1440 + number, provider="openai", delivered_tokens=200 + number % 3,
            output_tokens=round((200 + number % 3) * (1.0 if day < 5 else 1.2)) + (day + number) % 2)
        for day in range(10) for number in range(25)
    ]  # fmt: skip
    yield Planted("billing-drift", "drift", 125, records)


def pace() -> Iterator[Planted]:
    """Streams that are all wait, that run ahead of their readers, and that come in fits."""
    yield Planted("pace", "batch_like", 10, streams("wait", 10, ttft_ms=9000, duration_ms=10_000))
    left = streams("left", 10, outcome="cancelled", cancelled_at_ms=2400, duration_ms=2400, delivered_tokens=300,
        finish_reason=None)  # fmt: skip
    yield Planted("pace", "unread_stock", 10, left)
    fits = [400 + 1000 * group + 10 * number for group in range(6) for number in range(4)]
    yield Planted("pace", "uneven", 10, streams("fits", 10, chunk_offsets_ms=fits, duration_ms=6000))


def transport() -> Iterator[Planted]:
    """WebSockets that break where event streams of the same route hold."""
    sse = streams("sse", 40, transport="sse")
    broken = streams("cut", 10, transport="websocket", outcome="interrupted", finish_reason=None)
    yield Planted("transport", "transport_failures", 10, [*sse, *streams("ws", 30, transport="websocket"), *broken])


def silence() -> Iterator[Planted]:
    """Sessions that end with a user leaving, long before the data ends."""
    gone = [
        stream(f"gone{n}", n, session_id=f"g{n}", outcome="cancelled", cancelled_at_ms=9000, duration_ms=9000,
            ttft_ms=None, finish_reason=None) for n in range(6)
    ]  # fmt: skip
    yield Planted("silence", "gave_up", 6, [*gone, stream("last", 120, session_id="stays")])


def retractions() -> Iterator[Planted]:
    """Answers that take back a number; two of five of their users leave, and none of the others."""
    fine = streams("fine", 40, output_text="The total is 12 euros. It includes the tax, as the second line shows.")
    text = "The total is 12 euros, which includes the tax. Wait, that's not right. The total is 14 euros with the tax."
    taken_back = [
        stream(f"back{n}", n, output_text=text, **({"outcome": "cancelled", "finish_reason": None} if n < 2 else {}))
        for n in range(5)
    ]
    yield Planted("retractions", "visible_correction", 5, [*fine, *taken_back])


PLANTED = [
    one
    for make in (
        buffering, false_ok, retries, stalls, orphans, cache, growth, billing_drift, pace, transport, silence,
        retractions,
    )
    for one in make()
]  # fmt: skip

CLEAN = {
    # Several tokens a step, as speculative decoding makes them: the clumps are small and vary.
    "speculative decoding": streams("guess", 20, chunk_offsets_ms=[
        400 + 60 * step + 0.2 * token for step, size in enumerate((3, 5, 2, 4, 1) * 6) for token in range(size)]),
    # A provider of large chunks behind an SDK that hands them on word by word: clumps of no common size.
    "large chunks taken apart": streams("apart", 20, output_tokens=150, chunk_offsets_ms=[
        at for at, size in ((900, 31), (1700, 18), (2300, 44), (3400, 26), (3900, 12)) for _ in range(size)]),
    # Sixteen tokens a chunk, half a second apart: equal, and none of them waited for another.
    "large chunks at a steady pace": streams("large", 20, output_tokens=320, duration_ms=10_000,
        chunk_offsets_ms=offsets(20, 480), chunk_tokens=[16] * 20),
    "adverbs, code, quotations, stories and translations": [
        stream(f"like{place}", place, output_text=one["text"]) for place, one in enumerate(read_corrections())
        if not one["correction"] and one["kind"] != "correction"
    ],
    # Fast decoders stream a thousand tokens in half a second; a long queue before a steady stream is no burst.
    "a fast decoder": [
        *streams("fast", 20, ttft_ms=200, duration_ms=600, output_tokens=500),
        *streams("queued", 20, ttft_ms=9600, duration_ms=10_000, output_tokens=50),
    ],
    "steady streams": streams("steady", 30, chunk_offsets_ms=STEADY, client_chunk_offsets_ms=STEADY),
    # No call of the route has a finish reason, so that one without it says nothing.
    "a route without finish reasons": streams("bare", 30, finish_reason=None),
    "tool calls without text": streams("tool", 30, finish_reason="tool_calls", output_chars=0),
    # Another tenant sends the same input: no retry.
    "equal inputs of two tenants": [
        stream(f"{tenant}{n}", n, input_hash=f"q{n}", tenant=tenant, outcome="timeout", duration_ms=1000 + 97 * n)
        for tenant in ("acme", "globex") for n in range(15)
    ],
    # Half of the streams that broke off fell silent for about a second, the others did not.
    "cuts after any silence": [
        stream(f"s{n}", n, chunk_offsets_ms=STEADY[: 3 + n], outcome="interrupted", finish_reason=None,
            duration_ms=STEADY[2 + n] + (1000 if n % 2 else 431 * n)) for n in range(20)
    ],
    # Refused requests all take their usual second: an answer and no limit.
    "errors that take as long": [
        *streams("fine", 200),
        *streams("refused", 20, outcome="error", http_status=429, ttft_ms=None, duration_ms=1010, output_tokens=None,
            finish_reason=None),
    ],
    # The provider's idempotency key gave both attempts one answer, or charged the second nothing.
    "retries that are one bill": [
        record for number in range(15)
        for record in (
            stream(f"k{number}", 20 * number, outcome="timeout", duration_ms=7000 + 997 * number, tenant="acme",
                input_hash=f"k{number}", response_id=f"r{number}"),
            stream(f"l{number}", 20 * number + 0.5, tenant="acme", input_hash=f"k{number}",
                response_id=f"r{number}" if number % 2 else None, output_tokens=200 if number % 2 else 0),
        )
    ],
    "a gap of hidden reasoning": streams(
        "thought", 30, ttvt_ms=9000, duration_ms=12_000, chunk_offsets_ms=[400, 9000, *offsets(20, 100, 9100)],
        reasoning_tokens=100,
    ),
    "cuts at no common time": [
        stream(f"c{n}", n, outcome="timeout", duration_ms=7000 + 1771 * n, finish_reason=None) for n in range(20)
    ],
    "a background run": streams(
        "job", 20, route="background", outcome="cancelled", cancelled_at_ms=500, duration_ms=500, upstream_end_ms=9000,
        finish_reason=None,
    ),
    "a cache that is not reported": [
        stream(f"n{n}", n, session_id="s", input_tokens=4000 + 100 * n) for n in range(20)
    ],
    "a cache that holds": [
        stream(f"h{n}", n, session_id="s", input_tokens=4000 + 100 * n, cached_input_tokens=3900) for n in range(20)
    ],
}  # fmt: skip

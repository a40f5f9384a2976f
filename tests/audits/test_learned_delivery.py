"""Tokens delivered, from what servers count: learned from completed calls of the same server, route and model, with an
interval that holds the truth."""

import random
from itertools import product
from pathlib import Path

import pytest

from streamaudit.ingest.evidence import join
from streamaudit.ingest.readers.reader import Reader
from streamaudit.store.store import Store
from tests.reused import empty_store
from tests.sampling import keep
from tests.support import Record, calls, ingest, raw_call, write_lines

HEADERS = 134
OPENING, CLOSING = 190, 420


def size_of(tokens: int, rng: random.Random) -> int:
    """Bytes of the events of some tokens: the frame of an event and a word."""
    return sum(180 + rng.choice((1, 2, 4, 5, 7, 11)) for _ in range(tokens))


def world(rng: random.Random, *, done: int = 30, cut: int = 40, reasoning: int = 0) -> list[Record]:
    """Calls with their truth: what was delivered, of completed answers all."""
    made = []
    for number in range(done + cut):
        tokens = rng.randint(25, 600)
        delivered = tokens if number < done else rng.randint(1, tokens)
        made.append({"id": f"c{number}", "tokens": tokens, "delivered": delivered, "whole": number < done,
            "reasoning": rng.randint(0, reasoning)})  # fmt: skip
    return made


def bring(store: Store, folder: Path, made: list[Record], lines: list[Record]) -> dict[str, Record]:
    """Ingest calls and what a server logged of them."""
    records = [
        raw_call(
            one["id"], stream=True, route="/chat", outcome="completed" if one["whole"] else "cancelled",
            output_tokens=one["tokens"] + one["reasoning"], reasoning_output_tokens=one["reasoning"],
        )
        for one in made
    ]  # fmt: skip
    ingest(store, write_lines(folder / "calls.jsonl", records))
    with Reader() as reader:
        found = join(store, reader, str(write_lines(folder / "access.log", lines)), None)
    assert found.problem is None and found.matched == len(made)
    return calls(store)


def nginx(one: Record, size: int) -> Record:
    return {
        "request_id": one["id"], "status": "200", "completion": "OK" if one["whole"] else "",
        "body_bytes_sent": str(size), "request_time": "4.000", "ct": "text/event-stream",
    }  # fmt: skip


def holds(known: dict[str, Record], made: list[Record]) -> None:
    """Every interval holds the truth: of what was delivered, and of the tax whatever of it was shown."""
    for one in (each for each in made if not each["whole"]):
        call = known[one["id"]]
        assert call["tax_class"] == "estimated" and call["tax_rule"] == "delivered_learned", call["tax_rule"]
        assert call["delivered_low"] <= one["delivered"] <= call["delivered_high"], one
        billed = one["tokens"] + one["reasoning"]
        assert call["tax_low"] <= billed - one["delivered"] <= call["tax_high"] == billed
        assert call["tax_low"] <= call["tax_best"] <= call["tax_high"]


@pytest.mark.parametrize("case", keep(product(range(4), (0, 300)), [(0, 0), (1, 0), (2, 300)]), ids=str)
def test_bytes_with_headers_and_framing_become_tokens(tmp_path: Path, case: tuple[int, int]) -> None:
    """What every stream has besides its tokens is learned too; secret reasoning has no bytes. ``case`` is a
    seed and the tokens of reasoning."""
    seed, reasoning = case
    rng = random.Random(seed)
    made = world(rng, reasoning=reasoning)
    lines = [
        nginx(one, HEADERS + OPENING + size_of(one["delivered"], rng) + (CLOSING if one["whole"] else 0))
        for one in made
    ]  # fmt: skip
    with empty_store() as store:
        known = bring(store, tmp_path, made, lines)
    holds(known, made)
    if not reasoning:
        width = [known[one["id"]]["delivered_high"] / one["delivered"] for one in made[30:] if one["delivered"] > 100]
        assert max(width) < 1.6
        assert all(known[one["id"]]["delivered_low"] == 0 for one in made if not one["whole"])  # they may be pings


@pytest.mark.parametrize("late", [0, 8])
def test_events_become_tokens_and_late_ones_move_the_low_end_of_the_tax_alone(tmp_path: Path, late: int) -> None:
    """A server that notices at the next write counts up to eight events too many: the tax can be that much more than
    its low end, and its high end stays all that was billed."""
    rng = random.Random(late)
    made = world(rng)
    lines = [
        {"request_id": one["id"], "delivered_chunks": one["delivered"] + 2 + (0 if one["whole"] else late),
            "bytes": 99, "cancelled": not one["whole"], "cancelled_at_ms": 900}
        for one in made
    ]  # fmt: skip
    with empty_store() as store:
        known = bring(store, tmp_path, made, lines)
        if late:
            return _holds_above(known, made)
    holds(known, made)


def _holds_above(known: dict[str, Record], made: list[Record]) -> None:
    for one in (each for each in made if not each["whole"]):
        call = known[one["id"]]
        assert one["delivered"] <= call["delivered_high"]
        assert call["tax_low"] <= one["tokens"] - one["delivered"] <= call["tax_high"] == one["tokens"]


def test_few_completed_calls_or_another_route_teach_nothing(tmp_path: Path) -> None:
    """19 are too few; the bytes of a call give no tokens then, and the tax has the interval that it had without."""
    rng = random.Random(0)
    made = world(rng, done=19, cut=3)
    with empty_store() as store:
        known = bring(store, tmp_path, made, [nginx(one, size_of(one["delivered"], rng)) for one in made])
    for one in made[19:]:
        call = known[one["id"]]
        assert (call["delivered_bytes"] > 0, call["delivered_best"]) == (True, None)
        assert (call["tax_low"], call["tax_high"]) == (0, one["tokens"])


def test_a_body_that_is_packed_for_some_gives_no_figure(tmp_path: Path) -> None:
    """Without the encoding in the log, bytes of a token that differ twentyfold show that something else is counted."""
    rng = random.Random(1)
    made = world(rng)
    lines = [nginx(one, size_of(one["delivered"], rng) // rng.choice((1, 20))) for one in made]
    with empty_store() as store:
        known = bring(store, tmp_path, made, lines)
    assert {known[one["id"]]["delivered_best"] for one in made if not one["whole"]} == {None}


def test_of_two_servers_the_tighter_count_is_taken(tmp_path: Path) -> None:
    """nginx before the application and a recorder in it: each is an upper end of what went on to the client."""
    rng = random.Random(2)
    made = world(rng)
    with empty_store() as store:
        bring(store, tmp_path, made, [nginx(one, size_of(one["delivered"], rng)) for one in made])
        recorded = [
            {"request_id": one["id"], "delivered_chunks": one["delivered"], "bytes": 9, "cancelled": not one["whole"]}
            for one in made
        ]
        with Reader() as reader:
            join(store, reader, str(write_lines(tmp_path / "recorder.jsonl", recorded)), None)
        known = calls(store)
    holds(known, made)
    assert {known[one["id"]]["delivered_rule"] for one in made if not one["whole"]} <= {
        "delivered_chunks", "delivered_bytes",
    }  # fmt: skip
    assert {known[one["id"]]["edge_servers"] for one in made} == {"nginx+recorder"}


def chunked(rng: random.Random, *, first: int = 0, cut: int | None = None) -> list[Record]:
    """Streams in events of one to six tokens, the first of ``first`` more: 30 whole ones, 30 cut at this event."""
    made = []
    for number in range(60):
        sizes = [rng.randint(1, 6) for _ in range(rng.randint(10, 60))]
        sizes[0] += first
        frames = [92 + sum(rng.randint(1, 7) for _ in range(size)) for size in sizes]
        events = len(sizes) if number < 30 else cut or rng.randint(1, len(sizes))
        made.append({"id": f"c{number}", "whole": number < 30, "sizes": sizes, "events": events,
            "bytes": 160 + sum(frames[:events]) + (21 if number < 30 else 0)})  # fmt: skip
    return made


def bring_chunked(folder: Path, made: list[Record], *, times: bool) -> dict[str, Record]:
    """Ingest them as an application traces them, with the tokens of each chunk, and the log of nginx."""
    records = [
        raw_call(
            one["id"], stream=True, route="/chat", outcome="completed" if one["whole"] else "cancelled",
            output_tokens=sum(one["sizes"]), reasoning_output_tokens=0, chunk_tokens=one["sizes"],
            chunk_offsets_ms=[100.0 + number for number in range(len(one["sizes"]))] if times else None,
        )
        for one in made
    ]  # fmt: skip
    with empty_store() as store, Reader() as reader:
        ingest(store, write_lines(folder / "calls.jsonl", records))
        log = write_lines(folder / "access.log", [nginx(one, one["bytes"]) for one in made])
        assert join(store, reader, str(log), None).problem is None
        return calls(store)


@pytest.mark.parametrize(("seed", "first"), [(0, 0), pytest.param(1, 0, marks=pytest.mark.proof), (2, 40)])
def test_bytes_say_how_many_of_the_chunks_went_on(tmp_path: Path, seed: int, first: int) -> None:
    """Sizes of chunks without times: a cut stream has as many events as its bytes can be, a few more at most; also
    where the first event of each stream holds many tokens."""
    made = chunked(random.Random(seed), first=first)
    known = bring_chunked(tmp_path, made, times=False)
    for one in made[30:]:
        call, events = known[one["id"]], one["events"]
        assert call["tax_rule"] == "delivered_learned"
        assert sum(one["sizes"][:events]) <= call["delivered_high"] <= sum(one["sizes"][: events + 6 + events // 10])


def test_times_and_bytes_bound_what_was_delivered_together(tmp_path: Path) -> None:
    """Chunks that had come by the cut need not have gone on: a server that held them sent fewer bytes."""
    made = chunked(random.Random(5), cut=3)
    known = bring_chunked(tmp_path, made, times=True)
    for one in made[30:]:
        call = known[one["id"]]
        assert (call["delivered_rule"], call["tax_rule"]) == ("chunks", "chunks_until_cancel")
        assert sum(one["sizes"][:3]) <= call["delivered_high"] <= sum(one["sizes"][:9])
        assert call["delivered_low"] <= call["delivered_best"] <= call["delivered_high"]

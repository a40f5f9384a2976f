"""The records of a head vote for the source that reads a file; one odd record decides nothing."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamaudit.ingest.mapping import parse_mapping
from streamaudit.ingest.sources.registry import Match, Refusal, discover
from streamaudit.ingest.voting import elect
from streamaudit.store.store import Store
from tests.reused import empty_store
from tests.support import (
    Record,
    datadog_span,
    equation,
    ingest,
    langfuse_row,
    otel_batch,
    otel_span,
    phoenix_span,
    raw_call,
    stored_calls,
    write_lines,
)

ODD: dict[str, Record] = {
    "an error of an API": {"errors": [{"detail": "too many requests"}]},
    "a score": {"id": "s", "traceId": "t", "dataType": "NUMERIC", "value": 1},
    "a rounded id": {"span_id": "1.2E+18", "note": "from a sheet"},
    "metrics": {"resourceMetrics": []},
    "a benchmark's summary": {"mean_ttft_ms": 5.0, "model_id": "m", "completed": 3},
    "a call of Weave": {"op_name": "predict", "started_at": "2026-11-16T08:00:00Z"},
    "two formats' keys": {"call_type": "x", "startTime": "", "completionStartTime": "", "delay_ms": 1,
                          "request_created_at": ""},
    "nothing": {},
}  # fmt: skip
GOOD: dict[str, Callable[[str], Record]] = {
    "raw": lambda name: raw_call(name),
    "langfuse": lambda name: langfuse_row(name),
    "datadog": lambda name: datadog_span(name),
    "phoenix": lambda name: phoenix_span(name),
    "otel": lambda name: otel_batch(otel_span(name)),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("source", GOOD)
def test_one_odd_record_decides_nothing(source: str, odd: str) -> None:
    """Wherever it is, the other records decide."""
    good = [GOOD[source](f"c{number}") for number in range(3)]
    for place in range(4):
        found = elect([*good[:place], ODD[odd], *good[place:]])
        assert found is not None and isinstance(found[1], Match), found
        assert found[0].name == source


def test_odd_records_are_rejects_and_the_others_calls(store: Store, tmp_path: Path) -> None:
    """Every odd record at once, first, in a file of sixty good ones."""
    records = [*ODD.values(), *(raw_call(f"c{number}") for number in range(60))]
    (result,) = ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    assert equation(result) == (len(records), 60, 0, 0, len(ODD), 0)
    assert [reject.line for reject in result.rejects] == list(range(1, len(ODD) + 1))
    assert result.match is not None and any("another format" in note for note in result.match.notes)


def test_the_order_of_the_records_does_not_matter(tmp_path: Path) -> None:
    """Any order gives the same source, variant and calls."""
    records = [
        *(langfuse_row(f"l{n}") for n in range(4)), *(datadog_span(f"d{n}") for n in range(3)),
        *(raw_call(f"r{n}") for n in range(3)), {**langfuse_row("v2"), "latencyMs": 5}, *ODD.values(),
    ]  # fmt: skip
    dice, seen = random.Random(3), set()
    for _ in range(2):
        with empty_store() as store:
            (result,) = ingest(store, write_lines(tmp_path / "mixed.jsonl", records))
            assert result.source is not None and result.match is not None
            kept = [(name, call["model"], call["output_tokens"]) for name, call in sorted(stored_calls(store).items())]
            seen.add(json.dumps([result.source.name, result.match.variant, equation(result), kept]))
        dice.shuffle(records)
    assert len(seen) == 1
    assert json.loads(seen.pop())[0] == "langfuse"


def test_a_file_without_a_call_is_refused_for_its_most_frequent_reason() -> None:
    """Only then, and whatever comes first."""
    scores = [{"id": str(n), "traceId": "t", "dataType": "NUMERIC"} for n in range(3)]
    for head in ([ODD["metrics"], *scores], [*scores, ODD["metrics"]]):
        found = elect(head)
        assert found is not None and isinstance(found[1], Refusal) and "scores" in found[1].what
    assert elect([{"unknown": 1}]) is None and elect([]) is None


@pytest.mark.parametrize("form", ["lines", "array"])
def test_an_unclaimed_head_is_read_on(form: str, store: Store, tmp_path: Path) -> None:
    """Hundreds of other lines may come before the first call."""
    records: list[Any] = [{"level": "info", "event": "request"}] * 3_000 + [raw_call("late")]
    path = tmp_path / "late.json"
    path.write_text(json.dumps(records) if form == "array" else "\n".join(map(json.dumps, records)))
    (result,) = ingest(store, path)
    assert equation(result) == (3_001, 1, 0, 0, 3_000, 0)


def test_mapped_records_vote_too() -> None:
    """A record of a known format among those that the user's paths read does not take the file away from them."""
    mine = [{"key": str(n), "llm": {"name": "m", "out": 5}} for n in range(5)]
    mapping = parse_mapping(["id=key", "model=llm.name", "output_tokens=llm.out"])
    found = elect([langfuse_row("a"), *mine], mapping)
    assert found is not None and found[0].name == "raw"
    found = elect([*(langfuse_row(str(n)) for n in range(6)), *mine], mapping)
    assert found is not None and found[0].name == "langfuse"


def test_a_zero_byte_in_a_cell_leaves_a_table_a_table(store: Store, tmp_path: Path) -> None:
    """Its row is read, and so are the others."""
    path = tmp_path / "calls.csv"
    row = "c{n},2026-11-16T08:00:00Z,gpt-4o-mini,5000,100,completed\n"
    path.write_text("request_id,start_time,model,duration_ms,output_tokens,outcome\n"
                    + row.format(n=1).replace("completed", "comp\0leted") + row.format(n=2))  # fmt: skip
    (result,) = ingest(store, path)
    assert equation(result)[:2] == (2, 2)


def test_every_source_has_a_say() -> None:
    """Each recogniser judges single records: what it finds among several it finds in one of them."""
    for name, make in GOOD.items():
        record = make("a")
        assert all(
            (source.recognise([record, {}]) is None) == (source.recognise([record]) is None)
            for source in discover().values()
        ), name

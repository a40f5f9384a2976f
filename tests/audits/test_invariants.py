"""What must hold for any fleet and any records, however they are cut, shuffled and packed."""

import gzip
import json
import math
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
import zstandard
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sample_traces import simulate
from sample_traces.datadog import datadog_items
from sample_traces.langfuse import shape_rest, shape_v2
from sample_traces.langfuse_observations import observations
from sample_traces.writers import raw_records
from tests.reused import empty_store
from tests.support import Record, Tables, assert_same_tables, audit, content, equation, ingest, raw_call, write_lines

BY = "tenant,model"
AUDITS = ("report", "ttft", "tax")
FORMS = ("raw", "langfuse-v2", "langfuse-rest", "datadog")
# An example reads files and runs audits, so there are few, and a failing one is not made smaller; ``make proof`` has
# many.
FEW = settings(max_examples=2, phases=[Phase.generate])
MANY = settings(max_examples=60, phases=[Phase.generate])
ADDED = (
    "calls", "streamed_calls", "ttft_calls", "errors", "timeouts", "cancelled_calls", "cancelled_before_first_token",
    "input_tokens", "output_tokens", "hidden_tokens", "tax_tokens", "tax_low_tokens", "tax_high_known_tokens",
    "tax_open_calls", "tax_exact_tokens", "tax_estimated_tokens", "tax_exact_calls", "tax_estimated_calls",
    "tax_unknown_calls", "rendered_exceeds_billed", "tax_hidden_tokens", "tax_undelivered_tokens", "tax_unread_tokens",
    "tax_unsplit_tokens", "unseen_input_tokens", "tax_unpriced_calls", "censored_calls", "cost_usd", "tax_usd",
)  # fmt: skip


def records_of(seed: int, form: str) -> list[Record]:
    """The records of a small fleet in one form."""
    fleet = simulate(40, seed, datetime(2026, 11, 9, tzinfo=UTC), 3, whole_ms=True)
    if form == "raw":
        return list(raw_records(fleet))
    if form == "datadog":
        return list(datadog_items(fleet))
    return [shape_v2(each) if form == "langfuse-v2" else shape_rest(each) for each in observations(fleet)]


def packed(folder: Path, number: int, records: list[Record], container: str, packing: str) -> Path:
    """A file with these records: lines, one array, one page or a page on each line; plain, gz or zst."""
    half = len(records) // 2
    text = {
        "lines": "".join(json.dumps(record) + "\n" for record in records),
        "array": json.dumps(records, indent=1),
        "page": json.dumps({"data": records, "meta": {"page": 1}}),
        "pages": "".join(json.dumps({"data": part}) + "\n" for part in (records[:half], records[half:])),
    }[container].encode()
    data = {"plain": text, "gz": gzip.compress(text), "zst": zstandard.ZstdCompressor().compress(text)}
    path = folder / f"{number}.json"
    path.write_bytes(data[packing])
    return path


def assert_consistent(tables: Tables) -> None:
    """Groups and their rest add up to the total; low <= high in each of them, and the value is below the high end: it
    leaves out calls that have an interval only."""
    groups, whole = tables["by_tenant_model"], tables["total"][0]
    for column in ADDED:
        if column in whole:
            summed = sum(row[column] or 0 for row in groups)
            assert math.isclose(summed, whole[column] or 0, rel_tol=1e-9), (column, summed, whole[column])
    for row in [*groups, whole]:
        for unit in {"tokens", "usd"} if "tax_low_usd" in row else {"tokens"} if "tax_low_tokens" in row else ():
            low, value, high = (row[f"tax_{end}{unit}"] for end in ("low_", "", "high_"))
            assert high is None or high >= max(low or 0, value or 0) - 1e-12, (unit, low, value, high)
        if "tax_exact_calls" in row:
            assert row["tax_exact_tokens"] + row["tax_estimated_tokens"] == (row["tax_tokens"] or 0)
            classes = [row[f"tax_{each}_calls"] for each in ("exact", "estimated", "bounded", "unknown")]
            assert sum(classes) == row["cancelled_calls"]


CUTS = given(
    seed=st.integers(0, 10**6), form=st.sampled_from(FORMS), cuts=st.integers(1, 3),
    shuffle=st.randoms(use_true_random=False), container=st.sampled_from(["lines", "array", "page", "pages"]),
    packing=st.sampled_from(["plain", "gz", "zst"]), again=st.sampled_from(["", "forced", "overlap"]),
    audited=st.sampled_from(AUDITS),
)  # fmt: skip


def check_cuts(
    seed: int, form: str, cuts: int, shuffle: Random, container: str, packing: str, again: str, audited: str
) -> None:
    """Split into files, shuffled, packed, read twice or overlapping: the same store, answers, and sums that agree."""
    records = records_of(seed, form)
    with tempfile.TemporaryDirectory() as name, empty_store() as plain, empty_store() as cut:
        folder = Path(name)
        (result,) = ingest(plain, write_lines(folder / "plain.jsonl", records))
        read, new, *_ = equation(result)
        shuffled = list(records)
        shuffle.shuffle(shuffled)
        parts = [shuffled[start::cuts] for start in range(cuts)]
        if again == "overlap":
            parts = [part + shuffled[: len(shuffled) // 3] for part in parts]
        paths = [packed(folder, number, part, container, packing) for number, part in enumerate(parts) if part]
        tallies = [equation(each) for each in ingest(cut, *paths)]
        if again == "forced":
            assert all(equation(each)[1] == 0 for each in ingest(cut, *paths, force=True))
        assert sum(tally[1] for tally in tallies) == new
        assert sum(tally[0] for tally in tallies) == sum(map(len, parts)) >= read
        assert content(cut) == content(plain)
        tables = audit(cut, audited, BY)
        assert_same_tables((audited, form, container), tables, audit(plain, audited, BY))
        assert_consistent(tables)


def test_reports_do_not_depend_on_how_records_are_cut_shuffled_and_packed() -> None:
    """Two examples of what ``check_cuts`` says."""
    FEW(CUTS(check_cuts))()


@pytest.mark.proof
def test_reports_do_not_depend_on_many_ways_to_cut_shuffle_and_pack_records() -> None:
    """Sixty of them."""
    MANY(CUTS(check_cuts))()


@st.composite
def call_records(draw: st.DrawFn) -> list[Record]:
    """A few calls with any mixture of known and unknown fields, some of them twice."""
    tokens = st.none() | st.integers(0, 200)
    times = st.none() | st.sampled_from([0, 100, 400, 5000, 9000, -1])
    fields: dict[str, st.SearchStrategy[Any]] = {
        "outcome": st.sampled_from([None, "completed", "cancelled", "timeout", "error", "interrupted"]),
        "output_tokens": tokens, "reasoning_tokens": tokens, "delivered_tokens": tokens, "rendered_tokens": tokens,
        "ttft_ms": times, "cancelled_at_ms": times, "duration_ms": times.filter(lambda value: value != -1),
        "stream": st.none() | st.booleans(), "cache_hit": st.none() | st.booleans(),
        "tenant": st.sampled_from([None, "a", "b", "c"]), "model": st.sampled_from([None, "gpt-4o-mini", "ours"]),
        "usage_source": st.sampled_from([None, "estimated", "provider_partial"]),
        "cost_usd": st.none() | st.floats(0, 1), "output_cost_usd": st.none() | st.floats(0, 1),
    }  # fmt: skip
    drawn = draw(st.lists(st.fixed_dictionaries(fields), min_size=1, max_size=25))
    return [raw_call(f"r{number % 20}", schema="streamaudit.attempt/1", **one) for number, one in enumerate(drawn)]


MALFORMED = ("{", "not json", '{"request_id": "x", "start_ti', "[1, 2]", "42", '"text"', "{}", '{"a": 1}')


RECORDS = given(
    records=call_records(), audited=st.sampled_from(AUDITS), top=st.none() | st.integers(1, 4),
    bad=st.lists(st.tuples(st.integers(1, 40), st.sampled_from(MALFORMED)), max_size=8),
)  # fmt: skip


def check_sums(records: list[Record], audited: str, top: int | None, bad: list[tuple[int, str]]) -> None:
    """The equation holds, every malformed line is rejected under its true number, and all totals add up."""
    lines: list[object] = [*records]
    for place, text in bad:
        lines.insert(min(place, len(lines)), text)
    with tempfile.TemporaryDirectory() as name, empty_store() as store:
        (result,) = ingest(store, write_lines(Path(name) / "calls.jsonl", lines))
        read, new, repeated, replaced, rejected, others = equation(result)
        ids = {record["request_id"] for record in records}
        assert (read, new, repeated) == (len(lines), len(ids), len(records) - len(ids))
        assert (replaced, rejected, others) == (0, len(bad), 0)
        assert [reject.line for reject in result.rejects] == [
            number for number, line in enumerate(lines, start=1) if isinstance(line, str)
        ]
        assert_consistent(audit(store, audited, BY, top=top))
        early = {row["ended_early"]: row for row in audit(store, "tax")["by_outcome"]}
        paid = early.pop("paid for nothing")
        for column in ("calls", "unseen_output_low_tokens", "exact_calls", "estimated_calls", "unknown_calls"):
            assert paid[column] == sum(row[column] for row in early.values())


def test_the_sums_agree_for_any_records_and_bad_lines_are_found_where_they_are() -> None:
    """Two examples of what ``check_sums`` says."""
    FEW(RECORDS(check_sums))()


@pytest.mark.proof
def test_the_sums_agree_for_many_records_and_bad_lines() -> None:
    """Sixty of them."""
    MANY(RECORDS(check_sums))()

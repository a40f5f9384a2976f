"""Coverage: what calls say, of which calls, what rests on it, what to add; and the notes that stand in for silence."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streamaudit.audits import coverage
from streamaudit.audits.notes import MANY_STREAMS
from streamaudit.audits.scope.scope import Scope
from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.results import Options
from streamaudit.ingest.sources.registry import discover
from streamaudit.store.store import Store
from tests.support import (
    AUDITS,
    Record,
    audit,
    calls,
    datadog_span,
    ingest,
    langfuse_row,
    notes,
    raw_call,
    write_lines,
)  # fmt: skip

SOURCES = discover()
NAMES = {one.name for one in coverage.CAPABILITIES}


def shares(store: Store, **options: Any) -> dict[tuple[str, str], Record]:
    """The rows of the capabilities table by source and capability."""
    remedies = {source.name: source.remedies for source in SOURCES.values()}
    report = coverage.run(store, Scope(**options), remedies)
    table = next(table for table in report.tables if table.name == "capabilities")
    return {(row["source"], row["capability"]): row for row in table.records()}  # type: ignore[misc]


def put(store: Store, folder: Path, *records: Record, name: str = "calls.jsonl", **options: Any) -> None:
    """Ingest records as a file of that name."""
    (result,) = ingest(store, write_lines(folder / name, records), **options)
    assert result.problem is None, result.problem


def test_a_share_is_of_the_calls_the_thing_applies_to(store: Store, tmp_path: Path) -> None:
    """Worked by hand: two streamed, one of them cut; one that did not stream; one answered from a cache."""
    put(
        store, tmp_path,
        raw_call("streamed", stream=True, ttft_ms=300, ttvt_ms=900, tenant_id="acme", reasoning_tokens=3),
        raw_call("cut", stream=True, outcome="cancelled", cancelled_at_ms=2000, output_tokens=None, ttft_ms=400),
        raw_call("whole", stream=False, tenant_id="acme"),
        raw_call("cached", cache_hit=True, output_tokens=None),
    )  # fmt: skip
    found = {name: (row["known_calls"], row["of_calls"]) for (_, name), row in shares(store).items()}
    expected = {
        "start_time": (4, 4), "duration": (4, 4), "streamed": (3, 4), "ttft": (2, 2), "ttvt": (1, 2),
        "chunk_times": (0, 2), "usage": (2, 3), "reasoning": (1, 2), "billed_at_cut": (0, 1), "rendered": (0, 1),
        "cancel_time": (1, 1), "outcome": (4, 4), "tenant": (2, 4), "user": (0, 4), "model": (4, 4),
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    assert set(found) == NAMES


def test_what_applies_to_no_call_has_no_share_and_no_remedy(store: Store, tmp_path: Path) -> None:
    """Nobody was cut: that is not 0 %, and there is nothing to add."""
    put(store, tmp_path, raw_call("a"))
    row = shares(store)["raw", "rendered"]
    assert (row["known_rate"], row["of_calls"], row["add"]) == (None, 0, None)
    report = coverage.run(store, Scope())
    table = next(table for table in report.tables if table.name == "capabilities")
    marks = {table.rows[index][1]: mark.instead for (index, _), mark in table.marks.items()}
    assert marks["rendered"] == "no cut calls"


def test_a_thin_capability_names_what_to_record_in_the_words_of_its_format(store: Store, tmp_path: Path) -> None:
    """Nine of ten is enough; each source has the remedies of the format it came in, whatever it is called."""
    put(store, tmp_path, *(raw_call(f"r{n}", tenant_id="acme" if n else None) for n in range(10)))
    put(store, tmp_path, langfuse_row("l"), name="l.jsonl", source="prod")
    put(store, tmp_path, datadog_span("d"), name="d.jsonl")
    found = shares(store)
    assert found["raw", "tenant"]["add"] is None
    assert found["raw", "route"]["add"] == SOURCES["raw"].remedies["route"]
    assert found["prod", "tenant"]["add"] == SOURCES["langfuse"].remedies["tenant"]
    assert found["datadog", "deploy"]["add"] == "set DD_VERSION"


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_remedies_are_for_capabilities_that_exist(source: Any) -> None:
    """A remedy under a wrong name would never be shown; every column that says its fields exists too."""
    assert set(source.remedies) <= NAMES
    assert all(text and not text.endswith(".") for text in source.remedies.values())


@pytest.mark.parametrize("name", ["langfuse", "datadog", "raw", "otel", "phoenix"])
def test_the_formats_of_applications_have_a_remedy_for_all_they_can_lack(name: str) -> None:
    """What a record cannot be without needs none."""
    certain = {"start_time", "trace", "duration"}
    assert NAMES - set(SOURCES[name].remedies) <= certain


def test_windows_and_filters_narrow_it_and_dimensions_split_it(store: Store, tmp_path: Path) -> None:
    """The same scope as every report; counts by group add up to the total."""
    put(
        store, tmp_path, raw_call("a", tenant_id="acme", route="/chat"), raw_call("b", tenant_id="zeta"),
        raw_call("c", tenant_id="acme", start_time="2026-12-01T00:00:00Z"),
    )  # fmt: skip
    assert shares(store, only=(("tenant", "acme"),))["raw", "route"]["known_rate"] == 0.5
    until = datetime(2026, 11, 17, tzinfo=UTC)
    assert shares(store, until=until)["raw", "start_time"]["of_calls"] == 2
    tables = audit(store, "coverage", "tenant")
    assert [(row["tenant"], row["calls"], row["route_known_calls"]) for row in tables["by_tenant"]] == [
        ("acme", 2, 1), ("zeta", 1, 0),
    ]  # fmt: skip
    assert tables["total"][0]["route_known_calls"] == 1


def test_the_loads_say_which_file_brought_what(store: Store, tmp_path: Path) -> None:
    """In order, with the tally of each; the sampling rate unknown unless it was said."""
    put(store, tmp_path, raw_call("a"), raw_call("b"))
    put(store, tmp_path, raw_call("b"), {"request_id": "x", "model": "m"}, name="more.jsonl")
    loads = audit(store, "coverage")["loads"]
    keys = ("load_id", "source", "format", "read", "new", "repeated", "rejected", "sample_rate")
    assert [tuple(row[key] for key in keys) for row in loads] == [
        (1, "raw", "raw", 2, 2, 0, 0, None), (2, "raw", "raw", 2, 0, 1, 1, None),
    ]  # fmt: skip
    assert str(loads[1]["file"]).endswith("more.jsonl") and loads[0]["loaded_at"] is not None


def test_users_without_a_tenant_are_suggested_as_tenants(store: Store, tmp_path: Path) -> None:
    """Only where no call has one: a fallback row by row would mix customers and persons."""
    put(store, tmp_path, raw_call("a", user_id="u1"), raw_call("b"))
    assert notes(store, "coverage")["tenant_from_user"] == 1
    put(store, tmp_path, raw_call("c", tenant_id="acme"), name="more.jsonl")
    assert "tenant_from_user" not in notes(store, "coverage")


# Notes instead of silence, in every report.


def sampled(store: Store, path: Path, rate: float | None) -> None:
    """Ingest a file as a sample."""
    with Reader() as reader:
        assert Ingest(store, Options(sample_rate=rate)).file(reader, str(path)).problem is None


def test_a_report_says_what_was_rejected_and_how_to_find_tenants_and_prices(store: Store, tmp_path: Path) -> None:
    """A call whose output alone has a price counts as one of unknown cost, and not as a priced one too."""
    assert [note.code for note in AUDITS["report"].run(store, Scope()).notes] == ["empty"]
    lines: list[object] = [raw_call("a", provider="openai", input_tokens=None), "{bad", "{worse"]
    path = write_lines(tmp_path / "calls.jsonl", lines)
    ingest(store, path)
    ingest(store, path, force=True)
    assert calls(store)["a"]["output_cost_basis"] == "priced"
    assert notes(store, "report") == {"cost_unknown": 1, "rejected": 2}
    assert notes(store, "report", by=("tenant",)) == {"cost_unknown": 1, "rejected": 2, "no_tenant": None}
    assert set(notes(store, "coverage", by=("tenant",))) == {"cost_unknown", "rejected", "no_tenant"}


def test_a_sample_is_said_to_be_one_and_no_figure_is_scaled(store: Store, tmp_path: Path) -> None:
    """Ten of a hundred calls stay ten; a rate of 1 is no sample."""
    sampled(store, write_lines(tmp_path / "a.jsonl", [raw_call(f"a{n}") for n in range(10)]), 0.1)
    sampled(store, write_lines(tmp_path / "b.jsonl", [raw_call("b")]), 1.0)
    sampled(store, write_lines(tmp_path / "c.jsonl", [raw_call("c")]), None)
    for one in AUDITS.values():
        report = one.run(store, Scope())
        (note,) = (note for note in report.notes if note.code == "sampled")
        assert note.count == 10 and "rate 0.1" in note.message and "not scaled" in note.message
        (total,) = next(table for table in report.tables if table.name == "total").records()
        assert total["calls"] == 12
    assert "sampled" not in notes(store, "report", where="call_id = 'c'")


def test_the_sampling_mark_of_a_tracer_counts_unless_the_user_says_otherwise(store: Store, tmp_path: Path) -> None:
    """Datadog's tracers write the rate as text beside the ids."""
    path = write_lines(tmp_path / "d.jsonl", [datadog_span("d", _dd={"sample_rate": "0.25"}), datadog_span("e")])
    sampled(store, path, None)
    assert audit(store, "coverage")["loads"][0]["sample_rate"] == 0.25
    other = write_lines(tmp_path / "e.jsonl", [datadog_span("f", _dd={"sample_rate": "0.25"})])
    sampled(store, other, 0.5)
    odd = write_lines(tmp_path / "f.jsonl", [datadog_span("g", _dd={"sample_rate": "7"}), datadog_span("h", _dd="x")])
    sampled(store, odd, None)
    assert [row["sample_rate"] for row in audit(store, "coverage")["loads"]] == [0.25, 0.5, None]


def streams(count: int, **fields: Any) -> list[Record]:
    return [raw_call(f"s{n}", stream=True, ttft_ms=100, **fields) for n in range(count)]


def test_many_streams_and_no_cancelled_call_is_no_clean_bill(store: Store, tmp_path: Path) -> None:
    """From the stated number of streams on, and only when the source has none at all, not when a filter hides them."""
    put(store, tmp_path, *streams(MANY_STREAMS - 1))
    assert "no_cancels" not in notes(store, "report")
    put(store, tmp_path, raw_call("one-more", stream=True, ttft_ms=100), name="more.jsonl")
    assert notes(store, "report")["no_cancels"] == MANY_STREAMS
    put(store, tmp_path, raw_call("left", stream=True, outcome="cancelled"), name="cut.jsonl")
    assert "no_cancels" not in notes(store, "report")
    assert "no_cancels" not in notes(store, "report", where="outcome = 'completed'")


def window(store: Store, first: str, last: str, **options: Any) -> dict[str, str]:
    """The notes about a window, by code."""
    since, until = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (first, last))
    report = AUDITS["report"].run(store, Scope(since=since, until=until, **options))
    return {note.code: note.message for note in report.notes if note.code.startswith("data_")}


def test_a_window_wider_than_the_data_says_how_far_the_data_goes(store: Store, tmp_path: Path) -> None:
    """In the zone asked for; an end within a twentieth of the window is the end."""
    put(
        store, tmp_path, raw_call("a", start_time="2026-11-16T00:30:00Z"),
        raw_call("b", start_time="2026-11-20T10:00:00Z"),
    )  # fmt: skip
    found = window(store, "2026-11-16", "2026-11-23", tz="Europe/Paris")
    assert found == {
        "data_ends": "the data ends 2026-11-20 11:00 Europe/Paris, before the end of the window"
    }
    assert list(window(store, "2026-11-01", "2026-11-20T11:00:00")) == ["data_starts"]
    assert window(store, "2026-11-16", "2026-11-20T12:00:00") == {}
    assert window(store, "2026-12-01", "2026-12-02") == {
        "data_range": "the data goes from 2026-11-16 00:30 to 2026-11-20 10:00 UTC"
    }
    assert not [code for code in notes(store, "report") if code.startswith("data_")]


def test_of_several_sources_those_that_fall_short_are_named(store: Store, tmp_path: Path) -> None:
    """One export goes on where the other stopped."""
    put(store, tmp_path, raw_call("a"), raw_call("b", start_time="2026-11-22T23:00:00Z"))
    put(store, tmp_path, raw_call("c"), raw_call("d", start_time="2026-11-18T12:00:00Z"), name="o.jsonl", source="old")
    found = window(store, "2026-11-16", "2026-11-23")
    assert list(found) == ["data_ends"]
    assert "(old 2026-11-18 12:00 UTC)" in found["data_ends"]


def test_prompts_nobody_saw_answered_are_unknown_and_not_0_without_input_tokens(store: Store, tmp_path: Path) -> None:
    """A time-out before the first chunk whose input tokens nobody recorded."""
    put(store, tmp_path, raw_call("a", outcome="timeout", delivered_tokens=0))
    rows = {row["ended_early"]: row["unseen_input_tokens"] for row in audit(store, "tax")["by_outcome"]}
    assert rows == {"cancelled": 0, "timeout": None, "interrupted": 0, "error": 0, "paid for nothing": 0}

"""``--map`` keeps its word: whatever ``fields`` lists can be mapped, and every column can be mapped in every format."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from sample_traces.benchmarks import aiperf, genai_perf, guidellm, inference_perf, llmperf, sglang, vllm
from sample_traces.records import helicone, langsmith, litellm, log, openrouter
from sample_traces.sessions import claude_code, codex_count
from streamaudit.ingest.mapping import KINDS, MAPPABLE, Mapping, can_fill, near_path
from streamaudit.ingest.profile.survey import Survey, survey
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.sources.registry import Match, discover
from streamaudit.ingest.voting import elect
from tests.reused import empty_store
from tests.sampling import keep
from tests.support import (
    Record,
    datadog_span,
    langfuse_row,
    otel_batch,
    otel_span,
    phoenix_span,
    raw_call,
    rows_of,
    store_of,
    stored_calls,
    write_lines,
)

AWKWARD: Record = {
    "plain": "v", "a.b": "v", "walk": {"ed": "v", "a.b": "v", "acme.org/id": "v", "til~de": "v", "d$": "v"},
    "tags": ["org:v", "org.unit:v", "env:v:with:colons", "bare"], "traceTags": ["team:v"], "@timestamp": "v",
    "deep": {"er": {"and": {"even": {"deeper": "v"}}}}, "number": 7, "flag": True, "kebab-case": "v",
    "metadata": {"text": "v", "packed": json.dumps({"inside": "v", "two": {"deep": "v"}}), "nothing": None},
}  # fmt: skip


def surveyed(path: Path) -> Survey:
    """The fields of one file."""
    with Reader() as reader, empty_store() as store:
        file = reader.open(str(path))
        source, verdict = elect(file.head) or (None, None)
        assert source and isinstance(verdict, Match)
        return survey(store, [file], source, Mapping())


AS_CALLS: dict[str, Callable[[str], Record]] = {
    "raw": lambda name: raw_call(name, **AWKWARD),
    "langfuse": lambda name: langfuse_row(name, **AWKWARD),
    "datadog": lambda name: {"id": name, "attributes": datadog_span(name, **AWKWARD), **AWKWARD},
    "datadog-bare": lambda name: datadog_span(name, **AWKWARD),
}


WANTED = {
    "plain", "a.b", "walk.ed", "walk.a.b", "walk.acme.org/id", "walk.d$", "tags.org", "tags.org.unit", "tags.env",
    "deep.er.and.even.deeper", "number", "flag", "kebab-case", "@timestamp", "metadata.packed.inside",
    "metadata.packed.two.deep",
}  # fmt: skip
TEXTS = ("tenant", "user_id", "session_id", "environment", "service", "region", "transport")


@pytest.mark.parametrize("form", keep(AS_CALLS, ["raw"]))
def test_what_is_listed_can_be_mapped(form: str, tmp_path: Path) -> None:
    """Every path with values, given to --map as it is spelled, fills a column of as many calls with as many values; but
    for counts such as ``usage_details.input``, whose name is of a text."""
    path = write_lines(tmp_path / "calls.jsonl", [AS_CALLS[form](name) for name in "abc"])
    listed = [field for field in surveyed(path).fields if field.facts.filled and can_fill("tenant", field.path)]
    start = "attributes." if form == "datadog" else ""
    assert {start + name for name in WANTED} <= {field.path for field in listed}
    # Each form holds the same awkward fields: all of them are tried in the one, every third in the others.
    listed = listed if form == "raw" else listed[::3]
    for first in range(0, len(listed), len(TEXTS)):
        tried = dict(zip(TEXTS, listed[first : first + len(TEXTS)], strict=False))
        with store_of(path, mapping=[f"{column}={field.path}" for column, field in tried.items()]) as store:
            stored = rows_of(store, "store.calls")
        for column, field in tried.items():
            found = [call[column] for call in stored if call[column] is not None]
            assert (len(found), len(set(found))) == (field.facts.filled, field.facts.distinct), field.path


def test_the_first_of_equal_tags_counts(tmp_path: Path) -> None:
    """As it does for the keys that are looked for by default; an empty tag fills nothing."""
    records = [raw_call("a", tags=["org:one", "org:two"]), raw_call("b", tags=["org:"]), raw_call("c", tags=[])]
    for container in (records, None):
        path = tmp_path / ("calls.json" if container else "calls.jsonl")
        path.write_text(json.dumps(records)) if container else write_lines(path, records)
        with store_of(path, mapping=["tenant=tags.org"]) as store:
            tenants = {name: call["tenant"] for name, call in stored_calls(store).items()}
        assert tenants == {"a": "one", "b": None, "c": None}


def test_metadata_that_only_looks_like_text_of_an_object_stays(tmp_path: Path) -> None:
    """What begins like an object and is none is a value as any other."""
    records = [raw_call("a", metadata={"org": "{curly}"}), raw_call("b", metadata="{no json")]
    with store_of(write_lines(tmp_path / "calls.jsonl", records), mapping=["tenant=metadata.org"]) as store:
        assert {name: call["tenant"] for name, call in stored_calls(store).items()} == {"a": "{curly}", "b": None}


@pytest.mark.parametrize(
    ("path", "meant"),
    [("metadata.org_id", "meta.org_id"), ("org_id", "meta.org_id"), ("meta.orgid", "meta.org_id"), ("zzz", None),
     ("acme co", None)],
)  # fmt: skip
def test_a_path_that_no_record_has_names_the_one_that_was_meant(path: str, meant: str | None) -> None:
    """The same key elsewhere, or one spelled much alike; no key that looks like content, or stands in content."""
    record = {"id": "a", "meta": {"org_id": "o", "acme corp": 1}, "input": {"org_id": "secret"}, "tags": ["zz:1"]}
    assert near_path(path, [record]) == meant


START = "2026-11-16T08:00:00"
OF_A_KIND: dict[str, object] = {
    "count": 12,
    "money": 0.25,
    "duration": 1500.0,
    "instant": f"{START}Z",
    "flag": True,
    "numbers": [5.0, 7.0],
    "counts": [1, 2],
}
VALUES: dict[str, object] = {
    "end_time": "2026-11-16T08:00:02Z",
    "finish_reason": "stop",
    "error_type": "RateLimitError",
    "outcome": "cancelled",
    "cancelled_by": "user",
    "usage_basis": "partial",
    "input_hash": "the same prompt",
    "attempt_number": 2,
}
STORED_AS = {"start_time": datetime(2026, 11, 16, 8), "end_time": datetime(2026, 11, 16, 8, 0, 2),
             "source_updated_at": datetime(2026, 11, 16, 8)}  # fmt: skip
FORMATS: dict[str, Callable[[Record], Record]] = {
    "raw": lambda mine: raw_call("a", mine=mine),
    "langfuse": lambda mine: langfuse_row("a", mine=mine),
    "datadog": lambda mine: datadog_span("a", mine=mine),
    "datadog_logs": lambda mine: {**log(), "mine": mine},
    "aiperf": lambda mine: {**aiperf("a"), "mine": mine},
    "genai_perf": lambda mine: genai_perf("a", mine=mine),
    "guidellm": lambda mine: {**guidellm("a"), "mine": mine},
    "helicone": lambda mine: helicone("a", mine=mine),
    "langsmith": lambda mine: langsmith("a", mine=mine),
    "litellm": lambda mine: litellm("a", mine=mine),
    "openrouter": lambda mine: {**openrouter("a"), "mine": mine},
    "vllm": lambda mine: vllm("a", mine=mine),
    "llmperf": lambda mine: {**llmperf(0.2, 1.0), "mine": mine},
    "phoenix": lambda mine: phoenix_span("a", mine=mine),
    "sglang": lambda mine: sglang(
        mine=mine, input_lens=[10], output_lens=[3], ttfts=[0.5], itls=[[0.1]], errors=[""]
    ),
    "inference_perf": lambda mine: inference_perf(mine=mine),
    "claude_code": lambda mine: claude_code("a", 1, 5, mine=mine),
    "codex": lambda mine: {**codex_count(1, 100, 100), "mine": mine},
    "otel": lambda mine: otel_batch(otel_span("a", {f"mine.{column}": value for column, value in mine.items()})),
}


EACH_RUN = ("raw", "langfuse", "datadog", "otel", "llmperf", "codex")
"""Formats of each run: a record for a call, a span, a table, a run with many calls, a session. What is mapped is
read by one text for all of them (``ingest/mapped.py``)."""


def test_every_format_is_tried() -> None:
    """A new source is added to this file."""
    assert set(FORMATS) == set(discover())


@pytest.mark.parametrize("form", keep(FORMATS, EACH_RUN))
def test_every_column_can_be_mapped_in_every_format(form: str, tmp_path: Path) -> None:
    """None of the columns that --map takes is silently left alone."""
    values = {column: VALUES.get(column, OF_A_KIND.get(kind, f"my-{column}")) for column, kind in KINDS.items()}
    path = write_lines(tmp_path / "calls.jsonl", [FORMATS[form](values)])
    if form == "llmperf":
        path = tmp_path / "calls.json"
        path.write_text(json.dumps([FORMATS[form](values)]))
    mapping = [f"{column}=mine.{column}" for column in MAPPABLE]
    with store_of(path, mapping=mapping) as store:
        (call,) = rows_of(store, "store.calls")
    wanted = {column: STORED_AS.get(column, value) for column, value in values.items()}
    for column in ("cancelled", "input_hash"):  # a flag behind the outcome, and never as it stands
        del wanted[column]
    assert {column: call[column] for column in wanted} == wanted
    assert call["input_hash"] not in (None, values["input_hash"])

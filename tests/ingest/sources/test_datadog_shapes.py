"""Datadog, shape by shape: the export API, what tracers and gateways send, APM spans, DDSQL, logs, and what is none."""

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sample_traces.records import log
from streamaudit.audits.scope.scope import Scope
from streamaudit.ingest.results import FileResult
from streamaudit.store.store import Store
from tests.sampling import keep
from tests.support import AUDITS, Record, calls, datadog_span, equation, ingest, stored_calls, write_lines

USAGE = {"input_tokens": 57, "output_tokens": 12}


def event(name: str, /, **meta: Any) -> Record:
    """A span as a tracer sends it."""
    flat = datadog_span(name, span_kind=..., model_name=..., model_provider=..., metadata=..., metrics=USAGE)
    return {**flat, "meta": {"model_name": "claude-sonnet-4-5", "model_provider": "anthropic", **meta}}


def envelope(*spans: Record) -> Record:
    return {"_dd.stage": "raw", "_dd.tracer_version": "4.10.4", "event_type": "span", "spans": list(spans)}


def intake(*spans: Record, **attributes: Any) -> Record:
    return {"data": {"type": "span", "attributes": {"ml_app": "gateway", **attributes, "spans": list(spans)}}}


def apm(name: str, custom: Record, **fields: Any) -> Record:
    attributes = {
        "span_id": name, "trace_id": "7", "parent_id": "1", "service": "shop", "env": "prod", "resource_name": "chat",
        "start_timestamp": "2026-11-16T08:00:00.12Z", "end_timestamp": "2026-11-16T08:00:05.12Z", "custom": custom,
        "tags": ["compute", "version:9"], **fields,
    }  # fmt: skip
    return {"id": "opaque", "type": "spans", "attributes": attributes}


def text(file: Path, *values: object) -> Path:
    """One JSON text after another, pretty-printed."""
    file.write_text("\n".join(json.dumps(value, indent=1) for value in values))
    return file


def table(file: Path, rows: Sequence[Record]) -> Path:
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


LITELLM = {
    "kind": "llm", "error": None,
    "metadata": {
        "model_name": "gpt-4o-mini", "model_provider": "OpenAI", "cache_hit": None, "is_streamed_request": True,
        "latency_metrics": {"time_to_first_token_ms": 612.4}, "user_api_key_team_alias": "acme",
    },
}  # fmt: skip
DDSQL = {
    "timestamp": "2026-11-16T08:00:00.000Z", "@trace_id": "14624140233640368324", "@span_id": "14624140233640368325",
    "parent_id": "undefined", "@meta.span.kind": "llm", "@name": "chat", "@status": "ok", "service": "shop",
    "env": "prod",
    "@start_ns": "1794816000000000000", "@duration": "5000000000", "@metrics.input_tokens": "412",
    "@metrics.output_tokens": "288", "@metrics.time_to_first_token": "0.734", "@tenant_id": "acme",
}  # fmt: skip
PYTHON, DOTTED = {"span": {"kind": "llm"}}, {"span.kind": "llm"}
BROKE = {"status": "error"}
DROPPED = "[This value has been dropped because this span's size exceeds the 5MB size limit.]"

Case = tuple[Record, dict[str, Any]]
CASES: dict[str, Case] = {
    "kind and error of dd-trace for Python": (
        envelope({**event("py", **PYTHON, error={"type": "CancelledError", "message": "x"}), **BROKE}),
        {"provider": "anthropic", "outcome": "cancelled", "error_type": "CancelledError"},
    ),
    "kind and error of dd-trace for JavaScript": (
        envelope({**event("js", **DOTTED, **{"error.type": "AbortError"}), **BROKE}),
        {"model": "claude-sonnet-4-5", "outcome": "cancelled", "error_type": "AbortError"},
    ),
    "an error of a general class whose message names who stopped it": (
        envelope({**event("ms", **PYTHON, error={"type": "Error", "message": "The user aborted a request."}), **BROKE}),
        {"outcome": "cancelled", "error_type": "Error"},
    ),
    "an error message that names a deadline": (
        envelope({**event("dl", **DOTTED, **{"error.type": "Error", "error.message": "Read timed out"}), **BROKE}),
        {"outcome": "timeout", "error_type": "Error"},
    ),
    "kind and error of the HTTP intake": (
        intake(
            {**event("in", **LITELLM, model_name=None, model_provider=None), **BROKE}, tags=["env:dev", "version:4"]
        ),
        {"environment": "dev", "deploy": "4", "service": "gateway", "outcome": "error", "error_type": None},
    ),
    "a gateway's model, first token and stream flag in metadata": (
        intake(event("lm", **LITELLM, model_name=None, model_provider=None)),
        {"model": "gpt-4o-mini", "provider": "openai", "ttft_ms": 612.4, "streamed": True, "output_tokens": 12},
    ),
    "ids that are no numbers": (
        intake(event("b2c7b6a4-11d2-4a6b-8a1f-5d6e7f809102", **LITELLM)),
        {"call_id": "b2c7b6a4-11d2-4a6b-8a1f-5d6e7f809102"},
    ),
    "a session of the whole batch": (intake(event("se", **LITELLM), session_id="s-1"), {"session_id": "s-1"}),
    "a gateway's cost and team": (
        intake(event("co", kind="llm", metadata={
            "model_name": "our-own", "spend_metrics": {"response_cost": 0.00002}, "user_api_key_team_alias": "acme"},
            model_name=None)),
        {"cost_usd": 0.00002, "cost_basis": "reported", "tenant": "acme"},
    ),
    "OpenTelemetry's first chunk in metadata": (
        event("ot", **PYTHON, metadata={"gen_ai.response.time_to_first_chunk": 0.5}),
        {"ttft_ms": 500.0, "ttft_status": "usable"},
    ),
    "texts that were too large": (
        event("big", **PYTHON, input={"value": DROPPED}, output={"value": DROPPED}),
        {"input_hash": None, "output_chars": None, "visible_output_chars": None},
    ),
    "texts that the tracer says it dropped": (
        envelope({**event("gone", **PYTHON, output={"value": ""}, input={"value": "x"}),
                  "collection_errors": ["dropped_io"]}),
        {"input_hash": None, "output_chars": None},
    ),
    "a bare tracer event": (event("bare", **PYTHON), {"model": "claude-sonnet-4-5", "input_tokens": 57}),
    "answers in messages, hidden thinking left out": (
        event("said", **PYTHON, output={"messages": [
            {"role": "reasoning", "content": "hmm"}, {"role": "assistant", "content": "four"}]}),
        {"output_chars": 4},
    ),
    "an APM span of a model call": (
        apm("a1", {"duration": 4e9, "openai": {"request": {"model": "gpt-4o-2024-08-06"}, "response": {"usage": {
            "prompt_tokens": "9", "completion_tokens": "7"}}}, "vllm": {"latency": {"ttft": 0.5}},
            "http": {"route": "/v1/chat"}, "usr": {"id": "u1"}, "version": "9"}),
        {"duration_ms": 4000.0, "model": "gpt-4o", "provider": "openai", "output_tokens": 7, "ttft_ms": 500.0,
         "route": "/v1/chat", "user_id": "u1", "deploy": "9", "environment": "prod"},
    ),
    "an APM span whose usage was guessed": (
        apm("a2", {"openai": {"request": {"model": "gpt-4o"}, "response": {"usage": {
            "completion_tokens": "7", "completion_tokens_estimated": "true"}}}}),
        {"duration_ms": 5000.0, "usage_basis": "tokenizer"},
    ),
    "a start of an APM span": (
        apm("a3", {"_dd": {"llmobs": {"span_kind": "llm", "model_name": "m", "input_tokens": 3, "output_tokens": 4}}}),
        {"input_tokens": 3, "output_tokens": 4, "model": "m", "duration_ms": 5000.0},
    ),
}  # fmt: skip


def _shape(record: Record) -> str:
    return "event" if "meta" in record else "APM" if record.get("type") == "spans" else next(iter(record))


@pytest.mark.parametrize("shape", sorted({_shape(record) for record, _ in CASES.values()}))
def test_a_shape_is_opened_to_what_it_means(store: Store, tmp_path: Path, shape: str) -> None:
    """The records of one shape in a file, in the order of the cases; each is one call."""
    cases = {name: case for name, case in CASES.items() if _shape(case[0]) == shape}
    (result,) = ingest(store, write_lines(tmp_path / "some.jsonl", [record for record, _ in cases.values()]))
    assert result.problem is None and not result.rejects, result
    found = calls(store)
    assert len(found) == len(cases)
    for name, (record, expected) in cases.items():
        (got,) = (call for call_id, call in found.items() if f'"{call_id}"' in json.dumps(record))
        assert {column: got[column] for column in expected} == expected, name


def test_a_sample_rate_of_the_tracer_is_kept(store: Store, tmp_path: Path) -> None:
    """Only its own events have it."""
    spans = [{**event(name, **PYTHON), "_dd": {"sample_rate": "0.5"}} for name in "ab"]
    ingest(store, write_lines(tmp_path / "one.jsonl", spans))
    assert store.query("SELECT sample_rate FROM store.loads") == [(0.5,)]


def test_a_batch_is_opened_span_by_span(store: Store, tmp_path: Path) -> None:
    """Steps among the calls too."""
    body = intake(event("s1", **LITELLM), event("s2", kind="workflow"), event("s3", **LITELLM))
    (result,) = ingest(store, write_lines(tmp_path / "one.jsonl", [body]))
    assert result.counts is not None and result.counts.not_calls == 1
    assert set(stored_calls(store)) == {"s1", "s3"}


PACKINGS: dict[str, Any] = {
    "one envelope a line": lambda path, spans: write_lines(path, [envelope(one) for one in spans]),
    "an array of envelopes": lambda path, spans: text(path, [envelope(one) for one in spans]),
    "events a line": write_lines,
    "bodies a line": lambda path, spans: write_lines(path, [intake(*spans[:2]), intake(*spans[2:])]),
    "one body, pretty-printed": lambda path, spans: text(path, intake(*spans)),
    "pages one after another": lambda path, spans: text(path, {"data": page(spans[:1])}, {"data": page(spans[1:])}),
    "an array of pages": lambda path, spans: text(path, [{"data": page(spans[:2])}, {"data": page(spans[2:])}]),
}


def page(spans: Sequence[Record]) -> list[Record]:
    return [{"id": one["span_id"], "type": "span", "attributes": {**one, "span_kind": "llm"}} for one in spans]


@pytest.mark.parametrize("packing", keep(PACKINGS, [
    "an array of envelopes", "bodies a line", "one body, pretty-printed", "pages one after another"]))  # fmt: skip
def test_every_packing_holds_the_same_calls(store: Store, tmp_path: Path, packing: str) -> None:
    """Also an empty batch or page among them is nothing bad."""
    spans = [event(f"s{number}", **PYTHON) for number in range(3)]
    (result,) = ingest(store, PACKINGS[packing](tmp_path / "traces.json", spans))
    assert result.problem is None and not result.rejects
    assert set(stored_calls(store)) == {"s0", "s1", "s2"}


def test_an_empty_batch_is_no_call_and_no_reject(store: Store, tmp_path: Path) -> None:
    """A flush with nothing in it."""
    (result,) = ingest(store, write_lines(tmp_path / "bodies.jsonl", [intake(event("a", **LITELLM)), intake()]))
    assert result.counts is not None
    assert (result.counts.read, result.counts.new, result.counts.rejected) == (2, 1, 0)


def test_overlapping_pages_count_a_span_once(store: Store, tmp_path: Path) -> None:
    """Windows overlap, and the last page has nothing behind it."""
    spans = [datadog_span(name) for name in ("a", "b", "c")]
    file = text(
        tmp_path / "pages.json", {"data": page(spans[:2]), "meta": {"page": {"after": "x"}}}, {"data": page(spans[1:])},
        {"data": []},
    )  # fmt: skip
    (result,) = ingest(store, file)
    assert result.counts is not None and (result.counts.read, result.counts.new) == (4, 3)


def test_a_page_whose_search_ran_out_of_time_is_told(store: Store, tmp_path: Path) -> None:
    """What it holds is read; that calls are missing is said. The word in a span is not taken for it."""
    spans = [datadog_span("a", status="timeout", metadata={"meta": {"status": "timeout"}}), datadog_span("b")]
    partial = {"data": page(spans), "meta": {"status": "timeout"}}
    whole = {"data": page(spans), "meta": {"status": "done", "page": None}}
    results = ingest(store, text(tmp_path / "a.json", partial, whole), text(tmp_path / "b.json", whole))
    assert [one.partial_pages for one in results] == [1, 0]


def test_spans_kept_for_being_rare_are_told(store: Store, tmp_path: Path) -> None:
    """By an attribute or a tag, at ingest and in reports of the file; not in those of another."""
    model = {"openai": {"request": {"model": "m"}}}
    spans = [apm("d1", model, retained_by="diversity_sampling"), apm("d2", model), apm("d3", model, tags=[
        "compute", "retained_by:diversity_sampling"])]  # fmt: skip
    files = write_lines(tmp_path / "a.jsonl", spans), write_lines(tmp_path / "b.jsonl", [apm("e1", model)])
    assert [one.for_diversity for one in ingest(store, *files)] == [2, 0]
    for where, told in (("true", 3), ("call_id = 'e1'", None)):
        notes = {note.code: note.count for note in AUDITS["ttft"].run(store, Scope(where=where)).notes}
        assert notes.get("diversity_sampled") == told


def test_ends_that_whole_batches_share_are_told(store: Store, tmp_path: Path) -> None:
    """A parent that ends with its last child, a chain of parents and a clock of whole seconds are as they should be."""
    second, files = 10**9, []
    for name, under, shared, at in (
        ("batch", "0", True, 123456000), ("last", "0", False, 123456000), ("chain", None, True, 123456000),
        ("clock", "0", True, 0),
    ):  # fmt: skip
        begin, end = 1763280000 * second + at, 1763280007 * second + at
        starts = [begin + n * second for n in range(4)]
        ends = [end if shared or n in (0, 3) else start + second // 2 for n, start in enumerate(starts)]
        files.append(write_lines(tmp_path / f"{name}.jsonl", [
            datadog_span(f"{name}{n}", trace_id=name, start_ns=starts[n], duration=ends[n] - starts[n],
                parent_id=f"{name}{under or n - 1}" if n else "undefined", span_kind="llm" if n else "agent")
            for n in range(4)
        ]))  # fmt: skip
    assert [one.shared_ends for one in ingest(store, *files)] == [1, 0, 0, 0]


def test_a_ddsql_table_is_read_by_its_own_names(store: Store, tmp_path: Path) -> None:
    """Ids of twenty digits stay whole, names may lack their @, and a duration may have a unit."""
    bare = {"@span_id": "x2", **{key: value for key, value in DDSQL.items() if key not in ("@span_id", "@duration")}}
    other = {key.removeprefix("@"): value for key, value in DDSQL.items()} | {"span_id": "x3", "duration": "5 s"}
    files = [table(tmp_path / "a.csv", [DDSQL]), table(tmp_path / "b.csv", [bare]), table(tmp_path / "c.csv", [other])]
    for result in ingest(store, *files):
        assert result.problem is None, result.problem
    got = stored_calls(store)
    whole = got["14624140233640368325"]
    assert (whole["trace_id"], whole["ttft_ms"], whole["duration_ms"]) == ("14624140233640368324", 734.0, 5000.0)
    assert (whole["tenant"], whole["environment"], whole["output_tokens"]) == ("acme", "prod", 288)
    assert got["x2"]["duration_ms"] is None
    assert got["x3"]["duration_ms"] == 5000.0 and got["x3"]["output_tokens"] == 288


def test_a_ddsql_table_may_name_its_columns_plainly(store: Store, tmp_path: Path) -> None:
    """Metrics and keys without what stands before them, and the time of the event where the span's own is left out."""
    plain = {"span_id": "p1", "trace_id": "t", "span_kind": "llm", "start_ns": "1794816000000000000", "duration": "5e9",
             "output_tokens": "288", "time_to_first_token": "0.5", "tenant_id": "acme", "version": "9"}  # fmt: skip
    timed = {key: value for key, value in DDSQL.items() if key != "@start_ns"} | {"timestamp": "1794816000123"}
    files = table(tmp_path / "a.csv", [plain]), table(tmp_path / "b.csv", [timed])
    for result in ingest(store, *files):
        assert result.problem is None and not result.rejects
    got = stored_calls(store)
    one, other = got["p1"], got["14624140233640368325"]
    assert (one["output_tokens"], one["ttft_ms"], one["tenant"], one["deploy"]) == (288, 500.0, "acme", "9")
    assert f"{other['start_time']:%H:%M:%S.%f}" == "08:00:00.123000"


def test_a_row_whose_id_a_spreadsheet_rounded_is_rejected(store: Store, tmp_path: Path) -> None:
    """Among whole ones, below the first rows; a rounded trace is no trace."""
    rows = [DDSQL, {**DDSQL, "@span_id": "1.46241E+19"}, {**DDSQL, "@span_id": "2", "@trace_id": "1.46241E+19"}]
    far = [{**DDSQL, "@span_id": str(number)} for number in range(1000, 1200)]
    (result,) = ingest(store, table(tmp_path / "a.csv", [*far, *rows]))
    assert result.counts is not None and (result.counts.new, result.counts.rejected) == (202, 1)
    assert stored_calls(store)["2"]["trace_id"] is None


REFUSED: dict[str, tuple[str, str]] = {
    "annotations": ("Content ID,Type,Input,Output,ann_label\n1,trace,a,b,good\n", "annotations"),
    "ids that a spreadsheet rounded": (
        "@span_id,@trace_id,@start_ns,@meta.span.kind\n9.18734E+18,1.46241E+19,1794816000000000000,llm\n",
        "spreadsheet",
    ),
    "an error answer": ('{"errors":[{"detail":"No valid indexes specified"}]}\n', "error message"),
    "a list of the browser": (
        'Date,Service,Resource,Duration\n"Mar 10, 2026",shop,POST /v1/chat,6.41 s\n', "list downloaded",
    ),
    "APM spans without tags": ('{"id":"x","type":"spans","attributes":{"service":"shop"}}\n', "APM"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_with_advice(store: Store, tmp_path: Path, name: str) -> None:
    """By what it is, and with what to do instead."""
    content, says = REFUSED[name]
    path = tmp_path / ("file.csv" if "," in content.split("\n")[0] and content[0] != "{" else "file.json")
    path.write_text(content)
    (result,) = ingest(store, path)
    assert result.problem is not None and says in result.problem and result.hint


def logged(results: list[FileResult]) -> Iterator[str]:
    for one in results:
        assert one.source is not None and one.match is not None
        yield f"{one.source.name}: {one.match.variant}"


def test_logs_hold_what_the_application_wrote(store: Store, tmp_path: Path) -> None:
    """An archive's line and an item of the Logs API give the same call; the line's time is the call's end."""
    line = log()
    inner = line.pop("attributes")
    item = {"id": "log-2", "type": "log", "attributes": {
        "timestamp": line["date"], "service": "shop", "tags": line["tags"], "attributes": inner}}  # fmt: skip
    results = ingest(
        store, write_lines(tmp_path / "archive.jsonl", [log()]), text(tmp_path / "page.json", {"data": [item]})
    )
    assert list(logged(results)) == ["datadog_logs: log archive", "datadog_logs: Logs API"]
    both = stored_calls(store)
    for name in ("log-1", "log-2"):
        one = both[name]
        assert (one["ttft_ms"], one["output_tokens"], one["tenant"], one["deploy"]) == (734.0, 288, "Acme", "9")
        assert f"{one['start_time']:%H:%M:%S.%f}" == "08:00:03.588000"
        assert one["environment"] == "prod"


def test_a_log_line_that_nothing_parsed_is_read_from_its_message(store: Store, tmp_path: Path) -> None:
    """As JSON text; other messages are no records."""
    whole = log()
    line = {**whole, "attributes": {}, "message": json.dumps(whole["attributes"])}
    text_only = {**line, "_id": "log-2", "message": "{no JSON"}
    (result,) = ingest(store, write_lines(tmp_path / "archive.jsonl", [line, text_only]))
    assert result.problem is None and result.counts is not None
    assert stored_calls(store)["log-1"]["ttft_ms"] == 734.0


def test_a_log_without_calls_is_no_log_of_calls(store: Store, tmp_path: Path) -> None:
    """Other lines of a service name no model."""
    line = {**log(), "attributes": {"user": "x", "path": "/login"}}
    (result,) = ingest(store, write_lines(tmp_path / "other.jsonl", [line]))
    assert result.problem is not None and "no known format" in result.problem


def test_long_texts_and_large_batches_fit_into_little_memory(tmp_path: Path) -> None:
    """Nothing of a text or of a batch is held once for each look into it."""
    said = {"value": "word " * 1000}
    lines = [envelope(event(str(number), **PYTHON, input=said, output=said)) for number in range(1500)]
    bodies = [
        intake(*(event(f"{batch}-{number}", **LITELLM, output=said) for number in range(20))) for batch in range(80)
    ]
    files = [write_lines(tmp_path / "events.jsonl", lines), write_lines(tmp_path / "bodies.jsonl", bodies)]
    with Store.in_memory(memory_limit="400MB") as store:
        for result in ingest(store, *files):
            assert result.problem is None and result.counts is not None
            assert result.counts.new == result.counts.read >= 1500


PUP = {
    "duration_ms": 1234.5, "llm_info": {"input_tokens": 57, "output_tokens": 12, "total_tokens": 69,
                                        "model_name": "gpt-4.1-mini-2025-04-14", "model_provider": "openai"},
    "ml_app": "shop", "name": "openai.request", "span_id": "1", "span_kind": "llm", "start_ms": 1794816000000,
    "status": "ok", "trace_id": "t",
}  # fmt: skip


@pytest.mark.parametrize("printed", [{"data": {"spans": [PUP]}}, PUP])
def test_what_datadogs_command_line_prints_is_read(printed: Record, store: Store, tmp_path: Path) -> None:
    """Milliseconds by name, and the model and its counts in an object of their own."""
    file = tmp_path / "spans.json"
    file.write_text(json.dumps(printed, indent=1))
    (result,) = ingest(store, file)
    assert result.match is not None and result.match.variant == "pup"
    (call,) = stored_calls(store).values()
    assert (call["duration_ms"], call["output_tokens"], call["model"]) == (1234.5, 12, "gpt-4.1-mini")
    assert (call["provider"], call["service"], call["start_time"]) == ("openai", "shop", datetime(2026, 11, 16, 8))


@pytest.mark.parametrize("record", [
    {"ml_app": "shop", "span_count": 7, "day": "2026-11-16"},
    {"data": {"type": "llm_obs_metric", "attributes": {"ml_app": "shop", "metrics": []}}},
    {"id": "1", "type": "evaluation", "attributes": {"ml_app": "shop", "score_value": 1}},
])  # fmt: skip
def test_an_unknown_shape_of_datadog_is_named(record: Record, store: Store, tmp_path: Path) -> None:
    """With the export that holds the calls."""
    (result,) = ingest(store, write_lines(tmp_path / "other.jsonl", [record, record]))
    assert result.problem is not None and "Datadog" in result.problem
    assert result.hint is not None and "export API" in result.hint


def test_a_trace_as_a_tracer_sends_it_is_read_span_by_span(store: Store, tmp_path: Path) -> None:
    """Numbers under metrics, texts under meta; a span that names no model is a step."""
    call: Record = {
        "name": "openai.request", "service": "shop", "resource": "chat.completions/gpt-4o", "trace_id": 7, "span_id": 2,
        "parent_id": 1, "type": "", "error": 0, "duration": 2540000, "start": 1794816000000000000,
        "meta": {"component": "openai", "openai.request.model": "gpt-4o", "env": "prod", "version": "9",
                 "openai.response.choices.0.finish_reason": "stop", "openai.response.choices.0.message.content": "Hi"},
        "metrics": {"openai.response.usage.prompt_tokens": 57, "openai.response.usage.completion_tokens": 34},
    }  # fmt: skip
    web = {**call, "name": "web.request", "resource": "GET /chat", "span_id": 1, "parent_id": 0, "meta": {},
           "metrics": {"_dd.measured": 1}}  # fmt: skip
    failed = {**call, "span_id": 3, "error": 1, "meta": {**call["meta"], "error.type": "openai.APITimeoutError"},
              "metrics": {}}  # fmt: skip
    (result,) = ingest(store, write_lines(tmp_path / "spans.jsonl", [web, call, failed]))
    assert equation(result) == (3, 2, 0, 0, 0, 1)
    found = stored_calls(store)
    assert [found["2"][column] for column in ("input_tokens", "output_tokens", "duration_ms", "outcome", "model")] == [
        57, 34, 2.54, "completed", "gpt-4o",
    ]  # fmt: skip
    assert [found["2"][column] for column in ("provider", "deploy", "environment", "route")] == [
        "openai", "9", "prod", "web.request",
    ]  # fmt: skip
    assert (found["3"]["outcome"], found["3"]["output_tokens"]) == ("timeout", None)

"""Private by design: no word of a prompt or an answer is in the store, a message, a reject or left on the disk."""

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from sample_traces import (
    Fleet,
    simulate,
    write_datadog,
    write_langfuse_ui_events,
    write_langfuse_v2,
    write_otel,
    write_otel_snake,
    write_phoenix,
    write_phoenix_frame,
    write_raw,
)
from sample_traces.benchmarks import aiperf, llmperf
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.render.formats import Screen, load
from streamaudit.store.store import Store
from tests.reused import empty_store
from tests.support import (
    AUDITS,
    CONTENT_MARKER,
    datadog_span,
    ingest,
    langfuse_row,
    otel_batch,
    otel_span,
    phoenix_span,
    raw_call,
    rows_of,
    write_lines,
)

SECRET = f"{CONTENT_MARKER}PROMPT-77 what is said here is nobody's business"
SAID = {"messages": [{"role": "user", "content": SECRET}], "prompt": SECRET, "completion": SECRET, "note": SECRET}

WRITERS: dict[str, Callable[[Fleet, Path], None]] = {
    "raw.jsonl": write_raw,
    "v2.jsonl": write_langfuse_v2,
    "ui.jsonl": write_langfuse_ui_events,
    "dd.json": write_datadog,
    "otel.jsonl": write_otel,
    "otel.json": write_otel_snake,
    "openllmetry.jsonl": partial(write_otel, library="openllmetry"),
    "openinference.jsonl": partial(write_otel, library="openinference"),
    "phoenix.json": write_phoenix,
    "frame.jsonl": write_phoenix_frame,
    "vercel.jsonl": partial(write_otel, library="vercel"),
}  # fmt: skip

EACH_RUN = ("raw.jsonl", "v2.jsonl", "dd.json", "otel.json", "openinference.jsonl", "phoenix.json")

# Records with text in every place where an application or a library may put it, good ones and bad ones.
TALKATIVE: dict[str, list[object]] = {
    "raw": [
        raw_call("a", **SAID, error_type=SECRET, finish_reason=SECRET, metadata=SAID, tags=[SECRET]),
        raw_call("a2", cancelled_by=SECRET),
        raw_call("b", error_type=f"ValueError: {SECRET}", input_hash=SECRET, outcome=SECRET, stop_reason=SECRET),
        raw_call("c", start_time=SECRET, **SAID), raw_call("d", output_tokens=-1, **SAID), {"request_id": "e", **SAID},
        f'{{"request_id": "f", "prompt": "{SECRET}', f'"{SECRET}"',
    ],
    "langfuse": [
        langfuse_row("a", input=SAID, output=SECRET, level="ERROR", status_message=SECRET, metadata=SAID),
        langfuse_row("b", output={"content": SECRET, "role": "assistant"}, level="ERROR", status_message=f"E:{SECRET}"),
        langfuse_row("c", tags=[SECRET], model_parameters={"stop": SECRET}, metadata={"finish_reason": SECRET}),
        langfuse_row("d", start_time="", input=SECRET, output=SECRET),
        langfuse_row("e", type="TOOL", input=SECRET, output=SECRET),
        f'{{"id": "f", "output": "{SECRET}',
    ],
    "datadog": [
        datadog_span("a", input={"value": SECRET}, output={"value": SECRET, **SAID}, metadata=SAID),
        datadog_span("b", status="error", tags=[f"error_type:{SECRET}", SECRET], metadata={"error_type": SECRET}),
        datadog_span("c", start_ns=SECRET, input={"value": SECRET}),
        datadog_span("d", span_kind="tool", input={"value": SECRET}, output={"value": SECRET}),
        f'{{"span_id": "e", "input": "{SECRET}',
    ],
    "otel": [
        otel_batch(otel_span("a", {
            "gen_ai.input.messages": SECRET, "gen_ai.output.messages": SECRET, "gen_ai.prompt.0.content": SECRET,
            "gen_ai.completion.0.content": SECRET, "gen_ai.system_instructions": SECRET, "ai.prompt": SECRET,
            "ai.response.text": SECRET, "input.value": SECRET, "output.value": SECRET, "llm.prompts.0": SECRET,
            "gen_ai.tool.call.arguments": SECRET, "metadata": json.dumps(SAID), "http.route": "/chat",
            "llm.invocation_parameters": json.dumps(SAID), "traceloop.entity.input": SECRET, "error.type": SECRET,
        }, events=[
            {"name": "gen_ai.user.message", "attributes": [{"key": "content", "value": {"stringValue": SECRET}}]},
            {"name": "exception", "attributes": [
                {"key": "exception.type", "value": {"stringValue": SECRET}},
                {"key": "exception.message", "value": {"stringValue": SECRET}},
            ]},
            {"name": SECRET, "timeUnixNano": "1794816001000000000"},
        ], status={"code": 2, "message": SECRET})),
        otel_batch(otel_span("b", {"gen_ai.response.finish_reasons": [SECRET], "cancelled_by": SECRET})),
        otel_batch(otel_span("c", {"gen_ai.prompt.0.content": SECRET}, startTimeUnixNano=SECRET)),
        otel_batch(otel_span("d", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.result": SECRET})),
        f'{{"resourceSpans": [{{"prompt": "{SECRET}', {"resourceSpans": SECRET},
    ],
    "phoenix": [
        phoenix_span("a", {
            "input.value": SECRET, "output.value": SECRET, "llm.input_messages.0.message.content": SECRET,
            "llm.output_messages.0.message.content": SECRET, "metadata": json.dumps(SAID), "llm.finish_reason": SECRET,
            "llm.invocation_parameters": json.dumps({"stop": SECRET}), "llm.prompt_template.template": SECRET,
        }, status_code="ERROR", status_message=SECRET,
            events=[{"name": "exception", "attributes": {"exception.type": SECRET, "exception.message": SECRET}}]),
        phoenix_span("b", span_kind="TOOL", attributes={"input": {"value": SECRET}, "output": {"value": SECRET}}),
        phoenix_span("c", start_time=SECRET), f'{{"context": {{"span_id": "d"}}, "attributes": "{SECRET}',
    ],
    "aiperf": [{**aiperf("a"), **SAID}, {**aiperf("b"), "error": {"code": SECRET, "type": SECRET, "message": SECRET}}],
    "llmperf": [{**llmperf(0.2, 1, 429), "error_msg": SECRET}, llmperf(0.2, 1, SECRET), {**llmperf(0.3, 1), **SAID}],
}  # fmt: skip


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go during the test."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def stored_text(store: Store) -> list[tuple[str, str, str]]:
    """Table, column and value of every cell, in every database attached, that holds the marker."""
    found = []
    tables = store.query("SELECT database_name, schema_name, table_name FROM duckdb_tables()")
    for database, schema, table in tables:
        rows = store.records(
            f'SELECT * FROM "{database}"."{schema}"."{table}" AS cells WHERE contains(cells::VARCHAR, $marker)',
            {"marker": CONTENT_MARKER},
        )
        found += [(f"{database}.{table}", name, repr(value)) for row in rows for name, value in row.items()
            if CONTENT_MARKER in repr(value)] or [(f"{database}.{table}", "", repr(row)) for row in rows]  # fmt: skip
    assert {"calls", "spans", "loads", "rejects"} <= {table for _, _, table in tables}
    return found


def assert_silent(store: Store, path: Path, spool: Path) -> None:
    """No cell, no report in any format, no byte of the store file and no left-over file holds the marker."""
    for audit in AUDITS.values():
        report = audit.run(store, Scope(by=("tenant", "model", "route", "outcome")))
        for form in ("table", "json", "csv"):
            assert CONTENT_MARKER not in load(form).render(report, Screen())
    assert_nothing_kept(store, path, spool)


def assert_nothing_kept(store: Store, path: Path, spool: Path) -> None:
    """The same of a store that took nothing in: there is nothing to report on."""
    assert stored_text(store) == []
    # The database marks the folder that it spilled to as its own until it is closed.
    assert [one for one in spool.rglob("*") if one.is_file() and not one.name.endswith("_owner")] == []
    assert not [one for one in spool.rglob("*_owner") if CONTENT_MARKER.encode() in one.read_bytes()]
    store.run("CHECKPOINT store")
    for file in path.parent.glob(f"{path.name}*"):
        assert CONTENT_MARKER.encode() not in file.read_bytes()


@pytest.mark.parametrize("forms", [EACH_RUN, pytest.param(tuple(WRITERS), marks=pytest.mark.proof)])
def test_the_prompts_and_answers_of_a_fleet_are_nowhere_after_reading_it(
    forms: tuple[str, ...], tmp_path: Path, spool: Path
) -> None:
    """Every form holds a marker in each prompt and answer; the store, the reports and the disk hold none."""
    fleet = simulate(80, 7, datetime(2026, 11, 9, tzinfo=UTC), 5, whole_ms=True)
    names = []
    for name in forms:
        WRITERS[name](fleet, tmp_path / name)
        assert CONTENT_MARKER in (tmp_path / name).read_text()
        names.append(tmp_path / name)
    path = tmp_path / "store.duckdb"
    with Store.open(path, write=True) as store:
        store.plan_briefly()
        for result in ingest(store, *names):
            assert result.problem is None
        assert_silent(store, path, spool)


def test_text_in_unexpected_places_is_nowhere_after_reading_it(tmp_path: Path, spool: Path) -> None:
    """Error messages, finish reasons, tags, torn lines and unknown fields: neither kept nor repeated in a reject."""
    path = tmp_path / "store.duckdb"
    with Store.open(path, write=True) as store:
        store.plan_briefly()
        for source, records in TALKATIVE.items():
            (result,) = ingest(store, write_lines(tmp_path / f"{source}.jsonl", records), mapping=["service=service"])
            assert result.problem is None and result.source is not None and result.source.name == source
            assert CONTENT_MARKER not in repr(result.rejects) + repr(result.keys) + repr(result.match)
        assert_silent(store, path, spool)


BROKEN = {
    "a torn array": "[" + json.dumps(raw_call("a", **SAID)) + f', {{"prompt": "{SECRET}',
    "a torn page": '{"data": [' + json.dumps(raw_call("a", **SAID)) + f', {{"prompt": "{SECRET}',
    "a format nobody knows": json.dumps({"unheard": SECRET}),
    "no JSON": SECRET,
    "a table": f"id,text,more\n1,{SECRET},x\n",
    "one line": f'"{SECRET}"',
    "not an object": f'{{"a": 1}} {SECRET}',
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_cannot_be_used_is_refused_without_quoting_it(kind: str, tmp_path: Path, spool: Path) -> None:
    """What is wrong is said, what is in it is not, and nothing of it stays."""
    (tmp_path / "broken.json").write_text(BROKEN[kind])
    path = tmp_path / "store.duckdb"
    with Store.open(path, write=True) as store:
        (result,) = ingest(store, tmp_path / "broken.json")
        assert result.problem
        assert CONTENT_MARKER not in f"{result.problem} {result.hint} {result.rejects!r}"
        assert_nothing_kept(store, path, spool)


def test_equal_prompts_have_equal_hashes_in_one_store_and_others_in_another(tmp_path: Path) -> None:
    """The hash is salted with the store's own secret, so that it can be compared and not looked up."""
    records = [langfuse_row("a", input=SECRET), langfuse_row("b", input=SECRET), langfuse_row("c", input="other")]
    seen = []
    for name in ("one", "two"):
        with empty_store() as store:
            ingest(store, write_lines(tmp_path / f"{name}.jsonl", records))
            seen.append([row[0] for row in store.query("SELECT input_hash FROM store.calls ORDER BY call_id")])
    assert seen[0][0] == seen[0][1] != seen[0][2]
    assert not set(seen[0]) & set(seen[1])


LOGIN = "https://robot:zebra-{}x@y@gate.example:8443/v1/chat"
"""A password that holds the sign that ends it, and one column's own."""


def _with_logins() -> dict[str, list[object]]:
    def login(column: str) -> str:
        return LOGIN.format(column)

    dimensions = (
        "route", "tenant_id", "user_id", "conversation_id", "service_version", "environment", "service_name", "region",
        "request_model", "response_model", "provider", "transport", "name",
    )  # fmt: skip
    return {
        "raw": [raw_call("a", **{name: login(name) for name in dimensions})],
        "langfuse": [langfuse_row("a", name=login("name"), trace_name=login("trace"), user_id=login("user"),
            metadata={"tenant": login("tenant"), "route": login("route"), "attributes": {"url.full": login("url")}},
            release=login("release"), provided_model_name=login("model")),
            langfuse_row("b", type="SPAN", name=login("step"))],
        "datadog": [datadog_span("a", name=login("name"), session_id=login("session"), model_provider=login("provider"),
            tags=[f"tenant:{login('tag')}"], metadata={"http.url": login("url"), "route": login("route")})],
        "otel": [otel_batch(otel_span("a", {"route": login("route"), "tenant": login("tenant"),
            "user.id": login("user"), "url.full": login("url"), "gen_ai.request.model": login("model")},
            name=login("name")))],
    }  # fmt: skip


@pytest.mark.parametrize("form", ["raw", "langfuse", "datadog", "otel"])
def test_a_login_in_an_address_is_not_stored(form: str, tmp_path: Path) -> None:
    """Of every dimension and name the address stays, without its user and password."""
    path = write_lines(tmp_path / "calls.jsonl", _with_logins()[form])
    with empty_store() as store:
        ingest(store, path, mapping=["region=metadata.place"] if form == "raw" else [])
        kept = str([rows_of(store, relation) for relation in ("store.calls", "store.spans", "store.load_keys")])
    assert "zebra" not in kept and "robot" not in kept and "https://gate.example:8443/v1/chat" in kept

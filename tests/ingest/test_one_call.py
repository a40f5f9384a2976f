"""One call recorded by two nested steps: what only one of them knows belongs to the call that counts."""

import json
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from streamaudit.ingest.retention import unload
from tests.cli.running import Cli
from tests.sampling import keep
from tests.support import (
    Record,
    content,
    datadog_span,
    langfuse_row,
    otel_batch,
    otel_span,
    raw_call,
    store_of,
    stored_calls,
    total,
    write_lines,
)

Write = Callable[[str, str, Record], Record]
START = 1_794_816_000


def clock(later: float) -> str:
    return f"2026-11-16T08:00:{later:06.3f}Z"


def raw(name: str, parent: str, known: Record) -> Record:
    """``known`` of a call: its start, seconds after the common one, tokens, TTFT in ms, and how it ended."""
    return raw_call(
        name, trace_id="t", parent_id=parent or None, start_time=clock(known["start"]),
        duration_ms=1000 * (known["end"] - known["start"]), output_tokens=known.get("output"),
        input_tokens=known.get("input"), ttft_ms=known.get("ttft"), stream=True, finish_reason=known.get("finish"),
        outcome=known.get("said"), http_status=known.get("status"), rendered_tokens=known.get("rendered"),
    )  # fmt: skip


def langfuse(name: str, parent: str, known: Record) -> Record:
    usage = {key: known[key] for key in ("input", "output") if known.get(key) is not None}
    metadata = {
        "stream": True, "outcome": known.get("said"), "finish_reason": known.get("finish"),
        "http_status": known.get("status"), "rendered_tokens": known.get("rendered"),
    }  # fmt: skip
    first = None if known.get("ttft") is None else clock(known["start"] + known["ttft"] / 1000)
    return langfuse_row(
        name, trace_id="t", parent_observation_id=parent, usage_details=usage, start_time=clock(known["start"]),
        end_time=clock(known["end"]), completion_start_time=first, metadata=metadata, provided_model_name="gpt-4o-mini",
        level="ERROR" if known.get("status") else "DEFAULT",
    )  # fmt: skip


def datadog(name: str, parent: str, known: Record) -> Record:
    metrics = {
        "input_tokens": known.get("input"), "output_tokens": known.get("output"),
        "time_to_first_token": None if known.get("ttft") is None else known["ttft"] / 1000,
    }  # fmt: skip
    metadata = {
        "stream": True, "outcome": known.get("said"), "finish_reason": known.get("finish"),
        "http_status": known.get("status"), "rendered_tokens": known.get("rendered"),
    }  # fmt: skip
    return datadog_span(
        name, trace_id="t", parent_id=parent or "undefined", metrics=metrics, metadata=metadata,
        start_ns=int((START + known["start"]) * 1e9), duration=(known["end"] - known["start"]) * 1e9,
        status="error" if known.get("status") else "ok", model_name="gpt-4o-mini",
    )  # fmt: skip


def otel(name: str, parent: str, known: Record) -> Record:
    """As a batch of its own."""
    attributes = {
        "gen_ai.usage.input_tokens": known.get("input"), "gen_ai.usage.output_tokens": known.get("output"),
        "gen_ai.response.time_to_first_chunk": None if known.get("ttft") is None else known["ttft"] / 1000,
        "gen_ai.request.stream": True, "outcome": known.get("said"), "rendered_tokens": known.get("rendered"),
        "gen_ai.response.finish_reasons": [known["finish"]] if known.get("finish") else None,
        "http.response.status_code": known.get("status"),
    }  # fmt: skip
    return otel_batch(otel_span(
        name, {key: ... if value is None else value for key, value in attributes.items()}, traceId="a" * 32,
        spanId=f"{name:0>16}".encode().hex()[-16:],
        parentSpanId=f"{parent:0>16}".encode().hex()[-16:] if parent else "",
        startTimeUnixNano=str(int((START + known["start"]) * 1e9)),
        endTimeUnixNano=str(int((START + known["end"]) * 1e9)),
        status={"code": 2} if known.get("status") else {},
    ))  # fmt: skip


def litellm(name: str, parent: str, known: Record) -> Record:
    """A gateway knows no steps: what it logs of a call twice has one id, and the gateway's own times."""
    code = 499 if known.get("said") == "cancelled" else known.get("status")
    status = "failure" if known.get("status") else "success" if known.get("finish") or code else None
    first = None if known.get("ttft") is None else START + known["start"] + known["ttft"] / 1000
    return {
        "id": f"chatcmpl-{name[1:]}", "litellm_call_id": f"call-{name[1:]}", "call_type": "acompletion",
        "stream": True, "status": status, "model": "gpt-4o-mini", "startTime": START + 0.005, "endTime": START + 5.0,
        "completionStartTime": first, "prompt_tokens": known.get("input"), "completion_tokens": known.get("output"),
        "error_information": {"error_code": str(code)} if code else None,
        "metadata": {"spend_logs_metadata": {"rendered_tokens": known.get("rendered")}},
    }  # fmt: skip


FORMS: dict[str, Write] = {"raw": raw, "langfuse": langfuse, "datadog": datadog, "otel": otel}

GOOD: Record = {"input": 50, "output": 100, "ttft": 395.0, "finish": "stop", "rendered": 100}
BROKEN: Record = {"status": 500}
LEFT: Record = {"said": "cancelled", "ttft": 395.0, "rendered": 20}
NOTHING: Record = {}
FIGURES = ("calls", "cancelled_calls", "errors", "input_tokens", "output_tokens", "usage_known_rate", "ttft_calls",
           "ttft_p50_ms", "tax_tokens", "tax_unknown_calls")  # fmt: skip


def fleet(write: Write) -> Iterator[Record]:
    """Ten calls of a framework around a client: six good, two broken, two whose reader left; on both steps, and on the
    outer only, and on the inner only."""
    for number in range(10):
        known = GOOD if number < 6 else BROKEN if number < 8 else LEFT
        sides = ((known, known), (known, NOTHING), (NOTHING, known))[number % 3]
        outer = {**sides[0], "start": 0.0, "end": 5.01}
        if "ttft" in outer:
            outer["ttft"] = outer["ttft"] + 5  # counted from its own start
        for name, parent, what in (("o", "", outer), ("i", "o", {**sides[1], "start": 0.005, "end": 5.0})):
            record = write(f"{name}{number}", f"{parent}{number}" if parent else "", what)
            yield _in_trace(record, number)


def _in_trace(record: Record, number: int) -> Record:
    """Each call in a trace of its own."""
    if "resourceSpans" in record:
        (span,) = record["resourceSpans"][0]["scopeSpans"][0]["spans"]
        span["traceId"] = f"{number + 1:032x}"
        return record
    return {**record, "trace_id": f"t{number}"}


@pytest.mark.parametrize("form", keep([*FORMS, "litellm"], ["raw", "otel", "litellm"]))
def test_a_wrapped_fleet_has_the_figures_of_its_calls(form: str, tmp_path: Path) -> None:
    """Working and broken calls count once each, wherever usage, first token and ending stand."""
    with store_of(write_lines(tmp_path / "fleet.jsonl", fleet({**FORMS, "litellm": litellm}[form]))) as store:
        report, ttft, tax = total(store, "report"), total(store, "ttft"), total(store, "tax")
        found = {**ttft, **tax, **report}
    assert {name: found[name] for name in FIGURES if name in found} == {
        "calls": 10, "cancelled_calls": 2, "errors": 2, "input_tokens": 300, "output_tokens": 600,
        "usage_known_rate": 0.6, "ttft_calls": 8, "ttft_p50_ms": 395.0, "tax_tokens": None, "tax_unknown_calls": 2,
    }  # fmt: skip


@pytest.mark.parametrize("form", keep(FORMS, ["raw"]))
def test_what_is_taken_does_not_depend_on_the_order_and_is_given_back(form: str, tmp_path: Path) -> None:
    """Outer and inner in files of their own, either first, each twice; without the outer the inner is as it was."""
    write = FORMS[form]
    outer = write("o", "", {**GOOD, "start": 0.0, "end": 5.0})
    inner = write("i", "o", {"start": 0.0, "end": 5.0})
    paths = {name: write_lines(tmp_path / f"{name}.jsonl", [record]) for name, record in
             (("outer", outer), ("inner", inner))}  # fmt: skip
    with store_of(paths["inner"]) as store:
        alone = content(store)
    stores = []
    for order in permutations(paths.values()):
        with store_of(*order, *order, force=True) as store:
            stores.append(content(store))
            (counted,) = [call for call in stored_calls(store).values() if call["counted"]]
            assert (counted["output_tokens"], counted["ttft_ms"], counted["outcome"]) == (100, 395.0, "completed")
            assert {"output_tokens", "ttft_ms", "outcome"} <= set(counted["inherited"])
            assert counted["cancelled_at_ms"] is None
            load = store.one("SELECT max(load_id) FROM store.calls WHERE NOT counted")[0]
            unload(store, load)
            assert content(store) == alone
    assert stores[0] == stores[1]


def spans_of_a_served_call(**client: Any) -> Record:
    """A client's span without usage and, inside it, the server's with usage and a first token of its own."""
    known = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "qwen-3", "gen_ai.response.id": "resp-1",
        "gen_ai.request.stream": True, "gen_ai.response.time_to_first_chunk": 0.4,
    }  # fmt: skip
    served = {"gen_ai.response.id": "resp-1", "gen_ai.usage.prompt_tokens": 40, "gen_ai.usage.completion_tokens": 70}
    usage = dict.fromkeys(("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens",
                           "gen_ai.response.finish_reasons"), ...)  # fmt: skip
    outer = otel_span("client", {**usage, **known, **client}, traceId="a" * 32, spanId="1" * 16)
    engine = otel_span("engine", {**usage, **served, "gen_ai.latency.time_to_first_token": 0.25}, traceId="a" * 32,
                       spanId="2" * 16, parentSpanId="1" * 16)  # fmt: skip
    batch = otel_batch(outer, resource={"service.name": "app", "service.version": "7"})
    batch["resourceSpans"] += otel_batch(engine, resource={"service.name": "engine", "service.version": "0.11"})[
        "resourceSpans"]  # fmt: skip
    return batch


def test_a_client_takes_usage_and_server_ttft_from_the_engine_inside_it(tmp_path: Path) -> None:
    """The engine's version is not the client's deploy; what the client knows itself stays."""
    with store_of(write_lines(tmp_path / "spans.jsonl", [spans_of_a_served_call()])) as store:
        client, engine = (stored_calls(store)[f"{'a' * 32}-{digit * 16}"] for digit in "12")
        assert (client["counted"], engine["counted"]) == (True, False)
        assert (client["input_tokens"], client["output_tokens"], client["usage_basis"]) == (40, 70, "provider")
        assert (client["ttft_ms"], client["server_ttft_ms"], client["deploy"]) == (400.0, 250.0, "7")
        assert total(store, "report")["output_tokens"] == 70
    own = spans_of_a_served_call(**{"gen_ai.usage.output_tokens": 71})
    with store_of(write_lines(tmp_path / "own.jsonl", [own])) as store:
        assert stored_calls(store)[f"{'a' * 32}-{'1' * 16}"]["output_tokens"] == 71


def test_usage_that_another_step_lends_is_priced(tmp_path: Path) -> None:
    """The engine knows no price, its client does, whichever of them comes first."""
    batch = spans_of_a_served_call(**{"gen_ai.request.model": "gpt-4o-mini", "gen_ai.provider.name": "openai"})
    client, engine = batch["resourceSpans"]
    text = json.dumps(batch).replace("a" * 32, "b" * 32).replace("resp-1", "resp-2")
    later_client, earlier_engine = json.loads(text)["resourceSpans"]
    paths = [write_lines(tmp_path / f"{place}.jsonl", [{"resourceSpans": parts}])
             for place, parts in enumerate([[client, earlier_engine], [engine, later_client]])]  # fmt: skip
    with store_of(*paths) as store:
        costs = [call["cost_usd"] for call in stored_calls(store).values() if call["counted"]]
        found = total(store, "report")
    assert (found["calls"], found["output_tokens"]) == (2, 140)
    assert costs == 2 * [pytest.approx(40 * 0.15e-6 + 70 * 0.6e-6)]
    assert found["cost_usd"] == pytest.approx(sum(costs))


def test_a_deploy_is_inherited_within_a_service_only(tmp_path: Path) -> None:
    """The version of the front end says nothing of the service that it calls."""
    nothing = dict.fromkeys(
        ("gen_ai.operation.name", "gen_ai.request.model", "gen_ai.provider.name", "gen_ai.usage.output_tokens"), ...
    )
    cases, batches = {"a": ("web", "9"), "b": (None, "9"), "c": ("other", None)}, []
    for trace, (name, _) in cases.items():
        root = otel_span("root", nothing, traceId=trace * 32, spanId="1" * 16)
        batch = otel_batch(root, resource={"service.version": "9", **({"service.name": name} if name else {})})
        call = otel_span("call", {}, traceId=trace * 32, spanId="2" * 16, parentSpanId="1" * 16)
        batch["resourceSpans"] += otel_batch(call, resource={"service.name": "web"})["resourceSpans"]
        batches.append(batch)
    with store_of(write_lines(tmp_path / "spans.jsonl", batches)) as store:
        found = {name[0]: call["deploy"] for name, call in stored_calls(store).items()}
    assert found == {trace: deploy for trace, (_, deploy) in cases.items()}


def test_a_load_is_undone_by_another_process(tmp_path: Path) -> None:
    """What a call had taken is given back, in a store that this process did not fill."""
    steps = {"o": write_raw(tmp_path, "o", "", {**GOOD, "start": 0.0, "end": 5.0}),
             "i": write_raw(tmp_path, "i", "o", {"start": 0.0, "end": 5.0})}  # fmt: skip
    cli = Cli(tmp_path)
    for command in (["ingest", *steps.values()], ["unload", "1"]):
        done = cli.run(*command, "--db", "audit.duckdb")
        assert done.code == 0, done.err
    asked = ["sql", "SELECT output_tokens, inherited FROM calls", "--db", "audit.duckdb", "--format", "jsonl"]
    done = cli.run(*asked)
    assert done.code == 0 and "100" not in done.out


def write_raw(folder: Path, name: str, parent: str, known: Record) -> Path:
    """A file of one raw record."""
    return write_lines(folder / f"{name}.jsonl", [raw(name, parent, known)])

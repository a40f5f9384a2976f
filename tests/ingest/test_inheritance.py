"""What a call takes from the steps around it, whichever file they come in."""

from pathlib import Path
from typing import Any

import pytest

from tests.support import Record, content, datadog_span, langfuse_row, raw_call, store_of, stored_calls, write_lines

DIMENSIONS: Record = {
    "user_id": "u-root", "session_id": "s-root", "release": "d-root", "environment": "e-root",
    "metadata": {"tenant": "t-root", "route": "/root", "service": "v-root"},
}  # fmt: skip
EMPTY: Record = {"user_id": "", "session_id": "", "release": "", "environment": ""}
COLUMNS = ("tenant", "route", "user_id", "session_id", "deploy", "environment", "service")


def step(name: str, parent: str = "", **fields: Any) -> Record:
    """A span of the common trace that says nothing of itself."""
    return langfuse_row(name, **{"trace_id": "t", "type": "SPAN", "parent_observation_id": parent, **EMPTY, **fields})


def call(name: str, parent: str = "", **fields: Any) -> Record:
    """A generation of the common trace that says nothing of itself."""
    return step(name, parent, **{"type": "GENERATION", **fields})


def in_both_orders(folder: Path, *files: list[Record]) -> dict[str, Record]:
    """The calls of these records: the same from one file, and from these files, backwards."""
    paths = [write_lines(folder / f"{place}.jsonl", records) for place, records in enumerate(files)]
    with store_of(write_lines(folder / "all.jsonl", [one for records in files for one in records])) as store:
        found, together = stored_calls(store), content(store)
    with store_of(*paths[::-1]) as store:
        assert content(store) == together
    return found


@pytest.fixture(scope="module")
def stepped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """The calls of four traces, whose first, second and third records come in files of their own."""
    owner = {"tenant": "acme"}
    traces = {
        "bare": [step("root", **DIMENSIONS), step("middle", "root"), call("leaf", "middle")],
        "nearest": [
            step("root", **DIMENSIONS), step("middle", "root", user_id="u-middle", metadata={"tenant": "t-middle"}),
            call("leaf", "middle", user_id="u-leaf"),
        ],
        "agreed": [call("leaf"), *(call(name, user_id=f"u-{name}", metadata=owner) for name in ("one", "two"))],
        "replaced": [step("root", **DIMENSIONS), call("leaf", "root", usage_details={}), call("leaf", "root")],
        "better first": [step("root", **DIMENSIONS), call("leaf", "root"), call("leaf", "root", usage_details={})],
    }  # fmt: skip
    files: list[list[Record]] = [[], [], []]
    for trace, records in traces.items():
        for file, record in zip(files, records, strict=True):
            parent = record["parent_observation_id"]
            ids = {"id": f"{trace}: {record['id']}", "parent_observation_id": parent and f"{trace}: {parent}"}
            file.append({**record, **ids, "trace_id": trace})
    return in_both_orders(tmp_path_factory.mktemp("steps"), *files)


def test_a_call_takes_what_it_lacks_from_the_root_two_steps_up(stepped: dict[str, Record]) -> None:
    """Tenant, route, user, session, deploy, environment and service, and says which it took."""
    leaf = stepped["bare: leaf"]
    assert [leaf[column] for column in COLUMNS] == [
        "t-root", "/root", "u-root", "s-root", "d-root", "e-root", "v-root",
    ]  # fmt: skip
    assert set(leaf["inherited"]) == set(COLUMNS)


def test_the_nearest_step_that_has_a_value_gives_it_and_the_call_s_own_goes_first(stepped: dict[str, Record]) -> None:
    """The root is asked last."""
    leaf = stepped["nearest: leaf"]
    assert [leaf[column] for column in ("user_id", "tenant", "session_id")] == ["u-leaf", "t-middle", "s-root"]
    assert "user_id" not in leaf["inherited"]


def test_a_call_takes_from_its_trace_what_all_its_steps_agree_on(stepped: dict[str, Record]) -> None:
    """Without parents, from any row of the trace; where two disagree it stays unknown."""
    assert (stepped["agreed: leaf"]["tenant"], stepped["agreed: leaf"]["user_id"]) == ("acme", None)


def test_raw_lines_of_one_trace_share_their_tenant_whatever_file_they_are_in(tmp_path: Path) -> None:
    """Also when no line names a parent, and whatever else the source holds."""
    lines = [raw_call("a", trace_id="t", tenant="acme"), raw_call("b", trace_id="t"), raw_call("c", trace_id="u")]
    found = in_both_orders(tmp_path, lines[:1], lines[1:], [raw_call("d", trace_id="v", parent_span_id="x")])
    assert {name: call["tenant"] for name, call in found.items()} == {"a": "acme", "b": "acme", "c": None, "d": None}


def test_a_route_is_the_name_of_the_root_above_a_datadog_span(tmp_path: Path) -> None:
    """An llm span has no route of its own: the outermost step names it, or the span itself if it is alone."""
    found = in_both_orders(
        tmp_path,
        [datadog_span("root", trace_id="t", span_kind="workflow", name="POST /v1/chat")],
        [datadog_span("task", trace_id="t", span_kind="task", name="answer", parent_id="root"),
         datadog_span("alone", trace_id="u", name="OpenAI.create")],
        [datadog_span("llm", trace_id="t", name="OpenAI.create", parent_id="task")],
    )  # fmt: skip
    assert {name: call["route"] for name, call in found.items()} == {"llm": "POST /v1/chat", "alone": "OpenAI.create"}


def test_a_route_tag_goes_before_the_name_of_the_root_for_the_whole_source(tmp_path: Path) -> None:
    """Names and routes are not mixed in one column."""
    found = in_both_orders(
        tmp_path,
        [datadog_span("root", trace_id="t", span_kind="workflow", name="handler"),
         datadog_span("llm", trace_id="t", parent_id="root")],
        [datadog_span("tagged", trace_id="u", tags=["route:/v1/chat"])],
    )  # fmt: skip
    assert {name: call["route"] for name, call in found.items()} == {"llm": None, "tagged": "/v1/chat"}


def test_a_langfuse_route_is_the_trace_s_name_and_else_the_root_s(tmp_path: Path) -> None:
    """Generation names are generic, so the trace's name goes first where the export has it."""
    root = langfuse_row("root", trace_id="t", type="SPAN", name="POST /chat")
    inside = langfuse_row("inside", trace_id="t", parent_observation_id="root", name="ChatOpenAI")
    with store_of(write_lines(tmp_path / "unnamed.jsonl", [inside, root])) as store:
        assert stored_calls(store)["inside"]["route"] == "POST /chat"
    named = langfuse_row("named", trace_name="chat", name="ChatOpenAI")
    found = in_both_orders(tmp_path, [root, inside], [named])
    assert {name: one["route"] for name, one in found.items()} == {"inside": None, "named": "chat"}


@pytest.mark.parametrize("trace", ["replaced", "better first"])
def test_a_replaced_call_still_takes_what_it_lacks(trace: str, stepped: dict[str, Record]) -> None:
    """The better record of a call lacks the tenant that its root has, and takes it in both orders."""
    leaf = stepped[f"{trace}: leaf"]
    assert (leaf["tenant"], leaf["output_tokens"]) == ("t-root", 100)

"""One fleet in every form it can be written: each gives the true figures, and all give the same."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sample_traces import (
    Fleet,
    truth,
    write_datadog,
    write_datadog_ddsql,
    write_datadog_flat,
    write_datadog_intake,
    write_datadog_tracer,
    write_helicone,
    write_langfuse_downloads,
    write_langfuse_js_dump,
    write_langfuse_python_dump,
    write_langfuse_rest_v2,
    write_langfuse_ui_events,
    write_langfuse_ui_observations,
    write_langfuse_v2,
    write_langsmith,
    write_litellm,
    write_litellm_rows,
    write_otel,
    write_otel_snake,
    write_phoenix,
    write_phoenix_frame,
    write_raw,
)
from sample_traces.figures import Dimension
from tests.once import once
from tests.sampling import keep
from tests.support import Record, Tables, assert_same_tables, audit, same, store_of

Writer = Callable[[Fleet, Path], None]

FORMS: dict[str, Writer] = {
    "raw": write_raw,
    "langfuse-v2": write_langfuse_v2,
    "langfuse-ui-events": write_langfuse_ui_events,
    "langfuse-ui-observations": write_langfuse_ui_observations,
    "langfuse-rest": write_langfuse_rest_v2,
    "langfuse-downloads": write_langfuse_downloads,
    "langfuse-python": write_langfuse_python_dump,
    "langfuse-js": write_langfuse_js_dump,
    "datadog-ns": write_datadog,
    "datadog-ms": partial(write_datadog, start_unit="ms"),
    "datadog-lines": partial(write_datadog, jsonl=True),
    "datadog-flat": write_datadog_flat,
    "datadog-tracer-python": write_datadog_tracer,
    "datadog-tracer-js": partial(write_datadog_tracer, language="js"),
    "datadog-intake": write_datadog_intake,
    "datadog-ddsql": write_datadog_ddsql,
    "otel-lines": write_otel,
    "otel-snake": write_otel_snake,
    "otel-openllmetry": partial(write_otel, library="openllmetry"),
    "otel-openinference": partial(write_otel, library="openinference"),
    "otel-vercel": partial(write_otel, library="vercel"),
    "helicone": write_helicone,
    "langsmith": write_langsmith,
    "litellm-payloads": write_litellm,
    "litellm-rows": write_litellm_rows,
    "phoenix-rest": write_phoenix,
    "phoenix-frame": write_phoenix_frame,
}
FINE_FORMS = ("raw", "langfuse-v2", "langfuse-ui-events", "datadog-ns", "datadog-flat", "otel-lines", "phoenix-rest")
EACH_RUN = (
    "langfuse-v2", "langfuse-python", "datadog-ns", "otel-lines", "otel-vercel", "helicone", "langsmith",
    "litellm-rows", "phoenix-rest",
)  # fmt: skip
"""The forms of each run: all sources, and those of a source that differ most. Another form of it has tests of its own
in ``sources``; the raw one is what all are compared with."""
DIMENSIONS: tuple[Dimension, ...] = ("tenant", "model", "route", "deploy")
AUDITS = ("report", "ttft", "tax")
ASKED: tuple[tuple[str, Dimension], ...] = (
    ("report", "tenant"), ("report", "deploy"), ("ttft", "model"), ("report", "model"), ("tax", "route"),
    ("report", "route"),
)  # fmt: skip
"""One of each form by turns, four of six the report, which has figures of each kind: a form is read into the same
columns whoever groups by them."""


@pytest.fixture(scope="module")
def expected(fleet: Fleet) -> dict[str, Any]:
    """What is true of the fleet, by each dimension."""
    return truth(fleet, by=DIMENSIONS)


@pytest.fixture(scope="module")
def baseline(
    fleet: Fleet, expected: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Tables]:
    """What is asked of each form, of the raw one, which is true."""

    def make(folder: Path) -> dict[tuple[str, str], Tables]:
        write_raw(fleet, folder / "raw.jsonl")
        with store_of(folder / "raw.jsonl") as store:
            return {(name, by): audit(store, name, by) for name, by in ASKED}

    answers = once(tmp_path_factory, "raw-fleet", make)
    for (_, by), tables in answers.items():
        assert_true(tables, expected, by)
    return answers


def assert_true(tables: Tables, expected: dict[str, Any], by: str) -> None:
    """Every figure of the truth that the audit has is in its tables, with the same groups."""
    shown = {row[by]: row for row in tables[f"by_{by}"]}
    assert set(shown) == {row[by] for row in expected[f"by_{by}"]}
    for true in [*expected[f"by_{by}"], expected["total"]]:
        row: Record = shown[true[by]] if by in true else tables["total"][0]
        common = set(true) & set(row)
        assert len(common) >= 7
        for name in common:
            assert same(name, row[name], true[name]), (by, row.get(by), name, row[name], true[name])
        if "usage_known_rate" in row:
            assert row["usage_known_rate"] == true["usage_known_calls"] / true["calls"]
            cancelled = true["cancelled_calls"]
            known = true["cancelled_usage_known_calls"] / cancelled if cancelled else None
            assert row["cancelled_usage_known_rate"] == known


@pytest.mark.parametrize("form", keep(FORMS, EACH_RUN))
def test_every_form_gives_the_true_figures_and_those_of_every_other_form(
    fleet: Fleet, expected: dict[str, Any], baseline: dict[tuple[str, str], Tables], tmp_path: Path, form: str
) -> None:
    """Tokens are exact, times to a microsecond and dollars to a billionth, in groups and in total, in all tables."""
    FORMS[form](fleet, tmp_path / "fleet.json")
    with store_of(tmp_path / "fleet.json") as store:
        name, by = ASKED[list(FORMS).index(form) % len(ASKED)]
        tables = audit(store, name, by)
        assert_true(tables, expected, by)
        assert_same_tables(name, tables, baseline[name, by])


@pytest.mark.parametrize("name", keep(FINE_FORMS, ["langfuse-v2", "otel-lines"]))
def test_microseconds_survive_in_every_form_that_holds_them(fine_fleet: Fleet, tmp_path: Path, name: str) -> None:
    """A fleet timed in microseconds comes out to the microsecond."""
    FORMS[name](fine_fleet, tmp_path / "fleet.json")
    with store_of(tmp_path / "fleet.json") as store:
        assert_true(audit(store, "ttft", "model"), truth(fine_fleet, by=("model",)), "model")


def test_two_fleets_in_two_forms_add_up_to_the_truth_of_both(fleet: Fleet, fine_fleet: Fleet, tmp_path: Path) -> None:
    """Sources stand side by side in one store and one report."""
    write_langfuse_v2(fleet, tmp_path / "one.jsonl")
    write_datadog(fine_fleet, tmp_path / "other.json")
    with store_of(tmp_path / "one.jsonl", tmp_path / "other.json") as store:
        for question in AUDITS:
            assert_true(audit(store, question, "tenant"), truth(fleet, fine_fleet, by=("tenant",)), "tenant")
        by_source = {row["source"]: row["calls"] for row in audit(store, "report", "source")["by_source"]}
    each = [truth(one)["total"] for one in (fleet, fine_fleet)]
    assert by_source == {"langfuse": each[0]["calls"], "datadog": each[1]["calls"]}  # type: ignore[call-overload]

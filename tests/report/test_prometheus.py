"""Prometheus text is what two real parsers accept, with every series once and no unknown figure."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

import streamaudit
from streamaudit.report.model import Column, Report, Table
from streamaudit.report.render.formats import Screen
from streamaudit.report.render.prometheus import render

Make = Callable[..., Report]
Series = tuple[str, tuple[tuple[str, str], ...]]


def read(text: str) -> dict[Series, float]:
    """Return the samples, on which both parsers agree; a series that occurs twice fails."""
    read_by_each = []
    for parse in (parse_openmetrics, parse_text):
        samples = [(one.name, tuple(sorted(one.labels.items())), one.value) for family in parse(text)
            for one in family.samples]  # fmt: skip
        twice = [one for one, times in Counter((name, labels) for name, labels, _ in samples).items() if times > 1]
        assert not twice
        read_by_each.append({(name, labels): value for name, labels, value in samples})
    # The parsers write an edge of a bucket each in its own way.
    first, second = ({_without_spelling(key): value for key, value in one.items()} for one in read_by_each)
    assert first == second
    return read_by_each[0]


def _without_spelling(series: Series) -> Series:
    name, labels = series
    return name, tuple((key, str(float(value)) if key == "le" else value) for key, value in labels)


def figures(text: str) -> dict[Series, float]:
    """Return the samples that are figures of the report, not about it."""
    return {key: value for key, value in read(text).items() if "command" not in dict(key[1])}


def test_hostile_and_awkward_reports_are_valid(hostile_report: Report, awkward_report: Report) -> None:
    """Whatever names a trace holds, both parsers read the file, and no series occurs twice."""
    for report in (hostile_report, awkward_report):
        assert figures(render(report, Screen()))


def test_names_carry_base_units_and_unknown_has_no_sample(report_of: Make) -> None:
    """Milliseconds become seconds, shares are ratios; a figure without a value is absent, and zero is not."""
    columns = (Column("tenant"), Column("ttft_p95_ms", "ms"), Column("cancel_rate", "ratio"), Column("tax_usd", "usd"))
    rows = [("acme", 1500.0, 0.0, None), (None, None, 0.25, 0.1)]
    found = figures(render(replace(report_of(columns, rows, ("tenant",)), command="report"), Screen()))
    assert found == {
        ("streamaudit_ttft_p95_seconds", (("tenant", "acme"),)): 1.5,
        ("streamaudit_cancel_rate_ratio", (("tenant", "acme"),)): 0.0,
        ("streamaudit_cancel_rate_ratio", (("tenant", "(none)"),)): 0.25,
        ("streamaudit_tax_usd", (("tenant", "(none)"),)): 0.1,
    }


def test_names_that_look_alike_stay_two_series(report_of: Make) -> None:
    """A tenant called like a stand-in, or two that differ behind the cut, are still counted apart."""
    long = "x" * 300
    rows = [("(none)", 1), (None, 2), (f"{long}a{long}", 3), (f"{long}b{long}", 4), ('a"\\b\nc', 5)]
    text = render(report_of((Column("tenant"), Column("calls", "calls")), rows, ("tenant",)), Screen())
    assert sorted(figures(text).values()) == [1, 2, 3, 4, 5]
    assert all(len(dict(labels)["tenant"]) < 220 for _, labels in figures(text))


def test_the_rest_is_marked_and_counted(report_of: Make) -> None:
    """All groups beyond ``--top`` share one label, and a gauge says how many they are."""
    report = report_of((Column("tenant"), Column("calls", "calls")), [("acme", 5), (None, 7)], ("tenant",))
    (table,) = report.tables
    text = render(replace(report, tables=(replace(table, rest_row=1, rest_groups=12),)), Screen())
    assert figures(text)[("streamaudit_calls", (("tenant", "(other)"),))] == 7
    assert [value for (name, _), value in read(text).items() if name == "streamaudit_folded_groups"] == [12]


@pytest.fixture
def with_histogram(report_of: Make) -> Report:
    """Three calls up to 10 ms, none up to 20, one above: of a group whose sum of waits is known."""
    groups = Table("by_model", (Column("model"), Column("ttft_sum_ms", "ms")), (("a", 1250.0),), ("model",))
    columns = (Column("model"), Column("bucket_low_ms", "ms"), Column("bucket_high_ms", "ms"), Column("calls"))
    rows = (("a", 0.0, 10.0, 3), ("a", 20.0, None, 1))
    waits = Table("histogram", columns, rows, ("model",), shape="histogram", markers_from="by_model",
        edges_ms=(10.0, 20.0, 1000.0))  # fmt: skip
    return replace(report_of((), []), tables=(groups, waits), by=("model",), command="ttft")


def test_a_histogram_is_cumulative_with_every_edge(with_histogram: Report) -> None:
    """The edges are the same whatever the data, counts add up, and the last is the number of calls."""
    found = figures(render(with_histogram, Screen()))
    edges = {dict(labels)["le"]: value for (name, labels), value in found.items() if name.endswith("_bucket")}
    assert edges == {"0.01": 3, "0.02": 3, "1.0": 3, "+Inf": 4}
    model = (("model", "a"),)
    assert found["streamaudit_ttft_seconds_count", model] == 4
    assert found["streamaudit_ttft_seconds_sum", model] == 1.25


def _expressions(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for key, text in value.items() if key in ("expr", "query") and isinstance(text, str))
        for one in value.values():
            yield from _expressions(one)
    elif isinstance(value, list):
        for one in value:
            yield from _expressions(one)


def test_the_dashboard_asks_for_metrics_that_exist(sample_store: Path) -> None:
    """Every metric and label of the dashboard is in the files of its page, no two of which collide."""
    with streamaudit.open(sample_store, config=None) as session:
        answers = (
            session.report(by="model,tenant", top=3), session.ttft(by="model", buckets="otel"), session.audit(),
            session.tax(by="tenant"),
        )  # fmt: skip
        written = [read(render(one.report, Screen())) for one in answers]
    assert sum(map(len, written)) == len({series for one in written for series in one})
    names = {name for one in written for name, _ in one}
    board = json.loads(Path(__file__, "../../../docs/grafana-dashboard.json").resolve().read_text())
    asked = {name for text in _expressions(board) for name in re.findall(r"streamaudit_\w+", text)}
    assert len(asked) > 10
    assert asked <= names
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    labels = {label for one in written for _, pairs in one for label, _ in pairs}
    by = {name.strip() for text in _expressions(board) for found in re.findall(r"by \(([^)]*)\)", text)
        for name in found.split(",")}  # fmt: skip
    assert by <= labels

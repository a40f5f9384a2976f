"""Four calls whose figures can be worked out in the head, as JSON, JSON lines, CSV and JUnit's XML give them."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Cli
from tests.cli.traffic import call, write_lines
from tests.once import once
from tests.shapes import assert_valid_junit, assert_valid_report

CALLS = [
    call(
        1, time_to_first_chunk_ms=300, duration_ms=2300, input_tokens=100, output_tokens=60,
        cost_usd=0.01, output_cost_usd=0.006,
    ),
    call(
        2, outcome="cancelled", time_to_first_chunk_ms=500, duration_ms=2500, input_tokens=100, output_tokens=100,
        rendered_output_tokens=40, cost_usd=0.03, output_cost_usd=0.02,
    ),
    call(
        3, tenant_id="globex", model="in-house", outcome="cancelled", duration_ms=4000, time_to_first_chunk_ms=None,
        input_tokens=None, output_tokens=None, cost_usd=None, output_cost_usd=None,
    ),
    call(
        4, tenant_id=None, outcome="error", duration_ms=900, time_to_first_chunk_ms=None, output_tokens=0,
        cost_usd=0.004, output_cost_usd=0,
    ),
]  # fmt: skip
CHECKS = """
[[check]]
metric = "cancel_rate"
expect = "<0.6"
by = "tenant"
min_n = 1
"""
RUNS = {
    "report": ["report", "calls.jsonl", "--by", "tenant", "-q"],
    "tax": ["tax", "calls.jsonl", "--by", "tenant", "-q"],
    "ttft": ["ttft", "calls.jsonl", "--by", "tenant", "-q"],
    "check": ["--config", "checks.toml", "check", "calls.jsonl", "-q"],
}
# The completed call of acme gave 59 tokens in the 2 s after its first one. Of the 100 tokens billed for the
# cancelled one 40 were seen: 60 are the tax, at 0.02 / 100 USD each. Of globex nothing is known, so its tax is at least
# 0 and has no upper end. NULL is the call without a tenant.
REPORT: dict[str | None, dict[str, Any]] = {
    "acme": {
        "calls": 2, "ttft_calls": 2, "ttft_p50_ms": 400.0, "ttft_p90_ms": None, "duration_p50_ms": 2400.0,
        "output_tokens_per_s_p50": 29.5, "errors": 0, "cancelled_calls": 1, "cancel_rate": 0.5, "input_tokens": 200,
        "output_tokens": 160, "tax_low_tokens": 60, "tax_tokens": 60, "tax_high_tokens": 60, "tax_open_calls": 0,
        "tax_usd": 0.012, "cost_usd": 0.04, "usage_known_rate": 1.0, "cancelled_usage_known_rate": 1.0,
    },
    "globex": {
        "calls": 1, "ttft_calls": 0, "ttft_p50_ms": None, "duration_p50_ms": 4000.0, "output_tokens_per_s_p50": None,
        "errors": 0, "cancelled_calls": 1, "cancel_rate": 1.0, "input_tokens": None, "output_tokens": None,
        "tax_low_tokens": 0, "tax_tokens": None, "tax_high_tokens": None, "tax_open_calls": 1, "tax_usd": None,
        "cost_usd": None, "usage_known_rate": 0.0, "cancelled_usage_known_rate": 0.0,
    },
    None: {
        "calls": 1, "ttft_calls": 0, "ttft_p50_ms": None, "duration_p50_ms": 900.0, "output_tokens_per_s_p50": None,
        "errors": 1, "cancelled_calls": 0, "cancel_rate": 0.0, "input_tokens": 100, "output_tokens": 0,
        "tax_low_tokens": 0, "tax_tokens": 0, "tax_high_tokens": 0, "tax_open_calls": 0, "tax_usd": 0.0,
        "cost_usd": 0.004, "usage_known_rate": 1.0, "cancelled_usage_known_rate": None,
    },
}  # fmt: skip
REPORT_TOTAL = {
    "calls": 4, "ttft_calls": 2, "ttft_p50_ms": 400.0, "duration_p50_ms": 2400.0, "errors": 1, "cancelled_calls": 2,
    "cancel_rate": 0.5, "input_tokens": 300, "output_tokens": 160, "tax_low_tokens": 60, "tax_tokens": 60,
    "tax_high_tokens": None, "tax_open_calls": 1, "tax_usd": 0.012, "cost_usd": 0.044, "usage_known_rate": 0.75,
    "cancelled_usage_known_rate": 0.5,
}  # fmt: skip
TAX: dict[str | None, dict[str, Any]] = {
    "acme": {
        "calls": 2, "cancelled_calls": 1, "tax_tokens": 60, "tax_exact_tokens": 60, "tax_exact_calls": 1,
        "tax_unknown_calls": 0, "tax_high_known_tokens": 60, "tax_unsplit_tokens": 60, "tax_usd": 0.012,
        "tax_per_1000_calls_usd": 6.0, "tax_cost_share": 0.3, "unseen_input_tokens": 0,
    },
    "globex": {
        "calls": 1, "cancelled_calls": 1, "tax_tokens": None, "tax_exact_tokens": 0, "tax_exact_calls": 0,
        "tax_unknown_calls": 1, "tax_high_known_tokens": 0, "tax_unsplit_tokens": None, "tax_usd": None,
        "tax_per_1000_calls_usd": None, "tax_cost_share": None, "unseen_input_tokens": None,
    },
    None: {
        "calls": 1, "cancelled_calls": 0, "tax_tokens": 0, "tax_exact_tokens": 0, "tax_exact_calls": 0,
        "tax_unknown_calls": 0, "tax_high_known_tokens": 0, "tax_unsplit_tokens": 0, "tax_usd": 0.0,
        "tax_per_1000_calls_usd": 0.0, "tax_cost_share": 0.0, "unseen_input_tokens": 0,
    },
}  # fmt: skip
# An error is bounded: an output of 0 tokens leaves nothing that was not seen.
BY_OUTCOME: dict[str, dict[str, Any]] = {
    "cancelled": {"calls": 2, "unseen_output_tokens": 60, "unseen_output_high_tokens": None, "exact_calls": 1},
    "timeout": {"calls": 0, "unseen_output_tokens": 0, "unseen_output_high_tokens": 0, "exact_calls": 0},
    "interrupted": {"calls": 0, "unseen_output_tokens": 0, "unseen_output_high_tokens": 0, "exact_calls": 0},
    "error": {"calls": 1, "unseen_output_tokens": None, "unseen_output_high_tokens": 0, "exact_calls": 0},
    "paid for nothing": {"calls": 3, "unseen_output_tokens": 60, "unseen_output_high_tokens": None, "exact_calls": 1},
}
TTFT: dict[str | None, dict[str, Any]] = {
    "acme": {"ttft_calls": 2, "ttft_p50_ms": 400.0, "ttft_p90_ms": None},
    "globex": {"ttft_calls": 0, "ttft_p50_ms": None, "ttft_p90_ms": None},
    None: {"ttft_calls": 0, "ttft_p50_ms": None, "ttft_p90_ms": None},
}

Tables = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every run's file in each format, ``report.json`` and so on."""
    return once(tmp_path_factory, "data-formats", _written)


def _written(folder: Path) -> Path:
    cli = Cli(folder)
    write_lines(cli.folder / "calls.jsonl", CALLS)
    (cli.folder / "checks.toml").write_text(CHECKS)
    lines = [
        [*words, *(part for end in ("json", "jsonl", "csv", "xml") for part in ("-o", f"{name}.{end}"))]
        for name, words in RUNS.items()
    ]
    for name, done in zip(RUNS, cli.run_each(lines), strict=True):
        assert (done.code, done.err) == (int(name == "check"), ""), done
    return folder


def tables(folder: Path, name: str) -> Tables:
    """The tables of a JSON report, which must have the published shape."""
    document = json.loads((folder / f"{name}.json").read_text())
    assert_valid_report(document)
    return {table["name"]: table["rows"] for table in document["tables"]}


def assert_rows(rows: list[dict[str, Any]], key: str, wanted: dict[Any, dict[str, Any]]) -> None:
    """Fail unless there is one row for each key, with these figures."""
    assert sorted(str(row[key]) for row in rows) == sorted(map(str, wanted))
    for row in rows:
        assert_figures(row, wanted[row[key]])


def assert_figures(row: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Fail unless a row has these figures; NULL is only equal to NULL."""
    for name, value in wanted.items():
        assert row[name] == (pytest.approx(value) if isinstance(value, float) else value), (row, name)


def test_the_figures_of_a_report_by_row(folder: Path) -> None:
    """Groups and total; what nobody recorded is NULL and what is nothing is 0."""
    found = tables(folder, "report")
    assert_rows(found["by_tenant"], "tenant", REPORT)
    assert_figures(found["total"][0], REPORT_TOTAL)


def test_the_figures_of_the_tax_by_row(folder: Path) -> None:
    """By tenant, and what each way of ending early left unseen."""
    found = tables(folder, "tax")
    assert_rows(found["by_tenant"], "tenant", TAX)
    assert_rows(found["by_outcome"], "ended_early", BY_OUTCOME)


def test_the_figures_of_the_first_token_by_row(folder: Path) -> None:
    """The median of 300 and 500 ms; two calls are too few for a 90th percentile; both are in the histogram."""
    found = tables(folder, "ttft")
    assert_rows(found["by_tenant"], "tenant", TTFT)
    assert sum(row["calls"] for row in found["histogram"]) == 2


@pytest.mark.parametrize("name", [name for name in RUNS if name != "check"])
def test_lines_and_csv_have_the_rows_of_the_first_table(folder: Path, name: str) -> None:
    """As values in JSON lines; as text in CSV, NULL empty."""
    first = next(iter(tables(folder, name).values()))
    assert [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()] == first
    with (folder / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(io.StringIO(file.read())))
    assert [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in first
    ] == [{key: value for key, value in row.items() if key in first[0]} for row in rows]  # fmt: skip


def test_a_check_in_xml_fails_for_the_tenant_above_the_limit(folder: Path) -> None:
    """One case a group, in the order of the JSON; only globex, all of whose calls were cancelled, is above 60 %."""
    rows = tables(folder, "check")["thresholds"]
    root = assert_valid_junit((folder / "check.xml").read_text())
    verdicts = {row["tenant"]: row["verdict"] for row in rows}
    assert verdicts == {"acme": "pass", "globex": "fail", None: "pass"}
    (suite,) = root
    cases = suite.findall("testcase")
    assert [case.find("failure") is not None for case in cases] == [row["verdict"] == "fail" for row in rows]
    found = [{each.attrib["name"]: each.attrib["value"] for each in case.iter("property")} for case in cases]
    assert sorted((float(one["value"]), one["n"]) for one in found) == [(0.0, "1"), (0.5, "2"), (1.0, "1")]


def test_metrics_have_fixed_buckets_and_keep_the_old_file_on_failure(cli: Cli, thirty: Path) -> None:
    """The histogram's edges are OpenTelemetry's unless given; a run that fails leaves the old file."""
    store = ("--db", thirty / "store.duckdb")
    assert cli.run("ttft", *store, "--by", "model", "-o", "ttft.prom", "-q").code == 0
    written = (cli.folder / "ttft.prom").read_text()
    assert 'le="0.01"' in written and 'le="81.92"' in written
    assert cli.run("ttft", "missing.jsonl", "-o", "ttft.prom", "-q").code == 3
    assert (cli.folder / "ttft.prom").read_text() == written
    done = cli.run("ttft", *store, "--buckets", "100ms,1s", "--format", "prometheus", "-q")
    assert 'le="0.1"' in done.out and 'le="81.92"' not in done.out

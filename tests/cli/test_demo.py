"""The demo: the first thing anyone runs, so its figures are checked against what the generator of the samples knows."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import SAMPLES, Cli, Result, equation
from tests.once import once

EXPECTED: dict[str, Any] = json.loads((SAMPLES / "expected.json").read_text())


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One run of the demo."""
    return once(tmp_path_factory, "demo", _run_demo)


def _run_demo(folder: Path) -> Result:
    """It leaves no file."""
    cli = Cli(folder)
    done = cli.run("demo")
    assert done.code == 0, done.err
    assert sorted(path.name for path in cli.folder.rglob("*")) == ["home", "tmp"]
    return done


def test_the_demo_prints_three_reports_and_what_to_do_next(demo: Result) -> None:
    """Narration goes to standard error, reports with the true figures to standard output."""
    known = "streamaudit report", "streamaudit diff", "streamaudit audit"
    assert re.findall(rf"^({'|'.join(known)}) {{3}}", demo.out, re.MULTILINE) == [*known]
    assert re.search(r"(?m)^/v1/chat +regression +ttft +p50 ", demo.out)
    assert demo.err.splitlines()[-1] == "next: streamaudit report YOUR-EXPORT.jsonl --by tenant"
    (row,) = [line.split() for line in demo.out.splitlines() if line.startswith("acme ")][:1]
    (acme,) = (one for one in EXPECTED["all"]["by_tenant"] if one["tenant"] == "acme")
    assert row[:2] == ["acme", f"{acme['calls']:,}"]
    assert row[2:4] == [f"{acme['ttft_p50_ms']:.0f}", "ms"]
    assert f"{acme['output_tokens']:,}" in row
    assert f"${acme['cost_usd']:,.2f}" in row


def test_the_demo_ends_with_the_three_costliest_failures(demo: Result) -> None:
    """Tens of dollars each, from different audits, the costliest first."""
    last = demo.out.rpartition("streamaudit audit   ")[2]
    planted = {one["finding"]: one for one in EXPECTED["failures.jsonl.gz"]["findings"]}
    rows = [line.split() for line in last.splitlines() if line.split()[:1] and line.split()[0] in planted]
    assert [row[0] for row in rows] == ["cache_lost_on_deploy", "orphan", "retry_billed"]
    assert all(planted[row[0]]["route"] in row for row in rows)
    amounts = [float(one) for one in re.findall(r"\$([\d.]+)", last.splitlines()[1])]
    assert amounts == sorted(amounts, reverse=True) and min(amounts) > 10


def test_the_demo_fits_a_screen(demo_on_screen: Result) -> None:
    """Forty lines of eighty columns, those of the narration too."""
    assert len((demo_on_screen.out + demo_on_screen.err).splitlines()) <= 40


def test_samples_are_ingested_whole(sample_store: Path) -> None:
    """What was read is new, repeated, replaced, rejected or no call, as the generator states."""
    counts = equation((sample_store.parent / "ingest.err").read_text())
    files = [name for name in EXPECTED if name != "all"]
    assert counts == {name: sum(EXPECTED[file]["ingest"][name] for file in files) for name in counts}
    assert counts["read"] == sum(counts.values()) - counts["read"]


def test_audits_find_in_the_samples_what_was_planted_and_nothing_else(cli: Cli, sample_store: Any) -> None:
    """One failure on a route of its own for each audit; the other routes have none that is more than a remark."""
    done = cli.run("audit", "--by", "route", "--db", sample_store, "--json")
    findings, audits = json.loads(done.out)["tables"]
    planted = EXPECTED["failures.jsonl.gz"]["findings"]
    found = {(row["finding"], row["route"]): row["affected_calls"] for row in findings["rows"]}
    assert {(one["finding"], one["route"]): one["affected_calls"] for one in planted}.items() <= found.items()
    assert {row["audit"] for row in audits["rows"]} == {one["audit"] for one in planted}
    alarms = {(row["finding"], row["route"]) for row in findings["rows"] if row["severity"] != "info"}
    # A socket that breaks never sends its terminal event; each session after the deploy misses the cache.
    others = {("no_terminal_event", "/v1/live"), ("cache_miss", "/v1/support")}
    assert alarms == {(one["finding"], one["route"]) for one in planted} | others


FIGURES = (
    "calls", "streamed_calls", "ttft_calls", "ttft_p50_ms", "ttft_p90_ms", "ttft_p95_ms", "ttft_p99_ms",
    "duration_p50_ms", "duration_p95_ms", "cancelled_calls", "cancelled_before_first_token", "timeouts", "errors",
    "input_tokens", "output_tokens", "hidden_tokens", "cost_usd", "tax_tokens", "tax_low_tokens", "tax_high_tokens",
)  # fmt: skip


@pytest.mark.parametrize("dimension", ["tenant", "route", "model", "deploy"])
def test_the_samples_give_the_expected_report(cli: Cli, sample_store: Any, dimension: str) -> None:
    """Every group and the total of the sample store have the figures the generator states."""
    done = cli.run("report", "--db", sample_store, "--by", dimension, "--format", "json")
    groups, total = json.loads(done.out)["tables"]
    found = {row[dimension]: {name: row[name] for name in FIGURES} for row in groups["rows"]}
    expected = {one[dimension]: {name: one[name] for name in FIGURES} for one in EXPECTED["all"][f"by_{dimension}"]}
    assert found.keys() == expected.keys()
    for key in expected:
        assert_close(found[key], expected[key])
    assert_close(total["rows"][0], {name: EXPECTED["all"]["total"][name] for name in FIGURES})


def assert_close(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Every figure is the expected one, but for the last digits of a float; unknown is unknown."""
    for name, value in expected.items():
        assert found[name] == (value if value is None else pytest.approx(value, rel=1e-9)), name

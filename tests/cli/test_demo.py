"""The demo: the first thing anyone runs, so its figures are checked against what the generator of the samples knows."""

import json
import re
from typing import Any

import pytest

from tests.cli.running import SAMPLES, Cli, equation

EXPECTED: dict[str, Any] = json.loads((SAMPLES / "expected.json").read_text())


def test_the_demo_prints_the_equation_and_three_reports(cli: Cli) -> None:
    """Narration goes to standard error, three reports with the true figures to standard output; no file is left."""
    demo = cli.run("demo")
    assert demo.code == 0, demo.err
    assert sorted(path.name for path in cli.folder.rglob("*")) == ["home", "tmp"]
    counts = equation(demo.err)
    files = [name for name in EXPECTED if name != "all"]
    assert counts == {name: sum(EXPECTED[file]["ingest"][name] for file in files) for name in counts}
    assert counts["read"] == sum(counts.values()) - counts["read"]
    titles = re.findall(r"^(streamaudit report|time to first token|cancellation tax) {3}", demo.out, re.MULTILINE)
    assert titles == ["streamaudit report", "time to first token", "cancellation tax"]
    assert "histogram" in demo.out
    (row,) = [line.split() for line in demo.out.splitlines() if line.startswith("acme ")][:1]
    (acme,) = (one for one in EXPECTED["all"]["by_tenant"] if one["tenant"] == "acme")
    assert row[:2] == ["acme", f"{acme['calls']:,}"]
    assert row[2:4] == [f"{acme['ttft_p50_ms']:.0f}", "ms"]
    assert f"{acme['output_tokens']:,}" in row
    assert f"{acme['tax_low_tokens']:,}" in row


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

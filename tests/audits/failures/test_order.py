"""The same findings, to the last byte, in whatever order and pieces the calls were read."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from sample_traces.failures import plant_failures
from sample_traces.make_samples import DAYS, START
from sample_traces.writers import raw_records
from streamaudit.audits.failures.report import run
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.render.formats import Screen, load
from tests.audits.failures.cases import stream
from tests.support import Record, store_of, write_lines


def planted() -> list[Record]:
    """The planted failures with odd prices, in which sums of doubles differ from order to order."""
    fleet, _, steps = plant_failures(5, START, DAYS)
    odd = random.Random(11)
    lines = [dict(one) for one in raw_records(fleet)]
    for line in lines:
        for name in ("input_cost_usd", "output_cost_usd"):
            cost = line.get(name)
            if isinstance(cost, float):
                line[name] = cost * odd.uniform(0.5, 3) + odd.random() / 1e7
    # Two markers and two statuses as often as each other.
    for place, status in enumerate((504, 524) * 4):
        cut = stream(f"cut{place}", place, outcome="timeout", duration_ms=60_010.0, finish_reason=None,
            http_status=status, route="/even", cost_usd=odd.random() / 3)  # fmt: skip
        lines.append(cut)
    return [*lines, *steps]


def rendered(*paths: Path) -> str:
    with store_of(*paths, source="one") as store:
        report = run(store, Scope(), timelines=True)
    return load("json").render(replace(report, generated_at=START), Screen())


@pytest.mark.proof
def test_findings_do_not_depend_on_the_order_of_rows_or_on_files(tmp_path: Path) -> None:
    lines = planted()
    shuffled = random.Random(1).sample(lines, len(lines))
    for some in (lines, shuffled):
        # Answers are read in every piece, whichever lines it begins with.
        some.sort(key=lambda line: "output_text" not in line)
    pieces = [write_lines(tmp_path / f"{place}.jsonl", shuffled[place::3]) for place in range(3)]
    assert rendered(*pieces) == rendered(write_lines(tmp_path / "all.jsonl", lines))

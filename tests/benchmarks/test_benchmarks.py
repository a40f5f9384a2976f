"""The benchmarks run, what they compare is the same, and the page shows what was measured. No test asserts a time."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cases import CASES
from benchmarks.forms import FORMS, write_form
from benchmarks.generate import RECORDS
from benchmarks.measure import Sample
from benchmarks.page import KEPT, PAGE, with_figures
from benchmarks.peers.compare import PACKAGES, Groups, agreement, peer_groups
from benchmarks.results import Findings, Goal, Row, markdown, structure
from streamaudit.ingest.sources.registry import discover
from streamaudit.store.store import Store
from tests.support import ingest

ROOT = Path(__file__).parents[2]
SCALE = 0.0004


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A case over two thousand calls, each figure once."""
    return run_benchmarks("ingest-lean", tmp_path_factory.mktemp("benchmarks"))


def run_benchmarks(case: str, folder: Path) -> dict[str, Any]:
    """Run one case and return what was found, which is also what was printed."""
    done = subprocess.run(
        [
            sys.executable, str(ROOT / "benchmarks" / "run.py"), "--scale", str(SCALE), "--runs", "1",
            "--only", case, "--json", str(folder / "found.json"),
        ],
        capture_output=True, text=True, env={**os.environ, "STREAMAUDIT_BENCH_DATA": str(folder / "data")}, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    assert done.stdout.strip() == markdown(found).strip()
    assert {path.suffix for path in (folder / "data").iterdir()} == {".jsonl"}  # the stores are gone
    return found


@pytest.mark.proof
def test_each_target_has_a_measured_figure(measured: dict[str, Any]) -> None:
    """What was promised stands beside what was found, with a verdict."""
    targets = {one["target"]: one for one in measured["targets"]}
    assert set(targets) == {"≤ 1.8 x DuckDB storing the fields", "≤ 150 B a call"}
    assert all(one["met"] in (True, False) and one["measured"] for one in targets.values())
    assert f"{RECORDS['lean'] * SCALE:,.0f} calls" in targets["≤ 1.8 x DuckDB storing the fields"]["what"]


@pytest.mark.proof
def test_every_peer_comes_to_the_same_figures(tmp_path: Path) -> None:
    """A benchmark of different answers says nothing: each peer that is installed has our groups and figures."""
    measured = run_benchmarks("peers", tmp_path)
    notes = {row["what"].split()[0]: row["note"] for row in measured["measured"] if row["case"] == "peers"}
    assert set(PACKAGES) <= set(notes)
    assert notes["duckdb"] == "same 11 figures"
    installed = {name: note for name, note in notes.items() if name != "streamaudit" and "not installed" not in note}
    assert {name: note for name, note in installed.items() if not note.startswith("same ")} == {}


def _groups(**figures: float | None) -> Groups:
    return {("gpt", "/chat", "acme"): {"calls": 3, "tax_tokens": 40, "ttft_p50_ms": 512.5, **figures}}


@pytest.mark.parametrize(
    "figures", [{"calls": 4}, {"tax_tokens": None}, {"ttft_p50_ms": 512.6}], ids=["count", "missing", "percentile"]
)
def test_a_peer_with_another_figure_is_told(figures: dict[str, float | None]) -> None:
    """The column that differs is named."""
    assert agreement(_groups(), _groups(**figures)) == f"**differs**: {next(iter(figures))} in 1 groups"


def test_a_peer_with_another_group_is_told() -> None:
    """One that is missing and one too many are two."""
    assert agreement(_groups(), {("gpt", "/chat", "globex"): {"calls": 3}}).startswith("**differs**: 2 groups")


def test_what_a_peer_cannot_know_is_no_difference() -> None:
    """Its sum over nothing is 0 where ours is unknown, and it has percentiles of groups too small for ours."""
    own = _groups(tax_tokens=None, ttft_p50_ms=None)
    assert agreement(own, _groups(tax_tokens=0)) == "same 3 figures"
    assert agreement(own, _groups()) == "**differs**: tax_tokens in 1 groups"


def test_an_empty_cell_of_a_peer_is_unknown(tmp_path: Path) -> None:
    """Not 0."""
    output = tmp_path / "peer.csv"
    output.write_text("model,route,tenant,calls,tax_tokens\ngpt,/chat,acme,3,\n")
    assert peer_groups(output) == {("gpt", "/chat", "acme"): {"calls": 3.0, "tax_tokens": None}}


def test_ratios_are_of_what_was_measured_beside() -> None:
    """Wall-clock and CPU time each over the reference's own."""
    row = Row("case", "ours", Sample(6.0, 9.0, 100.0), 12.0, "theirs", Sample(2.0, 4.5, 50.0))
    found = structure({"scale": "1"}, [Findings((Goal("a", "≤ 2", "2.00 x", None),), (row,))])
    (figures,) = found["measured"]
    assert (figures["wall_ratio"], figures["cpu_ratio"], figures["mb_per_s"]) == (3.0, 2.0, 2.0)
    assert "| a | ≤ 2 | 2.00 x | - |" in markdown(found)
    assert "| case | ours | 6.00 | 9.00 | 2 | 100 | 3.00 | 2.00 | theirs |  |" in markdown(found)


def test_the_page_shows_the_figures_that_were_kept() -> None:
    """``python benchmarks/run.py --page`` writes both; neither is edited by hand."""
    text, found = PAGE.read_text("utf-8"), json.loads(KEPT.read_text("utf-8"))
    assert with_figures(text, found) == text
    assert {row["case"] for row in found["measured"]} == set(CASES)


def test_a_source_is_measured_on_a_file_of_its_own(tmp_path: Path) -> None:
    """A form is claimed by one source and holds as many calls as it says."""
    assert len(sources_of([*FORMS][:2], tmp_path)) == 2


@pytest.mark.proof
def test_every_source_is_measured_on_a_file_of_its_own(tmp_path: Path) -> None:
    """So is each, and no source is left out."""
    assert sources_of(FORMS, tmp_path) == set(discover())


def sources_of(forms: Iterable[str], tmp_path: Path) -> set[str]:
    """The sources that claim a small file of each of these forms; fail where calls are missing."""
    sources = set()
    for name in forms:
        path, calls = write_form(name, tmp_path, 0.0)
        with Store.in_memory() as store:
            (result,) = ingest(store, path)
            assert result.problem is None and result.source is not None and result.counts is not None, name
            assert result.counts.new >= 0.9 * calls and not result.rejects, name
        sources.add(result.source.name)
    return sources


def test_the_page_of_the_statistics_shows_the_simulations_that_were_kept() -> None:
    """``python benchmarks/simulate.py --page`` writes both, every part of it."""
    from benchmarks import simulate  # takes a second and more, in each worker that only collects

    text, found = simulate.PAGE.read_text("utf-8"), json.loads(simulate.KEPT.read_text("utf-8"))
    assert simulate.with_tables(text, found) == text
    assert {one["name"].partition("-")[0] for one in found} == set(simulate.PARTS)


@pytest.mark.parametrize("part", ["cases", "rates"])
def test_simulations_run_and_repeat_themselves(part: str) -> None:
    """A few trials of each kind, twice the same, in tables without holes."""
    from benchmarks import simulate

    (once,), (again,) = simulate.PARTS[part](0.001), simulate.PARTS[part](0.001)
    assert once == again
    assert {len(row) for row in once.rows} == {len(once.columns)}


def test_a_page_without_a_place_for_figures_is_refused() -> None:
    """Rather than losing them."""
    with pytest.raises(ValueError, match="no place"):
        with_figures("# Performance\n", {})

"""What every audit must do, over every one discovered: the same shape, unknown never 0, and no SQL made from input."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import streamaudit
from sample_traces import Fleet, write_raw
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.model import Report
from streamaudit.store.dimensions import DIMENSIONS
from streamaudit.store.store import Store
from tests.support import AUDITS, assert_same_tables, audit, ingest, raw_call, store_of, write_lines

PACKAGE = Path(streamaudit.__file__).parent


@pytest.fixture(scope="module")
def filled(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with the fleet."""
    path = tmp_path_factory.mktemp("audits") / "raw.jsonl"
    write_raw(fleet, path)
    with store_of(path) as store:
        yield store


def assert_well_formed(report: Report) -> None:
    """Names are unique, rows are as wide as their columns, notes and tables are complete."""
    names = [table.name for table in report.tables]
    assert len(names) == len(set(names))
    assert "total" in names
    for table in report.tables:
        columns = [column.name for column in table.columns]
        assert len(columns) == len(set(columns)), table.name
        assert all(len(row) == len(columns) for row in table.rows), table.name
        assert columns[: len(table.by)] == list(table.by)
        for column in table.columns:
            assert column.unit != "ms" or column.name.endswith("_ms"), column.name
            assert column.unit != "usd" or column.name.endswith("_usd"), column.name
        assert {row for row, _ in table.marks} <= set(range(len(table.rows)))
    assert len(next(table for table in report.tables if table.name == "total").rows) == 1
    codes = [note.code for note in report.notes]
    assert len(codes) == len(set(codes))
    assert all(note.message for note in report.notes)


@pytest.mark.parametrize("name", AUDITS)
def test_an_audit_of_an_empty_store_has_a_total_of_no_calls_and_says_so(name: str, store: Store) -> None:
    """Every count is 0 and every figure that nobody measured is unknown."""
    report = AUDITS[name].run(store, Scope(by=("tenant",)))
    assert_well_formed(report)
    assert [table.name for table in report.tables][:2] == ["by_tenant", "total"]
    assert report.tables[0].rows == ()
    (row,) = report.tables[1].records()
    for column in report.tables[1].columns:
        value = row[column.name]
        assert value == 0 if column.unit == "calls" else value in (None, 0), column.name
        assert column.unit not in ("ms", "ratio", "tokens_per_s") or value is None, column.name
    assert "empty" in {note.code for note in report.notes}


@pytest.mark.parametrize("name", AUDITS)
def test_an_audit_of_a_fleet_is_well_formed_by_no_dimension_one_and_four(name: str, filled: Store) -> None:
    """The first table is by the dimensions in the order asked for, then comes the total."""
    for by in ((), ("outcome",), ("model", "tenant", "day", "outcome")):
        report = AUDITS[name].run(filled, Scope(by=by))
        assert_well_formed(report)
        assert report.by == by
        wanted = ["by_" + "_".join(by), "total"] if by else ["total"]
        assert [table.name for table in report.tables][: len(wanted)] == wanted


@pytest.mark.parametrize("name", ["report"])
def test_every_dimension_splits_the_calls_without_losing_any(name: str, filled: Store) -> None:
    """Groups of each dimension add up to the total, calls without a value included."""
    for dimension in DIMENSIONS:
        tables = audit(filled, name, dimension)
        assert sum(row["calls"] for row in tables[f"by_{dimension}"]) == tables["total"][0]["calls"], dimension


@pytest.mark.parametrize("name", AUDITS)
def test_what_is_unknown_is_null_and_never_0(name: str, store: Store, tmp_path: Path) -> None:
    """One cancelled call of which nothing is known: no tokens, no dollars, no times, no rates."""
    bare = raw_call("a", outcome="cancelled", output_tokens=None, duration_ms=None, model="ours")
    ingest(store, write_lines(tmp_path / "calls.jsonl", [bare]))
    measured = {
        "tax_low_tokens", "tax_low_usd", "tax_high_known_tokens", "tax_exact_tokens", "tax_estimated_tokens",
        "cancel_rate", "usage_known_rate", "cancelled_usage_known_rate", "cost_known_rate", "tax_unknown_rate",
        "tax_interval_rate",
    }  # fmt: skip
    report = AUDITS[name].run(store, Scope())
    table = next(table for table in report.tables if table.name == "total")
    (row,) = table.records()
    for column in table.columns:
        if column.unit in ("ms", "tokens", "usd", "ratio", "tokens_per_s") and column.name not in measured:
            assert row[column.name] is None, column.name


@pytest.mark.parametrize("name", AUDITS)
def test_the_rest_row_is_computed_from_its_calls_and_not_from_its_rows(name: str, filled: Store) -> None:
    """With --top 2 the groups kept are the largest, and the rest row's percentiles are those of its own calls."""
    every = audit(filled, name, "tenant")["by_tenant"]
    cut = audit(filled, name, "tenant", top=2)["by_tenant"]
    assert [row["tenant"] for row in cut[:2]] == [row["tenant"] for row in every[:2]]
    assert cut[2]["rest"] is True and cut[2]["tenant"] is None and len(cut) == 3
    others = "tenant IS DISTINCT FROM '{}' AND tenant IS DISTINCT FROM '{}'".format(*(row["tenant"] for row in cut[:2]))
    expected = audit(filled, name, where=others)["total"][0]
    for column, value in expected.items():
        assert cut[2][column] == (pytest.approx(value) if isinstance(value, float) else value), column


_ROWS_KEPT = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'outcome_rows'"


@pytest.mark.parametrize("name", AUDITS)
def test_what_speeds_up_a_small_store_changes_no_figure(
    name: str, filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large store has views, all optimisers, and steps that hold few values at once; a small one has rows, planned
    briefly, and one statement for groups and total."""
    options: dict[str, Any] = {"by": "model,tenant", "top": 3, "where": "output_tokens > 5"}
    skipped = {"skipped": filled.one("SELECT current_setting('disabled_optimizers')")[0]}
    assert skipped["skipped"]
    with monkeypatch.context() as large:
        large.setattr("streamaudit.store.views.refresh.FEW_TO_READ", 0)
        large.setattr("streamaudit.store.views.refresh._KEPT_WITH_TAXES", 0)
        large.setattr("streamaudit.audits.base._MOST_HELD", -1)
        filled.stale = True
        filled.run("SET disabled_optimizers = ''")
        try:
            wanted = audit(filled, name, **options)
        finally:
            filled.run("SET disabled_optimizers = $skipped", skipped)
        assert not filled.one(_ROWS_KEPT)[0]
    filled.stale = True
    kept = audit(filled, name, **options)
    assert filled.one(_ROWS_KEPT)[0]
    assert_same_tables(name, kept, wanted)


def test_a_window_is_half_open_and_cuts_every_audit_alike(store: Store, tmp_path: Path) -> None:
    """Since is in, until is out, and what is in no window is no call of it."""
    times = ("2026-11-15T23:59:59.999999Z", "2026-11-16T00:00:00Z", "2026-11-16T12:00:00Z", "2026-11-17T00:00:00Z")
    records = [raw_call(str(n), start_time=text) for n, text in enumerate(times)]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    window: dict[str, Any] = {"since": datetime(2026, 11, 16, tzinfo=UTC), "until": datetime(2026, 11, 17, tzinfo=UTC)}
    for one in AUDITS.values():
        report = one.run(store, Scope(**window))
        (row,) = next(table for table in report.tables if table.name == "total").records()
        assert row["calls"] == 2
        assert "no_start_time" not in {note.code for note in report.notes}


def _put_into_sql(tree: ast.AST) -> Iterator[str]:
    """Every expression that an f-string puts into what looks like SQL."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
            if any(f"{word} " in text for word in ("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "WHERE")):
                yield from (ast.unparse(part.value) for part in node.values if isinstance(part, ast.FormattedValue))


# All that is ever put into a SQL text: names from fixed lists, and --where once it has been checked.
FIXED = {
    "_SHARED",
    "_dimensions(asked)", "_ONLY",
    "condition", "calls", "_OF_CALL", "_GROUP_JOINS",
    "where", "check_condition(store, self.where)", "name", "form", "slot",
    "PROMPT_UNSEEN", "one.counts", "one", "amount",
    "steps", "next(reversed(TAX_STEPS))", "package_text('store', file)",
    "offsets", "curves", "figures", "percentiles", "joins",
    "ENDED_EARLY", "_ADDED", "LEARNED.format(condition=_ADDED)", "MODEL_TEXT.format(texts='store.texts')",
    "MODEL_TEXT.format(texts='new_texts')", "_TEXT", "_ID", "_COUNT_FIGURES", "_COUNT_IDS", "_COUNT_CALLS",
}  # fmt: skip


def test_no_sql_is_put_together_from_anything_but_fixed_lists() -> None:
    """Values are bound; only the scope puts names and the checked --where into its text, which is parsed on its own."""
    found = {
        (path.name, expression)
        for path in PACKAGE.rglob("*.py")
        for expression in _put_into_sql(ast.parse(path.read_text()))
    }
    assert {file for file, _ in found} <= {
        "scope.py", "where.py", "refresh.py", "parts.py", "waits.py", "valuation.py", "keep.py",
        "stored_values.py", "edge_check.py", "alb.py", "combined.py", "stores.py",
        "metrics.py", "figures.py", "portable_figures.py", "sums.py", "exported.py", "notes.py",
    }  # fmt: skip
    assert {expression for _, expression in found} <= FIXED

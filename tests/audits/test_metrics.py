"""The catalogue of figures: every one can be picked, alone or with others, and audits say the same of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import streamaudit
from sample_traces import Fleet, write_raw
from streamaudit.audits import history
from streamaudit.audits.check.thresholds import METRICS as CHECKED
from streamaudit.audits.figures import select
from streamaudit.audits.metrics import LATENCIES, METRICS, PERCENTILES, column
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.targets import parse_targets
from streamaudit.store.store import Store
from streamaudit.store.views.percentiles import MIN_CALLS
from tests.support import audit, store_of

AUDITS = Path(streamaudit.__file__).parent / "audits"


@pytest.fixture(scope="module")
def stored(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with the fleet."""
    path = tmp_path_factory.mktemp("metrics") / "raw.jsonl"
    write_raw(fleet, path)
    with store_of(path) as store:
        yield store


@pytest.fixture
def filled(stored: Store) -> Store:
    """The same, prepared for all of its calls."""
    Scope().prepare(stored)
    return stored


def test_a_figure_is_the_same_alone_and_with_all_others(filled: Store) -> None:
    """What else is picked changes no value, and only the sums that are needed are computed."""
    scope = Scope(by=("outcome",))
    params = {**scope.params(), "slo_ms": 800.0, "ttvt_recorded": [],
        **parse_targets("ttft=1s,tpot=20ms").params()}  # fmt: skip
    names = tuple(METRICS)
    every = {row[0]: row[4:] for row in filled.query(scope.sql(select(names)), params)}
    for index, name in enumerate(names):
        alone = {row[0]: row[4] for row in filled.query(scope.sql(select((name,))), params)}
        assert alone == pytest.approx({group: row[index] for group, row in every.items()}), name
    assert "leavers" not in select(("calls", "ttft_p95_ms", "cost_usd"))
    assert "quantile_cont(ttft_ms, [0.5, 0.95])" in select(("ttft_p95_ms", "ttft_p50_ms"))


@pytest.mark.parametrize("by", [("outcome",), ("model", "tenant"), ("region",)])
def test_the_total_of_a_query_with_groups_is_that_of_a_query_of_its_own(filled: Store, by: tuple[str, ...]) -> None:
    """Figures that add up are added up from the groups, also of groups without a value; all others are not."""
    scope = Scope(by=by)
    params = {**scope.params(), "slo_ms": 800.0, "ttvt_recorded": [],
        **parse_targets("ttft=1s,tpot=20ms").params()}  # fmt: skip
    names = tuple(METRICS)
    rows = filled.query(scope.sql(select(names, with_left_out=True, with_total=True)), params)
    apart = select(names, with_left_out=True)
    for is_total, query in ((False, scope.sql(apart)), (True, scope.total().sql(apart))):
        wanted = {row[:4]: row[4:] for row in filled.query(query, params)}
        found = {row[:4]: row[4:-1] for row in rows if row[-1] == is_total}
        assert found.keys() == wanted.keys()
        for group, row in wanted.items():
            figures = dict(zip((*names, "left_out"), row, strict=True))
            for name, value in zip(figures, found[group], strict=True):
                assert value == (pytest.approx(figures[name]) if isinstance(value, float) else figures[name]), name


def test_no_calls_have_no_total(filled: Store) -> None:
    """An empty window has no row at all."""
    scope = Scope(by=("model",), only=(("model", "none-such"),))
    query = select(tuple(METRICS), with_total=True)
    params = {**scope.params(), "slo_ms": 800.0, "ttvt_recorded": [], **parse_targets("ttft=1s").params()}
    assert filled.query(scope.sql(query), params) == []


def test_a_lower_bound_is_named_where_it_is_one(filled: Store) -> None:
    """The last column lists the figures whose sum leaves calls out, of those that were picked."""
    picked = ("calls", "cost_usd", "cancel_rate")
    scope = Scope(by=("outcome",))
    for row in filled.query(scope.sql(select(picked, with_left_out=True)), scope.params()):
        assert len(row) == 4 + len(picked) + 1
        assert set(row[-1]) <= {"cost_usd", "cancel_rate", None}
        assert ("cancel_rate" in row[-1]) == (row[0] == "unknown")


def test_a_rate_of_estimated_taxes_is_named_as_an_estimate(filled: Store) -> None:
    """With a sign before its name, in the groups that have an estimated call."""
    scope = Scope(by=("model",))
    picked = ("tax_rate", "tax_estimated_calls")
    rows = filled.query(scope.sql(select(picked, with_left_out=True)), scope.params())
    assert {row[5] > 0 for row in rows} == {True, False}
    assert all(("~tax_rate" in row[-1]) == (row[5] > 0) for row in rows)


def test_audits_agree_on_every_figure_that_they_share(filled: Store) -> None:
    """Report, ttft, tax and history print one number under one name."""
    trend = history.run(filled, Scope(by=("week",))).tables
    records = [audit(filled, kind)["total"][0] for kind in ("report", "ttft", "tax")]
    records.append(next(next(table for table in trend if table.name == "total").records()))
    for number, one in enumerate(records):
        for other in records[number + 1 :]:
            shared = set(one) & set(other) & set(METRICS)
            assert shared
            assert {name: one[name] for name in shared} == pytest.approx({name: other[name] for name in shared})


def test_percentiles_state_their_fewest_calls() -> None:
    """Name, fewest calls, help and SQL come from one table."""
    for latency in LATENCIES:
        for percentile, least in MIN_CALLS.items():
            metric = METRICS[f"{latency}_{percentile}_ms"]
            assert metric.min_n == least and metric.unit == "ms"
            assert str(least) in metric.help or least == 1
    assert set(PERCENTILES) == set(MIN_CALLS)


def test_every_threshold_is_about_a_figure_of_the_catalogue() -> None:
    """A check has no figure of its own: a latency by its column, all others by their name."""
    columns = {latency.column for latency in LATENCIES.values()}
    assert {name for name in CHECKED if name not in METRICS} == columns


def test_a_column_takes_unit_and_meaning_from_the_catalogue() -> None:
    """An audit only says how it is shown."""
    found = column("tax_usd", wide=True)
    assert (found.name, found.unit, found.help, found.wide) == ("tax_usd", "usd", METRICS["tax_usd"].help, True)
    assert column("ttft_p50_ms", help="median").help == "median"
    with pytest.raises(KeyError):
        column("no_such_figure")


def test_percentiles_are_computed_in_the_catalogue_alone() -> None:
    """No audit has a percentile, or a fewest number of calls, of its own."""
    texts = [*AUDITS.rglob("*.py"), *AUDITS.rglob("*.sql")]
    assert [path.name for path in texts if "quantile_cont" in path.read_text(encoding="utf-8")] == ["figures.py"]

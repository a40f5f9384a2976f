"""What a large store is asked in steps is what a small one is asked at once, to the last digit."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from streamaudit.audits import history
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.targets import parse_targets
from streamaudit.store.store import Store
from tests.support import Record, Tables, audit, raw_call, store_of, write_lines

NAMES = ("report", "ttft", "tax", "coverage")


def awkward_calls() -> list[Record]:
    """Groups at and next to the sizes where percentiles begin and lie on a value, ties, single calls, missing times."""
    rng = Random(18)
    sizes = (1, 2, 10, 11, 20, 21, 99, 100, 101)
    records = [
        _call(f"{size}-{n}", f"t{size}", rng.lognormvariate(6, 1), n, rng) for size in sizes for n in range(size)
    ]  # fmt: skip
    records += [_call(f"tied-{n}", "tied", 250.0 if n % 3 else 1 / 3, n, rng) for n in range(40)]
    records += [_call(f"close-{n}", "close", 8 + 2**-49 * (n % 7), n, rng) for n in range(30)]
    records += [_call(f"none-{n}", "none", None, n, rng) for n in range(12)]
    records += [_call(f"late-{n}", "late", 9e5, n, rng, duration_ms=9e5) for n in range(5)]  # none is usable
    records += [_call(f"anyone-{n}", None, 5.0 * n, n, rng, duration_ms=None) for n in range(25)]
    embedded = [_call(f"embedding-{n}", "t10", None, n, rng, operation="embeddings") for n in range(6)]
    return records + embedded


def _call(name: str, tenant: str | None, ttft: float | None, n: int, rng: Random, **fields: Any) -> Record:
    outcome = ("completed", "completed", "completed", "cancelled", "error", "timeout", "unknown")[n % 7]
    usage = {"output_tokens": rng.randrange(0, 900)} if n % 5 else {"output_tokens": None}
    return raw_call(name, **{
        "tenant": tenant, "time_to_first_chunk_ms": ttft, "duration_ms": rng.uniform(1e5, 2e6), "outcome": outcome,
        "start_time": f"2026-11-{1 + n % 28:02}T08:00:00Z", "rendered_tokens": n if outcome == "cancelled" else None,
        "cost_usd": rng.uniform(0, 1) if n % 4 else None, "route": f"/r{n % 2}", "stream": True,
        "chunk_offsets_ms": [1.0 * k * k for k in range(n % 6)] or None, **usage, **fields,
    })  # fmt: skip


@pytest.fixture(scope="module")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of these calls."""
    with store_of(write_lines(tmp_path_factory.mktemp("large") / "calls.jsonl", awkward_calls())) as store:
        yield store


def ask_both(store: Store, name: str, by: str, **options: Any) -> tuple[Tables, Tables]:
    """The tables of an audit as of a small store, and as of a large one."""
    small = audit(store, name, by, **options)
    with large_store():
        return small, audit(store, name, by, **options)


@contextmanager
def large_store(most_held: int = -1) -> Iterator[None]:
    """In this block a store has too many calls for memory to hold the values of a single latency twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamaudit.audits.base._MOST_HELD", most_held)
        yield


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_of_a_large_store_is_that_of_a_small_one(name: str, awkward: Store) -> None:
    """By group, with a rest row, under a condition, and of embeddings too; the total is over the same calls."""
    for by, options in (
        ("tenant,route", {}), ("tenant", {"top": 3}), ("week,tenant", {"where": "output_tokens > 5"}),
        ("operation", {}),
    ):  # fmt: skip
        small, large = ask_both(awkward, name, by, **options)
        assert large == small, (by, options)


def test_periods_of_a_large_store_are_those_of_a_small_one(awkward: Store) -> None:
    """Their figures, the total, and the changes found in them."""
    small = history.run(awkward, Scope(by=("day",)))
    with large_store():
        large = history.run(awkward, Scope(by=("day",)))
    assert [table.rows for table in large.tables] == [table.rows for table in small.tables]


@pytest.mark.parametrize("name", NAMES)
def test_a_total_without_groups_is_the_same_too(name: str, awkward: Store) -> None:
    """Over all calls, over one, and over none."""
    for where in (None, "call_id = 'tied-1'", "tenant = 'none'", "tenant = 'nobody'"):
        small, large = ask_both(awkward, name, "", where=where)
        assert large == small, where


def test_options_that_add_figures_add_the_same(awkward: Store) -> None:
    """Gaps have percentiles of a part, goodput and shares within a target their own parameters."""
    for name, options in (
        ("report", {"gaps": True, "targets": parse_targets("ttft=300ms")}), ("ttft", {"slo_ms": 300.0}),
        ("ttft", {"censored": True, "gaps": True}),
    ):  # fmt: skip
        small, large = ask_both(awkward, name, "tenant", top=4, **options)
        assert large == small, (name, options)


def test_a_store_of_medium_size_is_asked_for_groups_and_total_apart(awkward: Store) -> None:
    """Memory can hold the values of the groups, and not those of groups and total at once."""
    calls = awkward.one("SELECT count(*) FROM store.calls")[0]
    small = audit(awkward, "report", "tenant", top=3)
    with large_store(6 * calls):  # of four latencies
        assert audit(awkward, "report", "tenant", top=3) == small


def test_a_large_store_finds_the_percentiles_of_each_latency_by_themselves(awkward: Store) -> None:
    """In a table of its own, with a row by group and one of the total."""
    _, large = ask_both(awkward, "report", "tenant")
    kept = awkward.query("SELECT estimated_size FROM duckdb_tables() WHERE table_name LIKE '%_step' ORDER BY 1")
    assert len(kept) >= 3 and kept[-1][0] == len(large["by_tenant"]) + 1

"""Taxes kept in a store are those that a report would compute, whatever was written since, and are kept once."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sample_traces import simulate
from streamaudit.ingest.evidence import join
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.retention import forget, prune, unload
from streamaudit.store.lookups import Lookup, apply_lookups, keep_lookups
from streamaudit.store.pricing.own_prices import PriceFile
from streamaudit.store.pricing.reprice import reprice
from streamaudit.store.providers import ProviderOverrides
from streamaudit.store.store import Store
from streamaudit.store.views import keep
from streamaudit.store.views.keep import keep_taxes
from streamaudit.store.views.kept import are_taxes_kept, kept_state
from streamaudit.store.views.refresh import refresh
from streamaudit.store.views.valuation import value_calls
from tests.ingest.test_forms_agree import FORMS
from tests.support import calls, ingest, langfuse_row, raw_call, store_of, write_lines

_TAXES = "SELECT * FROM call_tax ORDER BY source, call_id"
_LOW_ENDS = "SELECT source, call_id, output_low, cost_low_usd FROM call_low_ends ORDER BY ALL"
_POISON = "UPDATE store.taxes SET tax_rule = 'poison'"
_COUNT_POISONED = "SELECT count(*) FROM store.taxes WHERE tax_rule = 'poison'"


def assert_kept_as_computed(store: Store) -> None:
    """Keep the taxes, and hold what the store then says against what is computed from its calls."""
    keep_taxes(store, small=True)
    assert are_taxes_kept(store)
    store.stale = True
    refresh(store)
    kept = store.records(_TAXES), store.query(_LOW_ENDS)
    store.stale = True
    refresh(store, kept=False)
    for one, other in zip(kept[0], store.records(_TAXES), strict=True):
        assert {name: one[name] for name in one if one[name] != other[name]} == {}, (one["call_id"], other)
    assert kept[1] == store.query(_LOW_ENDS)
    early = store.one("SELECT count(*) FROM call_tax WHERE ended_early")[0]
    assert store.one("SELECT count(*) FROM store.taxes")[0] == early
    store.stale = True


@pytest.fixture
def file_store(tmp_path: Path) -> Store:
    """An empty store in a file, whose queries are planned as those of a small store are."""
    store = Store.open(tmp_path / "audit.duckdb", write=True)
    store.plan_briefly()
    return store


@pytest.mark.parametrize("some", [("raw", "langfuse", "litellm"), pytest.param((), marks=pytest.mark.proof)])
def test_calls_of_every_form_are_kept_as_they_are_computed(
    tmp_path: Path, file_store: Store, some: tuple[str, ...]
) -> None:
    """In all columns: each vendor's form brings evidence of its own kind."""
    few = simulate(30, 9, datetime(2026, 11, 9, tzinfo=UTC), 3, whole_ms=True)
    forms = {name.partition("-")[0]: write for name, write in FORMS.items()}
    with file_store as store:
        for form in some or forms:
            folder = tmp_path / form
            folder.mkdir()
            forms[form](few, folder / "export")
            ingest(store, *sorted(folder.iterdir()), source=form)
        assert_kept_as_computed(store)


def cancelled(name: str, /, **fields: object) -> dict[str, object]:
    """A cancelled raw call."""
    return raw_call(name, **{"outcome": "cancelled", "rendered_output_tokens": 20, **fields})


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.proof)])
def test_whatever_is_written_the_taxes_kept_are_those_computed(tmp_path: Path, file_store: Store, every: int) -> None:
    """Rejects, repeats, maps, better versions, evidence, lookups, prices, steps that come late, and all deletions;
    compared after each ``every``-th step and the last."""
    lines = [cancelled("a", user_id="u-1"), cancelled("b", start_time="2026-10-01T08:00:00Z"), "{", raw_call("c")]
    more = [cancelled("a", rendered_output_tokens=30, user_id="u-1"), raw_call("a"), cancelled("d", model=None)]
    mapped = [cancelled("e", rendered_output_tokens=None, shown={"tokens": 7}, tenant_id="acme")]
    late = [
        langfuse_row("inner", trace_id="t", parent_observation_id="outer", metadata={"outcome": "cancelled"}),
        langfuse_row("outer", trace_id="t", metadata={"rendered_tokens": "3"}, usage_details={}),
    ]
    texts = [langfuse_row(f"t-{n}", output="word " * 80, metadata={"outcome": ["cancelled", "completed"][n > 3]})
        for n in range(40)]  # fmt: skip
    prices = tmp_path / "prices.csv"
    prices.write_text("model,input_usd_per_mtok,output_usd_per_mtok\ngpt-4o-mini,1,2\n")
    evidence = write_lines(tmp_path / "shown.jsonl", [{"request_id": "b", "rendered_tokens": 11, "cancelled": True}])
    with file_store as store, Reader() as reader:
        steps: list[Callable[[], object]] = [
            lambda: ingest(store, write_lines(tmp_path / "1.jsonl", lines)),
            lambda: ingest(store, write_lines(tmp_path / "2.jsonl", more)),
            lambda: ingest(store, write_lines(tmp_path / "2.jsonl", more), force=True),
            lambda: ingest(
                store, write_lines(tmp_path / "3.jsonl", mapped), mapping=["rendered_tokens=shown.tokens"]
            ),
            lambda: ingest(store, write_lines(tmp_path / "3.jsonl", mapped)),
            lambda: [ingest(store, write_lines(tmp_path / f"late-{n}.jsonl", [row])) for n, row in enumerate(late)],
            lambda: [ingest(store, write_lines(tmp_path / f"t-{n}.jsonl", texts[n::2])) for n in range(2)],
            lambda: join(store, reader, str(evidence), "request_id"),
            lambda: ingest(store, write_lines(tmp_path / "4.jsonl", [cancelled("f"), cancelled("g", request_id="b")])),
            lambda: reprice(store, PriceFile(prices, "streamaudit.toml:1")),
            lambda: keep_lookups(store, [Lookup("tenant", "user_id", {"u-1": "globex"})]),
            lambda: apply_lookups(store, []),
            lambda: unload(store, 3),
            lambda: prune(store, datetime(2026, 11, 1, tzinfo=UTC).replace(tzinfo=None)),
            lambda: forget(store, "u-1"),
        ]
        for number, step in enumerate(steps, start=1):
            step()
            if number % every == 0:
                assert_kept_as_computed(store)


def test_added_calls_are_valued_alone(tmp_path: Path, file_store: Store) -> None:
    """A load that only adds calls leaves the taxes of others alone, one that changes any has all valued again."""
    with file_store as store:
        ingest(store, write_lines(tmp_path / "1.jsonl", [cancelled("a"), raw_call("b")]))
        keep_taxes(store, small=True)
        store.run(_POISON)
        ingest(store, write_lines(tmp_path / "2.jsonl", [cancelled("c"), cancelled("d")]))
        assert kept_state(store) and not are_taxes_kept(store)
        keep_taxes(store, small=True)
        assert store.one(_COUNT_POISONED) == (1,)
        ingest(store, write_lines(tmp_path / "3.jsonl", [raw_call("c", output_tokens=200), cancelled("e")]))
        assert kept_state(store) is None
        assert store.one("SELECT count(*) FROM store.taxes") == (0,)
        keep_taxes(store, small=True)
        assert store.one(_COUNT_POISONED) == (0,)


def test_calls_of_a_growing_file_are_valued_alone(tmp_path: Path, file_store: Store) -> None:
    """Though its loads become one, each time it is read on from where it ended."""
    with file_store as store:
        for end in range(1, 5):
            ingest(store, write_lines(tmp_path / "log.jsonl", [cancelled(f"a-{n}") for n in range(30 * end)]))
            keep_taxes(store, small=True)
            assert are_taxes_kept(store)
            assert store.one(_COUNT_POISONED) == (30 * (end - 1),)
            store.run(_POISON)


def test_a_load_of_many_small_files_adds_to_them(tmp_path: Path, file_store: Store) -> None:
    """Files that are loaded together keep the taxes of others too."""
    with file_store as store, Reader() as reader:
        from streamaudit.ingest.pipeline import Ingest
        from streamaudit.ingest.results import Options

        ingest(store, write_lines(tmp_path / "1.jsonl", [cancelled("a")]))
        keep_taxes(store, small=True)
        store.run(_POISON)
        names = [str(write_lines(tmp_path / f"s-{n}.jsonl", [cancelled(f"s-{n}")])) for n in range(3)]
        list(Ingest(store, Options()).files(reader, dict.fromkeys(names, False)))
        keep_taxes(store, small=True)
        assert store.one(_COUNT_POISONED) == (1,)
        assert store.one("SELECT count(*) FROM store.taxes") == (4,)


def test_more_known_of_a_model_values_its_calls_again(tmp_path: Path, file_store: Store) -> None:
    """Only those of that model whose tax rests on a text."""

    def answers(model: str, count: int, first: int, chars: int) -> list[object]:
        return [raw_call(f"{model}-{first + n}", model=model, visible_output_chars=chars + n) for n in range(count)]

    early = [cancelled(f"{model}-x", model=model, rendered_output_tokens=None, rendered_chars=90)
        for model in ("gpt-4o", "gpt-4o-mini")] + [cancelled("y", model="gpt-4o")]  # fmt: skip
    with file_store as store:
        ingest(store, write_lines(tmp_path / "1.jsonl", [*early, *answers("gpt-4o", 30, 0, 400),
            *answers("gpt-4o-mini", 30, 0, 400)]))  # fmt: skip
        keep_taxes(store, small=True)
        store.run(_POISON)
        ingest(store, write_lines(tmp_path / "2.jsonl", answers("gpt-4o-mini", 30, 30, 300)))
        keep_taxes(store, small=True)
        assert store.one(_COUNT_POISONED) == (2,)
        with store.transaction():
            pass
        assert_kept_as_computed(store)
        ingest(store, write_lines(tmp_path / "3.jsonl", answers("gpt-4o", 30, 30, 300)))
        assert_kept_as_computed(store)


def test_reports_read_what_is_kept(tmp_path: Path, file_store: Store) -> None:
    """And compute it where the configuration says otherwise of a provider."""
    with file_store as store:
        ingest(store, write_lines(tmp_path / "1.jsonl", [cancelled("a", provider="openai")]))
        keep_taxes(store, small=True)
        store.run(_POISON)
    path = tmp_path / "audit.duckdb"
    for own, rule in ((None, "poison"), (ProviderOverrides({"openai": "runs_on"}), "billed_minus_rendered")):
        with Store.open(path, write=False, providers=own) as reading:
            refresh(reading)
            assert reading.query("SELECT tax_rule FROM call_tax") == [(rule,)]


def test_calls_written_by_other_means_are_noticed(tmp_path: Path, file_store: Store) -> None:
    """Copied by SQL, or by a process that died before it valued them: a report computes, the next write keeps."""
    with file_store as store:
        ingest(store, write_lines(tmp_path / "1.jsonl", [cancelled("a"), cancelled("b")]))
        keep_taxes(store, small=True)
        store.run("INSERT INTO store.calls SELECT * REPLACE (call_id || '-2' AS call_id) FROM store.calls")
        assert not are_taxes_kept(store)
        # Copies have the key of their originals: no tax is kept rather than one that is ambiguous.
        keep_taxes(store, small=True)
        assert kept_state(store) is None
        store.stale = True
        refresh(store)
        assert store.one("SELECT count(*), count(tax_best) FROM call_tax") == (4, 4)


def test_a_transaction_that_fails_leaves_the_taxes(tmp_path: Path, file_store: Store) -> None:
    """They are dropped with the change that makes them wrong, or not at all."""
    with file_store as store:
        ingest(store, write_lines(tmp_path / "1.jsonl", [cancelled("a")]))
        keep_taxes(store, small=True)
        with pytest.raises(RuntimeError), store.transaction():
            store.run("DELETE FROM store.calls")
            raise RuntimeError
        assert are_taxes_kept(store)
        with store.transaction(changes_calls=False):
            store.run("DELETE FROM store.deliveries")
        assert are_taxes_kept(store)


def test_small_stores_and_those_in_memory_keep_none(tmp_path: Path, store: Store, file_store: Store) -> None:
    """Reading them would take as long as valuing them. A store that has become small forgets what it kept."""
    export = write_lines(tmp_path / "1.jsonl", [cancelled("a")])
    with file_store:
        for one in (store, file_store):
            ingest(one, export)
            keep_taxes(one)
            assert kept_state(one) is None
        keep_taxes(file_store, small=True)
        ingest(file_store, write_lines(tmp_path / "2.jsonl", [cancelled("b")]))
        keep_taxes(file_store)
        assert kept_state(file_store) is None
        assert file_store.one("SELECT count(*) FROM store.taxes") == (0,)


def test_taxes_are_valued_with_little_memory_first(
    tmp_path: Path, file_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with all that the database may use where that is not enough."""
    limits: list[str] = []

    def watch(store: Store, condition: str = "true") -> None:
        limits.append(store.one("SELECT current_setting('memory_limit')")[0])
        value_calls(store, condition)

    monkeypatch.setattr(keep, "value_calls", watch)
    with file_store:
        ingest(file_store, write_lines(tmp_path / "calls.jsonl", [cancelled("a")]))
        assert_kept_as_computed(file_store)
        monkeypatch.setattr(keep, "LEAN_MEMORY", "1MB")
        ingest(file_store, write_lines(tmp_path / "more.jsonl", [cancelled("b")]))
        assert_kept_as_computed(file_store)
    assert limits == ["286.1 MiB", "953.6 MiB"]


def test_calls_that_all_ended_well_have_the_columns_of_a_tax_and_none(tmp_path: Path) -> None:
    """No tax is valued then; the columns are those of a store in which one is."""
    ended = raw_call("a", ttft_ms=300)
    with store_of(write_lines(tmp_path / "well.jsonl", [ended])) as store:
        well = calls(store)["a"]
    with store_of(write_lines(tmp_path / "early.jsonl", [ended, raw_call("b", outcome="cancelled")])) as store:
        early = calls(store)
    assert early["b"]["ended_early"]
    assert list(well.items()) == list(early["a"].items())


def test_taxes_are_the_same_as_rows_and_as_a_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = [raw_call(f"c{number}", outcome="cancelled", rendered_tokens=number * 10) for number in range(3)]
    with store_of(write_lines(tmp_path / "calls.jsonl", [*cut, raw_call("a")])) as store:
        as_rows = calls(store)
        monkeypatch.setattr("streamaudit.store.views.refresh._KEPT_WITH_TAXES", 0)
        store.stale = True
        assert calls(store) == as_rows

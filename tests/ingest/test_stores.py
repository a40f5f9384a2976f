"""Stores merged into one hold what one store holds that has read all of their files, in whatever order."""

import gzip
import random
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from streamaudit.errors import InputError, StoreError, StreamauditError, UsageError
from streamaudit.ingest.evidence import join
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.retention import forget, unload
from streamaudit.ingest.stores import Merged, merge_store
from streamaudit.store.lookups import Lookup, apply_lookups, keep_lookups
from streamaudit.store.pulls import Position, read_positions, write_position
from streamaudit.store.store import Store
from streamaudit.store.views.keep import keep_taxes
from streamaudit.store.views.kept import are_taxes_kept
from tests.ingest.test_attempts import record as attempt
from tests.ingest.test_counted_once import CASES
from tests.ingest.test_one_call import FORMS
from tests.support import Record, ingest, langfuse_row, raw_call, rows_of, write_lines

FIXTURES = Path(__file__).parents[1] / "fixtures"
SHARDS = 3
File = tuple[Path, dict[str, Any]]

RETRIES = [
    attempt("retried", outcome="error"), attempt("retried", 2.0), attempt("retried", 1.0, response_id="r9"),
    attempt("slow", attempt_number=1, outcome="error"), attempt("slow", attempt_number=2, tenant_id="late"),
    attempt("once", outcome=None, duration_ms=None, output_tokens=None), attempt("once", 0.6),
]  # fmt: skip
PLAIN = [
    raw_call("progress", outcome=None, output_tokens=40, usage_source="partial", tenant_id="t1"),
    raw_call("progress", output_tokens=90, tenant_id="t1", input_hash="how?"),
    raw_call("progress", output_tokens=90, tenant_id="t1"),
    raw_call("cut", outcome="cancelled", output_tokens=200, rendered_tokens=20, organization_id="o1"),
    raw_call("left", outcome="cancelled", output_tokens=300, user_id="u1"),
    raw_call("vector", operation="embedding", organization_id="o2"), raw_call("none", response_id="shared-1"),
    raw_call("text", output_tokens=40, completion="x" * 170, user_id="u2"), "no JSON", {"model": "m"},
]  # fmt: skip
KEPT_ASIDE = [
    raw_call("aside-1", response_id="shared-1", output_tokens=None), raw_call("aside-2", response_id="shared-2"),
    raw_call("aside-3", response_id="shared-3"),
]  # fmt: skip
MAPPED = [raw_call("m1", labels={"acct": "a1"}), raw_call("m2", tenant_id="no"), raw_call("m3", labels={"acct": "a3"})]
INSIDE: Record = {"start": 0.005, "end": 5.0, "input": 50, "output": 100}
AROUND: Record = {"start": 0.0, "end": 5.0, "ttft": 395.0, "finish": "stop", "rendered": 100}


def renamed(family: str) -> list[Record]:
    """The cases of nested steps, each in a trace of its own."""
    keys = ("id", "parent_observation_id") if family == "langfuse" else ("span_id", "parent_id")
    found = []
    for number, name in enumerate(name for name in CASES if name.startswith(family)):
        for one in CASES[name][0]:
            ids = {key: f"{number}-{one[key]}" if one[key] not in ("", "undefined") else one[key] for key in keys}
            found.append({**one, **ids, "trace_id": f"{number}-{one['trace_id']}"})
    return found


def inherited() -> list[Record]:
    """A call below two steps that know its tenant, by one key and by a better one."""
    step: Record = {"trace_id": "deep", "type": "SPAN"}
    return [
        langfuse_row("root", **step, metadata={"organization_id": "o-root", "route": "/root"}, user_id="u-root"),
        langfuse_row("middle", **step, parent_observation_id="root", metadata={"tenant_id": "t-middle"}),
        langfuse_row("leaf", trace_id="deep", parent_observation_id="middle", metadata={"response_id": "shared-2"}),
        langfuse_row("beside", trace_id="deep", parent_observation_id="root", metadata={"organization_id": "o-own"}),
    ]


def fleet() -> dict[str, tuple[int, Sequence[object], dict[str, Any]]]:
    """Records by the name of their files: in how many shards they are, and the options that they are read with."""
    pairs = [FORMS["otel"]("outer", "", AROUND), FORMS["otel"]("inner", "outer", INSIDE)]
    raw_pairs = [FORMS["raw"]("p-outer", "", AROUND), FORMS["raw"]("p-inner", "p-outer", INSIDE)]
    return {
        "langfuse": (3, [*renamed("langfuse"), *inherited()], {}),
        "datadog": (2, renamed("datadog"), {}),
        "otel": (2, pairs, {}),
        "raw": (3, [*PLAIN, *raw_pairs, *RETRIES], {}),
        "aside": (1, KEPT_ASIDE, {"source": "gateway"}),
        "mapped": (1, MAPPED, {"mapping": ["tenant=labels.acct"]}),
    }


def deal(folder: Path, seed: int = 0) -> list[list[File]]:
    """Spread the records of the fleet over the files of the shards: in turns, but for Datadog's, or at random."""
    chance = random.Random(seed)
    shards: list[list[File]] = [[] for _ in range(SHARDS)]
    for name, (several, records, options) in fleet().items():
        if name == "datadog" and not seed:
            continue
        places = [chance.randrange(SHARDS) if seed else number % several for number in range(len(records))]
        for number, shard in enumerate(shards):
            mine = [one for one, place in zip(records, places, strict=True) if place == number]
            if mine:
                shard.append((write_lines(folder / f"{name}-{number}.jsonl", mine), options))
    return shards


@cache
def empty() -> bytes:
    """The bytes of an empty store: to make one takes longer than to merge one."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.duckdb"
        Store.open(path, write=True, secret="the same on every machine").close()
        return path.read_bytes()


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """A store that is made where there is none, with an id of its own."""
    is_new = not path.exists()
    if is_new:
        path.write_bytes(empty())
    with Store.open(path, write=True) as store:
        store.plan_briefly()
        if is_new:
            store.run("UPDATE store.meta SET value = $id WHERE key = 'store_id'", {"id": path.stem})
        yield store


def fill(path: Path, files: Iterable[File], evidence: Sequence[Path] = ()) -> Path:
    """A store that has read these files."""
    with opened(path) as store:
        for file, options in files:
            (result,) = ingest(store, file, **options)
            assert result.problem is None or result.rejected, result.problem
        with Reader() as reader:
            for one in evidence:
                assert join(store, reader, str(one), "request_id").problem is None
    return path


def merged(into: Path, *stores: Path) -> list[Merged]:
    with opened(into) as store:
        return [merge_store(store, path) for path in stores]


KEYS = "SELECT keys.* EXCLUDE (load_id), path FROM store.load_keys AS keys JOIN store.loads USING (load_id)"
UNBALANCED = """
SELECT path FROM store.loads
WHERE format <> 'evidence'
    AND read_records <> new_calls + repeated_calls + replaced_calls + rejected_records + not_calls
"""
ORPHANS = """
SELECT load_id FROM (
    SELECT load_id FROM store.calls UNION SELECT load_id FROM store.spans UNION SELECT load_id FROM store.evidence
    UNION SELECT load_id FROM store.rejects UNION SELECT load_id FROM store.load_keys
)
WHERE load_id NOT IN (SELECT load_id FROM store.loads)
"""
LOAD = (
    "source", "path", "fingerprint", "format", "variant", "digest", "tool_version", "read_records", "rejected_records",
    "not_calls", "sample_rate", "end_byte", "end_line", "end_record", "content_before",
)  # fmt: skip


def everything(path: Path, *, loads: bool = True) -> dict[str, list[str]]:
    """Every row of a store as text, without the numbers of loads; of the tallies, their sum."""
    with Store.open(path, write=False) as store:
        store.plan_briefly()
        apply_lookups(store, [])
        taxed = rows_of(store, "call_tax")
        found = {
            "calls": [{name: row[name] for name in row if name != "load_id"} for row in rows_of(store, "store.calls")],
            "spans": [{name: row[name] for name in row if name != "load_id"} for row in rows_of(store, "store.spans")],
            "taxes": [{n: row[n] for n in row if n not in ("load_id", "call_row", "call_key")} for row in taxed],
            "evidence": store.records("SELECT * EXCLUDE (load_id) FROM store.evidence"),
            "lookups": store.records("FROM store.lookups"),
        }
        if loads:
            found |= {
                "loads": [{name: row[name] for name in LOAD} for row in rows_of(store, "store.loads")],
                "rejects": store.records("SELECT * EXCLUDE (load_id) FROM store.rejects"),
                "keys": store.records(KEYS), "unbalanced": store.records(UNBALANCED),
                "orphans": store.records(ORPHANS),
            }  # fmt: skip
    # An older store has its columns in another order.
    return {name: sorted(repr(sorted(row.items())) for row in rows) for name, rows in found.items()}


def assert_equal(found: dict[str, list[str]], expected: dict[str, list[str]]) -> None:
    """Show the first rows that differ."""
    for name, rows in expected.items():
        missing = [row for row in rows if row not in found[name]]
        surplus = [row for row in found[name] if row not in rows]
        assert (missing[:2], surplus[:2], len(found[name])) == ([], [], len(rows)), name


def evidence_of(folder: Path) -> list[Path]:
    """Evidence about calls that came to other shards, and about a call of several attempts."""
    first = folder / "rendered.csv"
    first.write_text("request_id,rendered_tokens\nleft,30\nretried,5\n")
    second = folder / "more.csv"
    second.write_text("request_id,delivered_tokens\ncut,60\nprogress,9\nelsewhere,1\n")
    return [first, second]


def check_orders(folder: Path, orders: Iterable[Sequence[int]], seed: int) -> None:
    """Compare shards merged in these orders with one store, and merge them again."""
    shards, evidence = deal(folder, seed), evidence_of(folder)
    lookup = Lookup("tenant", "user_id", {"u1": "looked-up", "u2": "looked-up"})
    parts = [
        fill(folder / f"shard-{number}.duckdb", shard, evidence[number : number + 1])
        for number, shard in enumerate(shards)
    ]
    one = folder / "one.duckdb"
    shutil.copy(parts[0], one)
    fill(one, [*shards[1], *shards[2]], evidence)
    for path in (one, parts[1]):
        with opened(path) as store:
            keep_lookups(store, [lookup])
    expected = everything(one)
    for number, order in enumerate(orders):
        target = folder / f"merged-{number}.duckdb"
        merged(target, *(parts[place] for place in order))
        found = everything(target)
        assert_equal(found, expected)
        again = merged(target, *parts)
        assert {(part.calls, part.new_loads, part.spans, part.evidence) for part in again} == {(0, 0, 0, 0)}
        assert_equal(everything(target), found)


def test_merged_shards_equal_one_store(tmp_path: Path) -> None:
    """With duplicates, attempts, mixed keys, nested calls, evidence, lookups, rejects and a map spread over them; and
    merging them again changes nothing."""
    check_orders(tmp_path, [[2, 0, 1]], seed=0)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(8))
def test_records_spread_at_random_and_merged_in_any_order_equal_one_store(tmp_path: Path, seed: int) -> None:
    """Whatever came to which shard."""
    check_orders(tmp_path, permutations(range(SHARDS)), seed)


def tallies(path: Path) -> dict[str, tuple[int, ...]]:
    """Read, new, repeated, replaced and rejected records by the name of the file."""
    with Store.open(path, write=False) as store:
        return {
            Path(row[0]).name: row[1:]
            for row in store.query("SELECT path, read_records, new_calls, repeated_calls, replaced_calls, "
                "rejected_records FROM store.loads ORDER BY load_id")
        }  # fmt: skip


def test_each_load_has_the_tally_of_one_store_that_reads_in_this_order(tmp_path: Path) -> None:
    """A call that another shard has too is repeated in the second, or replaces the one of the first."""
    first = write_lines(tmp_path / "first.jsonl", [raw_call(name) for name in "abcd"])
    second = write_lines(tmp_path / "second.jsonl", [
        raw_call("a"), raw_call("b", output_tokens=10), raw_call("c", output_tokens=900), raw_call("e"), "no JSON",
    ])  # fmt: skip
    one = fill(tmp_path / "one.duckdb", [(first, {}), (second, {})])
    parts = [fill(tmp_path / f"{file.stem}.duckdb", [(file, {})]) for file in (first, second)]
    results = merged(tmp_path / "all.duckdb", *parts)
    assert tallies(tmp_path / "all.duckdb") == tallies(one) == {
        "first.jsonl": (4, 4, 0, 0, 0), "second.jsonl": (5, 1, 2, 1, 1),
    }  # fmt: skip
    assert [(part.calls, part.new, part.repeated, part.replaced) for part in results] == [(4, 4, 0, 0), (4, 1, 2, 1)]


@pytest.mark.parametrize("turns", [(2, 3, 6), pytest.param((2, 3, 5, 6), marks=pytest.mark.proof)])
def test_a_store_that_has_grown_adds_what_is_new(tmp_path: Path, turns: tuple[int, ...]) -> None:
    """A log was continued twice, a file came, another was read under a new mapping, a table of evidence again."""
    log, mapped, table = tmp_path / "app.jsonl", tmp_path / "mapped.jsonl", tmp_path / "rendered.csv"
    shard, target, one = (tmp_path / f"{name}.duckdb" for name in ("shard", "all", "one"))
    other = fill(tmp_path / "other.duckdb", [(write_lines(tmp_path / "x.jsonl", [raw_call("x"), raw_call("l1")]), {})])
    merged(target, other)
    fill(one, [(tmp_path / "x.jsonl", {})])
    lines: list[object] = [raw_call(f"l{number}", organization_id="o") for number in range(6)]
    lines[1], lines[3] = "no JSON", raw_call("l3", tenant_id="t")
    for turn, until in enumerate(turns):
        write_lines(log, lines[:until])
        write_lines(mapped, [raw_call("m1", labels={"a": f"one-{turn}"}), raw_call("m2", labels={"a": "two"})])
        table.write_text(f"request_id,rendered_tokens\nl0,{7 + turn}\n")
        options = {"mapping": ["tenant=labels.a"]} if turn > 1 else {}
        for store in (shard, one):
            fill(store, [(log, {}), (mapped, options)], [table])
        if turn != 1:
            result = merged(target, shard)[0]
            assert result.grown_loads == (0 if not turn else 1)
            assert_equal(everything(target), everything(one))
    assert tallies(target) == tallies(one)


@pytest.mark.proof
def test_a_call_of_which_another_store_knows_more_versions_does_not_arrive_again(tmp_path: Path) -> None:
    """A version that came later to a load that is here already does."""
    first, later = fill(tmp_path / "first.duckdb", []), tmp_path / "later.duckdb"
    records = [attempt("x", after) for after in (0.0, 0.9, 1.8, 2.7)]
    files = [write_lines(tmp_path / f"{number}.jsonl", [one]) for number, one in enumerate(records)]
    fill(first, [(files[0], {}), (files[1], {})])
    fill(later, [(files[2], {})])
    target = tmp_path / "all.duckdb"
    merged(target, first, later)
    assert [part.calls for part in merged(target, first, later)] == [0, 0]
    fill(first, [(files[3], {})])
    assert merged(target, first)[0].new_loads == 1
    assert [part.calls for part in merged(target, first, later)] == [0, 0]
    one = fill(tmp_path / "one.duckdb", [(file, {}) for file in files])
    assert_equal(everything(target), everything(one))


def test_a_file_that_two_shards_have_read_is_one_load(tmp_path: Path) -> None:
    """As one store leaves the second reading out."""
    file = write_lines(tmp_path / "calls.jsonl", [raw_call("a"), "no JSON"])
    parts = [fill(tmp_path / f"{number}.duckdb", [(file, {})]) for number in range(2)]
    assert [(part.new_loads, part.known_loads) for part in merged(tmp_path / "all.duckdb", *parts)] == [(1, 0), (0, 1)]
    assert_equal(everything(tmp_path / "all.duckdb"), everything(parts[0]))


def test_calls_that_were_deleted_stay_deleted_and_an_unloaded_file_comes_again(tmp_path: Path) -> None:
    """As when an export is read again that has not changed."""
    file = write_lines(tmp_path / "calls.jsonl", [raw_call("a", user_id="u"), raw_call("b"), *RETRIES])
    shard, target = fill(tmp_path / "shard.duckdb", [(file, {})]), tmp_path / "all.duckdb"
    merged(target, shard)
    with opened(target) as store:
        forget(store, "u")
        assert merge_store(store, shard).calls == 0
        assert store.one("SELECT count(*) FROM store.calls WHERE user_id = 'u'") == (0,)
        unload(store, 1)
        assert merge_store(store, shard).new_loads == 1
    assert_equal(everything(target), everything(shard))


def test_hashes_of_another_secret_are_reported_and_an_empty_store_takes_the_secret_over(tmp_path: Path) -> None:
    """Unless there is no hash to compare."""
    parts = []
    for number, secret in enumerate(("one", "two", None)):
        file = write_lines(tmp_path / f"{number}.jsonl", [raw_call(f"a{number}", input_hash="hm" if secret else None)])
        parts.append(tmp_path / f"{number}.duckdb")
        with Store.open(parts[-1], write=True, secret=secret) as store:
            store.plan_briefly()
            ingest(store, file)
    with Store.open(tmp_path / "all.duckdb", write=True) as store:
        store.plan_briefly()
        assert [merge_store(store, part).other_salt for part in parts] == [False, True, False]


@pytest.mark.proof
def test_taxes_kept_of_added_calls_are_those_of_all_calls(tmp_path: Path) -> None:
    """Learned lengths of answers included."""
    answers = [raw_call(f"x{n}", output_tokens=30 + n, completion="y" * (4 * n + 90)) for n in range(50)]
    cut = [raw_call(f"c{n}", outcome="cancelled", output_tokens=None, completion="y" * 100) for n in range(4)]
    files = [write_lines(tmp_path / f"{place}.jsonl", [*answers, *cut][place::3]) for place in range(3)]
    target = tmp_path / "all.duckdb"
    for number, file in enumerate(files):
        with opened(target) as store:
            merge_store(store, fill(tmp_path / f"{number}.duckdb", [(file, {})]))
            keep_taxes(store, small=True)
            assert are_taxes_kept(store)
    one = fill(tmp_path / "one.duckdb", [(file, {}) for file in files])
    assert_equal(everything(target), everything(one))
    texts = "SELECT model, answers, chars, tokens, fewest, most, reasons FROM store.texts ORDER BY model"
    with opened(target) as store, opened(one) as other:
        keep_taxes(other, small=True)
        assert store.query(texts) == other.query(texts) != []


def test_positions_of_pulls_are_combined(tmp_path: Path) -> None:
    """What either store has fetched is there; the later failure is the present one."""
    days = [datetime(2026, 11, day, tzinfo=UTC) for day in range(1, 6)]
    positions = [
        Position("langfuse", "p", "d", ((days[0], days[2]),), days[2], days[2], "no answer"),
        Position("langfuse", "p", "d", ((days[1], days[3]),), days[3]),
        Position("datadog", "q", "d", ((days[0], days[1]),), days[1]),
    ]  # fmt: skip
    parts = [fill(tmp_path / f"{number}.duckdb", []) for number in range(3)]
    for part, position in zip(parts, positions, strict=True):
        with opened(part) as store:
            write_position(store, position)
    for _ in range(2):
        merged(tmp_path / "all.duckdb", *parts)
        with opened(tmp_path / "all.duckdb") as store:
            assert read_positions(store) == [
                positions[2], Position("langfuse", "p", "d", ((days[0], days[3]),), days[3]),
            ]  # fmt: skip


def test_lookups_that_differ_are_counted_and_the_store_keeps_its_own(tmp_path: Path) -> None:
    """Entries that it does not have are added."""
    target, part = fill(tmp_path / "all.duckdb", []), fill(tmp_path / "part.duckdb", [])
    with opened(target) as store:
        keep_lookups(store, [Lookup("tenant", "user_id", {"u1": "a"})])
    with opened(part) as store:
        keep_lookups(store, [
            Lookup("tenant", "user_id", {"u1": "b", "u2": "c"}), Lookup("route", "name", {"n": "/n"}),
        ])  # fmt: skip
    (result,) = merged(target, part)
    assert result.other_lookups == 1
    with opened(target) as store:
        assert store.query("SELECT field, key, value FROM store.lookups ORDER BY ALL") == [
            ("route", "n", "/n"), ("tenant", "u1", "a"), ("tenant", "u2", "c"),
        ]  # fmt: skip


def test_a_store_that_cannot_be_merged_is_refused(tmp_path: Path) -> None:
    """None, itself, another file, one of a newer version."""
    target, newer = fill(tmp_path / "all.duckdb", []), fill(tmp_path / "newer.duckdb", [])
    with opened(newer) as store:
        store.run("UPDATE store.meta SET value = '999' WHERE key = 'schema_version'")
    file = write_lines(tmp_path / "calls.jsonl", [raw_call("a")])
    refused: list[tuple[Path, type[StreamauditError], str]] = [
        (tmp_path / "none.duckdb", InputError, "no store at"), (target, UsageError, "is the store to merge into"),
        (file, StoreError, "is not a streamaudit store"), (newer, StoreError, "has schema 999"),
    ]  # fmt: skip
    for path, error, message in refused:
        with pytest.raises(error, match=message):
            merged(target, path)


def test_a_store_of_an_older_version_is_upgraded_first(tmp_path: Path) -> None:
    """In place, as by any command that opens it; without an id of its own it is known by its secret."""
    old, target = tmp_path / "old.duckdb", tmp_path / "all.duckdb"
    old.write_bytes(gzip.decompress((FIXTURES / "store_v1.duckdb.gz").read_bytes()))
    first, again = merged(target, old, old)
    assert first.new > 0 and (again.new_loads, again.calls) == (0, 0)
    found = everything(target)
    assert_equal(found, everything(old))

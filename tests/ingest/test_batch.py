"""Small files that are loaded together: the store and each file's result are those of loading them one by one."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamaudit.ingest import batch as batch_module
from streamaudit.ingest import merge, pipeline, staging
from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.results import FileResult, Options
from streamaudit.store.store import Store
from tests.reused import empty_store
from tests.support import write_lines

TABLES = ("calls", "spans", "loads", "rejects", "load_keys")
Content = dict[str, list[tuple[Any, ...]]]


def call(number: int, **more: object) -> dict[str, object]:
    """A lean call."""
    return {
        "request_id": f"c{number}", "trace_id": f"t{number}", "start_time": f"2026-10-01T10:00:{number % 60:02d}Z",
        "duration_ms": 1000 + number, "ttft_ms": 100 + number, "provider": "openai", "model": "gpt-4o",
        "input_tokens": 100, "output_tokens": 50, "outcome": "completed", "tenant_id": "acme", **more,
    }  # fmt: skip


def write_files(folder: Path, special: dict[int, object]) -> list[Path]:
    """Four files of three calls; those at the numbers given are other records."""
    return [
        write_lines(folder / f"{name}.jsonl", [special.get(3 * place + at, call(3 * place + at)) for at in range(3)])
        for place, name in enumerate("abcd")
    ]


def content(store: Store) -> Content:
    """Every row of every table, but for when and by which version it was written."""
    left_out = {"loads": "EXCLUDE (loaded_at, tool_version)"}
    return {name: store.query(f"SELECT * {left_out.get(name, '')} FROM store.{name} ORDER BY ALL") for name in TABLES}


def load(*runs: list[Path], together: bool, options: Options | None = None) -> tuple[list[FileResult], Content]:
    """Results and content of a store after some runs over files."""
    with empty_store() as store, Reader() as reader:
        store.run("UPDATE store.meta SET value = 'salt' WHERE key = 'hash_salt'")
        results: list[FileResult] = []
        for paths in runs:
            job, names = Ingest(store, options or Options()), [str(path) for path in paths]
            if together:
                results += job.files(reader, dict.fromkeys(names, False))
            else:
                results += [job.file(reader, name) for name in names]
        # A source that is built for a file is equal to no other; what it read is.
        return [replace(one, source=None, match=None) for one in results], content(store)


SPECIAL: dict[str, dict[int, object]] = {
    "rejects, blank lines, an id twice": {
        1: "", 4: '{"request_id": broken', 5: "   ", 8: {**call(8), "request_id": ""}, 10: call(9),
    },
    "one id in two files, a trace over files, a parent": {
        3: call(3, trace_id="t1", user_id="u"), 4: call(2, output_tokens=70), 7: call(7, parent_span_id="c1"),
        10: call(10, trace_id="t1"),
    },
    "worse and better keys, keys that come later, what is to be reported": {
        4: {**call(4), "tenant_id": None, "metadata": {"organization_id": "o"}},
        6: call(6, rendered_tokens=4, route="/r"), 7: call(7, sample_rate=0.5),
        9: call(9, end_time="2020-01-01T00:00:00Z"), 10: call(10, total_tokens=9000),
    },
}  # fmt: skip


@pytest.mark.proof
@pytest.mark.parametrize("name", SPECIAL)
def test_files_loaded_together_are_as_if_loaded_one_by_one(name: str, tmp_path: Path) -> None:
    """Identity, winners, tallies, true lines, keys and what is reported of each file."""
    paths = write_files(tmp_path, SPECIAL[name])
    assert load(paths, together=True) == load(paths, together=False)


def test_files_with_all_of_it_loaded_together_are_as_if_loaded_one_by_one(tmp_path: Path) -> None:
    """The records of all cases in four files, each case with ids of its own."""
    paths = [tmp_path / f"{name}.jsonl" for name in "abcd"]
    for number, special in enumerate(SPECIAL.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        for path, part in zip(paths, write_files(folder, special), strict=True):
            with path.open("a") as file:
                file.write(re.sub(r'"([ct]\d+)"', rf'"{number}-\1"', part.read_text()))
    together, alone = (load(paths, together=each) for each in (True, False))
    assert together == alone
    assert len(together[1]["calls"]) == 30 and together[1]["rejects"]


def test_a_second_run_finds_what_is_known_what_grew_and_what_is_new(tmp_path: Path) -> None:
    """A file that is unchanged, one with more lines, a rotated one with the start of another, a copy, and a new one."""
    paths = write_files(tmp_path, {})
    results = []
    for together in (True, False):
        folder = tmp_path / str(together)
        folder.mkdir()
        first = [write_lines(folder / path.name, path.read_text().splitlines()) for path in paths]
        with empty_store() as store, Reader() as reader:
            job = Ingest(store, Options())
            names = dict.fromkeys(map(str, first), False)
            found = list(job.files(reader, names)) if together else [job.file(reader, one) for one in names]
            write_lines(first[1], [call(3 + at) for at in range(3)] + [call(80)])
            write_lines(folder / "a.1.jsonl", [call(at) for at in range(3)] + [call(90)])
            write_lines(folder / "copy.jsonl", [call(6 + at) for at in range(3)])
            write_lines(folder / "new.jsonl", [call(100)])
            write_lines(folder / "newer.jsonl", [call(101)])
            names = dict.fromkeys(map(str, sorted(folder.iterdir())), False)
            found += list(job.files(reader, names)) if together else [job.file(reader, one) for one in names]
            results.append((
                [(Path(one.shown).name, one.counts, one.load_id, one.unchanged, one.begin) for one in found],
                store.query("SELECT * EXCLUDE (trace_id) FROM store.calls ORDER BY ALL"),
            ))  # fmt: skip
    assert results[0] == results[1]


def test_options_apply_to_each_file(tmp_path: Path) -> None:
    """A limit of rejects fails its own file alone, and each load has the rate and the name that were given."""
    paths = write_files(tmp_path, {7: "broken", 8: "broken"})
    options = Options(max_bad_count=1, source_name="other", sample_rate=0.2)
    together, alone = (load(paths, together=each, options=options) for each in (True, False))
    assert together == alone
    assert [one.problem is not None for one in together[0]] == [False, False, True, False]


def count_batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which each batch that is loaded adds its number of files."""
    counts: list[int] = []
    load_together = batch_module.Together.load

    def count(self: Any, batch: Any, folder: Path) -> list[FileResult]:
        results = load_together(self, batch, folder)
        counts.append(len(results))
        return results

    monkeypatch.setattr(batch_module.Together, "load", count)
    return counts


def test_a_batch_is_one_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of one format are staged together: their number is no number of statements."""
    staged = count_batches(monkeypatch)
    monkeypatch.setattr(batch_module, "MOST_FILES", 20)
    paths = [write_lines(tmp_path / f"{number}.jsonl", [call(number)]) for number in range(30)]
    results, stored = load(paths, together=True)
    assert staged == [20, 10]
    assert [one.load_id for one in results] == list(range(1, 31)) and len(stored["calls"]) == 30


def test_small_files_after_one_that_left_columns_out_are_loaded_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store in memory has the columns that its first file fills, until others come."""
    loaded = count_batches(monkeypatch)
    monkeypatch.setattr(merge, "FEW_CALLS", 0)
    first = write_lines(tmp_path / "0.jsonl", [call(number) for number in range(9)])
    small = [write_lines(tmp_path / f"{number}.jsonl", [call(number)]) for number in (10, 11, 12)]
    with empty_store() as store, Reader() as reader:
        job = Ingest(store, Options())
        with monkeypatch.context() as sampled:
            sampled.setattr(staging, "_NUMBERED_BYTES", 0)
            sampled.setattr(staging, "_SAMPLED_BYTES", 500)
            assert job.file(reader, str(first)).problem is None and store.omitted
        assert [one.problem for one in job.files(reader, {str(path): False for path in small})] == [None] * 3
    assert loaded == [3]


def test_files_that_take_too_much_memory_together_are_loaded_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With too little memory even for one file, each is given all that there is."""
    monkeypatch.setattr(pipeline, "LEAN_MEMORY", "20MB")
    paths = [write_lines(tmp_path / f"{at}.jsonl", [call(9 * at + number) for number in range(9)]) for at in range(3)]
    with Store.open(tmp_path / "s.duckdb", write=True) as store, Reader() as reader:
        found = list(Ingest(store, Options()).files(reader, {str(path): False for path in paths}))
        assert [(one.problem, one.counts and one.counts.new) for one in found] == [(None, 9)] * 3

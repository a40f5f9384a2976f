"""Files that grow: what is new is read and nothing else, whatever rotation does to them, and the sums stay true."""

import json
import os
from pathlib import Path

import pytest

from streamaudit.ingest import incremental
from streamaudit.ingest.results import FileResult
from streamaudit.store.store import Store
from tests.support import content, equation, ingest, raw_call, store_of, stored_calls


def lines(*names: str) -> str:
    return "".join(json.dumps(raw_call(name)) + "\n" for name in names)


def add(path: Path, text: str) -> Path:
    with path.open("a") as file:
        file.write(text)
    return path


def once(store: Store, path: Path, force: bool = False) -> FileResult:
    (result,) = ingest(store, path, force=force)
    assert result.problem is None, result.problem
    return result


def read(result: FileResult) -> int:
    return 0 if result.counts is None else equation(result)[0]


def test_only_what_came_to_a_file_is_read(store: Store, tmp_path: Path) -> None:
    """Three times, and then nothing is new; the store is the one of the whole file."""
    path = add(tmp_path / "app.jsonl", lines("a", "b"))
    assert read(once(store, path)) == 2
    for names in (("c",), ("d", "e"), ("f",)):
        begin = path.stat().st_size
        result = once(store, add(path, lines(*names)))
        assert (read(result), result.begin) == (len(names), begin)
    assert once(store, path).unchanged
    assert set(stored_calls(store)) == set("abcdef")
    with store_of(path) as whole:
        assert content(store) == content(whole)
    assert store.query("SELECT sum(read_records), sum(new_calls), count(DISTINCT path) FROM store.loads") == [(6, 6, 1)]


def test_an_unfinished_line_waits_for_its_rest(store: Store, tmp_path: Path) -> None:
    """A writer is in the middle of a line: it is rejected as cut off, and no reject any more once it is whole. One that
    lacks only its line feed is whole."""
    first, second = lines("a"), lines("b")
    path = add(tmp_path / "app.jsonl", first + second[:40])
    result = once(store, path)
    assert (read(result), [reject.line for reject in result.rejects], result.unfinished) == (2, [2], True)
    assert once(store, path).unchanged
    result = once(store, add(path, second[40:-1]))
    assert (read(result), result.rejects, result.unfinished) == (1, (), False)
    assert once(store, add(path, "\n")).counts is None or not read(once(store, path))
    assert read(once(store, add(path, lines("c")))) == 1
    assert set(stored_calls(store)) == {"a", "b", "c"}
    assert store.query("SELECT sum(read_records)::INT, sum(rejected_records)::INT FROM store.loads") == [(3, 0)]
    assert store.one("SELECT count(*) FROM store.rejects")[0] == 0


def test_rejects_keep_their_true_line(store: Store, tmp_path: Path) -> None:
    """In the whole file, blank lines counted, after any number of readings on."""
    path = add(tmp_path / "app.jsonl", lines("a") + "\n{broken\n")
    assert [reject.line for reject in once(store, path).rejects] == [3]
    once(store, add(path, lines("b")))
    assert [reject.line for reject in once(store, add(path, lines("c") + "{broken\n")).rejects] == [6]
    assert once(store, add(path, lines("d"))).rejects == ()
    assert [reject.line for reject in once(store, add(path, "\n{broken\n")).rejects] == [9]
    assert store.query("SELECT line FROM store.rejects ORDER BY line") == [(3,), (6,), (9,)]
    assert store.one("SELECT sum(rejected_records)::INT FROM store.loads")[0] == 3


@pytest.mark.parametrize("first", [True, False], ids=["the new file first", "the old one first"])
def test_a_rotated_file_is_read_on_under_its_new_name(store: Store, tmp_path: Path, first: bool) -> None:
    """What was written between the last reading and the rotation is read; nothing counts twice."""
    path, old = tmp_path / "app.jsonl", tmp_path / "app-2026-11-16.jsonl"
    once(store, add(path, lines("a", "b")))
    add(path, lines("c"))
    path.rename(old)
    add(path, lines("d"))
    both = [path, old] if first else [old, path]
    found = {file.name: read(once(store, file)) for file in both}
    assert found == {path.name: 1, old.name: 1}
    assert set(stored_calls(store)) == set("abcd")
    assert all(once(store, file).unchanged for file in both)


def test_a_truncated_file_is_read_from_its_start(store: Store, tmp_path: Path) -> None:
    """Copied away and emptied, then written to again, perhaps to more than it had."""
    path = add(tmp_path / "app.jsonl", lines("a", "b"))
    once(store, path)
    os.truncate(path, 0)
    result = once(store, add(path, lines("c")))
    assert (read(result), result.begin) == (1, 0)
    os.truncate(path, 0)
    result = once(store, add(path, lines("d", "e", "f")))
    assert (read(result), result.begin) == (3, 0)
    assert set(stored_calls(store)) == set("abcdef")


def test_what_stands_before_must_be_what_was_read(store: Store, tmp_path: Path) -> None:
    """A file that is longer and begins otherwise, or whose last read line is another, is another file."""
    path = add(tmp_path / "app.jsonl", lines("a", "b"))
    once(store, path)
    path.write_text(lines("x", "y", "z"))
    result = once(store, path)
    assert (read(result), result.begin) == (3, 0)
    path.write_text(lines("x", "y", "q", "r"))
    result = once(store, path)
    assert (read(result), result.begin) == (4, 0)


def test_force_and_another_mapping_read_all_of_it(store: Store, tmp_path: Path) -> None:
    """A mapping changes what every call of a file is."""
    path = add(tmp_path / "app.jsonl", lines("a"))
    once(store, path)
    add(path, lines("b"))
    assert read(once(store, path, force=True)) == 2
    add(path, lines("c"))
    (result,) = ingest(store, path, mapping=["tenant=metadata.org"])
    assert (read(result), result.begin) == (3, 0)


def test_arrays_and_packed_files_are_read_whole(store: Store, tmp_path: Path) -> None:
    """They do not grow at their end."""
    path = tmp_path / "calls.json"
    for names in ("a", "ab", "abc"):
        path.write_text(json.dumps([raw_call(name) for name in names]))
        result = once(store, path)
        assert (read(result), result.begin) == (len(names), 0)
    assert set(stored_calls(store)) == {"a", "b", "c"}


@pytest.mark.parametrize(
    "text", [b"", b"a", b"a\n", b"\n\n", b" \t\r\n a\n\x0b\n", b"a\n\nb", b"ab\n" * 7 + b"  ", b"\r\nabc"]
)
def test_lines_are_counted_wherever_a_piece_ends(
    text: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blank ones are no records; what is after the end that is asked for does not count."""
    file = tmp_path / "file"
    file.write_bytes(text + b"more\nmore\n")
    expected = text.count(b"\n"), sum(bool(line.strip()) for line in text.split(b"\n"))
    for size in (1, 2, 3, 1 << 20):
        monkeypatch.setattr(incremental, "_CHUNK", size)
        assert incremental._count_lines(file, len(text)) == expected

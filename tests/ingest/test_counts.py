"""What became of every record: read = new + repeated + replaced + rejected + not calls, whatever is read again."""

import gzip
import json
import os
from pathlib import Path

import pytest

from streamaudit.ingest import staging
from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.results import Options
from streamaudit.store.store import Store
from tests.reused import empty_store
from tests.support import (
    NOT_UNDERSTOOD,
    content,
    equation,
    ingest,
    langfuse_row,
    raw_call,
    stored_calls,
    total,
    write_lines,
)


def test_records_are_new_repeated_replaced_rejected_or_no_calls(store: Store, tmp_path: Path) -> None:
    """One of each in a second file, and its first occurrence of a call that it holds twice."""
    first = write_lines(tmp_path / "1.jsonl", [langfuse_row("same"), langfuse_row("poor", usage_details={})])
    second = write_lines(tmp_path / "2.jsonl", [
        langfuse_row("same"), langfuse_row("poor"), langfuse_row("fresh"), langfuse_row("fresh", usage_details={}),
        langfuse_row("tool", type="TOOL"), langfuse_row("torn", start_time=""), "{",
    ])  # fmt: skip
    results = ingest(store, first, second)
    assert [equation(result) for result in results] == [(2, 2, 0, 0, 0, 0), (7, 1, 2, 1, 2, 1)]
    stored = {name: call["output_tokens"] for name, call in stored_calls(store).items()}
    assert stored == {"same": 100, "poor": 100, "fresh": 100}
    columns = "read_records, new_calls, repeated_calls, replaced_calls, rejected_records, not_calls"
    kept = store.query(f"SELECT {columns} FROM store.loads ORDER BY load_id")
    assert kept == [equation(result) for result in results]


def test_an_unchanged_file_is_skipped_and_a_forced_one_changes_nothing(store: Store, tmp_path: Path) -> None:
    """Skipped under the same path; read again when forced, renamed or touched, and then all is repeated."""
    path = write_lines(tmp_path / "calls.jsonl", [raw_call(str(n)) for n in range(5)])
    assert [result.unchanged for result in ingest(store, path, path)] == [False, True]
    before = content(store)
    (forced,) = ingest(store, path, force=True)
    (renamed,) = ingest(store, path.rename(tmp_path / "renamed.jsonl"))
    os.utime(tmp_path / "renamed.jsonl", ns=(1, 1))
    (touched,) = ingest(store, tmp_path / "renamed.jsonl")
    for result in (forced, renamed, touched):
        assert not result.unchanged
        assert equation(result) == (5, 0, 5, 0, 0, 0)
    assert content(store) == before


def test_a_file_that_grew_adds_what_is_new_in_it(store: Store, tmp_path: Path) -> None:
    """A log that is appended to is read on."""
    records = [raw_call(str(n)) for n in range(7)]
    path = write_lines(tmp_path / "calls.jsonl", records[:4])
    ingest(store, path)
    write_lines(path, records)
    (grown,) = ingest(store, path)
    assert equation(grown) == (3, 3, 0, 0, 0, 0)
    assert total(store, "report")["calls"] == 7


def test_a_changed_mapping_reads_an_unchanged_file_again_and_replaces_its_calls(store: Store, tmp_path: Path) -> None:
    """Also those that the new mapping leaves worse off, and only those of that file."""
    path = write_lines(tmp_path / "a.jsonl", [raw_call(str(n), tenant="old", org={"name": f"o{n}"}) for n in range(3)])
    other = write_lines(tmp_path / "b.jsonl", [raw_call("other", tenant="untouched")])
    ingest(store, path, other)
    (mapped,) = ingest(store, path, mapping=["tenant=org.name"])
    assert equation(mapped) == (3, 0, 0, 3, 0, 0)
    tenants = {name: call["tenant"] for name, call in stored_calls(store).items()}
    assert tenants == {"0": "o0", "1": "o1", "2": "o2", "other": "untouched"}
    assert [each.unchanged for each in ingest(store, path, other, mapping=["tenant=org.name"])] == [True, False]
    (back,) = ingest(store, path)
    assert equation(back) == (3, 0, 0, 3, 0, 0)
    assert stored_calls(store)["0"]["tenant"] == "old"


def test_a_changed_mapping_replaces_what_a_file_gave_in_several_loads(store: Store, tmp_path: Path) -> None:
    """A file that grew has two loads; both go when it is read under another mapping."""
    records = [raw_call(str(n), tenant="old", org=f"o{n}") for n in range(4)]
    path = write_lines(tmp_path / "a.jsonl", records[:2])
    ingest(store, path)
    ingest(store, write_lines(path, records))
    (mapped,) = ingest(store, path, mapping=["tenant=org"])
    assert equation(mapped) == (4, 0, 0, 4, 0, 0)
    assert {call["tenant"] for call in stored_calls(store).values()} == {"o0", "o1", "o2", "o3"}


def test_one_file_under_two_source_names_is_two_sets_of_calls(store: Store, tmp_path: Path) -> None:
    """Identity is source and call id, so a name of its own keeps staging apart from production."""
    path = write_lines(tmp_path / "calls.jsonl", [raw_call("a"), raw_call("b")])
    results = [*ingest(store, path), *ingest(store, path, source="staging"), *ingest(store, path, source="staging")]
    assert [result.unchanged for result in results] == [False, False, True]
    assert equation(results[1]) == (2, 2, 0, 0, 0, 0)
    by_source = store.query("SELECT source, count(*) FROM store.calls GROUP BY source ORDER BY source")
    assert by_source == [("raw", 2), ("staging", 2)]


def test_too_many_bad_records_leave_the_store_as_it_was(store: Store, tmp_path: Path) -> None:
    """That file is not used, says how many were bad, and the other file stays."""
    good = write_lines(tmp_path / "good.jsonl", [raw_call("a")])
    bad = write_lines(tmp_path / "bad.jsonl", [raw_call("b"), "{", "{"])
    for options in (Options(max_bad_count=1), Options(max_bad_share=0.5)):
        with empty_store() as fresh, Reader() as reader:
            job = Ingest(fresh, options)
            results = [job.file(reader, str(path)) for path in (good, bad)]
            assert results[0].problem is None
            assert results[1].problem is not None and results[1].problem.startswith("2 of 3 records are bad")
            assert set(stored_calls(fresh)) == {"a"}
            assert fresh.one("SELECT count(*) FROM store.loads") == (1,)
    (result,) = ingest(store, bad)
    assert equation(result) == (3, 1, 0, 0, 2, 0)


@pytest.mark.parametrize("numbered_bytes", [staging._NUMBERED_BYTES, 0], ids=["small", "read twice"])
def test_every_bad_line_is_named_with_its_true_number_and_reason(
    store: Store, tmp_path: Path, numbered_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blank lines count as lines and not as records; good lines around bad ones are kept."""
    monkeypatch.setattr(staging, "_NUMBERED_BYTES", numbered_bytes)
    line = json.dumps(raw_call("x"))
    bad: dict[bytes, str] = {
        b"no json at all": "malformed JSON", line[:40].encode(): "malformed JSON", b"[1,2]": "not a JSON object",
        b'"text"': "not a JSON object", b"null": "not a JSON object", b"{}": "empty object",
        line[:-1].encode() + b',"k":"\xff\xfe"}': "invalid UTF-8",
        b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}": "no known field",
        line.encode() + b" " + line.encode(): "malformed JSON", b'{"unheard":"of"}': "no known field",
        b'{"request_id":"y","start_time":"soon"}': NOT_UNDERSTOOD, b'{"model":"m","start_time":"2026-11-16"}': "no id",
        b'{"request_id":"z","start_tim': "malformed JSON (the last line is cut off)",
    }  # fmt: skip
    lines: list[bytes] = []
    expected = []
    for number, (text, reason) in enumerate(bad.items()):
        lines += [json.dumps(raw_call(f"good{number}")).encode(), b"", b"  \t", text]
        expected.append((len(lines), 2 * number + 2, reason, len(text) + (number < len(bad) - 1)))
    for name, data in (("calls.jsonl", b"\n".join(lines)), ("calls.jsonl.gz", gzip.compress(b"\n".join(lines)))):
        (tmp_path / name).write_bytes(data)
        (result,) = ingest(store, tmp_path / name)
        assert [(reject.line, reject.record, reject.reason, reject.bytes) for reject in result.rejects] == expected
        assert equation(result)[0] == 2 * len(bad)
        assert equation(result)[4] == len(bad)
    assert set(stored_calls(store)) == {f"good{number}" for number in range(len(bad))}
    kept = store.query("SELECT line, record, reason, bytes FROM store.rejects WHERE load_id = 1 ORDER BY line")
    assert kept == expected


def test_bad_records_of_arrays_and_pages_are_named_too(store: Store, tmp_path: Path) -> None:
    """An array knows the line an element begins on, a page only its ordinal."""
    good, bad = json.dumps(raw_call("a")), '{"request_id":"bad"}'
    (tmp_path / "array.json").write_text(f"[\n{good},\n\n{bad},\n42\n]")
    (tmp_path / "page.json").write_text(f'{{"data":[\n{good},\n{bad}\n]}}')
    array, page = ingest(store, tmp_path / "array.json", tmp_path / "page.json")
    assert [(reject.line, reject.record, reject.reason) for reject in array.rejects] == [
        (4, 2, "no start time"), (5, 3, "not a JSON object"),
    ]  # fmt: skip
    assert [(reject.line, reject.record, reject.reason) for reject in page.rejects] == [(None, 2, "no start time")]
    assert [equation(each) for each in (array, page)] == [(3, 1, 0, 0, 2, 0), (2, 0, 1, 0, 1, 0)]

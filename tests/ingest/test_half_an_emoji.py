r"""A lone half of an emoji (``\ud83d``, as JavaScript cuts a text) loses nothing, whatever holds the records."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import polars
import pytest
import zstandard

from streamaudit.ingest.mapping import parse_mapping
from streamaudit.ingest.profile.survey import survey
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.readers.surrogates import mend_surrogates
from tests.reused import empty_store
from tests.sampling import keep
from tests.support import (
    Record,
    equation,
    ingest,
    langfuse_row,
    otel_batch,
    otel_span,
    store_of,
    stored_calls,
    write_lines,
)

HALF = "cut \ud83d"
# The tenant, the usage and the flag stand in the very text that has the half, as JSON text within JSON.
META = json.dumps({"tenant": "acme", "cancelled": True, "note": HALF})


def rows() -> list[Record]:
    """Three calls; the second has half an emoji in a text, the third in its metadata written as text."""
    return [
        langfuse_row("a", metadata={"tenant": "acme", "note": "whole \U0001f600 and \\ud83d in words"}),
        langfuse_row("b", metadata={"tenant": "acme"}, output=HALF),
        langfuse_row("c", metadata=META, model_parameters=json.dumps({"max_tokens": 7, "stop": "\ude00"})),
    ]


def _csv(records: list[Record]) -> bytes:
    names = list(dict.fromkeys(name for row in records for name in row))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(names)
    for row in records:
        cells = (row.get(name, "") for name in names)
        # A bare half is no UTF-8: outside of JSON text it cannot be written to a file at all.
        writer.writerow([json.dumps(cell) if cell == HALF or not isinstance(cell, str) else cell for cell in cells])
    return out.getvalue().encode()


def _parquet(records: list[Record]) -> bytes:
    names = [name for name in records[2] if name != "output"]
    table = {name: [row[name] if isinstance(row.get(name), str) else json.dumps(row.get(name)) for row in records]
        for name in names}  # fmt: skip
    out = io.BytesIO()
    polars.DataFrame(table).write_parquet(out)
    return out.getvalue()


def _lines(records: list[Record]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in records).encode()


CONTAINERS: dict[str, Callable[[list[Record]], bytes]] = {
    "lines.jsonl": _lines,
    "lines.jsonl.gz": lambda found: gzip.compress(_lines(found)),
    "lines.jsonl.zst": lambda found: zstandard.compress(_lines(found)),
    "array.json": lambda found: json.dumps(found, indent=1).encode(),
    "array.json.gz": lambda found: gzip.compress(json.dumps(found).encode()),
    "objects.json": lambda found: "\n".join(json.dumps(row, indent=2) for row in found).encode(),
    "page.json": lambda found: json.dumps({"data": found, "meta": {"page": 1}}).encode(),
    "pages.jsonl": lambda found: "".join(json.dumps({"data": [row]}) + "\n" for row in found).encode(),
    "table.csv": _csv,
    "table.parquet": _parquet,
}


@pytest.mark.parametrize(
    "name",
    keep(CONTAINERS, ["lines.jsonl.gz", "array.json", "page.json", "table.csv"]),
)
def test_half_an_emoji_loses_no_call_and_nothing_in_its_metadata(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(CONTAINERS[name](rows()))
    with empty_store() as store:
        (result,) = ingest(store, path)
        assert equation(result) == (3, 3, 0, 0, 0, 0)
        found = stored_calls(store)
    assert {call["tenant"] for call in found.values()} == {"acme"}
    assert [found[one]["outcome"] for one in "abc"] == ["completed", "completed", "cancelled"]
    assert {call["output_tokens"] for call in found.values()} == {100}
    assert found["c"]["max_tokens"] == 7


def test_half_an_emoji_in_an_otlp_batch(tmp_path: Path) -> None:
    spans = [otel_span(f"s{n}", {"gen_ai.completion.0.content": HALF if n == 1 else "whole"}) for n in range(3)]
    packed = otel_span("s3", {"metadata": META})
    with store_of(write_lines(tmp_path / "otlp.jsonl", [otel_batch(*spans, packed)])) as store:
        found = stored_calls(store)
    assert len(found) == 4
    assert [call["tenant"] for call in found.values() if call["outcome"] == "cancelled"] == ["acme"]


def test_other_rejects_of_the_file_keep_their_lines_and_reasons(tmp_path: Path) -> None:
    a, b, c = rows()
    with empty_store() as store:
        (result,) = ingest(store, write_lines(tmp_path / "x.jsonl", [a, "", b, '{"id": "cut', c, '{"id": "z\\ud83d']))
        assert equation(result) == (5, 3, 0, 0, 2, 0)
    assert [(reject.line, reject.reason) for reject in result.rejects] == [
        (4, "malformed JSON"), (6, "malformed JSON"),
    ]  # fmt: skip


def test_an_array_that_is_cut_off_says_so_with_or_without_half_an_emoji(tmp_path: Path) -> None:
    for number, found in enumerate((rows(), rows()[:1] * 3)):
        path = tmp_path / f"{number}.json"
        path.write_bytes(json.dumps(found).encode()[:-40])
        with empty_store() as store:
            (result,) = ingest(store, path)
        assert result.problem is not None and "cut off or malformed after record 2 (line 1)" in result.problem


def test_not_a_number_is_unknown_and_costs_no_call(tmp_path: Path) -> None:
    row = langfuse_row("n", usage_details={"input": float("nan"), "output": 100}, total_cost=float("inf"),
        metadata={"score": float("-inf"), "tenant": "acme"})  # fmt: skip
    for name, value in {"array.json": [row], "page.json": {"data": [row]}, "lines.jsonl": row}.items():
        (tmp_path / name).write_text(json.dumps(value) + "\n")
        with store_of(tmp_path / name) as store:
            (call,) = stored_calls(store).values()
        assert (call["input_tokens"], call["output_tokens"], call["tenant"]) == (None, 100, "acme")


def test_the_paths_of_a_file_with_half_an_emoji_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "array.json"
    path.write_bytes(json.dumps(rows()).encode())
    with Reader() as reader, empty_store() as store:
        file = reader.open(str(path))
        found = survey(store, [file], None, parse_mapping([]), 100)
    assert found.records == 3


def test_only_halves_are_replaced_wherever_a_file_is_cut_for_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '{"a":"\\\\ud83d \\ud83d\\ude00 \\\\\\ud83dx \\ude00\\ud83d \\uD83D\\ud83d\\uDE00 deadbeef\\\\"}\n' * 3
    wanted = '{"a":"\\\\ud83d \\ud83d\\ude00 \\\\\\ufffdx \\ufffd\\ufffd \\ufffd\\ud83d\\uDE00 deadbeef\\\\"}\n' * 3
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with Reader() as reader:
        file = reader.open(str(path))
        for size in (1, 7, 64, 1 << 20):
            monkeypatch.setattr("streamaudit.ingest.readers.surrogates._CHUNK", size)
            copy = mend_surrogates(file, tmp_path)
            assert copy is not None and copy.path.read_text() == wanted
        path.write_text(text.replace("x \\ude00\\ud83d \\uD83D", "").replace("\\\\\\ud83d", ""))
        assert mend_surrogates(file, tmp_path) is None

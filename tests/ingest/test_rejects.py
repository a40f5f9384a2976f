"""Every reject is listed with its line, whatever it holds and however many there are."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamaudit.ingest import staging
from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.readers.container import Reject
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.results import KEPT_REJECTS, Options
from streamaudit.store.store import Store
from tests.reused import empty_store
from tests.support import NOT_UNDERSTOOD, equation, ingest, raw_call

ODD = {
    "[" * 3_000 + "]" * 3_000: "not a JSON object",
    '{"deep":' + "[" * 3_000 + "1" + "]" * 3_000 + "}": "no known field",
    "9" * 5_000: "not a JSON object", '{"n":' + "9" * 5_000 + "}": "no known field", "1": "not a JSON object",
    '"text, with } and ] and \\" in it"': "not a JSON object", "null": "not a JSON object", "{}": "empty object",
    '{"long":"' + "x" * 2_000_000 + '"}': "no known field",
}  # fmt: skip


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store whose queries are planned in full, as those of a file with megabytes in a value are."""
    with Store.in_memory() as opened:
        yield opened


@pytest.mark.parametrize("numbered_bytes", [staging._NUMBERED_BYTES, 0], ids=["small", "read twice"])
@pytest.mark.parametrize("form", ["array", "lines", "objects"])
def test_a_reject_is_listed_whatever_it_holds(
    form: str, numbered_bytes: int, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nested thousands deep, integers of thousands of digits, strings of megabytes: lines and lengths stay right."""
    monkeypatch.setattr(staging, "_NUMBERED_BYTES", numbered_bytes)
    # Among values that are not in lines the database accepts objects alone.
    odds = {text: reason for text, reason in ODD.items() if form != "objects" or text[0] == "{"}
    texts = [text for number, odd in enumerate(odds) for text in (json.dumps(raw_call(f"c{number}")), odd)]
    if form == "objects":
        texts = [texts[0].replace(", ", ",\n"), *texts[1:]]
    path = tmp_path / "calls.json"
    path.write_text("[" + ",\n".join(texts) + "]" if form == "array" else "\n".join([*texts, ""]))
    (result,) = ingest(store, path)
    read, new, *_, rejected, _ = equation(result)
    assert (read, new, rejected, result.rejected) == (len(texts), len(odds), len(odds), len(odds))
    extra = texts[0].count("\n")
    behind = 1 if form == "lines" else 0
    assert [(reject.record, reject.line, reject.reason, reject.bytes) for reject in result.rejects] == [
        (2 * number, 2 * number + extra, reason, len(text) + behind)
        for number, (text, reason) in enumerate(odds.items(), start=1)
    ]


@pytest.mark.parametrize(
    "numbered_bytes", [pytest.param(staging._NUMBERED_BYTES, marks=pytest.mark.proof), 0], ids=["small", "read twice"]
)
def test_the_list_and_the_count_agree_however_many_there_are(
    numbered_bytes: int, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store keeps the first of them, the list names them all; several pieces of it are fetched."""
    monkeypatch.setattr(staging, "_NUMBERED_BYTES", numbered_bytes)
    bad = KEPT_REJECTS + 2_345
    path = tmp_path / "calls.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(raw_call("good")).encode() + b"\n1" * bad))
    listed: list[Reject] = []
    options = Options(list_reject=lambda _, reject: listed.append(reject))
    with Reader() as reader:
        result = Ingest(store, options).file(reader, str(path))
    assert equation(result) == (bad + 1, 1, 0, 0, bad, 0)
    assert [(one.line, one.record) for one in listed] == [(number, number) for number in range(2, bad + 2)]
    assert result.rejects == tuple(listed[:KEPT_REJECTS]) and result.rejected == bad
    with Reader() as reader, empty_store() as other:
        unlisted = Ingest(other, Options()).file(reader, str(path))
    assert (unlisted.rejects, unlisted.rejected) == (result.rejects, bad)
    assert store.one("SELECT count(*), max(line) FROM store.rejects") == (KEPT_REJECTS, KEPT_REJECTS + 1)


def test_rows_of_a_table_are_listed_in_order(store: Store, tmp_path: Path) -> None:
    """Rows that the database leaves out lie between rows that it reads."""
    header = "request_id,start_time,model,duration_ms,output_tokens"
    good, soon = "{},2026-11-16T08:00:00Z,gpt-4o-mini,5000,100", "{},soon,gpt-4o-mini,5000,100"
    rows = [row.format(n) for n, row in enumerate((good, soon, "{},short", good, "{},short", soon, good))]
    path = tmp_path / "calls.csv"
    path.write_text("\n".join([header, *rows, ""]))
    (result,) = ingest(store, path)
    assert equation(result) == (7, 3, 0, 0, 4, 0)
    assert [(reject.record, reject.line, reject.reason) for reject in result.rejects] == [
        (2, 3, NOT_UNDERSTOOD), (3, 4, "fewer cells than the header"), (5, 6, "fewer cells than the header"),
        (6, 7, NOT_UNDERSTOOD),
    ]  # fmt: skip

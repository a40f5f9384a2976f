"""Evidence from other logs: joined by an id, before or after the calls, once or twice, and never a call of its own."""

import gzip
import json
from pathlib import Path

import duckdb
import pytest

from streamaudit.ingest.evidence import Joined, join
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.retention import forget, unload
from streamaudit.store.store import Store
from tests.reused import empty_store
from tests.support import Record, calls, ingest, raw_call, rows_of, total, write_lines


def left(name: str, **fields: object) -> Record:
    """A call whose user left, of which the trace knows no usage."""
    return raw_call(
        name, outcome="cancelled", output_tokens=None, response_id=f"gen-{name}", trace_id=f"t-{name}",
        provider="openai", model="gpt-4o-mini", **fields,
    )  # fmt: skip


def joined(store: Store, path: Path, on: str = "request_id") -> Joined:
    """Join one file; it must be readable."""
    with Reader() as reader:
        found = join(store, reader, str(path), on)
    assert found.problem is None, found.problem
    return found


def figures(store: Store, name: str) -> tuple[object, ...]:
    """Class, interval and value of one call's tax."""
    call = calls(store)[name]
    return tuple(call[each] for each in ("tax_class", "tax_low", "tax_best", "tax_high"))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """The calls, the client's log, the gateway's and the provider's."""
    client, gateway = tmp_path / "client.csv", tmp_path / "gateway.jsonl"
    client.write_text("request_id,rendered_tokens\na,30\nnobody,7\n")
    gateway.write_text(json.dumps({"request_id": "a", "delivered_tokens": 60, "cancelled_at_ms": 900}) + "\n")
    duckdb.sql(
        f"COPY (SELECT 'gen-a' AS id, 100 AS native_tokens_completion, 20 AS native_tokens_reasoning) "
        f"TO '{tmp_path / 'provider.parquet'}'"
    )
    return {
        "calls": write_lines(tmp_path / "calls.jsonl", [left("a", ttft_ms=300), left("b")]),
        "client": client, "gateway": gateway, "provider": tmp_path / "provider.parquet",
    }  # fmt: skip


def bring(store: Store, files: dict[str, Path], name: str) -> None:
    """Ingest one of the files as what it is."""
    if name == "calls":
        ingest(store, files["calls"])
    else:
        joined(store, files[name], "response_id" if name == "provider" else "request_id")


@pytest.mark.parametrize("turned", [0, pytest.param(1, marks=pytest.mark.proof)])
def test_three_logs_make_an_exact_tax_in_whatever_order_they_come(files: dict[str, Path], turned: int) -> None:
    """100 billed, 20 of them hidden, 60 delivered, 30 shown: 70 tokens for nothing, split into their parts. Each two of
    the logs come in either order."""
    names = [*list(files)[turned:], *list(files)[:turned]]
    for order in (names, names[::-1]):
        with empty_store() as store:
            for name in order:
                bring(store, files, name)
            assert figures(store, "a") == ("exact", 70, 70, 70), order
            row = total(store, "tax")
            parts = [row[f"tax_{part}_tokens"] for part in ("hidden", "undelivered", "unread", "unsplit")]
            assert parts == [20, 20, 30, 0]
            assert row["tax_usd"] == pytest.approx(70 * 0.6e-6)
            assert row["calls"] == 2  # evidence is no call, whomever it is about


def test_each_log_narrows_the_interval(files: dict[str, Path]) -> None:
    """Unknown, then a value with an interval, then exact."""
    with empty_store() as store:
        bring(store, files, "calls")
        assert figures(store, "a") == ("unknown", 0, None, None)
        bring(store, files, "provider")
        assert figures(store, "a") == ("bounded", 20, None, 100)
        bring(store, files, "gateway")
        assert figures(store, "a") == ("estimated", 40, 40, 100)
        bring(store, files, "client")
        assert figures(store, "a") == ("exact", 70, 70, 70)


def test_joining_twice_changes_nothing_and_a_new_version_of_the_file_replaces_the_old(
    files: dict[str, Path],
) -> None:
    with empty_store() as store:
        bring(store, files, "calls")
        bring(store, files, "client")
        before = rows_of(store, "call_tax")
        bring(store, files, "client")
        assert rows_of(store, "call_tax") == before
        assert len(rows_of(store, "store.evidence")) == 2
        files["client"].write_text("request_id,rendered_tokens\na,31\n")
        bring(store, files, "client")
        assert calls(store)["a"]["rendered_tokens"] == 31


def test_what_matched_is_counted(store: Store, tmp_path: Path) -> None:
    """Ids of one call, of none, and of several; and lines that say nothing."""
    records = [left("a"), left("b"), {**left("c"), "trace_id": "t-b"}]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    path = write_lines(
        tmp_path / "evidence.jsonl",
        [{"trace_id": "t-a", "rendered_tokens": 1}, {"trace_id": "t-b", "rendered_tokens": 2},
         {"trace_id": "t-x", "rendered_tokens": 3}, {"rendered_tokens": 4}, {"trace_id": "t-a"},
         {"trace_id": "t-a", "rendered_tokens": -1}, "not json"],
    )  # fmt: skip
    found = joined(store, path, "trace_id")
    assert (found.read, found.rejected, found.matched, found.unmatched, found.ambiguous) == (7, 4, 1, 1, 1)
    assert dict(found.reasons) == {
        "no id to join by": 1, "nothing known of the call": 1, "a value out of range": 1, "malformed JSON": 1,
    }  # fmt: skip
    assert [calls(store)[name]["rendered_tokens"] for name in "abc"] == [1, None, None]


def test_of_a_clients_progress_the_furthest_counts(store: Store, tmp_path: Path) -> None:
    """A client may log as often as it likes and in any order."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", [left("a")]))
    path = write_lines(tmp_path / "e.jsonl", [{"request_id": "a", "rendered_tokens": n} for n in (3, 40, 12)])
    joined(store, path)
    assert calls(store)["a"]["rendered_tokens"] == 40


def test_a_client_that_left_makes_a_completed_call_a_cancelled_one(store: Store, tmp_path: Path) -> None:
    """The provider's side may have drained the stream and seen it complete; one that failed stays failed."""
    records = [raw_call("done", rendered_tokens=10), raw_call("failed", outcome="error"), raw_call("late")]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    path = write_lines(
        tmp_path / "e.jsonl",
        [{"request_id": "done", "cancelled": True}, {"request_id": "failed", "cancelled": True},
         {"request_id": "late", "cancelled_at_ms": 6000}],
    )  # fmt: skip
    joined(store, path)
    assert {name: call["outcome"] for name, call in calls(store).items()} == {
        "done": "cancelled", "failed": "error", "late": "completed",
    }  # fmt: skip
    assert figures(store, "done") == ("exact", 90, 90, 90)
    assert calls(store)["done"]["ended_by"] == "client"


def test_evidence_leaves_with_its_load_and_with_its_user(store: Store, tmp_path: Path) -> None:
    ingest(store, write_lines(tmp_path / "calls.jsonl", [left("a", user_id="u"), left("b")]))
    path = write_lines(tmp_path / "e.jsonl", [{"request_id": name, "rendered_tokens": 5} for name in "ab"])
    joined(store, path)
    forget(store, "u")
    assert [row["key"] for row in rows_of(store, "store.evidence")] == ["b"]
    (load,) = [row["load_id"] for row in rows_of(store, "store.loads") if row["format"] == "evidence"]
    unload(store, load)
    assert rows_of(store, "store.evidence") == []
    assert calls(store)["b"]["rendered_tokens"] is None


def test_evidence_of_a_request_leaves_with_its_attempts(store: Store, tmp_path: Path) -> None:
    """Which of them it is of is unknown, so that it joins none; it is the user's all the same."""
    attempts = [left("a", user_id="u", start_time=f"2026-11-16T08:00:0{second}Z") for second in (1, 5)]
    ingest(store, write_lines(tmp_path / "calls.jsonl", [*attempts, left("b")]))
    joined(store, write_lines(tmp_path / "e.jsonl", [{"request_id": name, "rendered_tokens": 5} for name in "ab"]))
    forget(store, "u")
    assert [row["key"] for row in rows_of(store, "store.evidence")] == ["b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("request_id,rendered_tokens,note\na,5,x\nb,6\n", "line 3: fewer cells than the header"),
        ('request_id,rendered_tokens,note\na,5,"x\nb,6,y\n', "line 2: a quote"),
        ("request_id,rendered_tokens,note\na,5,\xe9\n", "UTF-8"),
        ("request_id,rendered_tokens,note\na,5,x\nb,6,y,z\n", "line 3: more cells than the header"),
        ("request_id;Rendered_tokens;rendered_tokens\na;5;6\n", "same name"),
    ],
)
def test_a_table_that_does_not_fit_its_header_is_refused_with_the_line(
    store: Store, tmp_path: Path, text: str, says: str
) -> None:
    """Nothing of it is kept: a row out of step would give a figure to another call."""
    path = tmp_path / "e.csv"
    path.write_text(text, encoding="latin-1")
    with Reader() as reader:
        assert says in (join(store, reader, str(path), "request_id").problem or "")
    assert rows_of(store, "store.evidence") == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("page.json", '{"data": [{"request_id": "a", "rendered_tokens": 30}], "meta": {"page": 1}}'),
        ("array.json", '[\n {"request_id": "a",\n  "rendered_tokens": 30}\n]'),
        ("answer.json", '{"data": {"request_id": "a", "rendered_tokens": 30}}'),
        ("tenant=acme/log[1].csv.gz", "request_id|rendered_tokens\na|30\n"),
    ],
)
def test_evidence_is_read_from_every_container_that_calls_are_read_from(
    store: Store, tmp_path: Path, name: str, text: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    found = joined(store, path)
    assert (found.read, found.rejected) == (1, 0)
    assert [row["rendered_tokens"] for row in rows_of(store, "store.evidence")] == [30]


def test_a_packed_log_that_is_cut_off_is_refused(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "e.csv.gz"
    path.write_bytes(gzip.compress(b"request_id,rendered_tokens\n" + b"a,30\n" * 9000)[:-9])
    with Reader() as reader:
        assert join(store, reader, str(path), "request_id").problem
    assert rows_of(store, "store.evidence") == []


def test_tables_by_tabs_and_semicolons_are_read(store: Store, tmp_path: Path) -> None:
    """Whatever stands first in the file, and however late a longer value comes; UTF-16 is named."""
    with Reader() as reader:
        for name, sign in (("e.tsv", "\t"), ("f.csv", ";")):
            rows = [("request_id", "rendered_tokens"), *((f"k{n}", "5") for n in range(3000)), ("late, one", "6.5e1")]
            (tmp_path / name).write_text("".join(sign.join(row) + "\n" for row in rows))
            assert join(store, reader, str(tmp_path / name), "request_id").read == 3001
        (tmp_path / "g.csv").write_text("request_id,rendered_tokens\na,5\n", encoding="utf-16")
        assert "UTF-16" in (join(store, reader, str(tmp_path / "g.csv"), "request_id").problem or "")
    late = [row["rendered_tokens"] for row in rows_of(store, "store.evidence") if row["key"] == "late, one"]
    assert late == [65, 65]


@pytest.mark.parametrize("text", ["", "request_id\n", "a,b\n1,2\n", '"unclosed\n'])
def test_a_file_without_evidence_is_refused_and_changes_nothing(store: Store, tmp_path: Path, text: str) -> None:
    path = tmp_path / "e.csv"
    path.write_text(text)
    with Reader() as reader:
        assert join(store, reader, str(path), "request_id").problem
    assert rows_of(store, "store.evidence") == rows_of(store, "store.loads") == []

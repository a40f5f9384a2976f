"""The same instant, however it is written; and what looks like an instant and is none."""

from datetime import datetime
from pathlib import Path

from streamaudit.store.store import Store
from tests.support import NOT_UNDERSTOOD, ingest, raw_call, stored_calls, write_lines

INSTANT = datetime(2026, 11, 16, 8, 14, 3, 218437)
MILLI = INSTANT.replace(microsecond=218000)
SECOND = INSTANT.replace(microsecond=0)
SECONDS = 1_794_816_843

WRITTEN: dict[str | int | float, datetime] = {
    "2026-11-16T08:14:03.218437Z": INSTANT, "2026-11-16T08:14:03.218Z": MILLI, "2026-11-16T08:14:03Z": SECOND,
    "2026-11-16 08:14:03.218437": INSTANT, "2026-11-16 08:14:03": SECOND, "2026-11-16T08:14:03.218437": INSTANT,
    "2026-11-16T10:14:03.218437+02:00": INSTANT, "2026-11-16 10:14:03.218437+02": INSTANT,
    "2026-11-16T10:14:03.218437+0200": INSTANT, "2026-11-16T02:44:03.218437-05:30": INSTANT,
    "2026-11-16 08:14:03.218437+00:00": INSTANT, "2026-11-16T08:14:03.218437123Z": INSTANT,
    "2026-11-16 08:14:03.218437 UTC": INSTANT, '"2026-11-16T08:14:03.218437Z"': INSTANT,
    "2026-11-16T08:14:03.218437000+00:00": INSTANT, "2026-11-16 08:14:03,218": MILLI,
    "2026-11-16T10:14:03,218437+02:00": INSTANT,
    "Mon, 16 Nov 2026 08:14:03 GMT": SECOND, "Mon, 16 Nov 2026 10:14:03 +0200": SECOND,
    "16 Nov 2026 03:14:03 -0500 (EST)": SECOND, "Mon, 16 Nov 2026 08:14 UTC": SECOND.replace(second=0),
    "Mon Nov 16 2026 09:14:03 GMT+0100 (Central European Standard Time)": SECOND,
    SECONDS: SECOND, f"{SECONDS}": SECOND, SECONDS + 0.218: MILLI, f"{SECONDS}.218437": INSTANT, 1.794816843e9: SECOND,
    SECONDS * 1000 + 218: MILLI, f"{SECONDS * 1000 + 218}": MILLI,
    SECONDS * 10**6 + 218437: INSTANT, f"{SECONDS * 10**6 + 218437}": INSTANT,
    SECONDS * 10**9 + 218437999: INSTANT, f"{SECONDS * 10**9 + 218437999}": INSTANT,
}  # fmt: skip

NONE: tuple[object, ...] = ("", "NaN", 0, "0", None)
UNCLEAR: tuple[object, ...] = (
    "soon", "2026-13-40T00:00:00Z", "08:14:03", "16/11/2026", "11/16/2026 08:14:03 AM", "Mon, 31 Feb 2026 08:14:03 GMT",
    True, [], {}, [SECONDS],
)  # fmt: skip
OUT_OF_RANGE = (
    "1969-12-31T23:59:59Z", 1, "9999-12-31T23:59:59Z", "infinity", "-Infinity", -SECONDS, -9.2e18, "290307-01-01",
)  # fmt: skip


def test_one_instant_is_the_same_however_it_is_written(store: Store, tmp_path: Path) -> None:
    """With a zone, an offset or none (UTC); as text or number; in seconds, milli-, micro- or nanoseconds."""
    records = [raw_call(str(number), start_time=text) for number, text in enumerate(WRITTEN)]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    found = stored_calls(store)
    assert {text: found[str(number)]["start_time"] for number, text in enumerate(WRITTEN)} == WRITTEN


def test_a_duration_follows_from_two_instants_in_different_zones(store: Store, tmp_path: Path) -> None:
    """Start and end may be written differently in one record."""
    times = {"start_time": "2026-11-16T08:14:03.218437", "end_time": "2026-11-16T09:14:05.718437+01:00"}
    record = raw_call("a", **times, duration_ms=None)
    ingest(store, write_lines(tmp_path / "calls.jsonl", [record]))
    assert stored_calls(store)["a"]["duration_ms"] == 2500.0


def test_what_is_no_instant_rejects_its_record(store: Store, tmp_path: Path) -> None:
    """A format that defines a start refuses a record without one, and says which line it was; an instant that no clock
    of a call can show is none. Text that is no instant is not understood: 11/12/2026 has two readings."""
    good = [raw_call("good")]
    texts = (*NONE, *OUT_OF_RANGE, *UNCLEAR)
    records = [raw_call(str(number), start_time=text) for number, text in enumerate(texts)]
    (result,) = ingest(store, write_lines(tmp_path / "calls.jsonl", [*good, *records]))
    missing = len(NONE) + len(OUT_OF_RANGE)
    reasons = ["no start time"] * missing + [NOT_UNDERSTOOD] * len(UNCLEAR)
    expected = list(enumerate(reasons, start=2))
    assert [(reject.line, reject.reason) for reject in result.rejects] == expected
    assert set(stored_calls(store)) == {"good"}


def test_a_home_made_log_says_that_starts_are_not_understood(store: Store, tmp_path: Path) -> None:
    """Its calls need no start, and are kept without one."""
    record = {"model": "gpt-4o", "ts": "11/12/2026 08:14:03 AM", "tokens_in": 5, "tokens_out": 7, "latency_ms": 900}
    (result,) = ingest(store, write_lines(tmp_path / "calls.jsonl", [record]))
    assert result.doubts.misfits == {"start_time": 1}
    assert [call["start_time"] for call in stored_calls(store).values()] == [None]


def test_a_mapped_start_replaces_one_that_is_not_understood(store: Store, tmp_path: Path) -> None:
    american = "11/12/2026 08:14:03 AM"
    lines = [raw_call("a", start_time=american, begun="2026-11-16T08:14:03Z"), raw_call("b", begun=american)]
    (result,) = ingest(store, write_lines(tmp_path / "calls.jsonl", lines), mapping=["start_time=begun"])
    assert [reject.reason for reject in result.rejects] == [NOT_UNDERSTOOD]
    assert stored_calls(store)["a"]["start_time"] == SECOND

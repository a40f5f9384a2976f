"""Goodput: which streamed calls met all targets, which missed one, and which cannot be judged."""

from pathlib import Path

import pytest

from sample_traces import Fleet, write_raw
from streamaudit.audits import overview
from streamaudit.audits.goodput import goodput_params
from streamaudit.audits.parts import GOODPUT, GOODPUT_REASONS
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.targets import PRESETS, Targets, parse_targets
from streamaudit.errors import UsageError
from streamaudit.store.store import Store
from tests.support import Record, audit, grouped, ingest, notes, raw_call, store_of, write_lines

# The targets of these cases are a first token within 1 s and 20 ms per token: 100 tokens in 1,980 ms after the first.
TARGETS = parse_targets("ttft=1s,tpot=20ms")


def stream(name: str, *, ttft: float | None = 500, tpot: float | None = 15, **more: object) -> Record:
    """A streamed call of 100 tokens, by default within the targets."""
    duration = (ttft or 0) + (tpot or 0) * 99
    found = {"stream": True, "time_to_first_chunk_ms": ttft, "duration_ms": duration, "output_tokens": 100, **more}
    return raw_call(name, **found)


CASES: dict[str, tuple[Record, str]] = {
    "within both": (stream("a"), "met"),
    "on both limits": (stream("b", ttft=1000, tpot=20), "met"),
    "a late first token": (stream("c", ttft=1001), "late_ttft"),
    "a slow pace": (stream("d", tpot=20.5), "late_tpot"),
    "failed after a quick start": (stream("e", outcome="error"), "failed"),
    "failed before a chunk": (stream("f", ttft=None, outcome="error", output_tokens=None), "failed"),
    "timed out": (stream("g", outcome="timeout", duration_ms=60_000), "timed_out"),
    "a wait longer than the target, then left": (
        stream("h", ttft=None, outcome="cancelled", cancelled_at_ms=1500, output_tokens=None), "late_ttft"),
    "a wait shorter than the target, then left": (
        stream("i", ttft=None, outcome="cancelled", cancelled_at_ms=900, output_tokens=None), "left"),
    "left in the middle": (stream("j", outcome="cancelled", cancelled_at_ms=800, output_tokens=None), "left"),
    "left in the middle of a late answer": (
        stream("k", ttft=1200, outcome="cancelled", cancelled_at_ms=1800, output_tokens=None), "late_ttft"),
    "no count of tokens": (stream("l", output_tokens=None), "tpot_unknown"),
    "a single token": (stream("m", output_tokens=1), "met"),
    "no token at all": (stream("n", output_tokens=0), "met"),
    "two tokens, slow": (stream("o", output_tokens=2, duration_ms=530), "late_tpot"),
    "no first token recorded": (stream("p", ttft=None), "ttft_unknown"),
    "an unknown end": (stream("q", outcome="unknown"), "ending_unknown"),
    "an unknown end of a late answer": (stream("r", outcome="unknown", ttft=1500), "late_ttft"),
    "a broken stream": (stream("s", outcome="interrupted"), "ending_unknown"),
    "not known to have streamed, failed": (
        stream("t", stream=None, ttft=None, outcome="error", output_tokens=None), "streaming_unknown"),
}  # fmt: skip
NO_STREAMS = [stream("u", stream=False, ttft=None), stream("v", cache_hit=True)]


def reasons(store: Store, targets: Targets) -> dict[str, str]:
    """How each call counts, by its id."""
    Scope().prepare(store)
    query = Scope().sql(GOODPUT.rows + "SELECT call_id, goodput FROM goodput_calls")
    return dict(store.query(query, {**Scope().params(), **goodput_params(store, Scope(), targets)}))


def test_each_call_counts_as_the_definition_says_and_the_share_is_of_those_judged(tmp_path: Path, store: Store) -> None:
    """Met, missed or unknown, by the first reason that applies; answers that did not stream count nowhere."""
    records = [record for record, _ in CASES.values()]
    ingest(store, write_lines(tmp_path / "calls.jsonl", [*records, *NO_STREAMS]))
    found = reasons(store, TARGETS)
    assert {case: found[record["request_id"]] for case, (record, _) in CASES.items()} == {
        case: expected for case, (_, expected) in CASES.items()
    }
    assert len(found) == len(CASES)
    verdicts = [GOODPUT_REASONS[reason][0] for _, reason in CASES.values()]
    counts = tuple(verdicts.count(one) for one in ("met", "missed", "unknown"))
    for name in ("report", "ttft"):
        tables = audit(store, name, targets=TARGETS)
        (row,) = tables["total"]
        assert (row["goodput_met_calls"], row["goodput_missed_calls"], row["goodput_unknown_calls"]) == counts
        assert row["goodput_rate"] == 4 / 13 and counts == (4, 9, 7)
        assert row["calls"] == len(CASES) + 2
        assert sum(one["calls"] for one in tables["goodput"]) == len(CASES)


def test_groups_have_their_own_share(tmp_path: Path, store: Store) -> None:
    """By any dimension; a group in which no call can be judged has none."""
    records = [
        stream("a", tenant="x"), stream("b", tenant="x", ttft=2000), stream("c", tenant="y", output_tokens=None),
        stream("d", tenant="z", stream=False, ttft=None),
    ]  # fmt: skip
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    rows = grouped(store, "report", "tenant", targets=TARGETS)
    assert {tenant: row["goodput_rate"] for tenant, row in rows.items()} == {"x": 0.5, "y": None, "z": None}
    assert {tenant: row["goodput_unknown_calls"] for tenant, row in rows.items()} == {"x": 0, "y": 1, "z": 0}


KINDS: list[tuple[str, Record, str]] = [
    ("ttvt=1s", stream("a", time_to_first_output_token_ms=900), "met"),
    ("ttvt=1s", stream("b", time_to_first_output_token_ms=1100), "late_ttvt"),
    ("ttvt=1s", stream("c"), "ttvt_unknown"),
    ("ttvt=1s", stream("d", ttft=1200), "late_ttvt"),
    ("ttvt=1s", stream("e", outcome="cancelled", cancelled_at_ms=1200, delivered_tokens=0), "late_ttvt"),
    ("ttvt=1s", stream("f", outcome="cancelled", cancelled_at_ms=1200, delivered_tokens=9), "left"),
    ("e2e=3s", stream("g", duration_ms=3000), "met"),
    ("duration=3s", stream("h", duration_ms=3001), "late_duration"),
    ("e2e=3s", stream("i", outcome="cancelled", cancelled_at_ms=3100, duration_ms=9000), "late_duration"),
    ("e2e=3s", stream("j", outcome="cancelled", cancelled_at_ms=2900, duration_ms=9000), "left"),
    ("ttft=1s", stream("k", outcome="cancelled", cancelled_at_ms=900), "met"),
    # Of 100 tokens 99 were reasoning that came before the first chunk: a single token has no pace.
    ("tpot=20ms", stream("l", reasoning_tokens=99, time_to_first_output_token_ms=500, duration_ms=900), "met"),
]


def test_every_kind_of_target_is_judged(tmp_path: Path, store: Store) -> None:
    """The first visible token is not before the first one, and a call lasted until it was cut at least."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", [record for _, record, _ in KINDS]))
    found = {text: reasons(store, parse_targets(text)) for text in {text for text, _, _ in KINDS}}
    judged = [(text, record["request_id"], found[text][record["request_id"]]) for text, record, _ in KINDS]
    assert judged == [(text, record["request_id"], expected) for text, record, expected in KINDS]


def test_a_fleet_s_goodput_is_that_of_a_loop_over_its_calls(fleet: Fleet, tmp_path: Path) -> None:
    """Every streamed call is met, missed or unknown, as plain Python over the fleet's own facts says."""
    write_raw(fleet, tmp_path / "raw.jsonl")
    with store_of(tmp_path / "raw.jsonl") as filled:
        (row,) = audit(filled, "report", targets=TARGETS)["total"]
        columns = "ttft_ms, ttft_status, tpot_ms, outcome, coalesce(cancelled_at_ms, duration_ms), output_tokens"
        calls = filled.query(
            f"SELECT {columns} FROM call_tax WHERE counted AND operation <> 'embedding'"
            " AND streamed AND cache_hit IS NOT TRUE"
        )
    met, missed = 0, 0
    for ttft, status, tpot, outcome, cut, tokens in calls:
        late = (status == "usable" and ttft > 1000) or (status == "censored" and cut is not None and cut > 1000)
        if outcome in ("error", "timeout") or late or (tpot is not None and tpot > 20):
            missed += 1
        elif outcome == "completed" and status == "usable" and (tpot is not None or (tokens or 2) <= 1):
            met += 1
    assert met and missed
    assert (row["goodput_met_calls"], row["goodput_missed_calls"]) == (met, missed)
    assert row["goodput_rate"] == met / (met + missed)


def test_presets_have_the_limits_of_mlperf_and_say_where_it_measures(tmp_path: Path, store: Store) -> None:
    """MLCommons' inference rules of July 2026; its TTFT is at the server, which a note says."""
    limits = {name: (one.limits_ms["ttft"], one.limits_ms["tpot"]) for name, one in PRESETS.items()}
    assert limits == {
        "mlperf-llama2-70b": (2000, 200), "mlperf-llama2-70b-interactive": (450, 40),
        "mlperf-llama3.1-8b": (2000, 100), "mlperf-llama3.1-8b-interactive": (500, 30),
        "mlperf-llama3.1-405b": (6000, 175), "mlperf-llama3.1-405b-interactive": (4500, 80),
        "mlperf-mixtral-8x7b": (2000, 200), "mlperf-deepseek-r1": (2000, 80),
        "mlperf-deepseek-r1-interactive": (1500, 15), "mlperf-gpt-oss-120b": (3000, 80),
        "mlperf-gpt-oss-120b-interactive": (2000, 20),
    }  # fmt: skip
    ingest(store, write_lines(tmp_path / "calls.jsonl", [stream("a")]))
    said = overview.run(store, Scope(), targets=parse_targets("MLPerf-Llama2-70B")).notes
    assert [note.code for note in said if "at the server" in note.message] == ["mlperf_at_server"]
    assert "mlperf_at_server" not in notes(store, "report")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ttft", "unknown target 'ttft'"),
        ("ttf=2s", "did you mean ttft"),
        ("mlperf-lama2-70b", "did you mean mlperf-llama2-70b"),
        ("ttft=2", "with its unit"),
        ("ttft=2s,e2e=3s,duration=4s", "duration has two targets"),
        ("", "unknown target"),
        ("ttft=0s", "with its unit"),
    ],
)
def test_a_target_that_is_none_is_refused(text: str, message: str) -> None:
    """With the option, the text and what it takes instead."""
    with pytest.raises(UsageError, match=message):
        parse_targets(text)


def test_targets_are_read_whatever_their_order_and_case() -> None:
    """E2E is the duration; limits are kept in milliseconds and spelled as people type them."""
    targets = parse_targets(" TPOT=200ms, e2e=1.5m ,ttft=2s")
    assert targets.limits_ms == {"tpot": 200.0, "duration": 90_000.0, "ttft": 2000.0}
    assert str(targets) == "tpot=200ms,duration=90s,ttft=2s"

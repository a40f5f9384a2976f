"""``diff`` from records to verdicts: what a deploy did, and what only looks as if it had."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamaudit.audits import ttft
from streamaudit.audits.diff.baseline import load
from streamaudit.audits.diff.question import Ask, Side
from streamaudit.audits.diff.report import apply_gate, run, run_against, save_base
from streamaudit.audits.diff.scan import scan
from streamaudit.audits.scope.scope import Scope
from streamaudit.errors import InputError
from streamaudit.store.store import Store
from tests.support import Record, Tables, ingest, raw_call, store_of, write_lines

CALLS = 480
NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
Change = Callable[[np.random.Generator, float], Record]


def a_day(deploy: str, change: Change, calls: int = CALLS, seed: int = 1, **fields: Any) -> list[Record]:
    """Calls through a day, with a first token after about 400 ms of ten seconds; ``change`` makes fields of the dice
    and that wait."""
    dice = np.random.default_rng([seed, int(deploy[1:])])
    day = 15 + int(deploy[1:])
    records = []
    for number in range(calls):
        second = number * 86_400 // calls
        at = f"2026-11-{day}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
        ttft_ms = float(np.round(400 * np.exp(0.3 * dice.standard_normal()), 3))
        usual = {
            "start_time": at, "service_version": deploy, "time_to_first_chunk_ms": ttft_ms, "duration_ms": 10_000,
            "tenant_id": "acme", "route": "/v1/chat",
        }  # fmt: skip
        records.append(raw_call(f"{deploy}-{seed}-{number}", **{**usual, **fields, **change(dice, ttft_ms)}))
    return records


def as_before(dice: np.random.Generator, ttft_ms: float) -> Record:
    """Nothing changed."""
    return {}


def times(factor: float) -> Change:
    """The first token takes so many times as long, the whole call just as long as before."""
    return lambda dice, ttft_ms: {"time_to_first_chunk_ms": round(ttft_ms * factor, 3)}


def diff(store: Store, by: tuple[str, ...] = (), **ask: Any) -> Tables:
    """The tables of v1 against v2."""
    report = run(store, Scope(by=by), Ask("deploy", Side("v1"), Side("v2"), **ask))
    return {table.name: list(table.records()) for table in report.tables}


def total(records: list[Record], folder: Path, **ask: Any) -> dict[tuple[str, str], Record]:
    """The rows of the total by metric and statistic."""
    with store_of(write_lines(folder / "calls.jsonl", records)) as store:
        return {(row["metric"], row["stat"]): row for row in diff(store, **ask)["total"]}


def test_a_slow_first_token_in_a_call_as_long_as_ever(tmp_path: Path) -> None:
    """From 400 ms to 30 s of a call of 40 s: its duration has not changed, what users wait for has."""
    records = a_day("v1", as_before, duration_ms=40_000) + a_day("v2", times(75), duration_ms=40_000)
    found = total(records, tmp_path)
    assert {stat: found["ttft", stat]["verdict"] for stat in ("p50", "p90", "p95")} == dict.fromkeys(
        ("p50", "p90", "p95"), "regression"
    )
    assert found["ttft", "p50"]["change_ratio"] == pytest.approx(74, rel=0.1)
    assert {found["duration", stat]["verdict"] for stat in ("p50", "p90", "p95")} == {"no change"}
    assert found["cancel_rate", "rate"]["verdict"] != "regression"


def test_users_who_leave_before_a_slow_first_token_do_not_make_it_fast(tmp_path: Path) -> None:
    """The slowest sixth gets slower still, and whoever is in it leaves: all that are known are of the fast ones."""

    def leaving(dice: np.random.Generator, ttft_ms: float) -> Record:
        if ttft_ms < 530:
            return {}
        return {"time_to_first_chunk_ms": None, "outcome": "cancelled", "duration_ms": 2500, "output_tokens": 0}

    found = total(a_day("v1", as_before) + a_day("v2", leaving), tmp_path)
    assert found["cancel_rate", "rate"]["verdict"] == "regression"
    assert found["ttft", "p50"]["head_n"] == CALLS
    assert found["ttft", "p50"]["change_ratio"] == pytest.approx(0, abs=0.05)
    assert "improvement" not in {row["verdict"] for (metric, _), row in found.items() if metric == "ttft"}
    assert "cancelled" in found["ttft", "p95"]["reason"]


def impatient(mean_ms: float) -> Change:
    """Waits as before, of which users leave some at any moment; what they waited is known and no more."""

    def change(dice: np.random.Generator, ttft_ms: float) -> Record:
        patience = float(np.round(dice.exponential(mean_ms), 3))
        if ttft_ms <= patience:
            return {}
        return {
            "time_to_first_chunk_ms": None, "outcome": "cancelled", "cancelled_at_ms": patience,
            "duration_ms": patience, "output_tokens": 0,
        }  # fmt: skip

    return change


def test_users_who_leave_earlier_do_not_make_it_slow(tmp_path: Path) -> None:
    """A fifth of them, not a hundredth, before a first token as slow as before: no regression of any percentile, and
    the values are those of ``ttft --censored``."""
    records = a_day("v1", impatient(40_000), 2000) + a_day("v2", impatient(1800), 2000)
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        found = {(row["metric"], row["stat"]): row for row in diff(store, metrics=("ttft", "cancel_rate"))["total"]}
        by_deploy = {
            row["deploy"]: row for row in ttft.run(store, Scope(by=("deploy",)), censored=True).tables[0].records()
        }
    assert found["cancel_rate", "rate"]["verdict"] == "regression"
    for stat in ("p50", "p90", "p95"):
        row = found["ttft", stat]
        assert row["verdict"] in ("no change", "too little data"), row
        assert row["ci_low_ratio"] < 0 < row["ci_high_ratio"]
        for side, deploy in (("base", "v1"), ("head", "v2")):
            assert row[f"{side}_value"] == pytest.approx(by_deploy[deploy][f"ttft_km_{stat}_ms"], rel=0.012)
    assert found["ttft", "p50"]["verdict"] == "no change"


def test_a_wait_cut_at_an_unknown_time_is_longer_than_any(tmp_path: Path) -> None:
    """Nothing places it, so a percentile among such waits is not known."""

    def leaving(dice: np.random.Generator, ttft_ms: float) -> Record:
        gone = {"time_to_first_chunk_ms": None, "outcome": "cancelled", "duration_ms": None, "output_tokens": 0}
        return gone if dice.random() < 0.08 else {}

    found = total(a_day("v1", as_before, 2000) + a_day("v2", leaving, 2000), tmp_path, metrics=("ttft",))
    assert found["ttft", "p50"]["p_adjusted"] is not None
    assert (found["ttft", "p95"]["verdict"], found["ttft", "p95"]["head_value"]) == ("too little data", None)
    assert "cancelled" in found["ttft", "p95"]["reason"]


def test_calls_of_few_sessions_are_too_little_data(tmp_path: Path) -> None:
    """However many calls they are, and whichever strata a session spans; the same calls of many sessions are judged."""

    def of_sessions(count: int) -> Change:
        return lambda dice, ttft_ms: {
            "session_id": f"session-{dice.integers(count)}", "model": f"model-{dice.integers(2)}",
            "outcome": "cancelled" if dice.random() < 0.2 else "completed",
        }  # fmt: skip

    for count, few in ((5, True), (100, False)):
        sides = a_day("v1", of_sessions(count)) + a_day("v2", of_sessions(100))
        found = total(sides, tmp_path, metrics=("ttft", "cancel_rate"), quantiles=("p50",))
        assert {metric for metric, _ in found} == {"ttft", "cancel_rate"}
        for row in found.values():
            assert ("few sessions" in (row["reason"] or "")) == few, row
            assert (row["change_ratio"] is None) == few


def test_sides_without_an_hour_in_common_are_too_little_data(tmp_path: Path) -> None:
    """A Friday against a Saturday differs by more than the deploy; a Monday against a Tuesday is judged."""
    records = [record for day in (1, 2, 5, 6) for record in a_day(f"v{day}", as_before)]
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        weekend, weekday = (
            next(run(store, Scope(), Ask("deploy", Side(base), Side(head), ("ttft",), ("p50",))).tables[0].records())
            for base, head in (("v5", "v6"), ("v1", "v2"))
        )
    assert (weekend["verdict"], weekend["change_ratio"]) == ("too little data", None)
    assert "in common" in str(weekend["reason"])
    assert weekday["p_adjusted"] is not None


def test_the_change_and_the_mix_make_the_plain_change(tmp_path: Path) -> None:
    """To the last digit, also where strata come and go and waits are cut short, for latencies and for rates."""

    def change(dice: np.random.Generator, ttft_ms: float) -> Record:
        return impatient(3000)(dice, ttft_ms)

    mixes = {"v1": {"old": 300, "kept": 700, "both": 300}, "v2": {"new": 200, "kept": 400, "both": 600}}
    records = [
        {**record, "model": model, "time_to_first_chunk_ms": wait and wait * (2 if model == "both" else 1)}
        for deploy, mix in mixes.items() for seed, (model, calls) in enumerate(mix.items())
        for record in a_day(deploy, change, calls, seed)
        for wait in (record.get("time_to_first_chunk_ms"),)
    ]  # fmt: skip
    records = [{name: value for name, value in record.items() if value is not None} for record in records]
    found = total(records, tmp_path)
    judged = [row for row in found.values() if row["change_ratio"] is not None]
    assert {row["metric"] for row in judged} >= {"ttft", "cancel_rate"}
    for row in judged:
        plain = row["head_value"] / row["base_value"] - 1
        assert row["change_ratio"] + row["mix_change_ratio"] == pytest.approx(plain, abs=1e-8)
        assert row["head_value_at_base_mix"] / row["base_value"] - 1 == pytest.approx(row["change_ratio"], abs=1e-8)


def test_a_baseline_holds_cuts_and_sessions(tmp_path: Path) -> None:
    """The same rows as from its calls; a file of the form before, whose cuts have no time, is refused."""

    def change(dice: np.random.Generator, ttft_ms: float) -> Record:
        return {"session_id": f"session-{dice.integers(6)}", **impatient(3000)(dice, ttft_ms)}

    records = a_day("v1", change) + a_day("v2", change)
    ask = Ask("deploy", Side("v1"), Side("v2"))
    path = tmp_path / "v1.npz"
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        whole = run(store, Scope(), ask)
        save_base(store, Scope(), replace(ask, head=Side("none")), path)
        against = run_against(store, Scope(), replace(ask, base=Side(None, NOON, NOON)), load(path))
    rows = [next(iter(report.tables)).rows for report in (whole, against)]
    assert rows[0] == rows[1]
    with np.load(path) as file:
        arrays = dict(file)
    about = bytes(arrays["about"]).replace(b"baseline/2", b"baseline/1")
    np.savez_compressed(path, **{**arrays, "about": np.frombuffer(about, dtype=np.uint8)})
    with pytest.raises(InputError, match="another version"):
        load(path)


def of_models(deploy: str, mix: dict[str, tuple[int, float]]) -> list[Record]:
    """So many calls of each model, whose first token takes so many times as long."""
    return [
        record
        for seed, (model, (calls, factor)) in enumerate(mix.items())
        for record in a_day(deploy, times(factor), calls, seed, model=model)
    ]


@pytest.mark.parametrize(
    ("before", "after", "plainly", "truth"),
    [
        pytest.param(
            {"fast": (800, 1), "slow": (200, 4)}, {"fast": (400, 0.8), "slow": (600, 3.2)}, 1, "improvement",
            marks=pytest.mark.proof,
        ),
        ({"fast": (400, 1), "slow": (600, 4)}, {"fast": (800, 1.25), "slow": (200, 5)}, -1, "regression"),
        pytest.param(
            {"fast": (2000, 1), "slow": (500, 4)}, {"fast": (1000, 1), "slow": (1500, 4)}, 1, "no change",
            marks=pytest.mark.proof,
        ),
    ],
    ids=["faster", "slower", "as before"],
)
def test_another_mix_of_models_is_not_another_latency(
    tmp_path: Path, before: dict[str, tuple[int, float]], after: dict[str, tuple[int, float]], plainly: int, truth: str
) -> None:
    """Simpson's paradox: the plain median goes another way than either model's, as without strata the verdict does."""
    records = of_models("v1", before) + of_models("v2", after)
    found = total(records, tmp_path, metrics=("ttft",), quantiles=("p50",))["ttft", "p50"]
    assert (found["head_value"] - found["base_value"]) * plainly > 0
    assert found["verdict"] == truth
    fooled = total(records, tmp_path, metrics=("ttft",), quantiles=("p50",), strata=())["ttft", "p50"]
    assert fooled["verdict"] == ("regression" if plainly > 0 else "improvement")


def test_a_model_that_came_or_went_is_not_compared(tmp_path: Path) -> None:
    """Nor does it move the total; its rows stay."""
    records = of_models("v1", {"old": (600, 0.2), "kept": (1800, 1)})
    records += of_models("v2", {"new": (400, 8), "kept": (1800, 1)})
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        ask = Ask("deploy", Side("v1"), Side("v2"), ("ttft",), ("p50",))
        report = run(store, Scope(by=("model",)), ask)
    tables = {table.name: list(table.records()) for table in report.tables}
    assert tables["total"][0]["verdict"] == "no change"
    by_model = {row["model"]: (row["verdict"], row["base_n"], row["head_n"]) for row in tables["by_model"]}
    assert by_model == {
        "kept": ("no change", 1800, 1800), "old": ("too little data", 600, 0), "new": ("too little data", 0, 400),
    }  # fmt: skip
    assert {note.code for note in report.notes} >= {"no_counterpart_base", "no_counterpart_head"}


@pytest.mark.proof
def test_files_their_order_and_reading_them_again_change_nothing(tmp_path: Path) -> None:
    """Not a digit: one file, three in any order, and the same again."""
    records = of_models("v1", {"a": (300, 1), "b": (100, 3)}) + of_models("v2", {"a": (200, 1.3), "b": (200, 3)})
    for number, record in enumerate(records):
        record["tenant_id"] = f"tenant-{number % 3}"
    with store_of(write_lines(tmp_path / "all.jsonl", records)) as store:
        whole = diff(store, ("tenant", "model"))
        ingest(store, tmp_path / "all.jsonl", force=True)
        assert diff(store, ("tenant", "model")) == whole
    random.Random(1).shuffle(records)
    parts = [write_lines(tmp_path / f"{part}.jsonl", records[part::3]) for part in range(3)]
    with store_of(*parts, tmp_path / "all.jsonl") as store:
        assert diff(store, ("tenant", "model")) == whole


def test_groups_make_up_the_total(tmp_path: Path) -> None:
    """Every call that a metric counts is in one group, on its side; and no other is."""

    def varied(dice: np.random.Generator, ttft_ms: float) -> Record:
        tenant = {"tenant_id": f"tenant-{dice.integers(5)}" if dice.random() < 0.9 else None}
        if dice.random() < 0.1:
            return {**tenant, "outcome": "cancelled", "time_to_first_chunk_ms": None, "duration_ms": 900}
        return {**tenant, "outcome": "error"} if dice.random() < 0.05 else tenant

    with store_of(write_lines(tmp_path / "calls.jsonl", a_day("v1", varied) + a_day("v2", varied))) as store:
        tables = diff(store, ("tenant",))
    assert {row["metric"] for row in tables["total"]} >= {"ttft", "duration", "cancel_rate", "error_rate"}
    for row in tables["total"]:
        of_it = [one for one in tables["by_tenant"] if (one["metric"], one["stat"]) == (row["metric"], row["stat"])]
        assert len(of_it) == 6
        for side in ("base_n", "head_n"):
            assert sum(one[side] for one in of_it) == row[side], (row["metric"], side)
    assert {row["base_n"] for row in tables["total"] if row["metric"] == "cancel_rate"} == {CALLS}


def test_a_coarse_clock_is_noticed(tmp_path: Path) -> None:
    """Tenths of a second, or whole ones: a tick of the clock is no change. A finer one needs no notice."""
    records = [
        raw_call(
            str(number), start_time=f"2026-11-{16 + number % 2}T08:{number % 60:02d}:00Z",
            duration_ms=3000 + number % 3 * 1000, time_to_first_chunk_ms=300 + number % 7 * 100,
            service_version=f"v{number % 2}",
        )
        for number in range(60)
    ]  # fmt: skip
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        scope = Scope()
        scope.prepare(store)
        found = scan(store, scope, Ask("deploy", Side("v0"), Side("v1")), taxed=False)
    assert found.ticks_ms == {"ttft": 100.0, "duration": 1000.0}


def test_calls_counted_in_several_goes_are_the_same_histograms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More calls than memory is to hold at once are counted some blocks of time after the others."""
    records = a_day("v1", times(1.1)) + a_day("v2", times(0.9), tenant_id="hooli")
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        scope = Scope(by=("tenant",))
        scope.prepare(store, taxed=False)
        ask = Ask("deploy", Side("v1"), Side("v2"))
        at_once = scan(store, scope, ask, taxed=False).latencies
        monkeypatch.setattr("streamaudit.audits.diff.scan._MOST_CALLS", 100)
        in_goes = scan(store, scope, ask, taxed=False).latencies
    for metric, sides in at_once.items():
        for one, other in zip(sides, in_goes[metric], strict=True):
            for name in ("place", "block", "bucket", "n"):
                assert np.array_equal(getattr(one, name), getattr(other, name)), (metric, name)
        assert sum(int(side.n.sum()) for side in sides) == (0 if metric == "ttvt" else 2 * CALLS)


def test_what_was_not_compared_passes_no_gate(tmp_path: Path) -> None:
    """A side without calls, or a metric that no call has, is too little data; only who asks for a pass gets one."""
    with store_of(write_lines(tmp_path / "calls.jsonl", a_day("v1", as_before))) as store:
        absent = run(store, Scope(), Ask("deploy", Side("v1"), Side("v9"), metrics=("ttft",)))
        twice = run(store, Scope(), Ask(None, Side(None, None, NOON), Side(None, NOON, None), metrics=("ttft", "ttvt")))
    for report, fail_on in ((absent, ("regression",)), (absent, ("ttft",)), (twice, ("ttvt",))):
        for on_insufficient in ("warn", "fail"):
            assert apply_gate(report, fail_on, on_insufficient).verdict == "insufficient"
        assert apply_gate(report, fail_on, "pass").verdict == "pass"

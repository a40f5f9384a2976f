"""Thresholds: what can be demanded of a figure, when it is met, broken or not decided; the figures are the reports'."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from sample_traces import Fleet, write_raw
from streamaudit.audits.check.evaluate import Evaluation, Evaluations, run, window_before
from streamaudit.audits.check.report import report
from streamaudit.audits.check.thresholds import (
    AMOUNTS,
    METRICS,
    Figure,
    judge,
    parse_check,
    parse_expectation,
)
from streamaudit.audits.holds import Wrong
from streamaudit.audits.metrics import RATES
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.scope.window import find_window_before, parse_window
from streamaudit.store.store import Store
from tests.support import grouped as grouped_rows
from tests.support import ingest, raw_call, same, store_of, total, write_lines

Check = dict[str, Any]


@pytest.fixture(scope="module")
def filled(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with the fleet."""
    path = tmp_path_factory.mktemp("thresholds") / "raw.jsonl"
    write_raw(fleet, path)
    with store_of(path) as store:
        yield store


def held_against(store: Store, *checks: Check, scope: Scope | None = None, **options: Any) -> Evaluations:
    """What comes of these entries of a configuration."""
    return run(store, scope or Scope(), [parse_check(check) for check in checks], **options)


def verdicts(found: Evaluations) -> dict[tuple[str | None, ...], str]:
    """The verdict of each group."""
    return {one.group: one.verdict for one in found.rows}


def only(found: Evaluations) -> Evaluation:
    """The one finding that there is."""
    (finding,) = found.rows
    return finding


LESS, MOST, MORE, LEAST = "<50", "<=50", ">50", ">=50"
EXACT, ESTIMATE, OPEN = Figure.exact(9, 50.0), Figure(9, 45.0, 40.0, 60.0), Figure(9, 45.0, 45.0, None)


@pytest.mark.parametrize(
    ("expect", "figure", "result"),
    [
        (LESS, Figure.exact(9, 49.9), "pass"), (LESS, EXACT, "breach"), (MOST, EXACT, "pass"),
        (MORE, EXACT, "breach"), (LEAST, EXACT, "pass"), (LEAST, Figure.exact(9, 49.9), "breach"),
        (LESS, ESTIMATE, "insufficient"), (MORE, ESTIMATE, "insufficient"),
        (LESS, Figure(9, 30.0, 20.0, 49.0), "pass"), (LESS, Figure(9, 55.0, 50.0, 60.0), "breach"),
        (MORE, Figure(9, 55.0, 51.0, 60.0), "pass"), (MORE, Figure(9, 30.0, 20.0, 50.0), "breach"),
        (LESS, OPEN, "insufficient"), (LEAST, OPEN, "insufficient"),
        (LESS, Figure(9, None, 50.0, None), "breach"), (LEAST, Figure(9, None, 50.0, None), "pass"),
        (LESS, Figure(9), "insufficient"), (LESS, Figure(0), "insufficient"),
        (LESS, Figure.exact(4, 1.0), "insufficient"),
    ],
)  # fmt: skip
def test_a_limit_is_met_or_broken_only_when_all_of_an_interval_says_so(
    expect: str, figure: Figure, result: str
) -> None:
    judgement = judge(parse_expectation("tax_usd", expect), figure, None, min_n=5)
    assert judgement.result == result
    assert bool(judgement.why) == (result == "insufficient" or not figure.certain)


@pytest.mark.parametrize(
    ("expect", "now", "before", "result"),
    [
        ("<baseline*1.10", Figure.exact(9, 109.0), Figure.exact(9, 100.0), "pass"),
        ("< baseline * 1.10", Figure.exact(9, 111.0), Figure.exact(9, 100.0), "breach"),
        ("<=baseline", Figure.exact(9, 100.0), Figure.exact(9, 100.0), "pass"),
        ("<=baseline+20", Figure.exact(9, 121.0), Figure.exact(9, 100.0), "breach"),
        (">baseline*0.5", Figure.exact(9, 51.0), Figure.exact(9, 100.0), "pass"),
        ("<baseline", Figure.exact(9, 1.0), Figure(0), "insufficient"),
        ("<baseline", Figure.exact(9, 1.0), Figure.exact(4, 9.0), "insufficient"),
        ("<baseline", Figure.exact(9, 44.0), OPEN, "pass"),
        ("<baseline", Figure.exact(9, 46.0), OPEN, "insufficient"),
        (">baseline", Figure.exact(9, 45.0), OPEN, "breach"),
        ("<baseline", Figure.exact(9, 60.0), ESTIMATE, "breach"),
        ("<baseline", ESTIMATE, ESTIMATE, "insufficient"),
    ],
)
def test_a_baseline_is_a_limit_that_may_itself_be_an_interval(
    expect: str, now: Figure, before: Figure, result: str
) -> None:
    assert judge(parse_expectation("tax_usd", expect), now, before, min_n=5).result == result


@pytest.mark.parametrize(
    ("entry", "key", "says"),
    [
        ({"metric": "ttft", "expect": "p(95)<1"}, "metric", "did you mean ttft_ms"),
        ({"metric": "ttft_ms", "expect": "<800"}, "expect", "p(50), p(90), p(95), p(99), avg"),
        ({"metric": "ttft_ms", "expect": "p(75)<800"}, "expect", "no p(75)"),
        ({"metric": "ttft_ms", "expect": "p(95) is small"}, "expect", "p(95)<800"),
        ({"metric": "ttft_ms", "expect": 800}, "expect", "no comparison"),
        ({"metric": "ttft_ms", "expect": []}, "expect", "empty"),
        ({"metric": "cancel_rate", "expect": "p(95)<0.5"}, "expect", "one figure"),
        ({"metric": "cancel_rate", "expect": "<5"}, "expect", "share from 0 to 1"),
        ({"metric": "tax_usd", "expect": "<base*1.1"}, "expect", "<baseline*1.10"),
        ({"metric": "tax_usd", "expect": "<-1"}, "expect", "no comparison"),
        ({"metric": "tax_usd"}, "", "no expect"),
        ({"expect": "<1"}, "", "no metric"),
        ({"metric": "tax_usd", "expect": "<1", "wher": "x"}, "wher", "did you mean where"),
        ({"metric": "tax_usd", "expect": "<1", "by": "tennant"}, "by", "did you mean tenant"),
        ({"metric": "tax_usd", "expect": "<1", "by": ["tenant"]}, "by", 'by = "tenant"'),
        ({"metric": "tax_usd", "expect": "<1", "where": "tennant=a"}, "where", "did you mean tenant"),
        ({"metric": "tax_usd", "expect": "<1", "where": "tenant"}, "where", "tenant=acme"),
        ({"metric": "tax_usd", "expect": "<1", "where": "tenant=a tenant=b"}, "where", "tenant=one,other"),
        ({"metric": "tax_usd", "expect": "<1", "min_n": 0}, "min_n", "from 1"),
        ({"metric": "tax_usd", "expect": "<1", "severity": "error"}, "severity", "fail or warn"),
        ({"metric": "tax_usd", "expect": "<1", "hold": {"until": date(2026, 12, 1)}}, "hold", "no reason"),
        ({"metric": "tax_usd", "expect": "<1", "hold": {"reason": "x"}}, "hold", "no day"),
        ({"metric": "tax_usd", "expect": "<1", "hold": {"reason": "x", "until": "soon"}}, "hold", "no day"),
        ({"metric": "tax_usd", "expect": "<1", "hold": {"reason": "x", "untill": 1}}, "hold", "did you mean until"),
        ({"metric": "tax_usd", "expect": "<1", "hold": {"reason": "x", "until": "2026-12-01", "where": "tenant=a"}},
            "hold", "own groups"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_key_and_a_remedy(entry: Check, key: str, says: str) -> None:
    with pytest.raises(Wrong) as wrong:
        parse_check(entry)
    assert wrong.value.key == key
    assert says in f"{wrong.value.message} {wrong.value.hint}"


def test_the_figures_are_those_of_the_reports(filled: Store) -> None:
    """Every group of a check has the value, the ends and the number of calls that report, ttft and tax print."""
    times = {"ttft_ms": "p(50) p(90) p(95) p(99)", "ttvt_ms": "p(50) p(95)", "duration_ms": "p(50) p(95)"}
    checks: list[Check] = [
        {"metric": name, "expect": [f"{stat}>=0" for stat in stats.split()], "by": "tenant"}
        for name, stats in times.items()
    ]
    plain = (*AMOUNTS, "cancel_rate", "error_rate")
    checks += [{"metric": name, "expect": ">=0", "by": "tenant"} for name in plain]
    reports = [grouped_rows(filled, name, "tenant") for name in ("report", "ttft", "tax")]
    seen = 0
    for one in held_against(filled, *checks).rows:
        row = {name: value for report in reports for name, value in report[one.group[0]].items()}
        name = one.check.metric
        if one.expectation.stat:
            name = f"{name.removesuffix('_ms')}_{one.expectation.stat}_ms"
        expected = row["errors"] / row["calls"] if name == "error_rate" else row[name]
        assert same(name, one.figure.value, expected), (one.group, name)
        if name in ("tax_tokens", "tax_usd"):
            low, high = name.replace("tax_", "tax_low_"), name.replace("tax_", "tax_high_")
            assert same(name, one.figure.low, row[low]) and same(name, one.figure.high, row[high]), one.group
        kind = name.partition("_")[0]
        if kind != "duration":
            assert one.figure.n == row[f"{kind}_calls" if kind in ("ttft", "ttvt") else "calls"], (one.group, name)
        seen += 1
    assert seen == len(reports[0]) * (8 + len(plain))


def test_time_per_token_and_tax_rate_are_what_the_definitions_say(store: Store, tmp_path: Path) -> None:
    """TPOT leaves the first token out; the rate of the tax is of calls whose tax and output are both known."""
    records = [
        raw_call("a", time_to_first_chunk_ms=1000, output_tokens=101),
        raw_call("b", output_tokens=None),
        raw_call("c", outcome="cancelled", output_tokens=99, rendered_output_tokens=49),
    ]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    found = held_against(
        store, {"metric": "tpot_ms", "expect": ["p(50)<=40", "avg<=40"]}, {"metric": "tax_rate", "expect": "<=0.25"}
    )
    assert [(one.verdict, one.figure.n, one.figure.value) for one in found.rows] == [
        ("pass", 1, 40.0), ("pass", 1, 40.0), ("pass", 2, 0.25),
    ]  # fmt: skip


def test_what_nobody_knows_is_skipped_and_never_0(store: Store, tmp_path: Path) -> None:
    """Neither an empty window nor a call of which nothing is known meets a limit; only calls can be counted."""
    checks = [
        {"metric": name, "expect": f"{'p(50)' if name.endswith('_ms') else ''}<{1 if name in RATES else 1000}"}
        for name in METRICS
    ]
    unknown = dict.fromkeys(METRICS, ("skip", None))
    empty = held_against(store, *checks)
    assert {one.check.metric: (one.verdict, one.figure.value) for one in empty.rows} == unknown | {"calls": ("pass", 0)}
    bare = raw_call("a", outcome=None, output_tokens=None, duration_ms=None, model="ours")
    ingest(store, write_lines(tmp_path / "calls.jsonl", [bare]))
    found = held_against(store, *checks)
    assert {one.check.metric: (one.verdict, one.figure.value) for one in found.rows} == unknown | {"calls": ("pass", 1)}


def test_a_call_without_an_outcome_opens_what_depends_on_it(store: Store, tmp_path: Path) -> None:
    """It may have been cancelled: a rate is an interval then, and a tax has no upper end."""
    silent = raw_call("u", outcome=None, output_tokens=None, duration_ms=None)
    records = [*(raw_call(str(n)) for n in range(8)), silent, raw_call("x", outcome="error")]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    checks: list[Check] = [
        {"metric": "cancel_rate", "expect": ["<0.05", "<0.2"]}, {"metric": "error_rate", "expect": "<0.1"},
        {"metric": "tax_tokens", "expect": "<10"},
    ]  # fmt: skip
    found = {(one.check.metric, one.expectation.text): one.verdict for one in held_against(store, *checks).rows}
    assert found == {("cancel_rate", "<0.05"): "skip", ("cancel_rate", "<0.2"): "pass", ("error_rate", "<0.1"): "fail",
        ("tax_tokens", "<10"): "skip"}  # fmt: skip
    assert total(store, "report")["cancel_rate"] == 0.0


def test_groups_selectors_and_severities(filled: Store) -> None:
    """Every group is looked at; selectors narrow like --only; a warning never fails the whole."""
    rows = grouped_rows(filled, "report", "tenant", only=(("model", "gpt*"),))
    check = {"metric": "calls", "expect": "<20", "by": "tenant", "where": "model=gpt*"}
    found = held_against(filled, check)
    assert verdicts(found) == {(name,): "pass" if row["calls"] < 20 else "fail" for name, row in rows.items()}
    assert found.verdict == "fail"
    warned = held_against(filled, {**check, "severity": "warn"})
    assert (warned.verdict, warned.count("warn")) == ("pass", found.count("fail"))
    nobody = only(held_against(filled, {**check, "metric": "error_rate", "expect": "<1", "where": "tenant=nobody"}))
    assert (nobody.verdict, nobody.group, nobody.figure.n, nobody.reason) == ("skip", ("*",), 0, "n=0")


def test_groups_of_the_configuration_are_groups_of_a_check(filled: Store) -> None:
    """Also between checks that group by dimensions."""
    scope = Scope(groups={"big": {"tenant": ("acme",)}})
    checks = [{"metric": "calls", "expect": ">0", "by": by} for by in ("tenant", "group:tenant", "model")]
    found = held_against(filled, *checks, scope=scope)
    sizes = {name: row["calls"] for name, row in grouped_rows(filled, "report", "tenant").items()}
    grouped = {one.group: one.figure.n for one in found.rows if one.check.by == ("group:tenant",)}
    assert grouped == {("big",): sizes["acme"], (None,): sum(sizes.values()) - sizes["acme"]}


@pytest.mark.parametrize(
    ("today", "wanted"),
    [("2026-12-01", {"a": "held", "b": "fail"}), ("2026-12-02", {"a": "fail", "b": "fail"})],
)
def test_a_held_breach_fails_again_once_its_day_has_passed(
    store: Store, tmp_path: Path, today: str, wanted: dict[str, str]
) -> None:
    """It holds through its last day and for its own groups only; the reason stays to be read."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", [raw_call(one, tenant_id=one) for one in "ab"]))
    hold = {"reason": "ticket 812", "until": date(2026, 12, 1), "where": "tenant=a*"}
    check = {"metric": "calls", "expect": "<1", "by": "tenant", "hold": hold}
    found = held_against(store, check, today=date.fromisoformat(today))
    assert {one.group[0]: one.verdict for one in found.rows} == wanted
    assert next(one for one in found.rows if one.group == ("a",)).reason.endswith("until 2026-12-01: ticket 812")


@pytest.mark.parametrize(
    ("on_insufficient", "verdict", "whole"),
    [("warn", "skip", "insufficient"), ("pass", "skip", "pass"), ("fail", "fail", "fail")],
)
def test_too_little_data_is_what_was_asked_for(filled: Store, on_insufficient: str, verdict: str, whole: str) -> None:
    check = {"metric": "calls", "expect": ">0", "min_n": 1_000_000}
    found = held_against(filled, check, on_insufficient=on_insufficient)
    assert (only(found).verdict, found.verdict) == (verdict, whole)
    assert only(found).reason == f"n={total(filled, 'report')['calls']:,} < 1,000,000"


def test_every_evaluation_is_a_finding_of_its_row(filled: Store) -> None:
    """Fail, warn, skip, held and pass are severity and status to a renderer; a hidden value is hidden there too."""
    hold = {"reason": "ticket 812", "until": date(2099, 1, 1)}
    found = held_against(
        filled,
        {"metric": "calls", "expect": "<1", "by": "tenant"},
        {"metric": "tax_tokens", "expect": "<0", "severity": "warn"},
        {"metric": "calls", "expect": "<1", "hold": hold},
        {"metric": "ttft_ms", "expect": "p(50)<1", "min_n": 10**9},
        {"metric": "calls", "expect": ">0"},
    )
    (table,) = report(found, everything=True, alias=lambda name, value: "hidden").tables
    kinds = {
        "fail": ("critical", "open"), "warn": ("warning", "open"), "held": ("critical", "accepted"),
        "skip": ("critical", "undecided"), "pass": ("critical", "passed"),
    }  # fmt: skip
    assert {one.verdict for one in found.rows} == set(kinds)
    for index, record in enumerate(table.records()):
        finding = table.findings[index]
        assert (finding.severity, finding.status) == kinds[str(record["verdict"])]
        assert (finding.audit, finding.code) == ("check", record["verdict"])
        assert (finding.calls, finding.evidence) == (record["n"], record["reason"] or "")
        assert finding.group == ({"tenant": record["tenant"]} if record["by"] else {})
        assert (finding.tokens_at_stake is not None) == (record["metric"] == "tax_tokens")


def test_a_baseline_is_the_figure_of_the_window_before(store: Store, tmp_path: Path) -> None:
    """By group; who has no calls before cannot be compared, and whose calls are all gone is still counted."""
    traffic = {"2026-11-10": "aab", "2026-11-17": "aaaac", "2026-11-03": "aaaaaaaaa"}
    records = [
        raw_call(f"{day}-{n}", tenant_id=tenant, start_time=f"{day}T08:00:00Z", duration_ms=1000 * int(day[-2:]))
        for day, tenants in traffic.items() for n, tenant in enumerate(tenants)
    ]  # fmt: skip
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    scope = Scope(since=datetime(2026, 11, 16, tzinfo=UTC), until=datetime(2026, 11, 23, tzinfo=UTC))
    checks = [
        {"metric": "calls", "expect": ">=baseline*0.5", "by": "tenant"},
        {"metric": "duration_ms", "expect": "p(50)<baseline*1.5", "by": "tenant"},
    ]
    before = window_before(scope, [parse_check(one) for one in checks], None)
    assert before == (datetime(2026, 11, 9, tzinfo=UTC), scope.since)
    found = held_against(store, *checks, scope=scope, before=before)
    assert {(one.check.metric, one.group[0]): (one.verdict, one.reason) for one in found.rows} == {
        ("calls", "a"): ("pass", ""), ("calls", "b"): ("fail", ""), ("calls", "c"): ("skip", "baseline n=0"),
        ("duration_ms", "a"): ("fail", ""), ("duration_ms", "c"): ("skip", "baseline n=0"),
    }  # fmt: skip
    assert "baseline_data_starts" not in {note.code for note in found.notes}


def test_a_baseline_that_the_data_does_not_reach_back_into_is_noted(store: Store, tmp_path: Path) -> None:
    """A sum over half a window is no sum over the window."""
    records = [raw_call(str(day), start_time=f"2026-11-{day:02}T08:00:00Z") for day in range(6, 24)]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    scope = Scope(since=datetime(2026, 11, 9, tzinfo=UTC), until=datetime(2026, 11, 16, tzinfo=UTC))
    check = {"metric": "calls", "expect": "<baseline*1.5"}
    found = held_against(store, check, scope=scope, before=window_before(scope, [parse_check(check)], None))
    assert only(found).verdict == "fail"
    noted = {note.code: note.message for note in found.notes}
    assert "the data starts 2026-11-06 08:00" in noted["baseline_data_starts"]


def test_yesterday_is_a_day_of_the_zone() -> None:
    """At 00:30 in Paris it is still the day before in UTC."""
    now = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)
    start, end = parse_window("yesterday", "today", None, None, "Europe/Paris", now)
    assert (start, end) == (datetime(2026, 11, 28, 23, tzinfo=UTC), datetime(2026, 11, 29, 23, tzinfo=UTC))
    assert parse_window("yesterday", None, None, None, "UTC", now) == (datetime(2026, 11, 28, tzinfo=UTC), None)


@pytest.mark.parametrize(
    ("since", "until", "tz", "wanted"),
    [
        ("2026-11-16", "2026-11-23", "UTC", "2026-11-09T00:00:00+00:00"),
        ("2026-10-26", "2026-11-02", "Europe/Paris", "2026-10-18T22:00:00+00:00"),  # the clocks changed on the 25th
        ("2026-11-16T08:00", "2026-11-16T20:00", "Europe/Paris", "2026-11-15T19:00:00+00:00"),
    ],
)
def test_the_window_before_is_as_long_in_the_days_of_its_zone(since: str, until: str, tz: str, wanted: str) -> None:
    first, end = parse_window(since, until, None, None, tz)
    assert first and end
    assert find_window_before(first, end, tz)[0].isoformat() == wanted


def test_the_last_week_is_the_last_whole_one_of_the_zone() -> None:
    """Sunday evening in UTC is Monday in Tokyo."""
    now = datetime(2026, 11, 22, 20, tzinfo=UTC)
    assert parse_window(None, None, None, "last", "UTC", now) == parse_window(None, None, None, "2026-W46", "UTC")
    tokyo = "Asia/Tokyo"
    assert parse_window(None, None, None, "last", tokyo, now) == parse_window(None, None, None, "2026-W47", tokyo)

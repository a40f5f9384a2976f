"""``diff`` from the command line: what is compared with what, gates, baselines, and what it never shows."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.running import Cli
from tests.cli.traffic import Record, call
from tests.sampling import keep
from tests.support import write_lines

SLOW = ("diff", "--metric", "ttft", "--stat", "p50", "--format", "json")


def calls_of(deploy: str, day: int, ttft_ms: int, tenant: str = "acme", count: int = 120) -> list[Record]:
    """Calls through a whole day, with a first token that varies by up to a fifth."""
    return [
        call(
            number, request_id=f"{deploy}-{tenant}-{number}", tenant_id=tenant, service_version=deploy,
            duration_ms=40_000, start_time=f"2026-11-{day:02d}T{number * 12 // 60:02d}:{number * 12 % 60:02d}:00Z",
            time_to_first_chunk_ms=ttft_ms * (1 + number * 7 % 20 / 100), outcome="completed", output_tokens=50,
        )
        for number in range(count)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def deploys(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Three deploys of three tenants, a day each: the third makes acme wait twice as long."""
    cli = Cli(tmp_path_factory.mktemp("deploys"))
    records: list[Record] = []
    for day, (deploy, ttft_ms) in enumerate({"v1": 400, "v2": 400, "v3": 800}.items(), start=16):
        records += calls_of(deploy, day, ttft_ms) + calls_of(deploy, day, 400, "globex")
        records += calls_of(deploy, day, 400, "initech", 5)
    write_lines(cli.folder / "calls.jsonl", records)
    assert cli.run("ingest", "calls.jsonl", "--db", "store.duckdb", "-q").code == 0
    return cli


def rows(out: str, table: str = "by_tenant") -> dict[str, Record]:
    """The rows of a diff of one figure, by tenant."""
    tables = {one["name"]: one["rows"] for one in json.loads(out)["tables"]}
    return {row.get("tenant", "total"): row for row in tables[table]}


def test_the_last_two_deploys_are_compared_unless_others_are_named(deploys: Cli) -> None:
    """By their first call; naming the first two finds no change, the last two a tenant who waits longer."""
    last, named = deploys.run_each([
        [*SLOW, "--by", "tenant", "--db", "store.duckdb"],
        [*SLOW, "v1", "v2", "--by", "tenant", "--db", "store.duckdb"],
    ])  # fmt: skip
    found = rows(last.out)
    assert found["acme"]["verdict"] == "regression"
    assert found["acme"]["change_ratio"] == pytest.approx(1.0, abs=0.02)
    assert found["acme"]["ci_low_ratio"] < found["acme"]["change_ratio"] < found["acme"]["ci_high_ratio"]
    assert (found["globex"]["verdict"], found["globex"]["base_n"], found["globex"]["head_n"]) == ("no change", 120, 120)
    assert (found["initech"]["verdict"], found["initech"]["change_ratio"]) == ("too little data", None)
    assert "30 calls" in found["initech"]["reason"]
    sides = [row["deploy"] for row in json.loads(last.out)["tables"][-1]["rows"]]
    assert sides == ["v2", "v3"]
    assert {row["verdict"] for row in rows(named.out).values()} == {"no change", "too little data"}


def test_windows_and_other_dimensions_are_sides_too(deploys: Cli) -> None:
    """The same days as windows give the same figures as their deploys; two tenants of one deploy differ."""
    deploy, window, tenants = deploys.run_each([
        [*SLOW, "v2", "v3", "--db", "store.duckdb"],
        [*SLOW, "--base-since", "2026-11-17", "--since", "2026-11-18", "--db", "store.duckdb"],
        [*SLOW, "globex", "acme", "--on", "tenant", "--only", "deploy=v3", "--db", "store.duckdb"],
    ])  # fmt: skip
    assert rows(deploy.out, "total") == rows(window.out, "total")
    found = rows(tenants.out, "total")["total"]
    assert (found["verdict"], found["base_n"], found["head_n"]) == ("regression", 120, 120)
    assert "canary" in {note["code"] for note in json.loads(tenants.out)["notes"]}


def test_files_stand_in_place_of_a_store(deploys: Cli) -> None:
    """Before them the two sides, or none: a first word that is a file is one."""
    named, latest, stored = deploys.run_each([
        [*SLOW, "v2", "v3", "calls.jsonl", "-q"], [*SLOW, "calls.jsonl", "-q"], [*SLOW, "--db", "store.duckdb"],
    ])  # fmt: skip
    assert rows(named.out, "total") == rows(latest.out, "total") == rows(stored.out, "total")


def test_a_gate_fails_only_on_what_it_was_asked_about(deploys: Cli) -> None:
    """1 for a regression of a named metric, 0 otherwise; what cannot be judged passes, unless that was to fail."""
    gate = ["--db", "store.duckdb", "--by", "tenant", "--stat", "p50", "--format", "json", "--fail-on"]
    ends = {
        ("regression",): (1, "fail"),
        ("ttft",): (1, "fail"),
        ("cancel_rate",): (0, "insufficient"),
        ("cancel_rate", "--on-insufficient", "pass"): (0, "pass"),
        ("cancel_rate", "--on-insufficient", "fail"): (1, "insufficient"),
        ("duration", "--metric", "duration", "--only", "tenant=acme"): (0, "pass"),
    }
    runs = deploys.run_each([["diff", *gate, *arguments] for arguments in ends])
    assert [(done.code, json.loads(done.out)["verdict"]) for done in runs] == list(ends.values())


def test_a_test_view_and_a_workflow_are_told_what_failed(deploys: Cli) -> None:
    """JUnit has a failed, a passed and a skipped test; GitHub an error for the one that failed and no other."""
    junit, github = deploys.run_each([
        ["diff", "--metric", "ttft", "--stat", "p50", "--by", "tenant", "--db", "store.duckdb", "--format", form]
        for form in ("junit", "github")
    ])  # fmt: skip
    suite = ElementTree.fromstring(junit.out).find("testsuite")
    assert suite is not None and [suite.get(name) for name in ("tests", "failures", "skipped")] == ["3", "1", "1"]
    failed = suite.find("testcase[failure]")
    assert failed is not None and failed.get("name") == "acme ttft p50"
    errors = [line for line in github.out.splitlines() if line.startswith("::error ")]
    assert sum("acme ttft p50" in line for line in errors) == 1
    assert not any("globex" in line for line in errors)


def test_a_baseline_compares_like_the_calls_it_was_made_of(deploys: Cli) -> None:
    """Counts of a side in a file, in blocks as wide as the side allows, give the same rows as its calls."""
    runs = deploys.run_each([
        ["diff", "v2", "--save-baseline", "v2.npz", "--by", "tenant", "--db", "store.duckdb", "-q"],
        ["diff", "--base-store", "v2.npz", "--by", "tenant", "--db", "store.duckdb", "--format", "json"],
        ["diff", "v2", "v3", "--by", "tenant", "--db", "store.duckdb", "--format", "json"],
        ["diff", "--base-store", "v2.npz", "--by", "region", "--db", "store.duckdb"],
        ["diff", "--base-store", "calls.jsonl", "--db", "store.duckdb"],
        ["diff", "--base-store", "nowhere.npz", "--db", "store.duckdb"],
        ["diff", "v2", "--save-baseline", "nowhere/v2.npz", "--db", "store.duckdb"],
        ["diff", "v9", "--save-baseline", "v9.npz", "--db", "store.duckdb"],
    ])  # fmt: skip
    assert [done.code for done in runs] == [0, 0, 0, 2, 3, 3, 5, 3]
    assert json.loads(runs[1].out)["tables"] == json.loads(runs[2].out)["tables"]
    assert "not saved by region" in runs[3].err and "is no baseline" in runs[4].err
    assert not (deploys.folder / "v9.npz").exists()


WRONG: list[tuple[list[str], str]] = [
    (["v1"], "one side"),
    (["v1", "v1"], "both sides"),
    (["--metric", "tfft"], "did you mean ttft"),
    (["--stat", "p42"], "known: p50"),
    (["--on", "tennant", "a", "b"], "did you mean tenant"),
    (["--on", "tenant"], "two values"),
    (["--strata", "model,route,tenant,region"], "at most 3"),
    (["--min-effect", "lots"], "10%"),
    (["--fail-on", "regresion"], "did you mean regression"),
    (["--on-insufficient", "cry"], "pass, warn or fail"),
    (["--base-since", "2026-11-16"], "head window"),
    (["--base-since", "2026-11-16", "--base-until", "2026-11-18", "--since", "2026-11-17"], "overlap"),
    (["--only", "deploy=v3"], "no two deploys"),
]


def test_what_cannot_be_compared_is_a_usage_error(deploys: Cli) -> None:
    """In one line that says what to write instead."""
    runs = deploys.run_each([["diff", *arguments, "--db", "store.duckdb"] for arguments, _ in WRONG])
    for (arguments, says), done in zip(WRONG, runs, strict=True):
        assert done.code == 2, arguments
        assert says in done.err, done.err


def test_a_side_without_calls_is_no_verdict(deploys: Cli) -> None:
    """Its rows stay, as too little data, and a note names the side."""
    done = deploys.run(*SLOW, "v3", "v9", "--by", "tenant", "--db", "store.duckdb")
    assert done.code == 0
    assert {row["verdict"] for row in rows(done.out).values()} == {"too little data"}
    assert "empty" in {note["code"] for note in json.loads(done.out)["notes"]}


def test_aliases_hide_names_wherever_they_stand(tmp_path: Path) -> None:
    """Also the stratum that a change comes from, and the sides."""
    cli = Cli(tmp_path)
    records = calls_of("v1", 16, 400) + calls_of("v2", 17, 900)
    records += calls_of("v1", 16, 400, "globex") + calls_of("v2", 17, 400, "globex")
    write_lines(tmp_path / "calls.jsonl", records)
    lines = (
        ["ingest", "calls.jsonl", "-q"], [*SLOW], [*SLOW, "--redact", "tenant"],
        [*SLOW, "acme", "globex", "--on", "tenant", "--redact", "tenant"],
    )  # fmt: skip
    _, plain, hidden, sides = cli.run_each([[*line, "--db", "s.duckdb"] for line in lines])
    assert rows(plain.out, "total")["total"]["from_tenant"] == "acme"
    assert "acme" not in hidden.out and "tenant-" in hidden.out
    assert (sides.code, "tenant-" in sides.out) == (0, True)
    assert "acme" not in sides.out and "globex" not in sides.out


def test_a_screen_shows_what_moved_and_counts_the_rest(deploys: Cli) -> None:
    """The sides with their calls first, then what moved; every other row is counted by verdict and can be had."""
    moved, every, gate = deploys.run_each([
        ["diff", "--by", "tenant", "--db", "store.duckdb"],
        ["diff", "--by", "tenant", "--db", "store.duckdb", "--top", "1000"],
        ["diff", "--by", "tenant", "--db", "store.duckdb", "--fail-on", "tax_rate"],
    ])  # fmt: skip
    blocks = moved.out.split("\n\n")
    assert [line.split()[:2] for line in blocks[1].splitlines()[2:]] == [["base", "v2"], ["head", "v3"]]
    assert [line.split()[-1] for line in blocks[1].splitlines()[2:]] == ["245", "245"]
    assert {tuple(line.split()[:2]) for line in blocks[2].splitlines()[3:]} == {("acme", "regression")}
    metrics = [line.split()[1 if line.startswith(("reg", "inc")) else 2] for line in blocks[3].splitlines()[3:]]
    assert set(metrics) == {"ttft", "duration", "tpot", "cancel_rate", "error_rate", "tax_rate"}
    said = r"note: (\d+) rows hidden \((\d+) no change, (\d+) inconclusive\); --top 1000 shows all"
    note = re.search(said, moved.out)
    assert note and int(note[1]) == int(note[2]) + int(note[3]) > 0
    assert "rows hidden" not in every.out and "initech" in every.out and "globex" in every.out
    assert "too little data" not in moved.out + every.out and "inconclusive" in every.out
    assert "verdict: inconclusive" in gate.out, "the gate is of all rows, not of those that are shown"


@pytest.mark.parametrize("columns", keep([24, 46, 60, 80, 120], [24, 80]))
def test_the_change_is_shown_at_any_width_in_the_colour_of_its_verdict(deploys: Cli, columns: int) -> None:
    """Other columns go first; below all of them each figure has its own line. Colour never comes without the word."""
    command = ("diff", "--by", "tenant", "--db", "store.duckdb", "--metric", "ttft", "--stat", "p50")
    seen = deploys.terminal(*command, columns=columns).out
    assert re.search(r"\x1b\[31m *\+\d+\.\d %", seen)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", seen)
    assert max(map(len, plain.splitlines())) <= columns
    table = plain.split("by tenant\n")[1].split("\n\n")[0]
    assert "regression" in table and "change" in table and re.search(r"\+\d+\.\d %", table)
    assert "\x1b" not in deploys.terminal(*command, columns=columns, env={"NO_COLOR": "1"}).out


def test_a_wait_for_a_visible_token_is_shown_where_it_differs(tmp_path: Path) -> None:
    """Without reasoning it is the wait for the first token: one row on a screen, both in data."""
    cli = Cli(tmp_path)
    records = calls_of("v1", 16, 400) + calls_of("v2", 17, 900)
    for record in records:
        record["time_to_first_visible_token_ms"] = record["time_to_first_chunk_ms"]
    write_lines(tmp_path / "same.jsonl", records)
    for record in records:
        record["time_to_first_visible_token_ms"] += 3000
    write_lines(tmp_path / "later.jsonl", records)
    maps, waits = ("--map", "ttvt_ms=time_to_first_visible_token_ms", "-q"), ("--stat", "p50", "--metric", "ttft,ttvt")
    _, same, data, later = cli.run_each([
        ["ingest", "same.jsonl", *maps, "--db", "same.duckdb"], ["diff", *waits, "--db", "same.duckdb"],
        ["diff", *waits, "--db", "same.duckdb", "--json"], ["diff", "later.jsonl", *maps, *waits],
    ])  # fmt: skip
    assert "ttvt" not in same.out and "1 regression and no improvements" in same.out
    assert "ttvt" in later.out
    assert {row["metric"] for row in json.loads(data.out)["tables"][0]["rows"]} == {"ttft", "ttvt"}

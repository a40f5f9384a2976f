"""``explain`` and ``coverage`` as a user runs them: from a file, from a store, in every format, and when there is no
such call; and what ingest says about keys instead of keeping silent."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from sample_traces.records import litellm, spend_row
from streamaudit.audits.explain.figures import DECIDED, FIGURES
from streamaudit.audits.scope.scope import Scope
from streamaudit.ingest.sources.registry import discover
from streamaudit.report.render.formats import BINARY, formats, load
from streamaudit.store.store import Store
from tests.cli.running import Cli, Result
from tests.once import once
from tests.sampling import keep
from tests.support import datadog_span, langfuse_row, raw_call, write_lines

CUT: dict[str, Any] = {
    "request_id": "r-1002", "start_time": "2026-11-20T10:01:00Z", "duration_ms": 9410.0, "stream": True,
    "time_to_first_chunk_ms": 505.0, "provider": "openai", "request_model": "gpt-4o-mini", "route": "/v1/answer",
    "service_version": "2026.11.3", "tenant_id": "acme", "input_tokens": 812, "output_tokens": 511,
    "streamed_output_tokens": 96, "rendered_output_tokens": 80, "outcome": "cancelled", "cancelled_at_ms": 2100.0,
    "chunk_offsets_ms": [505, 1200, 1900, 4000], "chunk_tokens": [1, 40, 40, 430], "user_id": "u-77",
}  # fmt: skip


@pytest.fixture
def calls(cli: Cli) -> str:
    """A file with one cut call and two others."""
    _write_calls(cli.folder)
    return "traces.jsonl"


def _write_calls(folder: Path) -> None:
    write_lines(
        folder / "traces.jsonl",
        [CUT, raw_call("r-1003", response_id="cmpl-9"), raw_call("r-2000", outcome="cancelled", output_tokens=None)],
    )


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The option for a store with these calls, which is only read."""
    return "--db", str(once(tmp_path_factory, "explained", _store_calls))


def _store_calls(folder: Path) -> Path:
    _write_calls(folder)
    assert Cli(folder).run("ingest", "traces.jsonl", "--db", "s.duckdb", "-q").code == 0
    return folder / "s.duckdb"


def facts(cli: Cli, *arguments: str) -> dict[str, dict[str, Any]]:
    """The figures of an explanation by name."""
    done = cli.run("explain", *arguments, "--format", "json")
    assert done.code == 0, done.err
    return _figures(done)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory, stored: tuple[str, str]) -> Path:
    """A folder with explanations of the calls of that store: of one in every form, of the others in JSON by what they
    were asked for by."""
    return once(tmp_path_factory, "explanations", lambda folder: _explain_calls(folder, stored))


def _explain_calls(folder: Path, stored: tuple[str, str]) -> Path:
    asked: tuple[tuple[str, list[str], list[str]], ...] = (
        ("r-1002", [], ["narrow.txt", "narrow.md", "call.csv", "call.jsonl", "r-1002.json"]),
        ("r-1002", ["--wide"], ["wide.txt", "wide.md"]), ("cmpl-9", [], ["cmpl-9.json"]), ("r-2", [], ["r-2.json"]),
    )  # fmt: skip
    lines = [
        ["explain", call, *stored, *more, *(word for file in files for word in ("-o", file))]
        for call, more, files in asked
    ]
    for line, done in zip(lines, Cli(folder).run_each(lines), strict=True):
        assert (done.code, done.out) == (0, ""), (line, done.err)
    return folder


@pytest.fixture(scope="session")
def explained(written: Path) -> dict[str, dict[str, Any]]:
    """The figures of the calls of that store, by what they were asked for by."""
    return {
        call: _figures(Result(0, (written / f"{call}.json").read_text(), "")) for call in ("r-1002", "cmpl-9", "r-2")
    }


def _figures(done: Result) -> dict[str, dict[str, Any]]:
    (table,) = (one for one in json.loads(done.out)["tables"] if one["name"] == "figures")
    return {row["figure"]: row for row in table["rows"]}


def test_a_call_is_told_from_its_request_to_its_end(cli: Cli, calls: str) -> None:
    """The headline, the moments in their order, and the figures with rule and field."""
    done = cli.run("explain", "r-1002", calls)
    assert (done.code, done.err) == (0, "")
    assert "This call was cancelled: 431 of 511 billed output tokens were never shown." in done.out
    order = ("request issued", "first chunk", "4 chunks from the provider", "cancelled", "end")
    drawing = done.out[done.out.index("timeline") :]
    places = [drawing.index(f"  {name}\n") for name in order]
    assert places == sorted(places)
    assert re.search(r"^ +tax_best +431 +511 billed - 80 rendered$", done.out, re.MULTILINE)
    assert done.out.isascii()


def test_a_screen_shows_money_and_tax_and_names_what_it_leaves_out(
    written: Path, explained: dict[str, dict[str, Any]]
) -> None:
    """In full with ``--wide``; in Markdown likewise. The ends of an exact value and what is unknown are left out."""
    narrow, wide = ((written / f"{name}.txt").read_text() for name in ("narrow", "wide"))
    assert re.findall(r"^  (\w+_\w+) ", narrow.partition("figures\n")[2], re.MULTILINE) == [
        "cost_usd", "usd_per_output_token", "tax_class", "tax_best", "tax_best_usd",
    ]  # fmt: skip
    (hidden,) = re.findall(r"^hidden: (\d+) figures \(--wide\)$", narrow, re.MULTILINE)
    assert "\nhidden: " not in wide and int(hidden) > 90
    assert re.search(r"^ +tenant +acme +from: tenant_id$", wide, re.MULTILINE)
    assert re.search(r"^ +session_id +- +the export has no session$", wide, re.MULTILINE)
    markdown = [(written / f"{name}.md").read_text() for name in ("narrow", "wide")]
    assert ["session\\_id" in text for text in markdown] == [False, True]
    assert len(explained["r-1002"]) > 100


def test_every_figure_says_where_it_comes_from_or_why_there_is_none(explained: dict[str, dict[str, Any]]) -> None:
    """What was read names its field; what was decided its rule; what is missing the reason; all of them one."""
    for call, figures in explained.items():
        for name, row in figures.items():
            if row["value"] is None:
                assert row["rule"], (call, name)
            elif name in FIGURES and name not in DECIDED and row["group"] not in ("tax", "money"):
                assert row["from"] or row["rule"], (call, name)
    found = explained["r-2"]
    assert found["output_tokens"]["value"] is None
    assert found["tax_best"]["rule"] == "billed is unknown"
    assert found["cancelled_at_ms"]["rule"] == "the export has no time of the cut"
    assert found["cancelled_by"]["rule"] == "the export does not record who cut it"


HASHES = {"id_bits", "trace_bits", "response_bits"}
"""Columns by which the store finds ids that are shown themselves."""


def test_every_column_of_a_call_has_a_place_in_the_explanation() -> None:
    """A column that is added to the store or to what is derived from it must be given a group and words."""
    with Store.in_memory() as store:
        Scope().prepare(store)
        columns = {row[0] for relation in ("store.calls", "call_tax") for row in store.query(f"DESCRIBE {relation}")}
    assert sorted(columns - set(FIGURES) - HASHES) == []


def test_every_column_that_a_format_says_it_reads_is_one() -> None:
    """A misspelled one would never be shown."""
    for source in discover().values():
        assert set(source.reads) <= set(FIGURES), source.name


def test_a_column_nobody_has_thought_of_is_shown_all_the_same(
    stored: tuple[str, str], explained: dict[str, dict[str, Any]]
) -> None:
    """All columns of the store are there, none twice."""
    found = explained["r-1002"]
    with Store.open(Path(stored[1]), write=False) as store:
        assert {row[0] for row in store.query("DESCRIBE store.calls")} - HASHES <= set(found)


def test_a_call_is_found_by_the_beginning_of_its_id_and_by_its_responses_id(
    explained: dict[str, dict[str, Any]]
) -> None:
    """As long as it means one call."""
    assert explained["r-2"]["call_id"]["value"] == "r-2000"
    assert explained["cmpl-9"]["call_id"]["value"] == "r-1003"


NOT_ONE = (
    ("r-10", "r-10 begins the ids of 2 calls", "one of r-1002, r-1003"),
    ("r-1004", "no call r-1004", "near it: r-1002, r-1003"),
    ("zzzzzz", "no call zzzzzz", "tax --top-calls"),
    ("%", "no call %", "tax --top-calls"),
)


def test_an_id_that_means_no_call_or_several_is_exit_3_and_says_what_to_try(
    cli: Cli, stored: tuple[str, str]
) -> None:
    """Nothing on standard output."""
    runs = cli.run_each([["explain", call, *stored] for call, _, _ in NOT_ONE])
    for (call, said, hint), done in zip(NOT_ONE, runs, strict=True):
        assert (done.code, done.out) == (3, ""), call
        assert said in done.err and hint in done.err and "Traceback" not in done.err, (call, done.err)


def test_an_id_in_several_sources_asks_which(cli: Cli, calls: str) -> None:
    """And is explained once it is said."""
    explain = ["explain", "r-1002", "--json"]
    lines = [
        *(["ingest", calls, "--source", source, "-q"] for source in ("gateway", "app")),
        explain, [*explain, "--source", "app"], [*explain, "--source", "other"],
    ]  # fmt: skip
    *ingested, either, app, other = cli.run_each([[*line, "--db", "s.duckdb"] for line in lines])
    assert [done.code for done in ingested] == [0, 0], ingested
    assert either.code == 3 and "is in 2 sources" in either.err and "--source app or --source gateway" in either.err
    assert (app.code, _figures(app)["source"]["value"]) == (0, "app")
    assert other.code == 3 and "no call r-1002 in source other" in other.err


def test_hostile_ids_are_harmless_in_the_error_and_on_the_screen(cli: Cli) -> None:
    """An id may be anything."""
    bad = "call-\x1b[31m-\u202e-one"
    write_lines(cli.folder / "bad.jsonl", [raw_call(bad), raw_call("call-two")])
    names = ("call-", "call-on", bad)
    lines = [["ingest", "bad.jsonl", "-q"], *(["explain", name] for name in names)]
    for name, done in zip(names, cli.run_each([[*line, "--db", "s.duckdb"] for line in lines])[1:], strict=True):
        assert done.code == (0 if name == bad else 3), done
        assert "\x1b" not in done.err + done.out and "\u202e" not in done.err + done.out, name


def test_a_dimension_taken_from_another_step_says_from_which(cli: Cli) -> None:
    """The nearest enclosing step that has it; and the steps of the trace stand in order, this call marked."""
    rows = [
        langfuse_row("root", trace_id="t", type="SPAN", metadata={"tenant": "acme"}, start_time="2026-11-16 08:00:00",
            usage_details=..., name="/chat"),
        langfuse_row("gen", trace_id="t", parent_observation_id="root", start_time="2026-11-16 08:00:01"),
        langfuse_row("tool", trace_id="t", parent_observation_id="root", type="TOOL", name="search",
            start_time="2026-11-16 08:00:03", end_time="2026-11-16 08:00:04"),
    ]  # fmt: skip
    write_lines(cli.folder / "l.jsonl", rows)
    done = cli.run("explain", "gen", "l.jsonl", "--json")
    tables = {table["name"]: table["rows"] for table in json.loads(done.out)["tables"]}
    tenant = next(row for row in tables["figures"] if row["figure"] == "tenant")
    assert (tenant["value"], tenant["rule"]) == ("acme", "inherited from the enclosing step root")
    steps = [(row["step"], row["name"], row["at_ms"], row["explained"]) for row in tables["steps"]]
    assert steps == [("span", "/chat", -1000.0, False), ("llm", "answer", 0.0, True), ("tool", "search", 2000.0, False)]


LINKS = """[links]
langfuse = "https://langfuse.example/project/p1"
datadog = "https://app.datadoghq.eu/"
"""


@pytest.mark.proof
def test_the_trace_has_its_address_when_the_base_is_known(cli: Cli) -> None:
    """Whatever is in an id cannot leave its place in the address."""
    write_lines(cli.folder / "l.jsonl", [langfuse_row("gen/1?x", trace_id="t t")])
    write_lines(cli.folder / "d.jsonl", [datadog_span("sp", trace_id="ab:c")])
    assert facts(cli, "gen/1?x", "l.jsonl")["trace_url"]["value"] is None
    (cli.folder / "streamaudit.toml").write_text(LINKS)
    address = facts(cli, "gen/1?x", "l.jsonl")["trace_url"]["value"]
    assert address == "https://langfuse.example/project/p1/traces/t%20t?observation=gen%2F1%3Fx"
    address = facts(cli, "sp", "d.jsonl")["trace_url"]["value"]
    assert address == "https://app.datadoghq.eu/llm/traces?query=trace_id:ab%3Ac"


def test_a_lookup_is_named_as_the_giver(cli: Cli, calls: str) -> None:
    """The value of another column decided."""
    (cli.folder / "streamaudit.toml").write_text('[lookup]\ntenant = "customers.csv"\n')
    (cli.folder / "customers.csv").write_text("user_id,tenant\nu-77,Acme Corp\n")
    row = facts(cli, "r-1002", calls)["tenant"]
    assert row["value"] == "Acme Corp" and "lookup" in row["rule"] and row["from"] is None


@pytest.mark.proof
def test_aliases_hide_a_dimension_wherever_it_stands(cli: Cli, stored: tuple[str, str]) -> None:
    """Also among the figures and the steps, in every format."""
    redacted = ("explain", "r-1002", *stored, "--redact", "tenant,user_id,route")
    drawable = [load(form) for form in formats() if form not in (*BINARY, "svg")]  # one call has no picture
    files = [f"c{form.SUFFIXES[0]}" for form in drawable if form.SUFFIXES]
    done = cli.run(*redacted, *(part for file in files for part in ("-o", file)))
    assert done.code == 0, done.err
    for text in (cli.run(*redacted, "--format", "github").out, *((cli.folder / file).read_text() for file in files)):
        assert text and not [name for name in ("acme", "u-77", "/v1/answer") if name in text]


def test_every_format_holds_the_same_call(written: Path) -> None:
    """CSV and JSON lines are the call in one row; JSON has the moments, all chunks among them, and the figures."""
    files = ("call.csv", "call.jsonl", "r-1002.json", "narrow.md")
    table, lines, document, markdown = ((written / file).read_text() for file in files)
    (row,) = csv.DictReader(io.StringIO(table))
    (line,) = map(json.loads, lines.splitlines())
    assert row["call_id"] == line["call_id"] == "r-1002" and row["tax_tokens"] == "431" and line["tax_tokens"] == 431
    tables = {one["name"]: one["rows"] for one in json.loads(document)["tables"]}
    moments = [(one["event"], one["at_ms"], one["tokens"]) for one in tables["timeline"]]
    assert ("chunk", 4000.0, 430) in moments and moments[0] == ("request_issued", 0.0, None)
    assert "| tax\\_best | 431 |" in markdown


SCREENS = tuple((command, columns) for command in ("explain r-1002", "coverage") for columns in (40, 80))


@pytest.mark.parametrize("screen", keep(SCREENS, (SCREENS[0], SCREENS[-1])), ids=lambda one: f"{one[0]}-{one[1]}")
def test_on_a_terminal_no_line_wraps(cli: Cli, stored: tuple[str, str], screen: tuple[str, int]) -> None:
    """At eighty columns and below."""
    command, columns = screen
    done = cli.terminal(*command.split(), *stored, columns=columns)
    assert done.code == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.out)
    assert max(map(len, plain.splitlines())) <= columns
    assert "█" in plain or "━" in plain


def test_coverage_shows_what_is_there_what_rests_on_it_and_what_to_add(
    cli: Cli, calls: str, stored: tuple[str, str]
) -> None:
    """A bar, a share and a sentence where it is thin, then the loads; what most calls record is folded."""
    done = cli.run("coverage", calls)
    assert (done.code, done.err) == (0, "")
    complete = re.compile(r"^ +outcome .*100.0 %", re.MULTILINE)
    assert complete.search(cli.run("coverage", *stored, "--wide").out) and not complete.search(done.out)
    assert re.search(r"^hidden: \d+ fields \(--wide\)$", done.out, re.MULTILINE)
    assert re.search(
        r"^ +tenant +###\.{7} +33.3 % +everything by tenant\n +add: write tenant_id;", done.out, re.MULTILINE
    )
    assert re.search(r"^ +region +\.{10} +0 % ", done.out, re.MULTILINE)
    assert re.search(r"^ +1 +raw +\S+traces.jsonl +raw ", done.out, re.MULTILINE)


def test_coverage_takes_windows_filters_and_groups(cli: Cli, stored: tuple[str, str]) -> None:
    """And an empty window is no failure."""
    groups = ["coverage", *stored, "--by", "tenant", "--since", "2026-11-20", "--format", "csv"]
    grouped, done = cli.run_each([groups, ["coverage", *stored, "--since", "2026-12-01"]])
    assert [row["tenant"] for row in csv.DictReader(io.StringIO(grouped.out))] == ["acme"]
    assert done.code == 0 and "no calls in this window" in done.out and "the data goes from 2026-11-16" in done.out


# What ingest says instead of keeping silent.


def test_a_path_that_no_record_has_is_said(cli: Cli, calls: str) -> None:
    """Once for all files of a run, and only when none of them has it."""
    write_lines(cli.folder / "other.jsonl", [raw_call("o", metadata={"org": "acme"}, stream=True)])
    mapped = ("--map", "tenant=metadata.org", "--map", "region=metadata.zone", "--map", "model=metadata.nope")
    done = cli.run("ingest", calls, "other.jsonl", *mapped, "--db", "s.duckdb")
    said = [line for line in done.err.splitlines() if line.startswith("no record has")]
    assert said == [
        "no record has metadata.nope: --map model filled nothing",
        "no record has metadata.zone: --map region filled nothing",
    ]
    assert "no record has metadata.org" in cli.run("report", calls, "--map", "tenant=metadata.org").err


def test_a_stray_record_with_a_better_key_does_not_take_a_column_over_in_silence(cli: Cli) -> None:
    """How many calls have their value under another key, stored ones and those of the file, and how to decide; the
    explanation of such a call says it too."""
    write_lines(cli.folder / "a.jsonl", [raw_call("a", org_id="zeta"), raw_call("b", org_id="eta"), raw_call("c")])
    write_lines(cli.folder / "b.jsonl", [raw_call("stray", tenant_id="x"), raw_call("d", org_id="theta")])
    lines = (
        ["ingest", "a.jsonl"], ["ingest", "b.jsonl"], ["explain", "a", "--json"],
        ["ingest", "a.jsonl", "b.jsonl", "--map", "tenant=org_id"],
    )  # fmt: skip
    first, done, one, mapped = cli.run_each([[*line, "--db", "s.duckdb"] for line in lines])
    assert "a key other than" not in first.err
    assert (
        "  3 calls have their tenant only under a key other than tenant_id, which is not used: "
        "--map tenant=PATH chooses the key" in done.err.splitlines()
    )
    row = _figures(one)["tenant"]
    assert row["value"] is None and "only as org_id" in row["rule"] and "tenant_id fills" in row["rule"]
    assert "--map tenant=PATH" in row["rule"]
    assert "a key other than org_id" in mapped.err
    assert "1 call has its tenant only" in mapped.err


def test_a_value_that_an_enclosing_step_gives_is_not_lost(cli: Cli) -> None:
    """The call has its own only under a worse key, and its tenant all the same."""
    rows = [
        langfuse_row("root", trace_id="t", type="SPAN", metadata={"tenant": "acme"}, usage_details=...),
        langfuse_row("gen", trace_id="t", parent_observation_id="root", metadata={"org_id": "zeta"}),
    ]
    write_lines(cli.folder / "l.jsonl", rows)
    assert "tenant only under" not in cli.run("ingest", "l.jsonl", "--db", "s.duckdb").err


def test_a_call_in_two_exports_of_a_source_is_said_to_be(cli: Cli) -> None:
    """One export knows a call by the response, the other by the proxy's id."""
    write_lines(cli.folder / "payload.jsonl", [litellm("call-1", id="chatcmpl-1")])
    write_lines(cli.folder / "spend.jsonl", [spend_row("chatcmpl-1")])
    ingested = cli.run("ingest", "payload.jsonl", "spend.jsonl", "--db", "s.duckdb")
    assert "1 call also in another export under the same response id: counted once" in ingested.err
    shown = [cli.run("explain", name, "--db", "s.duckdb", "--format", "json").out for name in ("call-1", "chatcmpl-1")]
    assert any("the same response is counted in another export" in text for text in shown)

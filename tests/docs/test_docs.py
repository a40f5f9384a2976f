"""The documentation is true: its commands run, its output is real, its options exist, its links lead somewhere."""

import gzip
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import typer.main

from sample_traces import (
    simulate,
    write_helicone,
    write_langsmith,
    write_litellm,
    write_otel,
    write_phoenix_frame,
)
from sample_traces.benchmarks import llmperf
from sample_traces.sessions import claude_code, claude_code_user
from streamaudit.cli.app import program
from streamaudit.report.render.formats import formats
from tests.cli.running import Cli, Result, copy_samples
from tests.docs import pages
from tests.docs.pages import ROOT
from tests.once import once

GROUP = typer.main.get_group(program())
ASKING = "demo|report|fields|tax|ttft|coverage|history|diff|audit|explain|weekly|providers|instrument"
FILL = "streamaudit ingest sample_traces/*.gz --db"
"""How several pages begin: it is run once, and its store copied for each."""
FILLED = "samples.kept"
SAMPLES_ALONE = re.compile(r"streamaudit (report|tax) sample_traces/\*\.gz")
TRACES = "traces.jsonl"
OF_TRACES = re.compile(rf"streamaudit (report|tax|ttft|audit|coverage|explain) (?!.*--map).*\b{re.escape(TRACES)}")
TRACES_KEPT = "traces.kept"
"""A store of the file that most pages name."""
HAS_READ: set[tuple[Path, str]] = set()
"""By folder, the commands that have been run on the samples or that file itself."""
SAYS_ITS_CODE = ' || echo "exit $?"'
COUNTED = ("streamed_output_tokens", "chunk_tokens")
PAGES = pages.pages()
if not PAGES:
    pytest.skip("there is no documentation beside these tests", allow_module_level=True)


def run(cli: Cli, command: pages.Command) -> Result:
    """Run a command of a page in a pipe, or on a terminal of the width that its block names."""
    if command.line.endswith(SAYS_ITS_CODE):  # as bash would, of which there is no more to see
        done = cli.shell(command.line.removesuffix(SAYS_ITS_CODE))
        return replace(done, code=0, out=f"{done.out}exit {done.code}\n" if done.code else done.out)
    if command.columns is None:
        return cli.shell(command.line)
    return cli.terminal(*cli.words(command.line), columns=command.columns, env={"NO_COLOR": "1"})


def _run_on() -> dict[tuple[str, int | None], Path]:
    """Which page's test runs a command that several pages have, unless it changes or fills a store: the one that shows
    most of its output, when the others show the same or less of it."""
    shown: dict[tuple[str, int | None], dict[Path, list[str]]] = {}
    for page in PAGES:
        for command in pages.commands(page):
            if re.match(rf"streamaudit ({ASKING}) ?(?!.*--db)", command.line):
                lines = [line for line in command.shown if line != pages.CUT]
                shown.setdefault((command.line, command.columns), {}).setdefault(page, lines)
    chosen = {}
    for key, by_page in shown.items():
        first = max(by_page, key=lambda page: len(by_page[page]))
        if all(by_page[first][: len(lines)] == lines for lines in by_page.values()):
            chosen[key] = first
    full = {line: first for (line, columns), first in chosen.items() if shown[line, columns][first]}
    # One that shows nothing runs where the same at another width does.
    return {key: first if shown[key][first] else full.get(key[0], first) for key, first in chosen.items()}


RUN_ON = _run_on()


READING = re.compile(r"streamaudit (ingest|fields)\b(?!.*--max-bad)")  # of few records another share is bad
OF_FILES = re.compile(r"shard \d+ of \d+: \d+ of \d+ files")
"""What is counted alike of few records."""


def _needs_whole_files(page: Path) -> set[str]:
    """The commands of a page that show what they print, and those that make what one of these reads. One that reads
    files and shows no figure of theirs, or adds to a store that is made by then and shows nothing, does with few."""
    commands = pages.commands(page)
    shown = " ".join(command.line for command in commands if command.shown)
    files = re.compile(r"\S+\.(?:duckdb|npz|json|parquet)\b")
    needed: set[str] = set()
    made: set[str] = set()
    for command in commands:
        is_reading, names = READING.match(command.line), set(files.findall(command.line))
        if command.shown:
            is_needed = not is_reading or bool(re.search(r"\d", OF_FILES.sub("", " ".join(command.shown))))
        else:
            is_needed = any(name in shown for name in names) and not (is_reading and names <= made)
        if is_needed:
            needed.add(command.line)
            made |= names
    return needed


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, sample_store: Path) -> Cli:
    """A folder with the files that the documentation names, and a filled store in its usual place."""
    folder = tmp_path_factory.mktemp("reader")
    made = once(tmp_path_factory, "reader", partial(furnish, filled=sample_store))
    shutil.copytree(made, folder, dirs_exist_ok=True)
    return Cli(folder)


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The same folder with one record of the samples in sixty, and twelve of the failures."""
    folder = tmp_path_factory.mktemp("brief")
    shutil.copytree(once(tmp_path_factory, "brief", partial(furnish, samples=_cut_samples)), folder, dirs_exist_ok=True)
    return Cli(folder)


def _cut_samples(target: Path) -> list[Path]:
    """Write one record of the samples in sixty, and those that pages name; of the failures the first twelve, since
    calls of every kind take long to judge."""
    files = copy_samples(target)
    for file in files:
        lines = gzip.decompress(file.read_bytes()).decode().splitlines(keepends=True)
        if file.name.startswith("datadog"):
            export = json.loads("".join(lines))
            lines = [json.dumps(export | {"data": export["data"][::60]})]
        elif file.name.startswith("failures"):
            lines = lines[:12]
        else:
            lines = [line for number, line in enumerate(lines) if not number % 60 or "6086532830589402" in line]
        file.write_bytes(gzip.compress("".join(lines).encode(), 1))
    return files


def furnish(
    folder: Path, samples: Callable[[Path], list[Path]] = copy_samples, filled: Path | None = None
) -> Path:  # fmt: skip
    """Write the files that the documentation names, and a store: that of the samples if it is given."""
    cli = Cli(folder)
    files = samples(cli.folder / "sample_traces")
    samples(cli.folder / "exports")
    for file in files:
        (cli.folder / file.name.removesuffix(".gz")).write_bytes(gzip.decompress(file.read_bytes()))
    export = cli.folder / "langfuse_observations.jsonl"
    shutil.copy(export, cli.folder / "traces.jsonl")
    shutil.copy(cli.folder / "exports" / "langfuse_observations.jsonl.gz", cli.folder / "traces.jsonl.gz")
    (cli.folder / "invoice.csv").write_text("month,provider,cost_usd\n2026-11,OpenAI,2.50\n")
    (cli.folder / "focus.csv").write_text(
        "BilledCost,BillingCurrency,ChargeCategory,ChargePeriodStart,ProviderName\n"
        "2.50,USD,Usage,2026-11-01T00:00:00Z,OpenAI\n"
    )
    thresholds = pages.blocks(ROOT / "docs" / "commands" / "check.md", "toml")
    (cli.folder / "checks.toml").write_text(next(thresholds))
    _write_own_logs(cli.folder)
    _write_own_tenants(export, cli.folder / "langfuse.jsonl")
    fleet = simulate(60, 7, datetime(2026, 11, 9, tzinfo=UTC), 7)
    write_otel(fleet, cli.folder / "otel.jsonl")
    write_phoenix_frame(fleet, cli.folder / "phoenix.jsonl")
    write_litellm(fleet, cli.folder / "litellm.jsonl")
    write_helicone(fleet, cli.folder / "helicone.jsonl")
    write_langsmith(fleet, cli.folder / "runs.jsonl")
    _write_small_exports(cli.folder)
    done = cli.shell(f"streamaudit ingest {TRACES} --db {TRACES_KEPT}")
    assert done.code == 0, done.err
    if filled is None:
        done = cli.shell(f"{FILL} {FILLED}")
        assert done.code == 0, done.err
    else:
        shutil.copy(filled, folder / FILLED)
    usual = cli.home / ".local" / "share" / "streamaudit"
    usual.mkdir(parents=True)
    shutil.copy(folder / FILLED, usual / "audit.duckdb")
    return folder


def _write_small_exports(folder: Path) -> None:
    """Write a few OpenRouter generations, the results of a benchmark and a coding agent's session."""
    generations = [
        {
            "id": f"gen-{number}", "created_at": f"2026-11-16T08:00:{number:02}Z", "model": f"openai/{model}",
            "streamed": True, "cancelled": number == 1, "finish_reason": None if number == 1 else "stop",
            "native_tokens_prompt": 50, "native_tokens_completion": 100, "native_tokens_reasoning": 0,
            "total_cost": 0.003, "provider_name": "OpenAI",
        }
        for number, model in enumerate(("gpt-4o-mini", "gpt-4o-mini", "gpt-4o"))
    ]  # fmt: skip
    results = [llmperf(0.3 + number / 100, 1.2) for number in range(30)]
    session = [claude_code_user(1), claude_code("msg-1", 2, 40), claude_code("msg-2", 5, 90)]
    (folder / "sessions").mkdir()
    for name, records in (("generations.jsonl", generations), ("sessions/session.jsonl", session)):
        (folder / name).write_text("".join(f"{json.dumps(record)}\n" for record in records))
    (folder / "model_550_150_individual_responses.json").write_text(json.dumps(results))


def _write_own_tenants(export: Path, path: Path) -> None:
    """Write a Langfuse export whose tenants are under a key of the user's own."""
    path.write_text(export.read_text().replace('"tenant":"', '"orgSlug":"'))


def _write_own_logs(folder: Path) -> None:
    """An application's own calls in ``app.jsonl``, with a tenant key that nobody looks for, and in ``rendered.csv``
    what its client showed of them; in ``chat.jsonl`` the same calls of a gateway that counts nothing; in ``access.log``
    what the nginx before it logged of the streams, and in ``delivered.jsonl`` lines of a recorder."""
    shown, passed = ["request_id,rendered_tokens"], []
    with (folder / "app.jsonl").open("w") as app, (folder / "chat.jsonl").open("w") as chat:
        for line in gzip.open(folder / "exports" / "raw.jsonl.gz", "rt"):
            try:
                record = json.loads(line)
            except ValueError:
                continue
            rendered, tenant = record.pop("rendered_output_tokens", None), record.pop("tenant_id", None)
            if rendered is not None:
                shown.append(f"{record['request_id']},{rendered}")
            if record.get("stream"):
                passed.append(json.dumps(_access_line(record)))
            chat.write(json.dumps({name: record[name] for name in record if name not in COUNTED}) + "\n")
            app.write(json.dumps(record | ({"labels": {"acct": tenant}} if tenant else {})) + "\n")
    (folder / "rendered.csv").write_text("\n".join(shown) + "\n")
    (folder / "access.log").write_text("\n".join(passed) + "\n")
    recorded = [
        {"request_id": f"r-{number}", "delivered_chunks": 40, "bytes": 2400, "ttfb_ms": 310.5, "end_ms": 2100.0,
            "cancelled": number == 1, **({"cancelled_at_ms": 2100.0} if number == 1 else {})}
        for number in range(3)
    ]  # fmt: skip
    (folder / "delivered.jsonl").write_text("".join(json.dumps(line) + "\n" for line in recorded))


def _access_line(record: dict[str, Any]) -> dict[str, str]:
    left_ms = record.get("cancelled_at_ms")
    whole_s = (left_ms if left_ms is not None else record.get("duration_ms", 0)) / 1000
    return {
        "request_id": record["request_id"], "status": "200", "completion": "" if left_ms is not None else "OK",
        "body_bytes_sent": str(190 * (record.get("streamed_output_tokens") or 40)), "request_time": f"{whole_s:.3f}",
        "upstream_header_time": "0.040", "upstream_response_time": f"{whole_s:.3f}", "ct": "text/event-stream",
    }  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=pages.name)
def test_every_command_on_a_page_runs(reader: Cli, brief: Cli, demo_on_screen: Result, page: Path) -> None:
    """Each streamaudit command of a page succeeds, one after the other, and prints the lines the page shows. A store
    that a page names is its own; the one in its usual place is shared, and a page may only read it. Commands that show
    nothing read few records; one that gives nothing new is parsed alone, which all of them were above."""
    whole = _needs_whole_files(page)
    brief_run = partial(run, brief)
    run_commands(page, lambda command: reader if command.line in whole else brief, demo_on_screen, brief_run)


@pytest.mark.proof
@pytest.mark.parametrize("page", PAGES, ids=pages.name)
def test_every_command_on_a_page_runs_on_the_whole_samples(reader: Cli, page: Path) -> None:
    """Those that show nothing too."""
    run_commands(page, lambda command: reader)


def run_commands(
    page: Path, choose: Callable[[pages.Command], Cli], demo: Result | None = None,
    run_briefly: Callable[[pages.Command], Result] | None = None,
) -> None:  # fmt: skip
    """Run the commands of a page in turn, each in the folder that is chosen for it. The demo may have run before. With
    ``run_briefly``, a report of all samples may be one of few records, and one of the store that holds the samples; and
    what a command asks of a file that the same command has read before may be asked of a store of that file."""
    commands = [one for one in pages.commands(page) if page == RUN_ON.get((one.line, one.columns), page)]
    for folder in {choose(command).folder for command in commands}:
        for store in folder.glob("*.duckdb"):
            store.unlink()
    for command in commands:
        cli, line = choose(command), command.line
        if line.startswith(FILL) and not command.shown:
            shutil.copy(cli.folder / FILLED, cli.folder / line.removeprefix(FILL).strip())
            continue
        if run_briefly and (alone := SAMPLES_ALONE.match(line)):
            if (cli.folder, alone[0]) not in HAS_READ:
                assert run_briefly(command).code == 0
            HAS_READ.add((cli.folder, alone[0]))
            line = line.replace(" sample_traces/*.gz", "")
        elif run_briefly and (named := OF_TRACES.match(line)):
            if (cli.folder, named[1]) in HAS_READ:
                line = line.replace(TRACES, f"--db {TRACES_KEPT}")
            HAS_READ.add((cli.folder, named[1]))
        if demo and (line, command.columns) == ("streamaudit demo", 80):
            done = demo
        else:
            done = run(cli, replace(command, line=line))
        assert done.code == 0, f"{line}\n{done.err}"
        missing = command.missing(done.out, done.err)
        assert not missing, "\n".join([f"{line} does not print", *missing])


def test_the_readme_has_commands_to_try() -> None:
    """The page everyone sees first shows at least a report and an ingest."""
    lines = [command.line for command in pages.commands(ROOT / "README.md")]
    assert any(line.startswith("streamaudit report ") for line in lines)
    assert any(line.startswith("streamaudit ingest ") for line in lines)


def test_every_command_is_documented() -> None:
    """No command exists that only --help knows."""
    text = "\n".join(page.read_text() for page in PAGES)
    assert [name for name in GROUP.commands if f"streamaudit {name}" not in text] == []


@pytest.mark.parametrize("name", sorted(GROUP.commands))
def test_every_command_has_a_page_with_all_its_options(name: str) -> None:
    """What ``--help`` of a command lists is on its page, or on the page of the options that commands share."""
    page = ROOT / "docs" / "commands" / f"{name}.md"
    assert page.is_file()
    text = page.read_text() + (page.parent / "options.md").read_text()
    command = GROUP.commands[name]
    parameters = [one for leaf in (command, *getattr(command, "commands", {}).values()) for one in leaf.params]
    spelled = {word for one in parameters for word in one.opts if word.startswith("-")}
    assert sorted(word for word in spelled if not re.search(rf"(?<![\w-]){word}(?![\w-])", text)) == []


def test_the_index_leads_to_every_page() -> None:
    """No page is found by chance only."""
    index = ROOT / "docs" / "index.md"
    named = {(index.parent / target.partition("#")[0]).resolve() for target in pages.links(index)}
    listed = {page for page in PAGES if page.parent in named}
    assert [pages.name(page) for page in PAGES if page not in named | listed | {ROOT / "README.md", index}] == []


@cache
def _options() -> set[str]:
    own = {spelling for parameter in typer.main.get_command(program()).params for spelling in parameter.opts}
    theirs = {spelling for one in GROUP.commands.values() for parameter in one.params for spelling in parameter.opts}
    return own | theirs | {"--help", "-h"}


@pytest.mark.parametrize("page", PAGES, ids=pages.name)
def test_every_option_on_a_page_exists(page: Path) -> None:
    """What a page calls an option of streamaudit is one, so that none outlives its removal."""
    code = re.findall(r"`([^`\n]+)`", pages.prose(page))
    mine = [text for text in code if text.startswith(("-", "streamaudit "))]
    named = {word for text in mine for word in re.findall(r"(?:^|\s)(--[a-z][a-z-]+|-[a-z])\b", text)}
    assert sorted(named - _options()) == []


@pytest.mark.parametrize("name", sorted(GROUP.commands))
def test_every_option_is_in_the_help_of_its_command(reader: Cli, name: str) -> None:
    """Nothing is hidden from the person who asks."""
    text = reader.run(name, "--help").out
    for parameter in GROUP.commands[name].params:
        assert all(spelling in text for spelling in parameter.opts if spelling.startswith("-")), parameter.name


def test_every_format_is_documented() -> None:
    """A format that --format takes is named in the README."""
    text = (ROOT / "README.md").read_text()
    assert [form for form in formats() if form not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=pages.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Links within the repository name files that exist and headings that are there."""
    for target in pages.links(page):
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{pages.name(page)} links to {target}"
        if fragment and file.suffix == ".md":
            assert fragment in pages.anchors(file), f"{pages.name(page)} links to {target}"

"""``streamaudit fields``: a user finds a key of their own, maps it, and sees what it is used as; and nobody's text."""

import gzip
import io
import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard

from tests.cli.running import SAMPLES, Cli, Result
from tests.cli.traffic import Record, as_lines, call, write_lines
from tests.sampling import keep
from tests.support import datadog_span, langfuse_row

TENANTS = ("acme", "globex", "acme", "initech", "acme", "globex")
COUNTS = {"acme": 3, "globex": 2, "initech": 1}


def rows(cli: Cli, *arguments: str | Path, **options: Any) -> dict[str, Record]:
    """The fields of a file by path."""
    return listing(cli, *arguments, **options)[0]


def by_tenant(cli: Cli) -> dict[str | None, int]:
    """Calls by tenant in the store of the usual place."""
    (store,) = cli.home.rglob("*.duckdb")
    with duckdb.connect(str(store), read_only=True) as connection:
        return dict(connection.execute("SELECT tenant, count(*) FROM calls GROUP BY ALL").fetchall())


def listing(cli: Cli, *arguments: str | Path, **options: Any) -> tuple[dict[str, Record], dict[str, Record]]:
    """The fields by path, and the notes by code."""
    return opened(cli.run("fields", *arguments, "--json", **options))


def listings(cli: Cli, *each: tuple[str, ...]) -> list[tuple[dict[str, Record], dict[str, Record]]]:
    """The listings of several runs in one process, by their arguments."""
    return [opened(done) for done in cli.run_each([["fields", *arguments, "--json"] for arguments in each])]


def opened(done: Result) -> tuple[dict[str, Record], dict[str, Record]]:
    """The fields by path, and the notes by code, of a run that succeeded."""
    assert done.code == 0, done.err
    answer = json.loads(done.out)
    return {row["path"]: row for row in answer["tables"][0]["rows"]}, {note["code"]: note for note in answer["notes"]}


def next_line(err: str) -> str:
    """The command that ``next:`` offers."""
    (line,) = re.findall(r"^next: (.*)$", err, re.MULTILINE)
    return str(line)


def raw(extra: Any) -> list[Record]:
    """Raw calls without a tenant of a known name."""
    return [call(number, tenant_id=None, **extra(name)) for number, name in enumerate(TENANTS)]


ODD: dict[str, tuple[str, list[Record]]] = {
    "camel case": ("metadata.orgSlug", raw(lambda name: {"metadata": {"orgSlug": name}})),
    "a dotted key": ("metadata.acme.org/id", raw(lambda name: {"metadata": {"acme.org/id": name, "note": "x"}})),
    "deep": ("ctx.billing.acctRef", raw(lambda name: {"ctx": {"billing": {"acctRef": name, "plan": "pro"}}})),
    "a tag": ("tags.org", raw(lambda name: {"tags": ["beta", f"org:{name}", "org:second"]})),
    "shell signs": ("metadata.org$id", raw(lambda name: {"metadata": {"org$id": name}})),
    "langfuse text": (
        "metadata.billing.orgSlug",
        [langfuse_row(str(n), metadata={"billing": json.dumps({"orgSlug": name})}) for n, name in enumerate(TENANTS)],
    ),
    "langfuse metadata as text": (
        "metadata.orgSlug",
        [langfuse_row(str(n), metadata=json.dumps({"orgSlug": name})) for n, name in enumerate(TENANTS)],
    ),
    "langfuse tag": (
        "tags.workspace", [langfuse_row(str(n), tags=[f"workspace:{name}"]) for n, name in enumerate(TENANTS)],
    ),
    "datadog tag": (
        "attributes.tags.workspace",
        [
            {"id": str(n), "type": "span", "attributes": datadog_span(str(n), tags=["env:prod", f"workspace:{name}"])}
            for n, name in enumerate(TENANTS)
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "case", keep(ODD, {"camel case", "shell signs", "datadog tag"})
)
def test_the_way_from_no_tenants_to_tenants(cli: Cli, case: str) -> None:
    """Ingest shows none; fields offers the key as a line to run; that line run as it stands brings the tenants in."""
    path, records = ODD[case]
    write_lines(cli.folder / "my traces.jsonl", records)
    if case == "camel case":
        assert cli.run("ingest", "my traces.jsonl").code == 0
        assert by_tenant(cli) == {None: 6}
    found = cli.run("fields", "my traces.jsonl", "--for", "tenant", "--json")
    first = json.loads(found.out)["tables"][0]["rows"][0]
    assert (first["path"], first["looks_like"], first["used_as"]) == (path, "tenant", None)
    assert (first["filled_rate"], first["distinct_values"]) == (1.0, 3)
    line = next_line(found.err)
    assert line.startswith("streamaudit ingest 'my traces.jsonl' --map ")
    assert cli.shell(line).code == 0
    assert by_tenant(cli) == COUNTS


def test_without_for_the_offer_is_the_same(cli: Cli) -> None:
    """Who only asks for the fields is told about the tenant too, and about the rendered tokens. Looking writes nothing
    anywhere."""
    records = [
        call(n, tenant_id=None, metadata={"orgSlug": name, "ui": {"tokensShown": n}}) for n, name in enumerate(TENANTS)
    ]
    write_lines(cli.folder / "t.jsonl", records)
    done = cli.run("fields", "t.jsonl")
    assert next_line(done.err) == (
        "streamaudit ingest t.jsonl --map tenant=metadata.orgSlug --map rendered_tokens=metadata.ui.tokensShown"
    )
    assert [path for path in cli.home.rglob("*") if path.is_file()] == []
    assert list(cli.spool.iterdir()) == []


def test_a_filled_column_is_not_offered_again(cli: Cli) -> None:
    """Where a key already gives the tenant, it stands first and the next step is the report."""
    write_lines(cli.folder / "t.jsonl", [call(n, metadata={"orgSlug": f"o{n % 2}"}) for n in range(6)])
    done = cli.run("fields", "t.jsonl", "--for", "tenant", "--json")
    first, second = json.loads(done.out)["tables"][0]["rows"]
    assert (first["path"], first["used_as"], second["path"]) == ("tenant_id", "tenant", "metadata.orgSlug")
    line = next_line(done.err)
    assert line == "streamaudit report t.jsonl --by tenant"
    assert cli.shell(line).code == 0


def test_values_speak_where_no_name_does(cli: Cli) -> None:
    """A key of which the name says nothing is found by its values, and said to be; one by name goes before it."""
    names = [call(n, tenant_id=None, metadata={"xq": name, "v": str(n * 7)}) for n, name in enumerate(TENANTS)]
    write_lines(cli.folder / "t.jsonl", names)
    line = ["fields", "t.jsonl", "--json"]
    done, without = cli.run_each([[*line, "--for", "tenant"], line])
    assert {path: row["guess_basis"] for path, row in opened(done)[0].items()} == {"metadata.xq": "shape"}
    assert next_line(done.err) == "streamaudit ingest t.jsonl --map tenant=metadata.xq"
    assert opened(without)[0]["metadata.xq"]["looks_like"] is None


def test_nothing_to_offer_is_said(cli: Cli) -> None:
    """No candidate: an empty table, a line that says so, exit 0; 3 for who asked to fail."""
    write_lines(cli.folder / "t.jsonl", [call(n, tenant_id=None) for n in range(5)])
    line = ["fields", "t.jsonl", "--for", "tenant"]
    done, strict = cli.run_each([line, [*line, "--fail-on-empty"]])
    assert (done.code, "no rows" in done.out, strict.code) == (0, True, 3)
    assert "no field looks like a tenant" in done.err


SAMPLE_USES = {
    "raw.jsonl.gz": {
        "tenant_id": "tenant", "route": "route", "service_version": "deploy", "conversation_id": "session_id",
        "request_model": "model", "time_to_first_chunk_ms": "ttft_ms", "rendered_output_tokens": "rendered_tokens",
        "streamed_output_tokens": "delivered_tokens", "request_id": "call_id", "start_time": "start_time",
        "outcome": "outcome", "schema": None,
    },
    "langfuse_observations.jsonl.gz": {
        "metadata.tenant": "tenant", "metadata.route": "route", "release": "deploy", "version": None,
        "completion_start_time": "ttft_ms", "start_time": "start_time", "end_time": "end_time",
        "provided_model_name": "model", "usage_details.output": "output_tokens", "usage_details.input": "input_tokens",
        "usage_details.output_reasoning_tokens": "reasoning_tokens", "metadata.cancelled": "cancelled",
        "metadata.rendered_tokens": "rendered_tokens", "user_id": "user_id", "project_id": None, "type": "kind",
        "metadata.resourceAttributes.service.name": "service", "id": "call_id", "level": "outcome",
    },
    "datadog_spans.json.gz": {
        "attributes.tags.tenant_id": "tenant", "attributes.tags.route": "route", "attributes.tags.version": "deploy",
        "attributes.tags.ddtrace.version": None, "attributes.start_ns": "start_time",
        "attributes.duration": "duration_ms", "attributes.metrics.time_to_first_token": "ttft_ms",
        "attributes.metrics.output_tokens": "output_tokens", "attributes.tags.service": "service",
        "attributes.ml_app": None, "attributes.model_name": "model", "attributes.span_id": "call_id", "id": None,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", keep(SAMPLE_USES, ["langfuse_observations.jsonl.gz"]))
def test_what_a_field_is_used_as(cli: Cli, name: str) -> None:
    """In the samples each column is known to come from one key; a key that a better one outranks is not used.
    ``usage_details.input`` is a number and no prompt."""
    found = rows(cli, SAMPLES / name)
    assert {path: found[path]["used_as"] for path in SAMPLE_USES[name]} == SAMPLE_USES[name]
    for path, column in SAMPLE_USES[name].items():
        assert not column or found[path]["looks_like"] is None


def test_only_the_first_key_of_a_source_is_used(cli: Cli) -> None:
    """A worse candidate that some calls have alone fills nothing, as the whole source takes the better one."""
    records = [call(n, tenant_id=None, metadata={"tenant": "a"} if n % 2 else {"team_id": "b"}) for n in range(6)]
    write_lines(cli.folder / "t.jsonl", records)
    found = rows(cli, "t.jsonl")
    assert found["metadata.tenant"]["used_as"] == "tenant"
    assert (found["metadata.team_id"]["used_as"], found["metadata.team_id"]["looks_like"]) == (None, "tenant")


VALUES: list[Any] = ["b", "b", "a", "", None, ..., [], {}]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """The fields of eight calls with keys of their own, then a line that is cut, a number and a list."""
    records = [
        call(n, tenant_id=None, aaa="x", metadata={"zz_org": TENANTS[n % 6]}, scores=[n, 2], parts=[{"a": 1}],
             labels=["one", "two words"])
        for n in range(len(VALUES))
    ]  # fmt: skip
    for record, value in zip(records, VALUES, strict=True):
        if value is not ...:
            record["x"] = value
    cli = Cli(tmp_path_factory.mktemp("mixed"))
    (cli.folder / "t.jsonl").write_text(as_lines(records) + '{"request_id": "cut\n7\n[1]\n')
    return rows(cli, "t.jsonl")


def test_the_figures_of_a_field(mixed: dict[str, Record]) -> None:
    """Null, absent and empty values are not filled; different values are counted; the most frequent one is shown."""
    found = mixed["x"]
    assert (found["filled_rate"], found["distinct_values"], found["example"]) == (3 / 8, 2, "b")


def test_an_array_is_one_field(mixed: dict[str, Record]) -> None:
    """Lists are not taken apart and never shown; their type says what they are."""
    assert {name: (mixed[name]["type"], mixed[name]["example"]) for name in ("scores", "labels", "parts")} == {
        "scores": ("list", None), "labels": ("list", None), "parts": ("list", None),
    }  # fmt: skip
    assert not any(path.startswith(("scores.", "labels.", "parts.")) for path in mixed)


def test_candidates_come_first(mixed: dict[str, Record]) -> None:
    """Fields with a role stand before those without, which stand by path."""
    paths = list(mixed)
    assert paths[0] == "metadata.zz_org"
    assert paths.index("aaa") > paths.index("model")


def test_bad_lines_are_passed_over(mixed: dict[str, Record]) -> None:
    """A cut line, a number and a list do not count as records."""
    assert mixed["request_id"]["filled_rate"] == 1.0


SECRETS = (
    "sk-proj-4fjA93kfAAkd", "joe.doe@example.com", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s", "Bearer abcdef", "hunter2",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
    "what is love", "hello", "PROMPTWORD", "ANSWERWORD", "请帮我写代码", "is my rash contagious?", "0176 5550123",
)  # fmt: skip


def private_call(number: int) -> Record:
    """A call that carries, beside an account, what nobody may see in a listing."""
    return call(
        number, tenant_id=None, metadata={
            "acct": TENANTS[number % 6], "api_key": SECRETS[0], "contact": SECRETS[1], "session": SECRETS[2],
            "header": SECRETS[3], "db_password": "hunter2", "gh": SECRETS[5], "aws": SECRETS[6], "blob": SECRETS[7],
            "question": "hello", "free": "what is love" if number % 2 else "hello", "zh": "请帮我写代码",
            "prompt": {"text": "PROMPTWORD"}, "messages": [{"content": "PROMPTWORD"}], "phone": "0176 5550123",
        }, prompt="PROMPTWORD", output={"content": "ANSWERWORD", "id": "ANSWERWORD"}, choices=[{"text": "ANSWERWORD"}],
        faq={"is my rash contagious?": 1, "joe.doe@example.com": 2},
        **{"llm.input_messages.0.message.content": "PROMPTWORD"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the listing of such calls, with keys out of reach and keys that are no names, in every form."""
    records = [private_call(n) for n in range(12)]
    for record in records:
        record["deep"] = {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}
        record["dots"] = {"a..b": 1, "": 2}
    return listed_in_every_form(Cli(tmp_path_factory.mktemp("private")), records)


def listed_in_every_form(cli: Cli, records: list[Record]) -> Path:
    """Write ``out`` with each suffix; nothing on a stream may be a text of ``SECRETS``."""
    write_lines(cli.folder / "t.jsonl", records)
    written = ["--wide", *(word for suffix in FORMS for word in ("-o", f"out.{suffix}"))]
    done = cli.run("fields", "t.jsonl", *written)
    assert done.code == 0, done.err
    assert [text for text in SECRETS if text in done.out + done.err] == []
    return cli.folder


FORMS = ("txt", "json", "jsonl", "csv", "md")


def assert_private(folder: Path) -> None:
    """No text of ``SECRETS`` is in any form of the listing, each of which has the account."""
    for suffix in FORMS:
        text = (folder / f"out.{suffix}").read_text()
        assert [secret for secret in SECRETS if secret in text] == [], suffix
        assert "acct" in text and "acme" in text, suffix


def test_nobodys_text_is_shown(private: Path) -> None:
    """No prompt, answer, address, key, or sentence used as a key appears in any form."""
    assert_private(private)


def test_nobodys_text_is_among_the_candidates(cli: Cli) -> None:
    """Nor on the screen that offers tenants."""
    write_lines(cli.folder / "t.jsonl", [private_call(n) for n in range(12)])
    done = cli.run("fields", "t.jsonl", "--format", "table", "--for", "tenant")
    assert done.code == 0, done.err
    assert [text for text in SECRETS if text in done.out + done.err] == []
    assert "acct" in done.out and "acme" in done.out


@pytest.mark.proof
def test_nobodys_text_is_shown_of_an_unknown_format(cli: Cli) -> None:
    """As of a known one."""
    records = [private_call(n) for n in range(12)]
    known = ("request_id", "start_time")
    assert_private(listed_in_every_form(cli, [{k: v for k, v in one.items() if k not in known} for one in records]))


def test_what_is_not_listed_is_counted(private: Path) -> None:
    """Fields with prompts and answers, keys that are no names, and keys out of reach have each a note."""
    listed, found = opened(Result(0, (private / "out.json").read_text(), ""))
    # prompt, output, choices, metadata.prompt, metadata.messages, and the dotted llm key.
    assert found["content"]["count"] == 6
    assert found["unnamed"]["count"] == 3
    assert found["out_of_reach"]["count"] == 1
    assert "deep.a.b.c.d.e" in listed
    assert not any("faq" in name and name != "faq" for name in listed)


def test_a_map_of_ids_is_one_field(cli: Cli) -> None:
    """Thousands of keys are not thousands of fields; a key that all records share stays."""
    ids = [{f"item_{n}_{k}": k for k in range(40)} for n in range(60)]
    records = [call(n, stats=own | {"shared": 1}, only=own) for n, own in enumerate(ids)]
    found, notes = listing(cli, write_lines(cli.folder / "t.jsonl", records))
    assert [name for name in found if name.startswith(("stats", "only"))] == ["only", "stats.shared"]
    assert found["only"]["type"] == "object"
    assert notes["rare"]["count"] == 2 * 60 * 40


FOREIGN = [
    {
        "uid": f"u{n}", "at": f"2026-11-16T08:{n:02d}:00Z", "meta": {"orgSlug": name},
        "run": {"engine": "gpt-4o", "counts": {"generated": 10 + n}}, "prompt": "PROMPTWORD",
    }
    for n, name in enumerate(TENANTS)
]  # fmt: skip


@pytest.mark.parametrize("shape", keep(["lines", "array", "gz"], ["array"]))
def test_a_file_of_no_known_format(cli: Cli, shape: str) -> None:
    """It is listed all the same, with what it lacks; the line offered maps its fields and reads it."""
    names = {"lines": "odd.jsonl", "array": "odd.json", "gz": "odd.jsonl.gz"}
    text = json.dumps(FOREIGN, indent=1) if shape == "array" else as_lines(FOREIGN)
    data = gzip.compress(text.encode()) if shape == "gz" else text.encode()
    (cli.folder / names[shape]).write_bytes(data)
    assert cli.run("ingest", names[shape]).code == 3
    done = cli.run("fields", names[shape], "--json")
    assert done.code == 0
    answer = json.loads(done.out)
    looks = {row["path"]: row["looks_like"] for row in answer["tables"][0]["rows"]}
    assert (looks["meta.orgSlug"], looks["run.engine"], looks["uid"]) == ("tenant", "model", "user_id")
    (note,) = (note for note in answer["notes"] if note["code"] == "unknown_format")
    assert "no field has a usual name" in note["message"]
    line = next_line(done.err)
    assert "--map tenant=meta.orgSlug" in line and "--map model=run.engine" in line
    assert cli.shell(line).code == 0
    assert by_tenant(cli) == COUNTS


def test_a_file_that_is_refused_says_why(cli: Cli) -> None:
    """An export of the wrong kind is listed and told apart from a file nobody knows."""
    records = [{"id": str(n), "traceId": "t", "dataType": "NUMERIC", "value": 1, "name": "score"} for n in range(3)]
    path = write_lines(cli.folder / "scores.jsonl", records)
    assert "scores export" in listing(cli, path)[1]["unknown_format"]["message"]


def test_every_container_gives_the_same_fields(cli: Cli) -> None:
    """Lines, a page, zst, standard input; an array is a test of its own."""
    records = [call(n, metadata={"orgSlug": name}) for n, name in enumerate(TENANTS)]
    lines = as_lines(records).encode()
    (cli.folder / "a.jsonl").write_bytes(lines)
    (cli.folder / "page.json").write_text(json.dumps({"data": records, "meta": {"page": 1}}))
    packed = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(packed, closefd=False) as stream:
        stream.write(lines)
    (cli.folder / "a.jsonl.zst").write_bytes(packed.getvalue())
    (wanted, _), (page, _), (unpacked, _) = listings(cli, ("a.jsonl",), ("page.json",), ("a.jsonl.zst",))
    assert wanted["metadata.orgSlug"]["distinct_values"] == 3
    assert page == wanted
    assert unpacked == wanted
    assert rows(cli, "-", stdin=lines) == wanted


def test_only_the_first_records_are_looked_at(cli: Cli) -> None:
    """What comes later is seen with a larger number or with all; a partial look is said."""
    records = [call(n, **({"late": "x"} if n >= 30 else {})) for n in range(40)]
    write_lines(cli.folder / "t.jsonl", records)
    counts = ("30", "40", "all")
    (found, notes), *enough = listings(cli, *(("t.jsonl", "--records", count) for count in counts))
    assert "late" not in found and notes["sampled"]["count"] == 30
    for count, (found, notes) in zip(counts[1:], enough, strict=True):
        assert found["late"]["filled_rate"] == 0.25 and "sampled" not in notes, count


def test_several_files_of_several_formats(cli: Cli) -> None:
    """Files of one format are one listing, formats are told apart by a column, and each has its own next line."""
    write_lines(cli.folder / "a.jsonl", [call(1, tenant_id=None, orgSlug="a"), call(2, tenant_id=None, orgSlug="b")])
    write_lines(cli.folder / "b.jsonl", [call(3, tenant_id=None, orgSlug="c"), call(4, tenant_id=None, orgSlug="a")])
    write_lines(cli.folder / "lf.jsonl", [langfuse_row(n, metadata={"workspace": n}) for n in "xyx"])
    done = cli.run("fields", "a.jsonl", "b.jsonl", "lf.jsonl", "--for", "tenant", "--json")
    found = {(row["format"], row["path"]): row["distinct_values"] for row in json.loads(done.out)["tables"][0]["rows"]}
    assert found == {("raw", "orgSlug"): 3, ("langfuse", "metadata.workspace"): 2}
    assert re.findall(r"^next: (.*)$", done.err, re.MULTILINE) == [
        "streamaudit ingest a.jsonl b.jsonl --map tenant=orgSlug",
        "streamaudit ingest lf.jsonl --map tenant=metadata.workspace",
    ]


def test_a_time_without_a_unit_is_offered_with_the_likely_one(cli: Cli) -> None:
    record: Record = {"ts": "2026-11-16T08:00:00Z", "model": "m", "Prompt Tokens": 9, "completion_tokens": 5}
    record |= {"latency": 1.25, "ttft": 0.3, "tenant": "a", "route": "r", "release": "1"}
    path = write_lines(cli.folder / "log.jsonl", [record])
    offered = "streamaudit ingest log.jsonl --map ttft_ms=ttft:s --map duration_ms=latency:s"
    done = cli.run("fields", path.name)
    assert next_line(done.err) == offered
    assert re.search(r"^Prompt Tokens +input_tokens ", done.out, re.MULTILINE), "a usual name in words is listed too"
    assert cli.run(*offered.split()[1:], "--db", "s.duckdb").code == 0
    assert "TTFT p50 300 ms" in cli.run("report", "--db", "s.duckdb").out


def test_a_path_is_never_cut_on_a_screen(cli: Cli) -> None:
    """What will be copied stays whole at 80 columns; other columns give way and are named."""
    deep = "metadata.customerRelationshipManagement.organisationSlug"
    records = raw(lambda name: {"metadata": {"customerRelationshipManagement": {"organisationSlug": name}}})
    path = write_lines(cli.folder / "t.jsonl", records)
    done = cli.terminal("fields", path, columns=80, env={"NO_COLOR": "1"})
    assert deep in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert "hidden: " in done.out and "(--wide)" in done.out


def test_redacted_columns_show_no_example(cli: Cli) -> None:
    """--redact tenant hides the values of what is, or looks like, the tenant."""
    path = write_lines(cli.folder / "t.jsonl", [call(n, orgSlug="globex") for n in range(4)])
    done = cli.run("fields", path, "--redact", "tenant", "--json")
    assert "acme" not in done.out and "globex" not in done.out
    assert "gpt-4o-mini" in done.out


def test_a_mapping_counts(cli: Cli) -> None:
    """``[fields]`` of the configuration is in force here as in ingest, and so is ``--map``."""
    (cli.folder / "streamaudit.toml").write_text('[fields]\ntenant = "metadata.xq"\n')
    path = write_lines(cli.folder / "t.jsonl", raw(lambda name: {"metadata": {"xq": name, "yq": name}}))
    found = rows(cli, path, "--map", "user_id=metadata.yq")
    assert (found["metadata.xq"]["used_as"], found["metadata.yq"]["used_as"]) == ("tenant", "user_id")


REFUSED = (
    (["t.jsonl", "--for", "tennant"], 2, "did you mean tenant?"),
    (["t.jsonl", "--records", "0"], 2, "expected a number from 1, or all"),
    (["t.jsonl", "--records", "many"], 2, "expected a number from 1, or all"),
    (["t.jsonl", "--map", "tenant=input.x"], 2, "never stored"),
    (["t.jsonl", "--format", "yaml"], 2, "unknown format"),
    (["missing.jsonl"], 3, "no such file"),
    (["empty.jsonl"], 3, "empty file"),
    (["page.html"], 3, "HTML"),
    (["cut.json"], 3, "cut off"),
)


def test_what_cannot_be_is_said_in_one_line(cli: Cli) -> None:
    """Usage is 2, input is 3, and nobody sees a traceback."""
    write_lines(cli.folder / "t.jsonl", [call(1)])
    (cli.folder / "empty.jsonl").write_text("")
    (cli.folder / "page.html").write_text("<!doctype html><html></html>")
    (cli.folder / "cut.json").write_text(json.dumps([call(1), call(2)])[:-40])
    runs = cli.run_each([["fields", *arguments] for arguments, _, _ in REFUSED])
    for (arguments, code, says), done in zip(REFUSED, runs, strict=True):
        assert (done.code, done.out) == (code, ""), arguments
        assert says in done.err and "Traceback" not in done.err, arguments

"""Exit code 3: the input cannot be used, and each kind of unusable input is told apart."""

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from streamaudit.ingest.edge.registry import discover
from tests.cli.running import Cli, stored_calls
from tests.cli.traffic import as_lines, call, calls, write_lines
from tests.ingest.edge.lines import SAMPLES
from tests.sampling import keep

_GOOD = as_lines(calls(2000)).encode()


def _changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes(255 - byte for byte in data[at : at + 8]) + data[at + 8 :]


def _zip() -> bytes:
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("traces.jsonl", _GOOD)
    return buffer.getvalue()


_GZ = gzip.compress(_GOOD, mtime=0)
# Longer than what is looked at before the database reads it.
_LONG_GZ = gzip.compress(as_lines([call(0), call(1, note="x" * (1 << 21))]).encode(), mtime=0)
_ZST = zstandard.ZstdCompressor(write_checksum=True).compress(_GOOD)
_TWO_FRAMES = _ZST + zstandard.ZstdCompressor().compress(as_lines(calls(2000, start=2000)).encode())
_SCORE = {
    "id": "s1", "traceId": "t1", "name": "quality", "value": 0.3, "dataType": "NUMERIC", "source": "API",
    "timestamp": "2026-11-16T00:00:00Z",
}  # fmt: skip

UNUSABLE: dict[str, tuple[bytes, str]] = {
    "empty.jsonl": (b"", "empty file"),
    "blank.jsonl": (b"\n \n\t\n", "empty file"),
    "nothing.json": (b"[]", "empty file"),
    "page.json": (b'{"data": [], "meta": {"page": 1}}', "empty file"),
    "empty.jsonl.gz": (gzip.compress(b""), "empty file"),
    "noise.jsonl": (bytes(range(256)) * 8, "a binary file, not JSON"),
    "utf16.jsonl": (as_lines(calls(2)).encode("utf-16"), "UTF-16 text: save it as UTF-8"),
    "login.json": (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "HTML or XML, not JSON"),
    "denied.json": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "HTML or XML, not JSON"),
    "orders.csv": (b"id,name,price\n1,tea,3\n", "CSV, but of no known format (first fields: id, name, price)"),
    "notes.jsonl": (b"call me\nlater\n", "not JSON"),
    "traces.zip": (_zip(), "a zip archive: unpack it first\nhint: unzip -p traces.zip | streamaudit ingest -"),
    "traces.jsonl.xz": (b"\xfd7zXZ\x00\x00\x04", "repack as .gz or .zst"),
    "traces.parquet": (b"PAR1" + bytes(64) + b"PAR1", "a damaged or incomplete Parquet file"),
    "cut.jsonl.gz": (_GZ[: len(_GZ) // 2], "the gzip stream ends early"),
    "cut-at-once.jsonl.gz": (_GZ[:8], "the gzip stream ends early"),
    "changed.jsonl.gz": (_changed(_GZ, len(_GZ) // 3), "download"),
    "checksum.jsonl.gz": (_LONG_GZ[:-8] + bytes(4) + _LONG_GZ[-4:], "damaged gzip data"),
    "length.jsonl.gz": (_LONG_GZ[:-4] + bytes(4), "damaged gzip data"),
    "cut-trailer.jsonl.gz": (_LONG_GZ[:-4], "the gzip stream ends early"),
    "cut.jsonl.zst": (_ZST[: len(_ZST) // 2], "the zst stream ends early"),
    "cut-by-one.jsonl.zst": (_ZST[:-1], "the zst stream ends early"),
    "cut-second.jsonl.zst": (_TWO_FRAMES[:-50], "the zst stream ends early"),
    "changed.jsonl.zst": (_changed(_ZST, len(_ZST) // 3), "download it again"),
    "scores.json": (json.dumps([_SCORE]).encode(), "export the observations table"),
    "unknown.json": (b'{"city": "Oslo", "degrees": 4}', "of no known format (first fields: city, degrees)"),
    "numbers.json": (b"[1, 2, 3]", "of no known format"),
    "broken.jsonl": (b'{"request_id": \n{"request_id" "a"}\n', "no line is a JSON object"),
    "deep.json": (b"[" * 50_000, "of no known format"),
}  # fmt: skip


def test_every_unusable_file_ends_with_3_and_is_told_apart(cli: Cli) -> None:
    """Whatever was saved in place of an export, one message names the file and what it holds; no call is stored."""
    for name, (data, _) in UNUSABLE.items():
        (cli.folder / name).write_bytes(data)
    runs = cli.run_each([["ingest", name, "--db", "store.duckdb", "-q"] for name in UNUSABLE])
    for (name, (_, says)), done in zip(UNUSABLE.items(), runs, strict=True):
        assert (done.code, done.out) == (3, ""), name
        assert done.err.startswith(f"{name}: "), done.err
        assert says in done.err
    assert stored_calls(cli.folder / "store.duckdb") == 0


def test_a_report_over_an_unusable_file_ends_with_3_and_shows_no_figure(cli: Cli) -> None:
    """A report straight from files never shows figures of the rest of them."""
    names = ("login.json", "cut.jsonl.zst", "empty.jsonl")
    write_lines(cli.folder / "good.jsonl", calls(5))
    for name in names:
        (cli.folder / name).write_bytes(UNUSABLE[name][0])
    for done in cli.run_each([["report", "good.jsonl", name] for name in names]):
        assert (done.code, done.out) == (3, "")
        assert "1 of 2 files could not be read" in done.err


NOWHERE = {
    "missing.jsonl": "no such file: missing.jsonl", "missing/*.jsonl": "nothing matches missing/*.jsonl",
    "junk": "no file of records", "/dev/null/traces.jsonl": "/dev/null/traces.jsonl",
}  # fmt: skip


def test_a_path_that_leads_nowhere_ends_with_3(cli: Cli) -> None:
    """Missing files, globs without a match and folders without exports are said before any store is made."""
    (cli.folder / "junk").mkdir()
    (cli.folder / "junk" / "notes.txt").write_text("hello")
    write_lines(cli.folder / "junk" / ".hidden.jsonl", calls(1))
    runs = cli.run_each([["ingest", path, "--db", "store.duckdb"] for path in NOWHERE])
    for says, done in zip(NOWHERE.values(), runs, strict=True):
        assert (done.code, done.out) == (3, "")
        assert says in done.err
    assert not (cli.folder / "store.duckdb").exists()


def test_a_good_copy_of_every_damaged_file_is_read(cli: Cli) -> None:
    """What makes the damaged archives unusable is the damage: whole ones, also of several frames, are read."""
    (cli.folder / "whole.jsonl.gz").write_bytes(_GZ)
    (cli.folder / "whole.jsonl.zst").write_bytes(_TWO_FRAMES)
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"note"
    (cli.folder / "more.jsonl.zst").write_bytes(zstandard.compress(as_lines(calls(1, 4000)).encode()) + skippable)
    done = cli.run("ingest", "whole.jsonl.gz", "whole.jsonl.zst", "more.jsonl.zst", "--db", "store.duckdb")
    assert done.code == 0, done.err
    assert "= new        4,001" in done.err


def _only_bad(count: int) -> str:
    return as_lines({**call(number), "start_time": "yesterday"} for number in range(count))


def test_a_file_of_only_bad_records_ends_with_3(cli: Cli) -> None:
    """Every record is rejected with its line and reason, and the exit code says that nothing was gained."""
    (cli.folder / "bad.jsonl").write_text(_only_bad(5))
    done = cli.run("ingest", "bad.jsonl", "--db", "store.duckdb")
    assert done.code == 3
    assert "rejected line 1: start time not understood: write it as 2026-11-22T08:26:40Z" in done.err
    assert "... and 2 more" in done.err
    assert "error: no file held a good record" in done.err
    reported = cli.run("report", "bad.jsonl")
    assert (reported.code, reported.out) == (3, "")
    assert "no file held a good record" in reported.err


def test_the_log_of_a_server_is_named_and_pointed_to_the_option_that_reads_it(cli: Cli) -> None:
    """Of every server; no log is called damaged or of no known format."""
    servers = discover()
    for name in servers:
        # A line with an id and a wait may be that of a call.
        lines = [one.line for one in SAMPLES[name] if one.reason is None and "ttft_ms" not in one.line]
        (cli.folder / f"{name}.log").write_text("\n".join(lines) + "\n")
    for name, done in zip(servers, cli.run_each([["ingest", f"{name}.log"] for name in servers]), strict=True):
        assert done.code == 3
        assert f"{name}.log: {servers[name].words}: evidence about calls, but no calls" in done.err
        assert f"streamaudit ingest {name}.log --evidence joins it" in done.err


def test_a_csv_file_of_evidence_is_pointed_to_the_option_that_reads_it(cli: Cli) -> None:
    """And where nothing was read, no equation of zeros follows."""
    (cli.folder / "rendered.csv").write_text("request_id,rendered_tokens\na,5\n")
    done = cli.run("ingest", "rendered.csv", "--db", "store.duckdb")
    assert done.code == 3
    assert "streamaudit ingest rendered.csv --evidence --on request_id" in done.err
    assert "read  " not in done.err


def test_allow_empty_accepts_files_without_records_but_not_bad_files(cli: Cli) -> None:
    """An hourly export may hold nothing; an error page in its place is still an error."""
    for name in ("empty.jsonl", "blank.jsonl", "nothing.json", "page.json", "empty.jsonl.gz", "login.json"):
        (cli.folder / name).write_bytes(UNUSABLE[name][0])
    empty = ("empty.jsonl", "blank.jsonl", "nothing.json", "page.json", "empty.jsonl.gz")
    line = ["ingest", *empty, "--db", "store.duckdb"]
    runs = cli.run_each([line, [*line, "--allow-empty"], [*line, "login.json", "--allow-empty"]])
    assert [done.code for done in runs] == [3, 0, 3], runs


def test_an_empty_file_among_good_ones_does_not_fail_the_run(cli: Cli) -> None:
    """One quiet hour is mentioned and the other hours are stored."""
    (cli.folder / "quiet.jsonl").write_bytes(b"")
    write_lines(cli.folder / "busy.jsonl", calls(5))
    done = cli.run("ingest", "quiet.jsonl", "busy.jsonl", "--db", "store.duckdb", "-q")
    assert (done.code, done.err) == (0, "quiet.jsonl: empty file\n")


LIMITS = {"1": False, "2": True, "19%": False, "20%": True}
"""Whether a file with 2 bad records of 10 is taken."""


@pytest.mark.parametrize("limit", keep(LIMITS, ["1", "20%"]))
def test_max_bad_rolls_one_file_back_and_keeps_the_others(cli: Cli, limit: str) -> None:
    """A file with 2 bad records of 10 is taken or left whole; the file beside it stays either way. Giving a file up
    leaves no trace of it that would make the next run skip it."""
    (cli.folder / "mixed.jsonl").write_text(as_lines(calls(8)) + _only_bad(2))
    write_lines(cli.folder / "other.jsonl", calls(5, start=100))
    done = cli.run("ingest", "mixed.jsonl", "other.jsonl", "--db", "store.duckdb", "--max-bad", limit)
    accepted = LIMITS[limit]
    assert done.code == (0 if accepted else 3)
    assert ("2 of 10 records are bad, more than --max-bad" in done.err) is not accepted
    assert _stored(cli) == (13 if accepted else 5)
    if not accepted:
        assert cli.run("ingest", "mixed.jsonl", "--db", "store.duckdb").code == 0
        assert _stored(cli) == 13


def test_a_bad_file_does_not_cost_the_good_ones(cli: Cli) -> None:
    """The exit code is 3 and every usable file is stored, whichever comes first."""
    (cli.folder / "b-login.json").write_bytes(UNUSABLE["login.json"][0])
    write_lines(cli.folder / "a.jsonl", calls(2))
    write_lines(cli.folder / "c.jsonl", calls(3, start=50))
    assert cli.run("ingest", "a.jsonl", "b-login.json", "c.jsonl", "--db", "store.duckdb").code == 3
    assert _stored(cli) == 5


@pytest.mark.parametrize("where", keep([".", "*.json*"], ["."]))
def test_a_stray_file_that_was_only_found_is_passed_over(cli: Cli, where: str) -> None:
    """A folder or a glob may hold other JSON and files that are none: each is named, none of them fails the run."""
    (cli.folder / "b-login.json").write_bytes(UNUSABLE["login.json"][0])
    (cli.folder / "package.json").write_text('{"name": "something", "version": "1.0"}')
    write_lines(cli.folder / "a.jsonl", calls(2))
    done = cli.run("ingest", where, "--db", "store.duckdb")
    assert done.code == 0
    assert _stored(cli) == 2
    assert [line.endswith("skipped") for line in done.err.splitlines() if "b-login.json" in line] == [True]
    assert [line.endswith("skipped") for line in done.err.splitlines() if "package.json" in line] == [True]
    assert cli.run("report", where, "--json").code == 0


def test_a_folder_of_nothing_but_strays_is_an_error(cli: Cli) -> None:
    """Passing files over never hides that nothing was read."""
    (cli.folder / "package.json").write_text('{"name": "something", "version": "1.0"}')
    runs = cli.run_each([["ingest", ".", "--db", "store.duckdb"], ["report", "."]])
    assert [done.code for done in runs] == [3, 3], runs


def _stored(cli: Cli) -> int:
    return stored_calls(cli.folder / "store.duckdb")


@pytest.mark.parametrize("command", keep(["report", "ttft", "tax"], ["report"]))
def test_an_empty_window_is_no_error_unless_asked_to_be_one(cli: Cli, thirty: Path, command: str) -> None:
    """Without calls the report stands, says so and is valid JSON; --fail-on-empty makes it exit code 3."""
    store = str(thirty / "store.duckdb")
    quiet = [command, "--db", store, "--week", "2020-W01", "--format", "json", "--by", "tenant"]
    done, failed = cli.run_each([quiet, [*quiet, "--fail-on-empty"]])
    assert done.code == 0
    notes = {note["code"]: note["message"] for note in json.loads(done.out)["notes"]}
    assert notes["empty"].startswith("no calls in this window: the data goes from 2026-11-16")
    assert (failed.code, json.loads(failed.out)["tables"]) == (3, json.loads(done.out)["tables"])


def test_rejects_are_listed_without_content(cli: Cli) -> None:
    """--rejects names file, line, reason and size of each bad record and quotes none of it."""
    secret = "SECRET-PROMPT"
    lines = [*as_lines(calls(2)).splitlines(), '{"request_id": "' + secret, json.dumps({"input": secret}), "[1]", "7"]
    (cli.folder / "mixed.jsonl").write_text("\n".join(lines))
    done = cli.run("ingest", "mixed.jsonl", "--db", "store.duckdb", "--rejects", "rejects.csv")
    assert done.code == 0
    listed = (cli.folder / "rejects.csv").read_text()
    assert listed.splitlines()[:2] == ["file,line,record,reason,bytes", "mixed.jsonl,3,3,malformed JSON,30"]
    assert [line.split(",")[1] for line in listed.splitlines()[1:]] == ["3", "4", "5", "6"]
    assert secret not in listed + done.err
    assert secret.encode() not in (cli.folder / "store.duckdb").read_bytes()


HOSTILE_NAME = "a\x1b[2J\n$(id).log"
_UNWRITABLE: dict[str, Callable[[Cli], list[str]]] = {
    "report": lambda cli: ["report", "calls.jsonl", "-q", "-o", "missing/report.json"],
    "rejects": lambda cli: ["ingest", "calls.jsonl", "-q", "--db", "s.duckdb", "--rejects", "missing/rejects.csv"],
}


@pytest.mark.parametrize("kind", _UNWRITABLE)
def test_a_file_that_cannot_be_written_ends_with_5(cli: Cli, kind: str) -> None:
    """The path and the system's reason are in the message."""
    write_lines(cli.folder / "calls.jsonl", calls(3))
    done = cli.run(*_UNWRITABLE[kind](cli))
    assert (done.code, done.out) == (5, "")
    assert done.err.startswith("error: cannot write missing/")
    assert "No such file or directory" in done.err


@pytest.mark.parametrize("name", keep(["none.log", "no such [file].log", HOSTILE_NAME], [HOSTILE_NAME]))
def test_a_log_to_check_that_is_missing_is_named_as_given(cli: Cli, name: str) -> None:
    """Whatever its name, as one visible line; the command to read one quotes it."""
    missing = cli.run("instrument", "--check", name)
    shown = name.replace("\x1b", "\\x1b").replace("\n", "\\n")
    assert (missing.code, missing.err) == (3, f"error: cannot read {shown}: No such file or directory\n")
    hostile = "evil\x1b[2J\u202e\n::error::pwned <img src=x>" + "x" * 900
    line = {"time": "2026-11-16T08:00:00Z", "request_id": hostile, "uri": hostile, "status": "200",
            hostile: hostile, "body_bytes_sent": "100", "request_time": "1.0", "upstream_status": hostile}  # fmt: skip
    (cli.folder / name).write_text(json.dumps(line) + "\n")
    forms = ("table", "json", "github", "markdown")
    for done in cli.run_each([["instrument", "--check", name, "--format", form] for form in forms]):
        assert done.code == 0 and "evil" not in done.out + done.err and "\x1b" not in done.out + done.err

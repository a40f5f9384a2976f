"""Read odd files with the command itself, in this process, and check what must hold whatever they hold."""

import csv
import io
import json
import re
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from streamaudit.cli.main import _run
from streamaudit.store.store import Store
from tests.cli.running import equation
from tests.fuzz.files import CANARY, OddFile

_KEPT = "SELECT (SELECT count(*) FROM store.calls) + (SELECT count(*) FROM store.spans)"
_DUMPS = {name: f"SELECT {name}::VARCHAR FROM store.{name}" for name in ("calls", "spans", "loads", "rejects")}


class Broken(AssertionError):
    """A promise that an odd file has broken."""


def check(files: Sequence[OddFile], folder: Path) -> None:
    """Read files by one command, every fourth of them once more, and report on them, in an empty folder. Raises Broken
    when a promise does not hold."""
    paths, store = [folder / f"{number}-{file.name}" for number, file in enumerate(files)], folder / "store.duckdb"
    for path, file in zip(paths, files, strict=True):
        path.write_bytes(file.data)
    code, _, err = run_command("ingest", *paths, "--db", store, "--rejects", folder / "rejects.csv")
    counts = equation(err)
    if code not in (0, 3):
        raise Broken(f"exit code {code}: {err}")
    if counts:
        parts = sum(counts[name] for name in ("new", "repeated", "replaced", "rejected", "not_calls"))
        _hold(counts["read"] == parts, f"the equation does not add up: {counts}")
        with (folder / "rejects.csv").open(newline="") as listed:
            rows = list(csv.reader(listed))[1:]
        _hold(len(rows) == counts["rejected"], f"{len(rows)} rejects are listed, {counts['rejected']} counted")
        _hold(not any("unreadable" in row for row in rows), "a reject has no reason")
    elif code == 0:
        raise Broken(f"nothing was read, and the command says it is done: {err}")
    seen = [err, (folder / "rejects.csv").read_text()]
    with Store.open(store, write=False) as opened:
        kept = opened.one(_KEPT)[0]
        seen += ["\n".join(str(row[0]) for row in opened.query(dump)) for dump in _DUMPS.values()]
    code, out, err = run_command("ingest", *paths[::4], "--db", store, "--force")
    again = equation(err)
    _hold(code in (0, 3) and again.get("new", 0) == 0, f"read again it has new calls: {code}, {again}")
    with Store.open(store, write=False) as opened:
        _hold(opened.one(_KEPT)[0] == kept, "reading again changed the number of calls or steps")
    for words in (("fields",), ("instrument", "--check")):
        code, out, err = run_command(*words, paths[0])
        _hold(code in (0, 3), f"{' '.join(words)}: exit code {code}: {err}")
        _hold(CANARY not in out + err, f"{words[0]} shows the text of a user")
    code, out, err = run_command("report", "--db", store, "--format", "json")
    _hold(code == 0, f"no report: {code}, {err}")
    json.loads(out)
    for text in (*seen, out, err):
        _hold(CANARY not in text, "the text of a user left its record")


def _hold(promise: bool, otherwise: str) -> None:
    if not promise:
        raise Broken(otherwise)


def run_command(*arguments: str | Path) -> tuple[int, str, str]:
    """Run a command in this process; what it logs about a bug breaks every promise."""
    written = io.BytesIO()
    out, err = io.TextIOWrapper(written, "utf-8", write_through=True), io.StringIO()
    words = [*map(str, arguments), *(["-v"] if arguments[0] == "ingest" and "-v" not in arguments else [])]
    with redirect_stdout(out), redirect_stderr(err):
        code = _run(words)
    if re.search("a bug in streamaudit|Traceback", err.getvalue()):
        raise Broken(err.getvalue())
    return code, written.getvalue().decode(), err.getvalue()

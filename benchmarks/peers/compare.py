"""Peers on the lean file: what each took, and whether it came to the same figures."""

import csv
import importlib.util
import json
import math
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from benchmarks.generate import HERE
from benchmarks.measure import Command, interleaved, once
from benchmarks.results import Findings, Row
from benchmarks.settings import Settings

KEYS = ("model", "route", "tenant")
PACKAGES = ("duckdb", "polars", "pandas", "chdb")
_TOLERANCE = 1e-6

Groups = Mapping[tuple[str, ...], Mapping[str, float | None]]


def compare_peers(settings: Settings) -> Findings:
    """The report's question straight from the lean file, by streamaudit and by others."""
    file, size = settings.input("lean")
    store = settings.folder / "peers.duckdb"
    once(settings.ingest(file, store))
    about = ("report", "-q", "--by", ",".join(KEYS), "--format", "json")
    outputs = {name: settings.folder / f"{index}.out" for index, name in enumerate(("own", "asked", "jq", *PACKAGES))}
    commands = {
        "own": settings.tool(*about, file, output=outputs["own"]),
        "asked": settings.tool(*about, "--db", str(store), output=outputs["asked"]),
    }
    names = {"own": "streamaudit report FILE", "asked": "streamaudit report, file ingested before"}
    missing = []
    for package in PACKAGES:
        if importlib.util.find_spec(package):
            names[package] = f"{package} {version(package)}"
            commands[package] = settings.script(f"peers/report_{package}.py", file, output=outputs[package])
        else:
            missing.append(Row("peers", package, note="not installed: pip install -e '.[bench]'"))
    if shutil.which("jq") and shutil.which("awk"):
        names["jq"] = f"{_said('jq', '--version')}, {_awk()}"
        commands["jq"] = Command(["sh", str(HERE / "peers" / "report_jq.sh"), file], output=outputs["jq"])
    else:
        missing.append(Row("peers", "jq and awk", note="not installed"))
    found = interleaved(commands, settings.runs)
    own, answer = found["own"], own_groups(outputs["own"])
    rows = [Row("peers", names["own"], own, size, note=f"{len(answer):,} groups")]
    for name in commands:
        if name != "own":
            theirs = own_groups(outputs[name]) if name == "asked" else peer_groups(outputs[name])
            read = None if name == "asked" else size
            rows.append(Row("peers", names[name], found[name], read, "report FILE", own, agreement(answer, theirs)))
    return Findings((), (*rows, *missing))


def own_groups(output: Path) -> Groups:
    """The groups of a report's JSON."""
    table = json.loads(output.read_text("utf-8"))["tables"][0]
    return {tuple(row[key] for key in KEYS): row for row in table["rows"]}


def peer_groups(output: Path) -> Groups:
    """The groups of a peer's CSV; an empty cell is None."""
    with output.open(encoding="utf-8", newline="") as lines:
        return {
            tuple(row[key] for key in KEYS): {
                name: float(value) if value else None for name, value in row.items() if name not in KEYS
            }
            for row in csv.DictReader(lines)
        }


def agreement(own: Groups, theirs: Groups) -> str:
    """Whether a peer's groups and figures are ours, to a millionth. A percentile that streamaudit leaves out because
    the group is small is not compared, and a peer's sum over nothing may be 0 where ours is unknown."""
    if own.keys() != theirs.keys():
        return f"**differs**: {len(own.keys() ^ theirs.keys()):,} groups are not in both"
    columns = [name for name in next(iter(theirs.values()), {}) if name in next(iter(own.values()), {})]
    apart = {
        name: sum(not _same(name, own[key][name], theirs[key][name]) for key in own) for name in columns
    }  # fmt: skip
    named = ", ".join(f"{name} in {count:,}" for name, count in apart.items() if count)
    figures = [name for name in columns if name not in KEYS]
    return f"**differs**: {named} groups" if named else f"same {len(figures)} figures"


def _same(name: str, own: float | None, theirs: float | None) -> bool:
    if name in KEYS:
        return True
    if own is None:
        return name.endswith("_ms") or not theirs
    return math.isclose(own, theirs or 0, rel_tol=_TOLERANCE, abs_tol=1e-9)


def _said(*argv: str) -> str:
    """The first line of a program's version; empty when it does not know the option."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return done.stdout.partition("\n")[0].strip() if done.returncode == 0 else ""


def _awk() -> str:
    said = _said("awk", "--version") or _said("awk", "-W", "version") or "awk"
    return " ".join(said.split(",")[0].split()[:3])

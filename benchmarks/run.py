"""Measure streamaudit against bare DuckDB and its peers, all in one run on one machine.

``python benchmarks/run.py [--scale 0.01] [--runs 3] [--only ingest-lean,report] [--json FILE] [--page]``
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cases import CASES
from benchmarks.generate import DATA
from benchmarks.measure import Failed, pin
from benchmarks.page import KEPT, keep
from benchmarks.results import Findings, Row, markdown, structure
from benchmarks.settings import Settings

CORES = 2
_PACKAGES = ("streamaudit", "duckdb", "polars", "pandas", "chdb")


def main() -> int:
    """Command line: run the chosen cases and print what they found. Exit 1 when a measured command failed."""
    options = _options()
    cores = pin(CORES)
    about = _about(options, cores)
    findings, failed = [], False
    DATA.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DATA) as folder:
        settings = Settings(options.scale, options.runs, Path(folder))
        for name in options.only:
            print(f"{name} ...", file=sys.stderr, flush=True)
            try:
                findings.append(CASES[name](settings))
            except Failed as failure:
                failed = True
                findings.append(Findings((), (Row(name, "failed", note="see the error above"),)))
                print(failure, file=sys.stderr)
    found = structure(about, findings)
    print(markdown(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if options.page and not failed:
        keep(found)
    return int(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the inputs; 1 is 2 GB and 5 M lines")
    parser.add_argument("--runs", type=int, default=3, help="runs per figure; the median is shown")
    parser.add_argument("--only", type=_names, default=list(CASES), metavar="CASE[,CASE]", help=", ".join(CASES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure unrounded here too")
    parser.add_argument("--page", action="store_true", help=f"keep the figures in {KEPT.name} and docs/performance.md")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in CASES:
            raise argparse.ArgumentTypeError(f"there is no case {name}; cases: {', '.join(CASES)}")
    return names


def _about(options: argparse.Namespace, cores: int) -> dict[str, str]:
    versions = {name: _version(name) for name in _PACKAGES}
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{_processor()}, {cores} of {os.cpu_count()} cores used, {_memory_gb():.0f} GB, "
        f"{platform.system()} {platform.release()}",
        "load": f"{os.getloadavg()[0]:.1f} at the start",
        "Python": platform.python_version(),
        **{name: found for name, found in versions.items() if found},
        "scale": f"{options.scale:g}",
        "runs": str(options.runs),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())

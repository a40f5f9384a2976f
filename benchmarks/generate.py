"""Write the two input files of the benchmarks with DuckDB; the same bytes come out every time for one scale.

Run ``python benchmarks/generate.py --scale 0.1``; a file that is already there is kept.
"""

import argparse
import hashlib
import os
from pathlib import Path
from typing import Literal

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("STREAMAUDIT_BENCH_DATA", HERE / "data"))

Kind = Literal["text", "lean"]
# Records at scale 1: about 2 GB of long texts, and five million lean lines.
RECORDS: dict[Kind, int] = {"text": 185_000, "lean": 5_000_000}

# Each row of the query is one finished line: a CSV without quotes, whose separator never occurs.
_WRITE = "COPY ({query}) TO $target (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER e'\\x01')"


def data_file(kind: Kind, scale: float) -> Path:
    """Where the input file of this kind and scale is or will be; another query gives it another name."""
    digest = hashlib.sha256(_query(kind).encode()).hexdigest()[:8]
    return DATA / f"{kind}-{scale:g}-{digest}.jsonl"


def generate(kind: Kind, scale: float) -> Path:
    """The input file of this kind and scale, written first if it is not there."""
    target = data_file(kind, scale)
    if not target.exists():
        DATA.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        _write(kind, max(1, round(RECORDS[kind] * scale)), part)
        part.rename(target)
    return target


def _write(kind: Kind, records: int, target: Path) -> None:
    import duckdb  # here, so that a process that only asks for names stays small

    with duckdb.connect() as connection:
        connection.execute(_WRITE.format(query=_query(kind)), {"records": records, "target": str(target)})


def _query(kind: Kind) -> str:
    return (HERE / "sql" / f"{kind}.sql").read_text(encoding="utf-8")


def main() -> None:
    """Command line: write both files, or the one named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--kind", choices=RECORDS, action="append")
    options = parser.parse_args()
    for kind in options.kind or RECORDS:
        path = generate(kind, options.scale)
        print(f"{path}: {path.stat().st_size / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()

"""The report's question answered from the lean file by a pandas script: ``report_pandas.py FILE``.

Read in chunks, keeping only the columns asked for: the whole file at once would need many times its size in memory.
"""

import importlib
import sys
from typing import Any

pd: Any = importlib.import_module("pandas")

_KEYS = ["request_model", "route", "tenant_id"]
_COLUMNS = [
    *_KEYS, "outcome", "time_to_first_chunk_ms", "duration_ms", "output_tokens", "rendered_output_tokens", "cost_usd",
]  # fmt: skip
_CHUNK = 200_000


def main(file: str) -> None:
    """Print one line per model, route and tenant."""
    chunks = pd.read_json(file, lines=True, chunksize=_CHUNK, dtype=False)
    calls = pd.concat((chunk.reindex(columns=_COLUMNS) for chunk in chunks), ignore_index=True)
    calls["cancelled"] = calls["outcome"] == "cancelled"
    calls["tax"] = (calls["output_tokens"] - calls["rendered_output_tokens"]).where(calls["cancelled"])
    by = calls.groupby(_KEYS, dropna=False)
    sums = by.agg(
        calls=("outcome", "size"), cancelled_calls=("cancelled", "sum"), output_tokens=("output_tokens", "sum"),
        tax_tokens=("tax", "sum"), cost_usd=("cost_usd", "sum"),
    )  # fmt: skip
    for name, field, shares in (
        ("ttft", "time_to_first_chunk_ms", (0.5, 0.9, 0.95, 0.99)), ("duration", "duration_ms", (0.5, 0.95)),
    ):  # fmt: skip
        found = by[field].quantile(list(shares)).unstack()
        sums = sums.join(found.rename(columns=lambda share, name=name: f"{name}_p{100 * share:.0f}_ms"))
    print(sums.rename_axis(["model", "route", "tenant"]).to_csv(), end="")


if __name__ == "__main__":
    main(sys.argv[1])

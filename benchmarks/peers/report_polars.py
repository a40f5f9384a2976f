"""The report's question answered from the lean file by a polars script: ``report_polars.py FILE``."""

import importlib
import sys
from typing import Any

pl: Any = importlib.import_module("polars")

_TEXT = ("request_model", "route", "tenant_id", "outcome")
_NUMBERS = ("time_to_first_chunk_ms", "duration_ms", "output_tokens", "rendered_output_tokens", "cost_usd")


def main(file: str) -> None:
    """Print one line per model, route and tenant."""
    schema = {**dict.fromkeys(_TEXT, pl.String), **dict.fromkeys(_NUMBERS, pl.Float64)}
    ttft, duration = pl.col("time_to_first_chunk_ms"), pl.col("duration_ms")
    cancelled = pl.col("outcome") == "cancelled"
    unseen = pl.col("output_tokens") - pl.col("rendered_output_tokens")
    groups = (
        pl.scan_ndjson(file, schema=schema)
        .group_by(model="request_model", route="route", tenant="tenant_id")
        .agg(
            pl.len().alias("calls"),
            *(ttft.quantile(q, "linear").alias(f"ttft_p{100 * q:.0f}_ms") for q in (0.5, 0.9, 0.95, 0.99)),
            *(duration.quantile(q, "linear").alias(f"duration_p{100 * q:.0f}_ms") for q in (0.5, 0.95)),
            cancelled.sum().alias("cancelled_calls"),
            pl.col("output_tokens").sum(),
            unseen.filter(cancelled).sum().alias("tax_tokens"),
            pl.col("cost_usd").sum(),
        )
        .sort("calls", descending=True)
        .collect()
    )
    print(groups.write_csv(), end="")


if __name__ == "__main__":
    main(sys.argv[1])

"""The small tables of an exported folder: the edges of the buckets, and ``_meta``, by which an engine gives notes."""

from importlib.metadata import version
from pathlib import Path

from streamaudit.audits.scope.scope import Scope
from streamaudit.store.buckets import bounds_us, edges_us
from streamaudit.store.export_layout import ABOUT, EXPORT_SCHEMA, LOADS, PROVIDERS, TEXTS
from streamaudit.store.pricing.prices import price_source
from streamaudit.store.providers import read_providers
from streamaudit.store.store import SCHEMA_VERSION, Store
from streamaudit.store.views.valuation import LEARNED

EDGES_FILE = "_bucket_edges.csv"
"""File in every exported folder; readers of Parquet folders skip names that begin with an underscore."""

_COPY = "COPY ({rows}) TO $path (FORMAT parquet, COMPRESSION zstd)"
_ABOUT = """
SELECT
    $export_schema::INTEGER AS export_schema, $store_schema::INTEGER AS store_schema, $tool_version AS tool_version,
    $prices AS prices, $filters AS filters, epoch_us($since::TIMESTAMP) AS since_us,
    epoch_us($until::TIMESTAMP) AS until_us,
    (SELECT count(*) FROM store.calls) AS stored_calls
"""
# A file read again, after it grew or with another mapping, counts as one file. Its path is the store's own business.
_LOADS = """
SELECT
    source, format, arg_max(variant, load_id) AS variant, arg_max(sample_rate, load_id) AS sample_rate,
    arg_max(read_records, load_id) AS read_records, arg_max(new_calls, load_id) AS new_calls,
    arg_max(repeated_calls, load_id) AS repeated_calls, arg_max(replaced_calls, load_id) AS replaced_calls,
    arg_max(rejected_records, load_id) AS rejected_records, arg_max(not_calls, load_id) AS not_calls,
    max(load_id) AS load_id
FROM store.loads GROUP BY source, format, CASE WHEN path = '-' THEN load_id::VARCHAR ELSE path END ORDER BY ALL
"""
_TEXTS = LEARNED.format(condition="true") + " ORDER BY model"
_PROVIDERS = """
SELECT unnest($names::VARCHAR[]) AS provider, unnest($behaviours::VARCHAR[]) AS on_disconnect,
    unnest($dates::VARCHAR[]) AS as_of, unnest($origins::VARCHAR[]) AS origin
ORDER BY ALL
"""


def write_tables(store: Store, scope: Scope, folder: Path) -> None:
    """Write the tables that go with the calls of a scope, which is prepared, into the staging folder of an export."""
    _write_edges(folder / EDGES_FILE)
    prices = price_source()
    about = {
        "export_schema": EXPORT_SCHEMA, "store_schema": SCHEMA_VERSION, "tool_version": version("streamaudit"),
        "prices": f"{prices.name} {prices.version}", **scope.total().params(),
        "filters": "; ".join(f"{name}: {value}" for name, value in scope.filters.items()) or None,
    }  # fmt: skip
    own = store.providers.on_disconnect
    rows = [(one.name, one.on_disconnect, one.as_of, "package") for one in read_providers() if one.name not in own]
    rows += [(name, behaviour, None, "configuration") for name, behaviour in own.items()]  # type: ignore[misc]
    names, behaviours, dates, origins = (list(column) for column in zip(*rows, strict=True))
    providers = {"names": names, "behaviours": behaviours, "dates": dates, "origins": origins}
    for name, query, params in (
        (ABOUT, _ABOUT, about), (LOADS, _LOADS, {}), (TEXTS, _TEXTS, {}), (PROVIDERS, _PROVIDERS, providers),
    ):  # fmt: skip
        path = folder / name / f"{Path(name).name}.parquet"
        path.parent.mkdir(parents=True)
        store.run(_COPY.format(rows=query), {**params, "path": str(path)})


def _write_edges(path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("bucket,low_us,high_us\n")
        for number in range(len(edges_us()) + 1):
            low, high = bounds_us(number)
            file.write(f"{number},{'' if low is None else low},{'' if high is None else high}\n")

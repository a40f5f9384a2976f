"""FOCUS files (FinOps Open Cost and Usage Specification, 1.0 to 1.3), CSV or Parquet, of any number of providers.

``BilledCost`` is what was billed. A line belongs to the UTC month in which its charge period starts. Lines of other
services than LLM calls, which a cloud's file is full of, are left out and counted.
"""

import csv
import gzip
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from streamaudit.audits.reconcile.bill import Bill, Billed, Key, Volume, refuse_lines
from streamaudit.audits.reconcile.providers import ALIASES, CLOUDS, provider_name
from streamaudit.errors import InputError
from streamaudit.store.connection import Database
from streamaudit.store.duckdb_errors import ReadFailure, translate_read_failures
from streamaudit.store.package_files import package_text

NAME = "focus"

_COLUMNS = (
    "billedcost", "listcost", "billingcurrency", "chargecategory", "chargeperiodstart", "billingperiodstart",
    "serviceprovidername", "providername", "publishername", "invoiceissuername", "servicecategory", "servicename",
    "servicesubcategory", "chargedescription", "skumeter", "skupricedetails", "consumedquantity", "consumedunit",
    "pricingquantity", "pricingunit", "resourcename", "x_skumetercategory", "x_skumetersubcategory", "x_skumetername",
    "x_skudescription", "x_usagetype",
)  # fmt: skip
_NEEDED = {
    "BilledCost": ("billedcost",),
    "BillingCurrency": ("billingcurrency",),
    "ChargePeriodStart or BillingPeriodStart": ("chargeperiodstart", "billingperiodstart"),
    "ServiceProviderName or ProviderName": (
        "serviceprovidername", "providername", "invoiceissuername", "publishername",
    ),
}  # fmt: skip
_CREATE = "CREATE TEMP TABLE focus_lines (line BIGINT, " + ", ".join(f"{name} VARCHAR" for name in _COLUMNS) + ")"
_ADD_CSV = """
INSERT INTO focus_lines BY NAME
SELECT "(line)" AS line, COLUMNS(lambda c: list_contains($wanted, c))
FROM (
    SELECT *, ordinality AS "(line)" FROM read_csv($file, auto_detect = false, header = true, columns = $names,
        delim = $delimiter, quote = '"', escape = '"', nullstr = ['', 'NULL', 'null'], max_line_size = 33554432,
        buffer_size = 67108864, compression = $compression) WITH ORDINALITY
)
"""
_ADD_PARQUET = """
INSERT INTO focus_lines BY NAME
SELECT "(line)" AS line, nullif(COLUMNS(lambda c: list_contains($wanted, lower(c)))::VARCHAR, '')
FROM (SELECT *, file_row_number + 1 AS "(line)" FROM read_parquet($file, binary_as_string = true,
    file_row_number = true))
"""
_PARQUET_NAMES = "SELECT name FROM parquet_schema($file) WHERE num_children IS NULL OR num_children = 0"
_LEGAL_FORM = re.compile(r"(?i)([\s,]+(inc|llc|ltd|limited|pbc|corp|corporation|opco|emea|ireland|sarl)\b\.?)+$")
"""The legal form after the name of a seller: ``Amazon Web Services, Inc.``, ``OpenAI OpCo, LLC``."""
_HINT = "a FOCUS file has the columns BilledCost, BillingCurrency, ChargePeriodStart and ProviderName"


def claims(path: Path) -> bool:
    """Whether this format reads a file: Parquet, or CSV with a column ``BilledCost``. Raises OSError."""
    return _is_parquet(path) or "billedcost" in _header(path)[0]


def read(path: Path) -> Bill:
    """Return the lines of LLM calls summed by month and provider.

    Raises InputError with file, line and fault when it is not usable, or when its currency is not the US dollar.
    """
    with Database(path) as database:
        database.run(_CREATE)
        try:
            with translate_read_failures():
                _load(database, path)
                rows = database.records(package_text("audits.reconcile.bills", "focus.sql"))
        except ReadFailure:
            raise InputError(
                f"{path}: not a FOCUS file that can be read", "is it a complete CSV or Parquet file?"
            ) from None
    groups = [_Group(**row) for row in rows]
    if not groups:
        raise InputError(f"{path}: the invoice has no lines")
    of_calls = [(group, provider) for group in groups if (provider := _provider(group)) is not None]
    others = [group for group in groups if _provider(group) is None]
    if not of_calls:
        raise InputError(
            f"{path}: no line of LLM calls among its {sum(group.lines for group in groups):,}",
            "lines count by ServiceName, by a provider of models, or by a unit of tokens",
        )
    _refuse(path, [group for group, _ in of_calls])
    places: dict[Key, list[_Group]] = {}
    for group, provider in of_calls:
        places.setdefault((group.month or "", provider), []).append(group)
    lines = {key: _bill(found) for key, found in places.items()}
    left_out = sum((group.billed_usd or Decimal(0) for group in others), Decimal(0))
    return Bill(lines, NAME, sum(group.lines for group in others), left_out, is_utc=True)


@dataclass(frozen=True, slots=True)
class _Group:
    """A row of ``focus.sql``."""

    month: str | None
    seller: str | None
    service: str
    is_ai: bool
    is_llm: bool
    category: str
    currency: str | None
    direction: str | None
    tier: str | None
    meter: str
    lines: int
    billed_usd: Decimal | None
    list_usd: Decimal | None
    tokens: int | None
    no_amount: int | None
    no_month: int | None
    no_seller: int | None
    no_currency: int | None
    first_line: int


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _header(path: Path) -> tuple[list[str], str]:
    """Return the names of a CSV file's columns, in lower case without underscores (but for the ``x_`` of a column that
    is no part of FOCUS), and its separator."""
    try:
        with gzip.open(path) if _is_gzip(path) else path.open("rb") as file:
            line = file.readline(1 << 20).decode("utf-8-sig", "replace")
        delimiter = max(",;\t", key=line.count)
        names = next(csv.reader([line], delimiter=delimiter), [])
    except (gzip.BadGzipFile, EOFError, csv.Error):
        return [], ","
    return [_plain_name(name) for name in names], delimiter


def _plain_name(name: str) -> str:
    name = name.strip().lower()
    return "x_" + name[2:].replace("_", "") if name.startswith("x_") else name.replace("_", "")


def _load(database: Database, path: Path) -> None:
    about: dict[str, Any] = {"file": str(path)}
    parquet = _is_parquet(path)
    if parquet:
        names = [str(name).lower() for (name,) in database.query(_PARQUET_NAMES, about)]
    else:
        names, about["delimiter"] = _header(path)
        about["compression"] = "gzip" if _is_gzip(path) else "none"
    twice = sorted({name for name in names if name in _COLUMNS and names.count(name) > 1})
    if twice:
        raise InputError(f"{path}: the column {twice[0]} is there twice")
    missing = [shown for shown, any_of in _NEEDED.items() if not any(name in names for name in any_of)]
    if missing:
        raise InputError(f"{path}: no column {missing[0]}", _HINT)
    about["wanted"] = [name for name in _COLUMNS if name in names]
    # Columns that are not read may have any name, even none.
    about["names"] = {name if name in _COLUMNS else f"(column {place})": "VARCHAR" for place, name in enumerate(names)}
    database.run(_ADD_PARQUET if parquet else _ADD_CSV, about)


def _provider(group: _Group) -> str | None:
    """Return the provider whose calls a line bills; None for a line of another service."""
    service = group.service
    if "bedrock" in service:
        return "bedrock"
    name = provider_name(_LEGAL_FORM.sub("", group.seller or ""))
    if name == "azure" and ("openai" in service or "foundry" in service or group.is_llm):
        return name
    if name in CLOUDS:
        return name if group.is_llm else None
    return name if name in ALIASES or group.is_llm or group.is_ai else None


def _refuse(path: Path, groups: list[_Group]) -> None:
    """Refuse lines without what every line must have, and any currency but the US dollar."""
    faults: list[tuple[int, str]] = []
    for group in groups:
        for line, fault in (
            (group.no_amount, "BilledCost is no number"),
            (group.no_month, "ChargePeriodStart is no time such as 2026-11-01T00:00:00Z"),
            (group.no_seller, "there is no ServiceProviderName or ProviderName"),
            (group.no_currency, "there is no BillingCurrency"),
        ):
            if line is not None:
                faults.append((line, f"row {line:,}: {fault}"))
    refuse_lines(path, (fault for _, fault in sorted(faults)))
    currencies = sorted({group.currency for group in groups if group.currency})
    if currencies != ["USD"]:
        line = min(group.first_line for group in groups if group.currency != "USD")
        shown = " and ".join(currencies)
        raise InputError(
            f"{path} row {line:,}: {'mixed currencies' if len(currencies) > 1 else 'currency'} {shown}: "
            "only US dollars can be compared",
            "keep the lines in USD, or convert BilledCost and ListCost",
        )


def _bill(groups: list[_Group]) -> Billed:
    """Add up the lines of one month and provider."""
    usage = [group for group in groups if group.category == "usage"]
    counted = [group for group in usage if group.tokens is not None and group.direction is not None]
    tokens = [group.tokens for group in usage if group.tokens is not None]
    return Billed(
        usd=_total(groups),
        tokens=sum(tokens) if tokens else None,
        lines=sum(group.lines for group in groups),
        # Without list prices for all of the usage a discount is not known.
        discount_usd=_total(usage) - _list(usage) if all(group.list_usd is not None for group in usage) else None,
        other_usd=_total(group for group in groups if group.category not in ("usage", "tax")),
        tax_usd=_total(group for group in groups if group.category == "tax"),
        tier_usd=_tier_effect(counted) if counted else None,
        volumes={
            direction: Volume(sum(group.tokens or 0 for group in found), _list(found))
            for direction in ("input", "output")
            if (found := [group for group in counted if group.direction == direction])
        },
    )


def _total(groups: Iterable[_Group]) -> Decimal:
    return sum((group.billed_usd or Decimal(0) for group in groups), Decimal(0))


def _list(groups: Iterable[_Group]) -> Decimal:
    """Return the list price, or what was billed where there is none."""
    return sum((_list_usd(group) for group in groups), Decimal(0))


def _list_usd(group: _Group) -> Decimal:
    return group.list_usd if group.list_usd is not None else group.billed_usd or Decimal(0)


def _tier_effect(groups: list[_Group]) -> Decimal | None:
    """Return what the tiers add to the standard price of the same meter in the same bill; None where a meter has no
    line at the standard price to compare with."""
    effects = list(_tier_effects(groups))
    return None if None in effects else sum((effect for effect in effects if effect is not None), Decimal(0))


def _tier_effects(groups: list[_Group]) -> Iterator[Decimal | None]:
    for group in groups:
        if group.tier is None:
            continue
        standard = [other for other in groups if other.tier is None and other.meter == group.meter]
        tokens = sum(other.tokens or 0 for other in standard)
        yield _list_usd(group) - _list(standard) * (group.tokens or 0) / tokens if tokens > 0 else None

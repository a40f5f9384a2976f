"""Format values for display, each with its unit. None, NaN and infinity are unknown: ``-``, never zero."""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from streamaudit.report.model import Column, Unit, Value

UNKNOWN = "-"

_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"))
_BYTE_SCALES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def significant(value: float, digits: int = 3) -> str:
    """Return a number with this many significant digits, thousands separated, never in exponent form."""
    if value == 0:
        return "0"
    exact = Decimal(str(value))
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    rounded = exact.quantize(step, ROUND_HALF_EVEN)
    if rounded.adjusted() > exact.adjusted():  # 9.996 became 10.00: one digit too many
        rounded = rounded.quantize(step.scaleb(1))
    return f"{rounded:,f}"


def _round(value: float, digits: int) -> float:
    return float(f"{value:.{digits - 1}e}")


def ms(value: float) -> str:
    """Return a duration given in milliseconds: ``402 ms``, from a second up ``1.43 s``."""
    if value == 0:
        return "0 ms"
    if abs(value) < 0.001:
        return _below("0.001", value, " ms")
    if abs(_round(value, 3)) < 1000:
        return f"{significant(value)} ms"
    seconds = value / 1000
    return f"{significant(seconds)} s" if abs(seconds) < 1000 else f"{seconds:,.0f} s"


def tokens(value: float) -> str:
    """Return a number of tokens: in full below a million, then ``7.12 M``."""
    whole = round(value)
    if abs(whole) < 1_000_000:
        return f"{whole:,}" if whole == value or abs(value) >= 1000 else significant(value)
    return _scale(value, _SCALES)


def size(value: float) -> str:
    """Return a number of bytes: ``812 B``, ``1.21 MB``."""
    return f"{tokens_per_s(value)} B" if abs(_round(value, 3)) < 1000 else _scale(value, _BYTE_SCALES)


def usd(value: float) -> str:
    """Return dollars with cents; an amount below a cent is ``<$0.01``, never ``$0.00``."""
    if value and abs(value) < 0.005:
        return "<$0.01" if value > 0 else ">-$0.01"
    return f"{'-' if value < 0 else ''}${abs(value):,.2f}"


def usd_of_call(value: float) -> str:
    """Return the dollars of a single call: with cents, below a cent with two significant digits."""
    return usd(value) if not value or abs(value) >= 0.0095 else _small_usd(value, 2)


def usd_unit_price(value: float) -> str:
    """Return a price of a token, or of a million: at least cents, at most four significant digits."""
    if not value or abs(_round(value, 4)) >= 1:
        return usd(value)
    whole, _, decimals = _small_usd(value, 4).partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def _small_usd(value: float, digits: int) -> str:
    if abs(value) < 0.00000001:
        return "<$0.00000001" if value > 0 else ">-$0.00000001"
    return f"{'-' if value < 0 else ''}${significant(abs(value), digits)}"


def ratio(value: float) -> str:
    """Return a share as percent with one decimal, marked ``<`` or ``>`` where it only rounds to 0 % or 100 %."""
    percent = value * 100
    if percent == 0:
        return "0 %"
    if abs(percent) < 0.05:
        return _below("0.1", percent, " %")
    if 99.95 <= percent < 100:
        return ">99.9 %"
    return f"{percent:,.1f} %"


def change(value: float) -> str:
    """Return a relative change as percent with its sign: ``+4.2 %``; ``0.0 %`` where it rounds to nothing."""
    return "0.0 %" if abs(value) < 0.0005 else f"{value * 100:+,.1f} %"


def calls(value: float) -> str:
    """Return a count, in full; a mean of counts with three significant digits."""
    return f"{value:,}" if isinstance(value, int) else tokens_per_s(value)


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is 1."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def tokens_per_s(value: float) -> str:
    """Return a rate with three significant digits, in full from 100 up."""
    return f"{value:,.0f}" if abs(_round(value, 3)) >= 100 else significant(value)


def plain(value: float) -> str:
    """Return a number without a unit: an integer unchanged, anything else with four significant digits."""
    if isinstance(value, int):
        return str(value)
    if value != 0 and abs(value) < 0.0001:
        return _below("0.0001", value)
    return significant(value, 4)


def _scale(value: float, scales: Iterable[tuple[float, str]]) -> str:
    for scale, name in scales:
        if abs(_round(value, 3)) >= scale:
            return f"{significant(value / scale)} {name}"
    raise ValueError(value)


def _below(limit: str, value: float, unit: str = "") -> str:
    return f"<{limit}{unit}" if value > 0 else f">-{limit}{unit}"


NUMBERS: dict[Unit | None, Callable[[float], str]] = {
    "ms": ms, "tokens": tokens, "usd": usd, "ratio": ratio, "calls": calls, "tokens_per_s": tokens_per_s,
    "bytes": size, "usd_per_mtok": usd_unit_price, "usd_per_token": usd_unit_price, None: plain,
}  # fmt: skip


def utc(moment: datetime) -> datetime:
    """Return the same moment in UTC; one without a zone is UTC already."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def iso(moment: datetime) -> str:
    """Return ISO 8601 in UTC with ``Z``."""
    return utc(moment).isoformat().replace("+00:00", "Z")


def moments(values: Iterable[Value]) -> Callable[[datetime], str]:
    """Return a formatter for one column of times: dates if all are midnights, else the shortest time that fits all.

    Microseconds of moments that are days apart are left out.
    """
    found = [utc(value) for value in values if isinstance(value, datetime)]
    if found and max(found) - min(found) >= timedelta(days=1) and any(moment.microsecond for moment in found):
        return lambda moment: f"{utc(moment):%Y-%m-%d %H:%M}"
    if any(moment.microsecond for moment in found):
        return iso
    if any(moment.second for moment in found):
        return lambda moment: f"{utc(moment):%Y-%m-%dT%H:%M:%SZ}"
    if any(moment.hour or moment.minute for moment in found):
        return lambda moment: f"{utc(moment):%Y-%m-%dT%H:%MZ}"
    return lambda moment: f"{utc(moment):%Y-%m-%d}"


def number_writer(column: Column) -> Callable[[float], str]:
    """Return the function that writes the figures of a column."""
    if column.signed and column.unit == "ratio":
        return change
    return usd_of_call if column.unit == "usd" and column.of_call else NUMBERS[column.unit]


def is_known(value: Value) -> bool:
    """Return False for NULL, NaN and infinity."""
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def header(column: Column) -> str:
    """Return the column's display name, without a unit that its cells already show."""
    if column.label:
        return column.label
    name = column.name
    if column.unit in ("ms", "ratio", "bytes"):
        name = name.removesuffix(f"_{column.unit}")
    name = name.replace("usd_per_mtok", "USD/Mtok").replace("tokens_per_s", "tokens/s").replace("_usd", "")
    return name.replace("_", " ")

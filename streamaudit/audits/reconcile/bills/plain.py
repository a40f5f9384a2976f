"""Bills of one's own making: a CSV file with a month, a provider and an amount a line, or the error in a line."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from streamaudit.audits.reconcile.bill import Bill, Billed, Key, Volume, refuse_lines
from streamaudit.audits.reconcile.providers import NOT_A_WORD, provider_name
from streamaudit.errors import InputError

AMOUNTS = ("cost_usd", "amount_usd", "usd", "amount")
PROVIDERS = ("provider", "vendor")
TOKENS = ("tokens", "total_tokens")
TOKEN_PARTS = ("input_tokens", "output_tokens")

_AMOUNT = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+)(\.\d*)?|\.\d+")
_AMBIGUOUS = re.compile(r"\d{1,3},\d{3}")
_COUNT = re.compile(r"\d{1,3}(?:,\d{3})+|\d+")
_MONTH = re.compile(r"(\d{4})[-/](0[1-9]|1[0-2])(?:[-/](?:0[1-9]|[12]\d|3[01]))?")

NAME = "plain"


def claims(path: Path) -> bool:
    """Whether this format reads a file: whatever no other one claims, so that its faults are those of a plain bill."""
    return True


def read(path: Path) -> Bill:
    """Return an invoice's lines summed by month and provider.

    Raises InputError with file, line and fault when it is not usable.
    """
    text = _text(path)
    delimiter = _delimiter(text)
    lines = _lines(path, text, delimiter)
    header = next(lines, (0, []))[1]
    columns = _columns(path, [NOT_A_WORD.sub("_", name.lower()).strip("_") for name in header])
    found: dict[Key, Billed] = {}
    faults: list[str] = []
    for number, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        try:
            key, billed = _line(cells, columns, delimiter)
        except ValueError as fault:
            faults.append(f"line {number}: {fault}")
            continue
        found[key] = _add(found[key], billed) if key in found else billed
    refuse_lines(path, faults)
    if not found:
        raise InputError(f"{path}: the invoice has no lines")
    return Bill({key: _with_volume(billed) for key, billed in found.items()}, NAME)


def _with_volume(billed: Billed) -> Billed:
    if not billed.tokens or billed.usd <= 0:
        return billed
    return replace(billed, volumes={"all": Volume(billed.tokens, billed.usd)})


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise InputError(f"{path} line {line}: not UTF-8 text", "save it as CSV UTF-8") from None


def _delimiter(text: str) -> str:
    """Return the separator of the columns, judged by the first line."""
    first = re.sub(r'"[^"]*"', "", text.lstrip("\r\n").partition("\n")[0])
    return max(",;\t", key=first.count)


def _lines(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield every line that is not blank, with the number of the line it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    before = 0
    try:
        for cells in reader:
            if cells:
                yield before + 1, cells
            before = reader.line_num
    except csv.Error as fault:
        raise InputError(f"{path} line {reader.line_num}: {fault}") from None


@dataclass(frozen=True, slots=True)
class _Columns:
    month: int
    provider: int
    amount: int
    tokens: tuple[int, ...]
    currency: int | None


def _columns(path: Path, names: list[str]) -> _Columns:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise InputError(f"{path}: the column {twice[0]} is there twice")

    def first(wanted: tuple[str, ...]) -> int:
        place = next((names.index(name) for name in wanted if name in names), None)
        if place is None:
            raise InputError(
                f"{path}: no column " + " or ".join(wanted),
                "an invoice has the columns month, provider and cost_usd (tokens is optional), or those of FOCUS",
            )
        return place

    whole = tuple(names.index(name) for name in TOKENS if name in names)[:1]
    parts = tuple(names.index(name) for name in TOKEN_PARTS if name in names)
    tokens = whole or (parts if len(parts) == len(TOKEN_PARTS) else ())
    currency = names.index("currency") if "currency" in names else None
    return _Columns(first(("month",)), first(PROVIDERS), first(AMOUNTS), tokens, currency)


def _line(cells: list[str], columns: _Columns, delimiter: str) -> tuple[Key, Billed]:
    def cell(place: int) -> str:
        return cells[place].strip() if place < len(cells) else ""

    month = _MONTH.fullmatch(cell(columns.month))
    if not month:
        raise ValueError(f"month {cell(columns.month)!r}: expected a month such as 2026-11")
    provider = provider_name(cell(columns.provider))
    if not provider:
        raise ValueError("there is no provider")
    currency = cell(columns.currency) if columns.currency is not None else ""
    if currency.lower() not in ("", "usd", "$", "us$"):
        raise ValueError(f"currency {currency!r}: only US dollars can be compared")
    counts = [_count(cell(place)) for place in columns.tokens]
    known = [count for count in counts if count is not None]
    tokens = sum(known) if counts and len(known) == len(counts) else None
    amount = _amount(cell(columns.amount), delimiter)
    return (f"{month[1]}-{month[2]}", provider), Billed(amount, tokens, 1)


def _amount(text: str, delimiter: str) -> Decimal:
    """Parse an amount in dollars: ``1234.5``, ``$1,234.50``, ``USD 12``, ``-3.20`` or ``(3.20)`` for a credit."""
    body = re.sub(r"(?i)us\$|usd|\$|\s", "", text).replace("−", "-")
    credit = body.startswith("-") or (body.startswith("(") and body.endswith(")"))
    digits = body.strip("()").lstrip("+-") if credit or body.startswith("+") else body
    if not digits:
        raise ValueError("there is no amount")
    if not _AMOUNT.fullmatch(digits):
        decimal_comma = re.search(r",\d{1,2}$", digits)
        raise ValueError(f"amount {text!r}: " + ("write 1234.50, with a point" if decimal_comma else "not US dollars"))
    if delimiter == ";" and _AMBIGUOUS.fullmatch(digits):
        raise ValueError(f"amount {text!r}: thousands or decimals? write it without the comma")
    value = Decimal(digits.replace(",", ""))
    return -value if credit else value


def _count(text: str) -> int | None:
    if not text:
        return None
    if not _COUNT.fullmatch(text):
        raise ValueError(f"tokens {text!r}: expected a whole number")
    return int(text.replace(",", ""))


def _add(one: Billed, other: Billed) -> Billed:
    tokens = one.tokens + other.tokens if one.tokens is not None and other.tokens is not None else None
    return Billed(one.usd + other.usd, tokens, one.lines + other.lines)

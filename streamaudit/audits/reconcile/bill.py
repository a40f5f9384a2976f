"""The bill, whatever its format: amounts by month and provider, and the tokens and charges that it distinguishes."""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import ModuleType

from streamaudit.errors import InputError
from streamaudit.store.plain_files import is_lonely_pipe

Key = tuple[str, str]
"""Month (``2026-11``) and provider."""


@dataclass(frozen=True, slots=True)
class Volume:
    """Tokens that a bill counts, and what they cost in USD before discounts."""

    tokens: int
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Billed:
    """The bill for one month and provider, in USD.

    ``usd`` is everything billed: usage after discounts, other charges and taxes. What a bill does not distinguish is
    None, not 0. ``tokens`` is None when a line that should count them does not.
    """

    usd: Decimal
    tokens: int | None
    lines: int
    discount_usd: Decimal | None = None
    """Billed usage minus the same at list price: negative for a discount."""
    other_usd: Decimal | None = None
    """Credits (negative), purchases, fees and adjustments: charges of no single call."""
    tax_usd: Decimal | None = None
    tier_usd: Decimal | None = None
    """List price of the tokens in tiers other than the standard one, minus their price in the standard tier."""
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    """Tokens by ``input`` and ``output``, or ``all`` where the bill does not distinguish these."""


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill by month and provider. ``format`` is the name of its format; ``left_out`` what was not of LLM calls."""

    lines: Mapping[Key, Billed]
    format: str
    left_out_lines: int = 0
    left_out_usd: Decimal = Decimal(0)
    is_utc: bool = False
    """Whether its months are those of UTC, whatever zone the report has."""


def formats() -> list[ModuleType]:
    """Return the formats in ``bills``, the one that claims everything last."""
    from streamaudit.audits.reconcile import bills

    names = [found.name for found in pkgutil.iter_modules(bills.__path__) if not found.name.startswith("_")]
    modules = [importlib.import_module(f"{bills.__name__}.{name}") for name in names]
    return sorted(modules, key=lambda module: (module.NAME == "plain", module.NAME))


def read_bill(path: Path) -> Bill:
    """Return the bill in a file, in the first format that claims it.

    Raises InputError with file, line and fault when it is not usable.
    """
    if is_lonely_pipe(path):
        raise InputError(f"{path} is a pipe, not a file")
    try:
        module = next(module for module in formats() if module.claims(path))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    bill: Bill = module.read(path)
    return bill


_SHOWN_ERRORS = 3


def refuse_lines(path: Path, faults: Iterable[str], more: int = 0) -> None:
    """Raise InputError that lists the first faults of a bill's lines, if there are any; ``more`` counts further ones
    that are not listed."""
    found = list(faults)
    if not found:
        return
    more += max(len(found) - _SHOWN_ERRORS, 0)
    text = "; ".join(f"{path} {fault}" for fault in found[:_SHOWN_ERRORS])
    raise InputError(text + (f"; and {more:,} more" if more > 0 else ""))

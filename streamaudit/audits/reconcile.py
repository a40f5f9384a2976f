"""``report --reconcile``: the cost of calls compared with a provider's bill, by month and provider.

The gap is the billed amount that no traced call accounts for. The traced cost is a lower bound as long as calls lack a
cost, so the gap is then an upper bound. A month and provider on one side only keeps its row, with NULL for the other
side.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from streamaudit.audits.invoice import Billed, Key, provider_name
from streamaudit.audits.notes import empty_note, interval_and_notes
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.model import Column, Mark, Note, Report, Row, Table
from streamaudit.store.store import Store

TITLE = "calls and invoice"
BY = ("month", "provider")

COLUMNS = (
    Column("calls", "calls", "LLM calls counted, embeddings included"),
    Column("cost_unknown_calls", "calls", "of these, calls without a known cost", wide=True),
    Column("cost_usd", "usd", "cost of the calls whose cost is known"),
    Column("invoice_usd", "usd", "what the invoice bills"),
    Column("gap_usd", "usd", "invoice - cost: billed, and no traced call accounts for it"),
    Column("gap_ratio", "ratio", "gap / invoice"),
    Column("traced_ratio", "ratio", "share of the invoice that traced calls account for, at most all of a row"),
    Column("uninvoiced_usd", "usd", "cost of calls in a month and of a provider that no invoice line has", wide=True),
    Column("tokens", "tokens", "input and output tokens of the calls that know both", wide=True),
    Column("tokens_unknown_calls", "calls", "calls that do not know both", wide=True),
    Column("invoice_tokens", "tokens", "what the invoice counts, where it does", wide=True),
    Column("gap_tokens", "tokens", "invoice - tokens", wide=True),
    Column("invoice_lines", "calls", "lines of the invoice", wide=True),
)

_QUERY = """
SELECT
    -- What a model's name suggests is not who sent the invoice.
    by_1, CASE WHEN provider_basis IS DISTINCT FROM 'inferred' THEN by_2 END AS seller, count(*),
    count(*) FILTER (cost_usd IS NULL AND cache_hit IS DISTINCT FROM true),
    sum(cost_low_usd),
    count(*) FILTER ((output_cost_basis = 'priced' OR cost_basis = 'priced') AND cost_usd IS NOT NULL),
    sum(input_tokens + output_tokens) FILTER (usage_status = 'final')::BIGINT,
    count(*) FILTER ((input_tokens + output_tokens) IS NULL OR usage_status <> 'final')
FROM scope
GROUP BY by_1, seller
"""

_Number = TypeVar("_Number", int, float)
_Place = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class _Traced:
    """Sums of calls; ``usd`` and ``tokens`` None where no call has a value."""

    calls: int
    cost_unknown: int
    usd: float | None
    priced: int
    tokens: int | None
    tokens_unknown: int


_Pair = tuple[_Traced | None, Billed | None]
_LEFT_OUT = ("nested", "same_response", "rejected")


def run(store: Store, scope: Scope, invoice: dict[Key, Billed]) -> Report:
    """Return one row for every month and provider of either side, in order, and the total."""
    scope = replace(scope, by=BY, top=None)
    scope.prepare(store)
    traced: dict[_Place, list[_Traced]] = {}
    for month, provider, *sums in store.query(scope.sql(_QUERY), {**scope.params(), "embeddings": True}):
        place = (month, provider_name(provider) if provider is not None else None)
        traced.setdefault(place, []).append(_Traced(*sums))
    # Unknown months and providers come last.
    places = sorted({*traced, *invoice}, key=lambda place: [(part is None, part or "") for part in place])
    pairs = [(_add_up(traced.get(place, [])), _find_bill(invoice, place)) for place in places]
    rows = tuple((*place, *_figures([pair])) for place, pair in zip(places, pairs, strict=True))
    by_place = Table("by_month_provider", (*map(Column, BY), *COLUMNS), rows, BY)
    total = Table("total", COLUMNS, (_figures(pairs),))
    interval, found = interval_and_notes(store, scope)
    notes = (*_notes(store, places, pairs, scope), *(note for note in found if note.code in _LEFT_OUT))
    return Report(TITLE, interval, (_add_marks(by_place), _add_marks(total)), BY, scope.filters, notes)


def _find_bill(invoice: dict[Key, Billed], place: _Place) -> Billed | None:
    month, provider = place
    return invoice.get((month, provider)) if month is not None and provider is not None else None


def _add_up(parts: list[_Traced]) -> _Traced | None:
    """Add up several spellings of one provider."""
    if not parts:
        return None
    return _Traced(
        sum(part.calls for part in parts),
        sum(part.cost_unknown for part in parts),
        _sum(part.usd for part in parts),
        sum(part.priced for part in parts),
        _sum(part.tokens for part in parts),
        sum(part.tokens_unknown for part in parts),
    )


def _figures(pairs: Sequence[_Pair]) -> Row:
    """Return the figures of one row, or of all rows together."""
    ours = _add_up([traced for traced, _ in pairs if traced]) or _Traced(0, 0, None, 0, None, 0)
    matched = _add_up([traced for traced, billed in pairs if traced and billed])
    stray = _add_up([traced for traced, billed in pairs if traced and not billed])
    bills = [billed for _, billed in pairs if billed]
    invoice_usd = float(sum(billed.usd for billed in bills)) if bills else None
    gap_usd = traced_usd = None
    # Without calls the traced cost is 0; with calls of unknown cost it is unknown.
    if invoice_usd is not None and (matched is None or matched.usd is not None):
        gap_usd = invoice_usd - (matched.usd or 0.0 if matched else 0.0)
        at_most = ((traced.usd or 0.0, float(billed.usd)) for traced, billed in pairs if traced and billed)
        traced_usd = sum(min(usd, max(limit, 0.0)) for usd, limit in at_most)
    invoice_tokens = sum(billed.tokens or 0 for billed in bills) if bills and _all_count(bills) else None
    tokens_known = invoice_tokens is not None and (matched is None or matched.tokens is not None)
    return (
        ours.calls, ours.cost_unknown, ours.usd, invoice_usd,
        gap_usd, _share(gap_usd, invoice_usd), _share(traced_usd, invoice_usd),
        stray.usd if stray else 0.0,
        ours.tokens, ours.tokens_unknown, invoice_tokens,
        (invoice_tokens or 0) - ((matched.tokens or 0) if matched else 0) if tokens_known else None,
        sum(billed.lines for billed in bills),
    )  # fmt: skip


def _all_count(bills: Sequence[Billed]) -> bool:
    return all(billed.tokens is not None for billed in bills)


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole is not None and whole > 0 else None


def _sum(values: Iterable[_Number | None]) -> _Number | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def _add_marks(table: Table) -> Table:
    """Mark traced cost as a lower bound, and the gap as an upper one, where calls lack a cost."""
    signs = {"cost_usd": "≥ ", "gap_usd": "≤ ", "gap_ratio": "≤ ", "traced_ratio": "≥ "}
    marks = {
        (index, name): Mark(prefix=sign)
        for index, record in enumerate(table.records())
        for name, sign in signs.items()
        if record["cost_unknown_calls"] and record[name] is not None and (name, record[name]) != ("traced_ratio", 1.0)
    }
    return replace(table, marks=marks)


def _notes(store: Store, places: Sequence[_Place], pairs: Sequence[_Pair], scope: Scope) -> Iterator[Note]:
    ours = _add_up([traced for traced, _ in pairs if traced])
    if ours is None:
        yield empty_note(store)
    else:
        found = [(*place, traced.calls) for place, (traced, _) in zip(places, pairs, strict=True) if traced]
        no_provider = sum(calls for _, provider, calls in found if provider is None)
        no_month = sum(calls for month, _, calls in found if month is None)
        stated = (
            ("cost_unknown", ours.cost_unknown, "calls have no known cost: our side is a lower bound"),
            ("cost_priced", ours.priced, "calls are priced from a price table, not by their source"),
            ("no_provider", no_provider,
                "calls name no provider, and no gap counts them: streamaudit coverage says what to record"),
            ("no_start_time", no_month, "calls have no start time and so no month"),
        )  # fmt: skip
        yield from (Note(code, f"{count:,} {message}", count) for code, count, message in stated if count)
    untraced = [billed for traced, billed in pairs if billed and not traced]
    if untraced:
        usd = sum(billed.usd for billed in untraced)
        message = f"{len(untraced):,} rows of the invoice, {usd:,.2f} USD, have no call at all"
        yield Note("invoice_only", message, len(untraced))
    stray = [traced for traced, billed in pairs if traced and not billed]
    if stray:
        message = f"{len(stray):,} rows have calls and no line of the invoice; no gap counts them"
        yield Note("calls_only", message, len(stray))
    if scope.filters or scope.since or scope.until:
        yield Note("invoice_whole", "the window and the filters narrow the calls and not the invoice")

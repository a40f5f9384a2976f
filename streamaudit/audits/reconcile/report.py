"""The tables of ``report --reconcile``: by month and provider, in total, and the gap by cause.

The gap is the billed amount that no traced cost accounts for. The traced cost is a lower bound as long as calls lack a
cost, so the gap is then an upper bound. A month and provider on one side only keeps its row, with NULL for the other
side.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from streamaudit.audits.empty import explain_empty
from streamaudit.audits.notes import interval_and_notes
from streamaudit.audits.reconcile.bill import Bill, Billed, Key
from streamaudit.audits.reconcile.causes import CAUSES, OF_CALLS, UNKNOWN, Split, add_splits, split_gap
from streamaudit.audits.reconcile.traced import ENOUGH_CALLS, Place, Traced, add_up, trace
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.model import Column, Mark, Note, Report, Row, Table, Value
from streamaudit.report.numbers import count, usd
from streamaudit.store.pricing.own_prices import PriceFile
from streamaudit.store.store import Store

TITLE = "calls and invoice"
BY = ("month", "provider")

COLUMNS = (
    Column("calls", "calls", "LLM calls counted, embeddings included"),
    Column("cost_unknown_calls", "calls", "of these, calls without a known cost", wide=True),
    Column("cost_usd", "usd", "cost of the calls: their source's estimate where it reports one, else list price"),
    Column("reported_cost_usd", "usd", "of cost_usd, estimates that sources report", wide=True),
    Column("list_cost_usd", "usd", "of cost_usd, tokens at list price, where the source reports no cost", wide=True),
    Column("invoice_usd", "usd", "what was billed"),
    Column("gap_usd", "usd", "invoice - cost: billed, and no traced cost accounts for it"),
    Column("gap_ratio", "ratio", "gap / invoice", label="gap / invoice"),
    Column("traced_ratio", "ratio", "share of the invoice that traced calls account for, at most all of a row"),
    Column("uninvoiced_usd", "usd", "cost of calls in a month and of a provider that no invoice line has", wide=True),
    *(Column(f"gap_{cause}_usd", "usd", f"of the gap: {about}", wide=True) for cause, about in CAUSES.items()),
    Column("tokens", "tokens", "input and output tokens of the calls that know both", wide=True),
    Column("tokens_unknown_calls", "calls", "calls that do not know both", wide=True),
    Column("invoice_tokens", "tokens", "what the invoice counts, where it does", wide=True),
    Column("gap_tokens", "tokens", "invoice - tokens", wide=True),
    Column("invoice_lines", "calls", "lines of the invoice", wide=True),
)
_BY_CAUSE = (
    Column("cause"),
    Column("gap_usd", "usd", "this part of the gap; the parts add up to it"),
    Column("invoice_ratio", "ratio", "this part / the invoice", label="gap / invoice"),
    Column("calls", "calls", "traced calls that show this part"),
    Column("unknown_calls", "calls", "traced calls that do not show it; their share is in unknown"),
)

_LEFT_OUT = ("nested", "same_response", "rejected")


@dataclass(frozen=True, slots=True)
class _Pair:
    """Both sides of one month and provider, or of all; a side that has nothing there is None."""

    traced: Traced | None
    billed: Billed | None


def run(store: Store, scope: Scope, bill: Bill, prices: PriceFile | None = None) -> Report:
    """Return one row for every month and provider of either side, in order, the total, and its gap by cause.

    ``prices`` are the user's own, for the comparison of reported costs with list prices.
    """
    scope = replace(scope, by=BY, top=None)
    scope.prepare(store)
    traced = trace(store, scope, prices)
    # Unknown months and providers come last.
    places = sorted({*traced, *bill.lines}, key=lambda place: [(part is None, part or "") for part in place])
    pairs = [_Pair(traced.get(place), _find_bill(bill.lines, place)) for place in places]
    splits = [split_gap(_gap_usd([pair]), pair.traced, pair.billed) for pair in pairs]
    in_all = add_splits(_gap_usd(pairs), splits)
    rows = tuple(
        (*place, *_figures([pair], split)) for place, pair, split in zip(places, pairs, splits, strict=True)
    )
    by_place = Table("by_month_provider", (*map(Column, BY), *COLUMNS), rows, BY)
    total = Table("total", COLUMNS, (_figures(pairs, in_all),))
    marked = (
        _add_marks(by_place, [_is_bound([pair]) for pair in pairs], splits),
        _add_marks(total, [_is_bound(pairs)], [in_all]),
    )
    interval, found = interval_and_notes(store, scope)
    notes = (
        *_notes(store, places, pairs, scope), *_bill_notes(bill, pairs, scope),
        *(note for note in found if note.code in _LEFT_OUT),
    )  # fmt: skip
    answer = _describe(next(total.records()), in_all, is_bound=_is_bound(pairs))
    return Report(TITLE, interval, (*marked, _by_cause(pairs, in_all)), BY, scope.filters, notes, headline=answer,
        command="reconcile")  # fmt: skip


def _find_bill(lines: Mapping[Key, Billed], place: Place) -> Billed | None:
    month, provider = place
    return lines.get((month, provider)) if month is not None and provider is not None else None


def _matched(pairs: Sequence[_Pair]) -> Traced | None:
    """Return the calls of rows that a bill has too."""
    found = [pair.traced for pair in pairs if pair.traced and pair.billed]
    return add_up(found) if found else None


def _gap_usd(pairs: Sequence[_Pair]) -> float | None:
    """Return what was billed minus the traced cost of the same months and providers.

    Without calls the traced cost is 0; with calls of unknown cost it is unknown.
    """
    bills = [pair.billed for pair in pairs if pair.billed]
    matched = _matched(pairs)
    if not bills or (matched is not None and matched.usd is None):
        return None
    return round(float(sum(billed.usd for billed in bills)) - (matched.usd or 0.0 if matched else 0.0), 12)


def _is_bound(pairs: Sequence[_Pair]) -> bool:
    """Whether calls without a known cost take part in the gap."""
    matched = _matched(pairs)
    return matched is not None and matched.cost_unknown > 0


def _figures(pairs: Sequence[_Pair], split: Split) -> Row:
    """Return the figures of one row, or of all rows together."""
    ours = add_up([pair.traced for pair in pairs if pair.traced])
    matched, gap_usd = _matched(pairs), _gap_usd(pairs)
    stray = [pair.traced for pair in pairs if pair.traced and not pair.billed]
    bills = [pair.billed for pair in pairs if pair.billed]
    invoice_usd = float(sum(billed.usd for billed in bills)) if bills else None
    traced_usd = None
    if gap_usd is not None:
        both = [(pair.traced.usd or 0.0, float(pair.billed.usd)) for pair in pairs if pair.traced and pair.billed]
        traced_usd = sum(min(usd, max(limit, 0.0)) for usd, limit in both)
    invoice_tokens = sum(billed.tokens or 0 for billed in bills) if bills and _all_count(bills) else None
    tokens_known = invoice_tokens is not None and (matched is None or matched.tokens is not None)
    return (
        ours.calls, ours.cost_unknown, ours.usd, ours.reported_usd, ours.list_usd, invoice_usd,
        gap_usd, _share(gap_usd, invoice_usd), _share(traced_usd, invoice_usd),
        add_up(stray).usd if stray else 0.0,
        *(split.parts[cause].usd for cause in CAUSES),
        ours.tokens, ours.tokens_unknown, invoice_tokens,
        (invoice_tokens or 0) - ((matched.tokens or 0) if matched else 0) if tokens_known else None,
        sum(billed.lines for billed in bills),
    )  # fmt: skip


def _describe(total: Mapping[str, Value], split: Split, *, is_bound: bool) -> str:
    """Say how much of the invoice has no traced cost, and its largest known cause."""
    invoice, gap = total["invoice_usd"], total["gap_usd"]
    if not isinstance(invoice, float) or not isinstance(gap, float):
        return "No cost of the billed calls is known, so the gap to the invoice is unknown."
    if gap < 0:
        answer = f"Traced cost exceeds the {usd(invoice)} billed by {'at least ' * is_bound}{usd(-gap)}"
    else:
        answer = f"{'At most ' * is_bound}{usd(gap)} of the {usd(invoice)} billed has no traced cost"
    known = {name: effect.usd for name, effect in split.parts.items() if effect.usd and name != UNKNOWN}
    if not known:
        return f"{answer}; no cause is known."
    name, part = max(known.items(), key=lambda item: abs(item[1]))
    amount = f"{'about ' * (name in split.estimated)}{usd(part)}"
    return f"{answer}; the largest known cause is {name.replace('_', ' ')}, {amount}."


def _by_cause(pairs: Sequence[_Pair], split: Split) -> Table:
    """Return the gap of all rows together, one row a cause."""
    invoice_usd = float(sum(pair.billed.usd for pair in pairs if pair.billed))
    rows: list[tuple[Value, ...]] = []
    marks: dict[tuple[int, str], Mark] = {}
    for index, (cause, effect) in enumerate(split.parts.items()):
        share = _share(effect.usd, invoice_usd)
        of_calls = (effect.calls, effect.unknown) if cause in OF_CALLS else (None, None)
        rows.append((cause, effect.usd, share, *of_calls))
        if cause in split.estimated:
            marks[index, "gap_usd"] = Mark(prefix="~ ")
            if share is not None:
                marks[index, "invoice_ratio"] = Mark(prefix="~ ")
    return Table("gap_by_cause", _BY_CAUSE, tuple(rows), ("cause",), title="gap by cause", marks=marks)


def _all_count(bills: Sequence[Billed]) -> bool:
    return all(billed.tokens is not None for billed in bills)


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole is not None and whole > 0 else None


def _add_marks(table: Table, bounds: Sequence[bool], splits: Sequence[Split]) -> Table:
    """Mark traced cost as a lower bound and the gap as an upper one where calls lack a cost, and estimated parts."""
    marks: dict[tuple[int, str], Mark] = {}
    for index, (record, is_bound, split) in enumerate(zip(table.records(), bounds, splits, strict=True)):
        signs = {"cost_usd": "≥ "} if record["cost_unknown_calls"] else {}
        if is_bound:
            signs |= {"gap_usd": "≤ ", "gap_ratio": "≤ "}
            if record["traced_ratio"] != 1:
                signs["traced_ratio"] = "≥ "
        signs |= {f"gap_{cause}_usd": "~ " for cause in split.estimated}
        marks |= {(index, name): Mark(prefix=sign) for name, sign in signs.items() if record[name] is not None}
    return replace(table, marks=marks)


def _notes(store: Store, places: Sequence[Place], pairs: Sequence[_Pair], scope: Scope) -> Iterator[Note]:
    found = [(*place, pair.traced.calls) for place, pair in zip(places, pairs, strict=True) if pair.traced]
    if not found:
        yield explain_empty(store, scope)
    else:
        ours = add_up([pair.traced for pair in pairs if pair.traced])
        no_provider = sum(calls for _, provider, calls in found if provider is None)
        no_month = sum(calls for month, _, calls in found if month is None)
        stated = (
            ("cost_unknown", ours.cost_unknown, "no known cost; traced cost is a lower bound"),
            ("cost_reported", ours.reported, "a cost reported by the source: its estimate, not what was billed"),
            ("cost_priced", ours.priced, "no reported cost; list prices are used"),
            ("no_provider", no_provider, "no provider and are part of no gap; streamaudit coverage shows the fix"),
            ("no_start_time", no_month, "no start time, so no month"),
        )  # fmt: skip
        yield from (
            Note(code, f"{count(calls, 'call')} {'has' if calls == 1 else 'have'} {text}", calls)
            for code, calls, text in stated if calls
        )  # fmt: skip
    untraced = [pair.billed for pair in pairs if pair.billed and not pair.traced]
    if untraced:
        amount = usd(float(sum(billed.usd for billed in untraced)))
        has = "has" if len(untraced) == 1 else "have"
        message = f"{count(len(untraced), 'row')} ({amount}) {has} an invoice line but no calls"
        yield Note("invoice_only", message, len(untraced))
    stray = [pair.traced for pair in pairs if pair.traced and not pair.billed]
    if stray:
        has, is_ = ("has", "it is") if len(stray) == 1 else ("have", "they are")
        message = f"{count(len(stray), 'row')} {has} calls but no invoice line; {is_} not part of any gap"
        yield Note("calls_only", message, len(stray))
    if scope.filters or scope.since or scope.until:
        yield Note("invoice_whole", "the window and the filters apply to the calls, not to the invoice")


def _bill_notes(bill: Bill, pairs: Sequence[_Pair], scope: Scope) -> Iterator[Note]:
    if bill.left_out_lines:
        lines, amount = count(bill.left_out_lines, "invoice line"), usd(float(bill.left_out_usd))
        yield Note("other_services", f"{lines} of other services left out ({amount})", bill.left_out_lines)
    if bill.is_utc and scope.tz != "UTC":
        yield Note("invoice_utc", f"months of the invoice are in UTC, months of the calls in {scope.tz}")
    few = sum(pair.traced.no_usage.unknown for pair in pairs if pair.traced and pair.billed)
    if few:
        message = f"without usage cannot be estimated (their models have fewer than {ENOUGH_CALLS} calls of known cost)"
        yield Note("no_usage_unknown", f"{count(few, 'call')} {message}; their share is in unknown", few)


"""Notes on what other observers logged: figures that contradict each other, and how long an open response was empty."""

from streamaudit.audits.portable_figures import find_medians
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.model import Note
from streamaudit.report.numbers import count, ms
from streamaudit.store.store import Store
from streamaudit.store.views.valuation import ENDED_EARLY

# Of calls that did not end early the tax knows nothing, so that most are left out before taxes are looked for.
_CONTRADICTIONS = """
SELECT
    count(*) FILTER (WHERE rendered_tokens > coalesce(delivered_tokens, delivered_high)) AS shown,
    count(*) FILTER (WHERE coalesce(delivered_tokens, delivered_low) > billed_tokens) AS delivered
FROM scope WHERE rendered_tokens IS NOT NULL OR delivered_tokens IS NOT NULL OR _ENDED_EARLY
""".replace("_ENDED_EARLY", ENDED_EARLY)
_IS_LOGGED = "SELECT EXISTS (FROM store.evidence WHERE ttfb_ms >= 0)"
_FIRST_BYTES = """
SELECT count(*), median(ttft_ms), median(ttfb_ms), median(ttft_ms - ttfb_ms)
FROM scope WHERE ttft_status = 'usable' AND ttfb_ms IS NOT NULL
"""
_FIRST_BYTE_COUNTS = "ttft_status = 'usable' AND ttfb_bucket IS NOT NULL"
# Calls whose tax is an interval that no count of what was delivered or shown narrows. A log of the edge leaves what was
# delivered as its width: at best nothing, or what the call's own pace says.
_UNLOGGED = """
SELECT
    count(*), sum(tax_high - tax_low)::BIGINT,
    sum(least(coalesce(rendered_best, 0), tax_high - tax_low))::BIGINT
FROM scope
WHERE outcome = 'cancelled' AND tax_high > tax_low AND delivered_tokens IS NULL
    AND NOT coalesce(starts_with(delivered_rule, 'delivered'), false)
"""


def instrument_notes(store: Store, scope: Scope) -> tuple[Note, ...]:
    """Return by how much a log of the edge, and one of the page, would narrow the tax of calls without either."""
    calls, wide, logged = store.one(scope.total().sql(_UNLOGGED), scope.total().params())
    if not calls:
        return ()
    message = (
        f"the tax of {count(calls, 'cancelled call')} is an interval, {wide:,} tokens wide in all: the access log of "
        f"your proxy would narrow it to {logged:,} at best (streamaudit instrument nginx), a page's count of what it "
        "showed to 0 (streamaudit instrument browser)"
    )
    return (Note("edge_log", message, calls, ("tax_",)),)


def contradiction_notes(store: Store, scope: Scope) -> tuple[Note, ...]:
    """Return how many calls showed more than was delivered, and how many were delivered more than was billed."""
    shown, delivered = scope.total().rows(store, _CONTRADICTIONS)[0]
    notes = []
    if shown:
        notes.append(Note(
            "rendered_exceeds_delivered",
            f"{count(shown, 'call')} rendered more tokens than were delivered: one of the two logs counts another way",
            shown, ("tax_",),
        ))  # fmt: skip
    if delivered:
        notes.append(Note(
            "delivered_exceeds_billed",
            f"{count(delivered, 'call')} had more tokens delivered than billed: one of the two logs counts another way",
            delivered, ("tax_",),
        ))  # fmt: skip
    return tuple(notes)


def _find_first_bytes(store: Store, scope: Scope) -> tuple[int, float, float, float]:
    """Return the number of calls with a logged first byte, and the medians of TTFT, TTFB and TTFT - TTFB in ms."""
    if store.engine is not None:
        found = find_medians(store, scope, dict.fromkeys(("ttft", "ttfb", "ttfb_to_ttft"), _FIRST_BYTE_COUNTS))
        if not found:
            return 0, 0.0, 0.0, 0.0
        (calls, ttft), (_, ttfb), (_, between) = (found[name] for name in ("ttft", "ttfb", "ttfb_to_ttft"))
        return calls, ttft, ttfb, between
    if not store.one(_IS_LOGGED)[0]:
        return 0, 0.0, 0.0, 0.0
    calls, ttft, ttfb, between = store.one(scope.total().sql(_FIRST_BYTES), scope.total().params())
    return calls, ttft, ttfb, between


def first_byte_notes(store: Store, scope: Scope) -> tuple[Note, ...]:
    """Return how long a response that had begun at the edge was without a token; nothing where no log has it."""
    calls, ttft, ttfb, between = _find_first_bytes(store, scope)
    if not calls:
        return ()
    message = (
        f"of {count(calls, 'call')} a server logged the first byte: TTFB {ms(ttfb)}, TTFT {ms(ttft)}, TTFT - TTFB "
        f"{ms(between)} (medians); a response that has begun may be empty so far, so a TTFB is no TTFT"
    )
    return (Note("ttfb", message, calls, ("ttft_",)),)

"""Refresh what the views of a connection derive from the store's own calls and from the configuration.

``refresh`` is called once a command, after the last change to the store: it joins evidence, and gives every call that
ended early its tax: the one kept in the store (kept.py), or one that is valued now.
"""

from streamaudit.store.hops import resolve_hops
from streamaudit.store.package_files import package_text
from streamaudit.store.planning import FEW_CALLS, FEW_TO_READ
from streamaudit.store.store import Store
from streamaudit.store.views.kept import are_taxes_kept
from streamaudit.store.views.percentiles import FROM_ENOUGH
from streamaudit.store.views.valuation import ENDED_EARLY, learn_texts, value_calls

OUTCOME = "views/outcome.sql"
"""File of the query that judges every call of the store: how it ended, and what of it is known."""

# On a small store every query over the view would take longer to plan than to run, so its rows are kept.
_KEEP_OUTCOMES = """
CREATE OR REPLACE TEMP TABLE outcome_rows AS {outcome};
CREATE OR REPLACE TEMP VIEW refreshed_calls AS FROM outcome_rows
"""
_VIEW_OUTCOMES = """
CREATE OR REPLACE TEMP VIEW refreshed_calls AS {outcome};
DROP TABLE IF EXISTS outcome_rows
"""

# A call and its tax have this number in common: the call's row, or in the store a hash.
_VALUED = """
CREATE OR REPLACE TEMP VIEW early_tax AS SELECT * EXCLUDE (call_key) FROM valued_taxes;
CREATE OR REPLACE TEMP MACRO tax_key(call_row, outcome, source, record_hash) AS call_row
"""
_KEPT = f"""
CREATE OR REPLACE TEMP VIEW early_tax AS SELECT call_key AS call_row, * EXCLUDE (call_key) FROM store.taxes;
CREATE OR REPLACE TEMP MACRO tax_key(call_row, outcome, source, record_hash) AS
    CASE WHEN {ENDED_EARLY} THEN hash(source, record_hash) END
"""  # noqa: S608 - a constant of the package
_ANY_EARLY = f"SELECT EXISTS (FROM refreshed_calls WHERE {ENDED_EARLY})"
_NO_TAXES = """
CREATE OR REPLACE TEMP TABLE valued_taxes AS SELECT NULL::BIGINT AS call_row, * FROM store.taxes WHERE false
"""
_VALUE_ALL = "CREATE OR REPLACE TEMP VIEW calls_to_value AS FROM refreshed_calls"
_RAISED = """
CREATE OR REPLACE TEMP TABLE raised_low_ends AS
SELECT call_row, raised_low FROM early_tax WHERE raised_low IS NOT NULL
"""
_NONE_RAISED = """
CREATE OR REPLACE TEMP VIEW call_low_ends AS SELECT * EXCLUDE (call_row) FROM refreshed_calls;
CREATE OR REPLACE TEMP VIEW call_tax AS
SELECT
    calls.* EXCLUDE (call_row), early_tax.call_row IS NOT NULL AS ended_early,
    early_tax.* EXCLUDE (call_row, raised_low)
FROM refreshed_calls AS calls LEFT JOIN early_tax
    ON early_tax.call_row = tax_key(calls.call_row, calls.outcome, calls.source, calls.record_hash)
"""

_KEPT_WITH_TAXES = 500
"""With more calls than this, it takes longer to write them once more than to plan the view for a few queries."""

# Every call with its tax; completed calls have none.
_KEEP_TAXES = """
CREATE OR REPLACE TEMP TABLE taxed_rows AS FROM call_tax;
CREATE OR REPLACE TEMP VIEW call_tax AS FROM taxed_rows
"""
_DROP_ROWS = "DROP TABLE IF EXISTS taxed_rows"


def refresh(store: Store, *, taxed: bool = True, kept: bool = True) -> None:
    """Bring ``refreshed_calls`` up to date with the store, and ``call_tax`` unless no tax is requested.

    ``refreshed_calls`` are the calls of the store, judged as of now. Does nothing when nothing has changed since.
    Without ``kept``, taxes are valued now even if the store has kept them.
    """
    if store.stale:
        refresh_outcomes(store, few=FEW_TO_READ)
        store.stale, store.taxed = False, False
    if taxed and not store.taxed:
        _refresh_taxes(store, kept=kept)
        store.taxed = True


def refresh_outcomes(store: Store, *, few: int = FEW_CALLS) -> None:
    """Bring ``refreshed_calls`` up to date with the store: its rows up to ``few`` calls, which pays off where several
    queries read them all, else a view."""
    store.run(FROM_ENOUGH)
    hops = resolve_hops(store.providers.hops)
    store.run("SET VARIABLE hops = map($names::VARCHAR[], $habits::VARCHAR[])",
        {"names": list(hops), "habits": list(hops.values())})  # fmt: skip
    for name in ("hours", "waits", "sums"):
        store.script(package_text("store", f"views/{name}.sql"))
    if store.one("SELECT EXISTS (FROM store.evidence)")[0]:
        store.script(package_text("store", "views/evidence.sql"))
    else:
        store.run("CREATE OR REPLACE TEMP VIEW calls_with_evidence AS FROM calls_without_evidence")
    statements = _KEEP_OUTCOMES if store.is_small(few) else _VIEW_OUTCOMES
    store.script(statements.format(outcome=package_text("store", OUTCOME)))


def _refresh_taxes(store: Store, *, kept: bool) -> None:
    store.script(package_text("store", "views/macros.sql"))
    if kept and are_taxes_kept(store):
        store.script(_KEPT)
    else:
        _value_now(store)
        store.script(_VALUED)
    store.run(_RAISED)
    any_raised = store.one("SELECT EXISTS (FROM raised_low_ends)")[0]
    store.script(package_text("store", "views/call_tax.sql") if any_raised else _NONE_RAISED)
    store.script(_KEEP_TAXES if store.is_small(_KEPT_WITH_TAXES) else _DROP_ROWS)


def _value_now(store: Store) -> None:
    if not store.one(_ANY_EARLY)[0]:
        store.run(_NO_TAXES)
        return
    learn_texts(store)
    store.run(_VALUE_ALL)
    value_calls(store)

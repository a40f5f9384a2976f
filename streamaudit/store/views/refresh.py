"""Refresh what the views of a connection derive from the store's own calls and from the configuration.

``refresh`` is called once a command, after the last change to the store: it joins evidence, and gives every call that
ended early its tax: the one kept in the store (kept.py), or one that is valued now.
"""

from streamaudit.store.hops import resolve_hops
from streamaudit.store.package_files import package_text
from streamaudit.store.store import Store
from streamaudit.store.views.kept import are_taxes_kept
from streamaudit.store.views.percentiles import FROM_ENOUGH
from streamaudit.store.views.valuation import ENDED_EARLY, learn_texts, value_calls

# On a small store every query over the view would take longer to plan than to run, so its rows are kept.
_KEEP_OUTCOMES = """
CREATE OR REPLACE TEMP TABLE outcome_rows AS FROM call_outcome;
CREATE OR REPLACE TEMP VIEW refreshed_calls AS FROM outcome_rows
"""
_VIEW_OUTCOMES = """
CREATE OR REPLACE TEMP VIEW refreshed_calls AS FROM call_outcome;
DROP TABLE IF EXISTS outcome_rows
"""

# ``call_row`` of a call and of its tax are the same number.
_VALUED = """
CREATE OR REPLACE TEMP VIEW early_tax AS SELECT * EXCLUDE (call_key) FROM valued_taxes;
CREATE OR REPLACE TEMP VIEW keyed_calls AS FROM refreshed_calls
"""
_KEPT = f"""
CREATE OR REPLACE TEMP VIEW early_tax AS SELECT call_key AS call_row, * EXCLUDE (call_key) FROM store.taxes;
CREATE OR REPLACE TEMP VIEW keyed_calls AS
SELECT * REPLACE (CASE WHEN {ENDED_EARLY} THEN hash(source, record_hash) END AS call_row) FROM refreshed_calls
"""  # noqa: S608 - a constant of the package
_VALUE_ALL = "CREATE OR REPLACE TEMP VIEW calls_to_value AS FROM refreshed_calls"
_NONE_RAISED = "CREATE OR REPLACE TEMP VIEW call_low_ends AS SELECT * EXCLUDE (call_row) FROM keyed_calls"


def refresh(store: Store, *, taxed: bool = True, kept: bool = True) -> None:
    """Bring ``refreshed_calls`` up to date with the store, and ``call_tax`` unless no tax is requested.

    ``refreshed_calls`` is ``call_outcome`` as of now. Does nothing when nothing has changed since. Without ``kept``,
    taxes are valued now even if the store has kept them.
    """
    if store.stale:
        refresh_outcomes(store)
        store.stale, store.taxed = False, False
    if taxed and not store.taxed:
        _refresh_taxes(store, kept=kept)
        store.taxed = True


def refresh_outcomes(store: Store) -> None:
    """Bring ``refreshed_calls`` up to date with the store."""
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
    store.script(_KEEP_OUTCOMES if store.is_small() else _VIEW_OUTCOMES)


def _refresh_taxes(store: Store, *, kept: bool) -> None:
    store.script(package_text("store", "views/macros.sql"))
    if kept and are_taxes_kept(store):
        store.script(_KEPT)
    else:
        learn_texts(store)
        store.run(_VALUE_ALL)
        value_calls(store)
        store.script(_VALUED)
    store.script(package_text("store", "views/call_tax.sql"))
    if not store.one("SELECT EXISTS (FROM raised_low_ends)")[0]:
        store.run(_NONE_RAISED)

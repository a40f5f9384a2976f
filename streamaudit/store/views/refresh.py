"""Refresh what the views of a connection derive from the store's own calls and from the configuration.

``refresh`` is called once a command, after the last change to the store: it joins evidence, learns how many characters
a token of each model has, resolves how each provider behaves when a client disconnects, and values every call that
ended early.
"""

from streamaudit.store.package_files import package_text
from streamaudit.store.providers import resolve_behaviours
from streamaudit.store.store import Store
from streamaudit.store.views.percentiles import FROM_ENOUGH

# Of each model's completed calls with enough text: characters per visible token, pooled and at its extremes.
_MODEL_TEXT = """
SET VARIABLE model_text = (
    SELECT map_from_entries(list((model, {
        'usual': CASE WHEN answers >= 20 THEN usual END, 'fewest': CASE WHEN answers >= 20 THEN fewest END,
        'most': CASE WHEN answers >= 20 THEN most END, 'reasons': reasons})))
    FROM (
        SELECT
            model,
            count(*) FILTER (texts) AS answers,
            sum(chars) FILTER (texts) / sum(tokens) FILTER (texts) AS usual,
            min(chars / tokens) FILTER (texts) AS fewest,
            max(chars / tokens) FILTER (texts) AS most,
            bool_or(reasoning_tokens > 0) AS reasons
        FROM (
            SELECT
                model, reasoning_tokens, coalesce(visible_output_chars, output_chars) AS chars,
                output_tokens - coalesce(reasoning_tokens, 0) AS tokens,
                tokens >= 20 AND chars > 0 AND coalesce(reasoning_tokens, visible_output_chars) IS NOT NULL AS texts
            FROM refreshed_calls
            WHERE outcome = 'completed' AND usage_status = 'final' AND model IN (SELECT model FROM early_models)
        )
        GROUP BY model
        HAVING count(*) FILTER (texts) >= 20 OR reasons IS NOT NULL
    )
)
"""
"""At least 20 completed answers of 20 tokens: fewer say little about the extremes."""

_EARLY_MODELS = """
CREATE OR REPLACE TEMP TABLE early_models AS
SELECT DISTINCT model FROM refreshed_calls
WHERE outcome IN ('cancelled', 'timeout', 'interrupted', 'error') AND model IS NOT NULL
"""


TAX_STEPS = {
    "tax_inputs": "views/tax/1_inputs.sql", "tax_delivered": "views/tax/2_delivered.sql",
    "tax_billed": "views/tax/3_billed.sql", "tax_rendered": "views/tax/4_rendered.sql",
    "tax_classed": "views/tax/5_class.sql", "tax_parts": "views/tax/6_parts.sql",
}  # fmt: skip
"""The relations that compute the tax step by step, each with its file: a query over the relation before it."""


# On a small store every query over the view would take longer to plan than to run, so its rows are kept.
_KEEP_OUTCOMES = """
CREATE OR REPLACE TEMP TABLE outcome_rows AS FROM call_outcome;
CREATE OR REPLACE TEMP VIEW refreshed_calls AS FROM outcome_rows
"""
_VIEW_OUTCOMES = """
CREATE OR REPLACE TEMP VIEW refreshed_calls AS FROM call_outcome;
DROP TABLE IF EXISTS outcome_rows
"""


def refresh(store: Store, *, taxed: bool = True) -> None:
    """Bring ``refreshed_calls`` up to date with the store, and ``call_tax`` unless no tax is requested.

    ``refreshed_calls`` is ``call_outcome`` as of now. Does nothing when nothing has changed since.
    """
    if store.stale:
        _refresh_outcomes(store)
        store.stale, store.taxed = False, False
    if taxed and not store.taxed:
        _value_taxes(store)
        store.taxed = True


def _refresh_outcomes(store: Store) -> None:
    store.run(FROM_ENOUGH)
    for name in ("hours", "waits", "sums"):
        store.script(package_text("store", f"views/{name}.sql"))
    if store.one("SELECT EXISTS (FROM store.evidence)")[0]:
        store.script(package_text("store", "views/evidence.sql"))
    else:
        store.run("CREATE OR REPLACE TEMP VIEW calls_with_evidence AS SELECT * FROM calls_with_lookups")
    store.script(_KEEP_OUTCOMES if store.is_small() else _VIEW_OUTCOMES)


def _value_taxes(store: Store) -> None:
    store.run("SET VARIABLE stop_delay_ms = $delay", {"delay": store.providers.stop_delay_ms})
    spelled = [row[0] for row in store.query("SELECT DISTINCT provider FROM store.calls WHERE provider IS NOT NULL")]
    known = resolve_behaviours(spelled, store.providers)
    store.run(
        "SET VARIABLE on_disconnect = map($names::VARCHAR[], $behaviours::VARCHAR[])",
        {"names": list(known), "behaviours": list(known.values())},
    )
    store.run(_EARLY_MODELS)
    store.run(_MODEL_TEXT)
    store.script(package_text("store", "views/macros.sql"))
    store.run(_tax_statement())
    store.script(package_text("store", "views/call_tax.sql"))


def _tax_statement() -> str:
    """Return the statement that values every call that ended early, as one query: a chain of views is bound again for
    each view in it, which takes half as long again on a small store."""
    steps = ",\n".join(f"{name} AS (\n{package_text('store', file)})" for name, file in TAX_STEPS.items())
    return f"CREATE OR REPLACE TEMP TABLE early_tax AS WITH {steps}\nFROM {next(reversed(TAX_STEPS))}"

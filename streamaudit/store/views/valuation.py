"""Value calls that ended early: learn how many characters a token of each model has, resolve how each provider behaves
when a client disconnects, and run the steps of the tax."""

from streamaudit.store.package_files import package_text
from streamaudit.store.providers import resolve_behaviours
from streamaudit.store.store import Store

TAX_STEPS = {
    "tax_inputs": "views/tax/1_inputs.sql", "tax_delivered": "views/tax/2_delivered.sql",
    "tax_billed": "views/tax/3_billed.sql", "tax_rendered": "views/tax/4_rendered.sql",
    "tax_classed": "views/tax/5_class.sql", "tax_parts": "views/tax/6_parts.sql",
}  # fmt: skip
"""The relations that compute the tax step by step, each with its file: a query over the relation before it. The first
is one over ``calls_to_value``."""

ENDED_EARLY = "outcome IN ('cancelled', 'timeout', 'interrupted', 'error')"

# Of each model's completed calls with enough text: characters per visible token, pooled and at its extremes.
LEARNED = """
SELECT
    model,
    count(*) FILTER (texts) AS answers,
    sum(chars) FILTER (texts) AS chars,
    sum(tokens) FILTER (texts) AS tokens,
    min(chars / tokens) FILTER (texts) AS fewest,
    max(chars / tokens) FILTER (texts) AS most,
    bool_or(reasoning_tokens > 0) AS reasons
FROM (
    SELECT
        model, reasoning_tokens, coalesce(visible_output_chars, output_chars) AS chars,
        output_tokens - coalesce(reasoning_tokens, 0) AS tokens,
        tokens >= 20 AND chars > 0 AND coalesce(reasoning_tokens, visible_output_chars) IS NOT NULL AS texts
    FROM refreshed_calls
    WHERE outcome = 'completed' AND usage_status = 'final' AND model IS NOT NULL AND {condition}
)
GROUP BY model
"""
"""At least 20 completed answers of 20 tokens: fewer say little about the extremes."""

MODEL_TEXT = """
SELECT
    model,
    {{
        'usual': CASE WHEN answers >= 20 THEN chars / tokens END, 'fewest': CASE WHEN answers >= 20 THEN fewest END,
        'most': CASE WHEN answers >= 20 THEN most END, 'reasons': reasons
    }} AS text
FROM {texts} WHERE answers >= 20 OR reasons IS NOT NULL
"""
_SET_MODEL_TEXT = "SET VARIABLE model_text = (SELECT map_from_entries(list((model, text))) FROM ({model_text}))"

DELIVERY = "views/delivery.sql"
_NO_DELIVERY = """
CREATE OR REPLACE TEMP TABLE learned_delivery (
    source VARCHAR, call_id VARCHAR, unit VARCHAR, low HUGEINT, best HUGEINT, high HUGEINT)
"""

_EARLY_MODELS = f"""
CREATE OR REPLACE TEMP TABLE early_models AS
SELECT DISTINCT model FROM refreshed_calls WHERE {ENDED_EARLY} AND model IS NOT NULL
"""  # noqa: S608 - a constant of this module
_OF_EARLY_MODELS = "model IN (SELECT model FROM early_models)"


def learn_texts(store: Store) -> None:
    """Learn the texts of the models of all calls that ended early."""
    store.run(_EARLY_MODELS)
    learned = LEARNED.format(condition=_OF_EARLY_MODELS)
    use_texts(store, f"({learned})")


def learn_delivery(store: Store) -> None:
    """Learn how many events, characters and bytes a token has at each server, and estimate what was delivered of every
    call that ended early; of none where no server logged any."""
    is_logged = store.one("SELECT EXISTS (FROM store.evidence WHERE delivered_chunks + 1 > 0 OR delivered_chars + 1 > 0"
        " OR delivered_bytes + 1 > 0)")[0]  # fmt: skip
    store.script(package_text("store", DELIVERY) if is_logged else _NO_DELIVERY)


def use_texts(store: Store, texts: str) -> None:
    """Value calls by the texts of models in this relation, which has the columns of ``LEARNED``."""
    store.run(_SET_MODEL_TEXT.format(model_text=MODEL_TEXT.format(texts=texts)))


_PROVIDERS = "SELECT DISTINCT provider FROM store.calls WHERE provider IS NOT NULL AND {condition}"


def value_calls(store: Store, condition: str = "true") -> None:
    """Create the table ``valued_taxes``: the tax of every call in ``calls_to_value`` that ended early.

    The calls are rows of ``refreshed_calls``; the texts of models must be set. ``condition`` holds for each of them in
    ``store.calls``, so that the providers of all others need not be read.
    """
    store.run("SET VARIABLE stop_delay_ms = $delay", {"delay": store.providers.stop_delay_ms})
    spelled = [row[0] for row in store.query(_PROVIDERS.format(condition=condition))]
    known = resolve_behaviours(spelled, store.providers)
    store.run(
        "SET VARIABLE on_disconnect = map($names::VARCHAR[], $behaviours::VARCHAR[])",
        {"names": list(known), "behaviours": list(known.values())},
    )
    learn_delivery(store)
    store.run(_tax_statement())


def _tax_statement() -> str:
    """Return the statement that values every call that ended early, as one query: a chain of views is bound again for
    each view in it, which takes half as long again on a small store."""
    steps = ",\n".join(f"{name} AS (\n{package_text('store', file)})" for name, file in TAX_STEPS.items())
    return f"CREATE OR REPLACE TEMP TABLE valued_taxes AS WITH {steps}\nFROM {next(reversed(TAX_STEPS))}"

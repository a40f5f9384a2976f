"""Value calls once, when they are written: called by every command that writes, after its last change."""

import logging

from streamaudit.errors import StoreError
from streamaudit.store.connection import LEAN_MEMORY
from streamaudit.store.duckdb_errors import NO_MEMORY, NO_SPACE
from streamaudit.store.lookups import apply_lookups
from streamaudit.store.store import Store
from streamaudit.store.views.kept import State, current_state, kept_state
from streamaudit.store.views.refresh import refresh_outcomes
from streamaudit.store.views.valuation import ENDED_EARLY, LEARNED, MODEL_TEXT, use_texts, value_calls

_log = logging.getLogger(__name__)

_ADDED = "load_id > getvariable('valued_load')"

# Of all calls.
_VALUE_ALL = "CREATE OR REPLACE TEMP VIEW calls_to_value AS FROM refreshed_calls"
_LEARN_ALL = "INSERT INTO store.texts BY NAME " + LEARNED.format(condition="true")

# Of calls added since.
_COUNT_VALUED = "SELECT count(*) FROM store.calls WHERE load_id <= $load_id"
_LEARN_ADDED = f"""
CREATE OR REPLACE TEMP TABLE new_texts AS
SELECT
    model, sum(answers)::BIGINT AS answers, sum(chars) AS chars, sum(tokens) AS tokens, min(fewest) AS fewest,
    max(most) AS most, bool_or(reasons) AS reasons
FROM (FROM store.texts UNION ALL BY NAME ({LEARNED.format(condition=_ADDED)}))
GROUP BY model
"""  # noqa: S608 - constants of the package
# Models of which more is known now, with calls whose tax rests on that: whether the model reasons, and whether anything
# is known of its texts, matter to calls without a text too.
_CHANGED_TEXTS = f"""
CREATE OR REPLACE TEMP TABLE changed_texts AS
SELECT
    model, row(before.text.reasons, before.text.most IS NULL)
        IS DISTINCT FROM row(after.text.reasons, after.text.most IS NULL) AS for_all
FROM ({MODEL_TEXT.format(texts="store.texts")}) AS before
FULL JOIN ({MODEL_TEXT.format(texts="new_texts")}) AS after USING (model)
WHERE before.text IS DISTINCT FROM after.text
"""  # noqa: S608 - likewise
_ANY_CHANGED_TEXTS = "SELECT EXISTS (FROM changed_texts)"
_CHANGED_MODELS = f"""
CREATE OR REPLACE TEMP TABLE changed_models AS
SELECT DISTINCT model FROM refreshed_calls JOIN changed_texts USING (model)
WHERE {ENDED_EARLY} AND NOT {_ADDED}
    AND (for_all OR coalesce(visible_output_chars, output_chars, rendered_chars) IS NOT NULL)
"""  # noqa: S608 - likewise
_ANY_CHANGED = "SELECT EXISTS (FROM changed_models)"
_VALUE_ADDED = f"CREATE OR REPLACE TEMP VIEW calls_to_value AS FROM refreshed_calls WHERE {_ADDED}"
_VALUE_CHANGED = _VALUE_ADDED + " OR model IN (SELECT model FROM changed_models)"  # noqa: S608 - likewise
_DROP_CHANGED = "DELETE FROM store.taxes WHERE call_key IN (SELECT call_key FROM valued_taxes)"

# Two calls with one key would each get the taxes of both.
_IS_AMBIGUOUS = """
SELECT EXISTS (SELECT call_key FROM valued_taxes GROUP BY call_key HAVING count(*) > 1)
    OR EXISTS (FROM store.taxes SEMI JOIN valued_taxes USING (call_key))
"""
_INSERT = "INSERT INTO store.taxes BY NAME SELECT * EXCLUDE (call_row) FROM valued_taxes"


def keep_taxes(store: Store, *, small: bool = False, whole: bool = True) -> None:
    """Bring the taxes in the store up to date with its calls, in a transaction of its own.

    Calls that were only added are valued alone, unless they change what is known of a model's texts or evidence may
    join them with others. Without ``whole``, nothing is done where all calls would have to be valued. A store in memory
    keeps none, nor does a small one unless ``small`` is set: there every report values them as fast as it would read
    them.
    """
    if store.looked_up_routes is None:
        apply_lookups(store, [])
    now, kept = current_state(store), kept_state(store)
    if now.fits(kept):
        return
    if store.path is None or (store.is_small() and not small):
        if kept is not None:
            with store.transaction(changes_calls=False):
                store.drop_taxes()
        return
    added = kept is not None and _is_only_added_to(store, kept, now)
    if not (added or whole):
        return
    refresh_outcomes(store)
    try:
        _keep_lean(store, kept if added else None, now)
    except StoreError as error:
        # What was to be written is written; reports value the calls as if nothing had been kept.
        if error.message not in (NO_MEMORY, NO_SPACE):
            raise
        _log.info(f"the taxes of calls are not kept: {error.message}")
    store.run("DROP TABLE IF EXISTS temp.valued_taxes")


def _keep_lean(store: Store, kept: State | None, now: State) -> None:
    """Value and keep with little memory, and with all that the database may use where that is not enough."""
    try:
        with store.less_memory(LEAN_MEMORY):
            _keep(store, kept, now)
    except StoreError as error:
        if error.message != NO_MEMORY:
            raise
        _keep(store, kept, now)


def _keep(store: Store, kept: State | None, now: State) -> None:
    """Value calls and keep their taxes: those added since the state ``kept``, all where it is None."""
    with store.transaction(changes_calls=False):
        if kept is not None:
            _value_added(store, kept)
        else:
            _value_all(store)
        if store.one(_IS_AMBIGUOUS)[0]:
            store.drop_taxes()
            store.run("DELETE FROM store.texts")
        else:
            store.run(_INSERT)
            store.run("DELETE FROM store.meta WHERE key = 'taxes'")
            store.run("INSERT INTO store.meta VALUES ('taxes', $entry)", {"entry": now.entry()})


def _is_only_added_to(store: Store, kept: State, now: State) -> bool:
    """Return whether the calls valued under ``kept`` are as they were: evidence may join a call otherwise as soon as
    another has the same id."""
    if (kept.rules, kept.duckdb, kept.evidence, now.evidence) != (now.rules, now.duckdb, 0, 0):
        return False
    return bool(store.one(_COUNT_VALUED, {"load_id": kept.load_id})[0] == kept.calls)


def _value_all(store: Store) -> None:
    store.drop_taxes()
    store.run(_LEARN_ALL)
    store.run(_VALUE_ALL)
    use_texts(store, "store.texts")
    value_calls(store)


def _value_added(store: Store, kept: State) -> None:
    """Value the calls that were added, and again those of models of which more is known now."""
    store.run("SET VARIABLE valued_load = $load_id", {"load_id": kept.load_id})
    store.run(_LEARN_ADDED)
    changed = _find_changed(store)
    store.run("DELETE FROM store.texts")
    store.run("INSERT INTO store.texts BY NAME FROM new_texts")
    store.run(_VALUE_CHANGED if changed else _VALUE_ADDED)
    use_texts(store, "store.texts")
    value_calls(store, "true" if changed else _ADDED)
    if changed:
        store.run(_DROP_CHANGED)


def _find_changed(store: Store) -> bool:
    """List the models of ``_CHANGED_MODELS``; return whether there is any. Most loads say nothing new of texts."""
    store.run(_CHANGED_TEXTS)
    if not store.one(_ANY_CHANGED_TEXTS)[0]:
        return False
    store.run(_CHANGED_MODELS)
    return bool(store.one(_ANY_CHANGED)[0])

"""Whether the taxes kept in the store are up to date, so that reports need not value the calls themselves.

A tax rests on the calls and the evidence in the store, on the SQL that values it, and on the configuration: its
statements about providers, and where there is evidence its lookup of routes, since the size of a token in a server's
log is learned route by route. The entry ``taxes`` of ``meta`` names the state of these at the last valuation. A
transaction that changes or deletes calls removes the entry and the taxes with it (``Store.transaction``), one that only
adds calls leaves them: the number of calls then shows that some have no tax yet.
"""

from dataclasses import astuple, dataclass
from functools import cache
from hashlib import sha256

from streamaudit.store.package_files import package_text
from streamaudit.store.providers import read_providers
from streamaudit.store.store import Store
from streamaudit.store.views import valuation

_FILES = (
    "views/calls.sql", "views/outcome.sql", "views/evidence.sql", valuation.DELIVERY, *valuation.TAX_STEPS.values(),
)  # fmt: skip
_STATE = """
SELECT version(), (SELECT count(*) FROM store.evidence), (SELECT coalesce(max(load_id), 0) FROM store.loads),
    (SELECT count(*) FROM store.calls)
"""
_ENTRY = "SELECT value FROM store.meta WHERE key = 'taxes'"


@dataclass(frozen=True, slots=True)
class State:
    """State that taxes rest on: a digest of the rules, the version of DuckDB, records of evidence, last load, calls."""

    rules: str
    duckdb: str
    evidence: int
    load_id: int
    calls: int

    def fits(self, other: "State | None") -> bool:
        """Return whether taxes of the other state are those of this one: a load may have brought no calls."""
        return other is not None and (self.rules, self.duckdb, self.evidence, self.calls) == (
            other.rules, other.duckdb, other.evidence, other.calls
        )  # fmt: skip

    def entry(self) -> str:
        """Return the state as it is written in ``meta``."""
        return " ".join(map(str, astuple(self)))


def current_state(store: Store) -> State:
    """Return what the taxes of the store would rest on now."""
    own = store.providers
    duckdb, evidence, load_id, calls = store.one(_STATE)
    configured = repr((
        sorted(own.on_disconnect.items()), own.stop_delay_ms, (store.looked_up_routes or 0) if evidence else 0
    ))  # fmt: skip
    return State(f"{_rules()}{_digest(configured)}", duckdb, evidence, load_id, calls)


def kept_state(store: Store) -> State | None:
    """Return what the taxes in the store rest on; None where it has none."""
    found = store.query(_ENTRY)
    if not found:
        return None
    rules, duckdb, *numbers = found[0][0].split(" ")
    evidence, load_id, calls = map(int, numbers)
    return State(rules, duckdb, evidence, load_id, calls)


def are_taxes_kept(store: Store) -> bool:
    """Return whether the store has the tax of every call that ended early."""
    kept = kept_state(store)
    return kept is not None and current_state(store).fits(kept)


@cache
def _rules() -> str:
    texts = [*(package_text("store", name) for name in _FILES), valuation.LEARNED, valuation.MODEL_TEXT]
    return _digest("".join(texts) + repr(read_providers()))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]

"""Taxes that rest on what servers counted are learned route by route, and routes may be looked up: taxes kept in a
store are read under the lookup that they were valued with, and under no other."""

from pathlib import Path

import pytest

from streamaudit.ingest.evidence import join
from streamaudit.ingest.readers.reader import Reader
from streamaudit.store.lookups import Lookup, apply_lookups, keep_lookups
from streamaudit.store.store import Store
from streamaudit.store.views.keep import keep_taxes
from streamaudit.store.views.kept import are_taxes_kept
from streamaudit.store.views.refresh import refresh
from tests.support import ingest, raw_call, write_lines

_SERVICES = {"small": 10, "large": 40}
"""Bytes of a token in the answers of each service."""
_OF_SERVICES = Lookup("route", "service", {name: f"/{name}" for name in _SERVICES})
_OF_BOTH = Lookup("route", "service", dict.fromkeys(_SERVICES, "/chat"))
_TAXES = "SELECT call_id, tax_low, tax_high FROM call_tax WHERE ended_early ORDER BY ALL"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of two services, whose answers a server counted in bytes, and the taxes that were kept."""
    records, counted = [], []
    for service, per_token in _SERVICES.items():
        for number in range(40):
            name, cut, tokens = f"{service}-{number}", number < 5, 100 + 5 * number
            outcome = {"outcome": "cancelled", "cancelled_at_ms": 500} if cut else {}
            records.append(raw_call(name, service=service, output_tokens=tokens, **outcome))
            uneven = number * 7 % 11  # as in a log; on one line exactly, bounds would be at the edge of a rounding
            counted.append(
                {"request_id": name, "delivered_bytes": 50 + uneven + tokens * per_token // (2 if cut else 1)}
            )
    path = tmp_path / "audit.duckdb"
    with Store.open(path, write=True) as store, Reader() as reader:
        ingest(store, write_lines(tmp_path / "calls.jsonl", records))
        join(store, reader, str(write_lines(tmp_path / "counted.jsonl", counted)), "request_id")
        keep_lookups(store, [_OF_SERVICES])
        keep_taxes(store, small=True)
    return path


def taxes(path: Path, *lookups: Lookup, kept: bool = True) -> list[tuple[object, ...]]:
    """The taxes that a report under these lookups shows, or the store's own without any."""
    with Store.open(path, write=False) as store:
        apply_lookups(store, list(lookups))
        refresh(store, kept=kept)
        return store.query(_TAXES)


def test_kept_taxes_are_those_under_the_lookup_of_a_report(path: Path) -> None:
    """Whichever lookup that is: the one that was kept, another of the configuration, one that was edited since."""
    for lookups in ([], [_OF_SERVICES], [_OF_BOTH]):
        assert taxes(path, *lookups) == taxes(path, *lookups, kept=False)
    assert taxes(path, _OF_SERVICES) != taxes(path, _OF_BOTH)


def test_commands_without_a_configuration_keep_taxes_under_the_lookup_of_the_store(path: Path) -> None:
    with Store.open(path, write=False) as store:
        apply_lookups(store, [_OF_SERVICES])
        assert are_taxes_kept(store)


def test_a_lookup_of_tenants_leaves_kept_taxes(path: Path) -> None:
    with Store.open(path, write=False) as store:
        apply_lookups(store, [_OF_SERVICES, Lookup("tenant", "user_id", {"u-1": "acme"})])
        assert are_taxes_kept(store)

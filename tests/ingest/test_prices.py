"""A team's own prices: before the package's, by date, for calls to come and for calls that are stored."""

from pathlib import Path

import pytest

from streamaudit.errors import UsageError
from streamaudit.store.pricing.own_prices import PriceFile, read_own_prices
from streamaudit.store.pricing.reprice import reprice
from streamaudit.store.store import Store
from tests.reused import empty_store
from tests.support import Record, ingest, raw_call, rows_of, stored_calls, write_lines

FILE = """model,provider,since,input_usd_per_mtok,cached_input_usd_per_mtok,output_usd_per_mtok
gpt-4o-mini,,,1,,10
gpt-4o-mini,,2026-11-10,2,,20
gpt-4o-mini,azure,,3,0.5,30
ours,,,4,,40
house-large,,,5,,50
gpt-4o,aws.bedrock,,6,,60
"""


@pytest.fixture
def prices(tmp_path: Path) -> PriceFile:
    """The price file."""
    path = tmp_path / "prices.csv"
    path.write_text(FILE)
    return PriceFile(path, "streamaudit.toml:1")


RECORDS: dict[str, tuple[Record, float]] = {
    "early": ({"start_time": "2026-11-09T00:00:00Z"}, 1000e-6 * 1 + 100e-6 * 10),
    "later": ({"start_time": "2026-11-16T00:00:00Z"}, 1000e-6 * 2 + 100e-6 * 20),
    "named": ({"provider": "azure", "cached_input_tokens": 400}, 600e-6 * 3 + 400e-6 * 0.5 + 100e-6 * 30),
    "unlisted": ({"model": "ours", "provider": "self"}, 1000e-6 * 4 + 100e-6 * 40),
    "a provider spelled otherwise": ({"provider": "Azure_OpenAI"}, 1000e-6 * 3 + 100e-6 * 30),
    "a snapshot behind a gateway": (
        {"model": "litellm/gpt-4o-2024-08-06", "provider": "bedrock"}, 1000e-6 * 6 + 100e-6 * 60,
    ),
    "the name asked for": ({"model": "house-large", "response_model": "gpt-4o"}, 1000e-6 * 5 + 100e-6 * 50),
    "the name that answered": ({"model": "house-large", "response_model": "ours"}, 1000e-6 * 4 + 100e-6 * 40),
    "input reported": ({"input_cost_usd": 0.25}, 0.25 + 100e-6 * 20),
    "reported": ({"cost_usd": 7.0, "output_cost_usd": 3.0}, 7.0),
}  # fmt: skip


def records() -> list[Record]:
    """One call a case."""
    return [
        raw_call(name, **{"provider": "openai", "input_tokens": 1000, "output_tokens": 100, **fields})
        for name, (fields, _) in RECORDS.items()
    ]


def costs(store: Store) -> dict[str, float]:
    """Cost by call."""
    return {name: call["cost_usd"] for name, call in stored_calls(store).items()}


def test_own_prices_go_before_the_packages(prices: PriceFile, tmp_path: Path, store: Store) -> None:
    """By date, and one that names the provider before one that does not; a reported cost stays."""
    ingest(store, write_lines(tmp_path / "a.jsonl", records()), prices=prices)
    assert costs(store) == {name: pytest.approx(cost) for name, (_, cost) in RECORDS.items()}


def test_stored_calls_can_be_repriced(tmp_path: Path, store: Store, prices: PriceFile) -> None:
    """It gives what ingesting with the file would have given, and doing it twice changes nothing."""
    ingest(store, write_lines(tmp_path / "a.jsonl", records()))
    assert stored_calls(store)["unlisted"]["cost_usd"] is None
    assert reprice(store, prices) == len(RECORDS)
    assert reprice(store, prices) == 0
    with empty_store() as fresh:
        ingest(fresh, write_lines(tmp_path / "b.jsonl", records()), prices=prices)
        again = unreported(fresh)
    assert unreported(store) == again
    assert costs(store)["reported"] == 7.0


def unreported(store: Store) -> list[str]:
    """The calls whose cost is not their source's, as comparable text."""
    kept = [row for row in rows_of(store, "store.calls") if row["cost_basis"] != "reported"]
    return sorted(repr({**row, "record_hash": 0}) for row in kept)


HARD: dict[str, Record] = {
    "from a cache": {"cache_hit": True},
    "from a cache, counted by a tokenizer": {"cache_hit": True, "usage_source": "estimated"},
    "counted by a tokenizer": {"usage_source": "estimated"},
    "more cached than input": {"cached_input_tokens": 4000},
    "cancelled": {"outcome": "cancelled"},
    "no output": {"output_tokens": 0, "output_cost_usd": 0.0},
    "no price": {"model": "nothing-of-the-kind"},
    "output reported": {"output_cost_usd": 3.0},
}


def test_repricing_gives_what_reading_again_gives(store: Store, prices: PriceFile, tmp_path: Path) -> None:
    """One rule prices calls as they come and as they are stored: every column of money is the same either way."""
    lines = [
        raw_call(name, **{"provider": "openai", "input_tokens": 1000, "output_tokens": 100, **fields})
        for name, fields in ({name: fields for name, (fields, _) in RECORDS.items()} | HARD).items()
    ]
    path = write_lines(tmp_path / "a.jsonl", lines)

    def money(of: Store) -> dict[str, Record]:
        return {
            name: {key: value for key, value in call.items() if "usd" in key or "cost" in key}
            for name, call in stored_calls(of).items()
        }

    ingest(store, path, prices=prices)
    assert reprice(store, prices) == 0
    prices.path.write_text(FILE.replace(",1,,10", ",8,,80").replace(",2,,20", ",9,,90"))
    assert reprice(store, prices) > 0
    with empty_store() as fresh:
        ingest(fresh, path, prices=prices)
        assert money(store) == money(fresh)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("model,input_usd_per_mtok,output_usd_per_mtok\na,1,x\n", 2),
        ("model,input_usd_per_mtok,output_usd_per_mtok\na,1,2\nb,-1,2\n", 3),
        ("model,input_usd_per_mtok\na,1\n", 1),
        ("model|input_usd_per_mtok|output_usd_per_mtok\na|1|2\n", 1),
        ("model,input_usd_per_mtok,output_usd_per_mtok\n\na,1,2,3\n", 3),
        ("model;input_usd_per_mtok;output_usd_per_mtok\na;0,1;2\n", 2),
        ("model,input_usd_per_mtok,output_usd_per_mtok,since\na,1,2,soon\n", 2),
    ],
)
def test_a_wrong_price_names_its_line(prices: PriceFile, text: str, line: int) -> None:
    prices.path.write_text(text)
    with pytest.raises(UsageError, match=f"prices.csv:{line}: "):
        read_own_prices(prices)


def test_a_price_file_may_part_its_columns_by_semicolons(prices: PriceFile) -> None:
    """As a spreadsheet writes it where the comma is a decimal sign; numbers keep their point."""
    plain = read_own_prices(prices)
    prices.path.write_text(FILE.replace(",", ";"))
    assert read_own_prices(prices) == plain

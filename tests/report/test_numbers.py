"""Values for the eye, by hand."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaudit.report import numbers
from streamaudit.report.model import Column, Interval, Note, Unit
from streamaudit.report.render import _text

CASES: list[tuple[Unit | None, float, str]] = [
    ("ms", 402.1, "402 ms"), ("ms", 1432.3, "1.43 s"), ("ms", 61_234, "61.2 s"), ("ms", 999.6, "1.00 s"),
    ("ms", 999.4, "999 ms"), ("ms", 4.021, "4.02 ms"), ("ms", 9.996, "10.0 ms"), ("ms", 0.00001, "<0.001 ms"),
    ("ms", 3_612_000, "3,612 s"), ("ms", 0, "0 ms"), ("ms", -250.0, "-250 ms"),
    ("tokens", 7120, "7,120"), ("tokens", 999_999, "999,999"), ("tokens", 1_000_000, "1.00 M"),
    ("tokens", 7_120_331, "7.12 M"), ("tokens", 999_999_999, "1.00 B"), ("tokens", 999_999.7, "1.00 M"),
    ("tokens", 84_100_000, "84.1 M"), ("tokens", 0, "0"), ("tokens", 12.5, "12.5"), ("tokens", 0.02, "0.0200"),
    ("usd", 41.2, "$41.20"), ("usd", 1234.5, "$1,234.50"), ("usd", 0.12345, "$0.12"), ("usd", 0.5, "$0.50"),
    ("usd", 0.001234, "<$0.01"), ("usd", 0.005, "$0.01"), ("usd", 0.99999, "$1.00"), ("usd", 0, "$0.00"),
    ("usd", -2.5, "-$2.50"), ("usd", -0.001, ">-$0.01"),
    ("usd_per_mtok", 0.15, "$0.15"), ("usd_per_mtok", 0.075, "$0.075"), ("usd_per_mtok", 15.0, "$15.00"),
    ("usd_per_token", 0.000015, "$0.000015"), ("usd_per_token", 1e-9, "<$0.00000001"),
    ("ratio", 0.0912, "9.1 %"), ("ratio", 1.0, "100.0 %"), ("ratio", 0.99999, ">99.9 %"), ("ratio", 0.0001, "<0.1 %"),
    ("ratio", 0, "0 %"), ("ratio", -0.159, "-15.9 %"), ("ratio", -0.0001, ">-0.1 %"), ("ratio", 12.5, "1,250.0 %"),
    ("calls", 31_204, "31,204"), ("calls", 0, "0"), ("tokens_per_s", 52.34, "52.3"), ("tokens_per_s", 1234.5, "1,234"),
    ("tokens_per_s", 0.0, "0"), ("bytes", 812, "812 B"), ("bytes", 1_210_000, "1.21 MB"), ("bytes", 0, "0 B"),
    (None, 429, "429"), (None, 20261116, "20261116"), (None, 0.04321, "0.04321"), (None, 0.00001, "<0.0001"),
]  # fmt: skip


@pytest.mark.parametrize(("unit", "value", "shown"), CASES)
def test_by_hand(unit: Unit | None, value: float, shown: str) -> None:
    """Each unit has one way to be read."""
    assert numbers.NUMBERS[unit](value) == shown


@pytest.mark.parametrize(("value", "shown"), [
    (0.0, "$0.00"), (0.00404, "$0.0040"), (0.000123, "$0.00012"), (0.0096, "$0.01"), (1.5, "$1.50"),
    (-0.00404, "-$0.0040"),
])  # fmt: skip
def test_dollars_of_a_single_call_keep_two_digits_below_a_cent(value: float, shown: str) -> None:
    """A call costs tenths of a cent, and a list of the worst ones must tell them apart."""
    assert numbers.usd_of_call(value) == shown


@given(st.sampled_from([case[0] for case in CASES]), st.floats(1e-30, 1e15) | st.integers(1, 10**18))
def test_a_positive_value_never_looks_like_zero(unit: Unit | None, value: float) -> None:
    """However small a value is, some digit of it is not 0."""
    assert any(digit in numbers.NUMBERS[unit](value) for digit in "123456789")


@given(st.floats(1e-3, 1e12))
def test_durations_are_true_to_three_digits(value: float) -> None:
    """Reading a duration back gives the value within half a unit of its third digit."""
    number, unit = numbers.ms(value).replace(",", "").split(" ")
    assert float(number) * (1000 if unit == "s" else 1) == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize(
    ("name", "unit", "shown"),
    [
        ("ttft_p95_ms", "ms", "ttft p95"), ("cost_usd", "usd", "cost"), ("cancel_rate", "ratio", "cancel rate"),
        ("tax_tokens", "tokens", "tax tokens"), ("output_tokens_per_s_p50", "tokens_per_s", "output tokens/s p50"),
        ("change_ratio", "ratio", "change"), ("price_usd_per_mtok", "usd_per_mtok", "price USD/Mtok"),
        ("tenant", None, "tenant"),
    ],
)  # fmt: skip
def test_headers_read_as_words(name: str, unit: Unit | None, shown: str) -> None:
    """A unit the cells show is not repeated in the heading."""
    assert numbers.header(Column(name, unit)) == shown


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        ([(0, 0, 0, 0)], "2026-11-16"), ([(9, 0, 0, 0), (0, 0, 0, 0)], "2026-11-16T09:00Z"),
        ([(9, 0, 1, 0)], "2026-11-16T09:00:01Z"), ([(9, 0, 1, 500_000)], "2026-11-16T09:00:01.500000Z"),
    ],
)  # fmt: skip
def test_moments_of_a_column_share_a_form(times: list[tuple[int, int, int, int]], shown: str) -> None:
    """The shortest ISO form in UTC that loses nothing of any value in the column."""
    moments = [datetime(2026, 11, 16, *time, tzinfo=UTC) for time in times]
    assert numbers.moments(moments)(moments[0]) == shown


def test_moments_are_shown_in_utc() -> None:
    """A moment of another zone is converted."""
    moment = datetime(2026, 11, 16, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert numbers.iso(moment) == "2026-11-15T23:00:00Z"


def _at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "shown"),
    [
        (Interval(None, None), "all time UTC"),
        (Interval(_at(16), _at(23)), "2026-11-16 .. 2026-11-22 UTC"),
        (Interval(_at(16), _at(17)), "2026-11-16 UTC"),
        (Interval(_at(16), None), "since 2026-11-16 UTC"),
        (Interval(None, _at(23)), "until 2026-11-22 UTC"),
        (Interval(_at(16, 9), _at(17)), "2026-11-16 09:00 .. 2026-11-17 00:00 UTC"),
        (Interval(_at(15, 23), _at(22, 23), "Europe/Berlin"), "2026-11-16 .. 2026-11-22 Europe/Berlin"),
    ],
)
def test_intervals_name_days_that_belong_to_them(window: Interval, shown: str) -> None:
    """Whole days in the window's own zone are shown as days, anything else with its times."""
    assert _text.interval(window) == shown


@pytest.mark.parametrize(
    ("note", "shown"),
    [
        (Note("a", "12 calls carry no usage", 12), "12 calls carry no usage"),
        (Note("a", "1,204 calls carry no usage", 1204), "1,204 calls carry no usage"),
        (Note("a", "calls without usage", 1204), "calls without usage (1,204)"),
        (Note("a", "no price for gpt-5", 5), "no price for gpt-5 (5)"),
        (Note("a", "times are UTC"), "times are UTC"),
    ],
)
def test_a_note_states_its_count_once(note: Note, shown: str) -> None:
    """The count is added only where the message does not hold it."""
    assert _text.note(note) == shown

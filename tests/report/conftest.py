"""Reports that are hard to show: hostile names, unknown values, marks, a rest row, no rows at all."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from streamaudit.report.model import Column, Interval, Mark, Note, Report, Row, Table, Value

HOSTILE = [
    "\x1b[31mred\x1b]0;title\x07",
    "\x9b2Jcleared",
    "line\nbreak\r\ttab",
    "\u202egnp.exe\u202c \u2066isolated\u2069 \u200e\u200f",
    "zero\u200bwidth\u200djoined\ufeff",
    "sep\u2028arate\u2029d",
    "[bold red]markup[/] :smile:",
    '=HYPERLINK("http://evil.example","click")',
    "+1", "-2", "@SUM(A1)", "\t=1+1",
    "|pipe|`code`*bold*_it_<script>alert(1)</script>&amp;[x](http://evil.example)",
    "# heading", "@octocat org/repo#12 www.evil.example",
    "```", "-", "", " padded ", "lone \udc80 surrogate",
    "comma, \"quoted\"; semi",
    "x" * 500,
]  # fmt: skip

FIGURES = (
    Column("calls", "calls"),
    Column("cancel_rate", "ratio"),
    Column("ttft_p50_ms", "ms"),
    Column("ttft_p95_ms", "ms"),
    Column("ttft_p99_ms", "ms", wide=True),
    Column("output_tokens_per_s_p50", "tokens_per_s"),
    Column("tax_tokens", "tokens"),
    Column("tax_usd", "usd"),
    Column("note"),
    Column("first_seen"),
    Column("certain"),
)
SEEN = datetime(2026, 11, 16, 9, 30, tzinfo=UTC)
GENERATED = datetime(2026, 11, 23, 6, 0, 1, tzinfo=UTC)
WEEK = Interval(datetime(2026, 11, 16, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))


@pytest.fixture
def hostile() -> list[str]:
    """Names as an attacker would choose them."""
    return HOSTILE


@pytest.fixture
def report_of() -> Callable[..., Report]:
    """Makes a report of one table: the columns, and the rows."""

    def make(columns: tuple[Column, ...], rows: list[Row], by: tuple[str, ...] = (), name: str = "by_group") -> Report:
        return Report(
            "report", Interval(None, None), (Table(name, columns, tuple(rows), by),), by, generated_at=GENERATED
        )

    return make


@pytest.fixture
def hostile_report() -> Report:
    """A report in which every text a user or a trace can choose is hostile."""
    columns = (Column("tenant"), Column("calls", "calls"), Column("reason"))
    rows: list[Row] = [(name, index, name) for index, name in enumerate(HOSTILE)]
    text = " ".join(HOSTILE)
    return Report(
        title=f"report {text}",
        interval=WEEK,
        tables=(
            Table("by_tenant", columns, tuple(rows), ("tenant",), title=text),
            Table("total", columns[1:], ((3, text),), title=text),
            _histogram("histogram", [(name, 20) for name in HOSTILE]),
        ),
        by=("tenant",),
        filters={text: text},
        notes=(Note(text, text, 3),),
        generated_at=GENERATED,
        headline=text,
    )


@pytest.fixture
def awkward_report() -> Report:
    """One report with everything a renderer has to get right."""
    rows: tuple[Row, ...] = (
        ("acme", 31204, 0.0912, 402.1, 1432.3, 2520.0, 52.34, 7120331, 41.2, "worst", SEEN, True),
        ("\x1b[31mred\u202e|`<b>", 12980, 0.0, 44.34, 99.96, None, 4.2, 1220, 0.00123, "=1+1", SEEN, False),
        ("zero", 14, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0.0, "", SEEN, False),
        ("unknown", 14, None, None, None, None, None, None, None, None, None, None),
        ("nothing finite", 1, float("nan"), float("inf"), None, None, None, None, float("-inf"), None, None, None),
        ("テナント", 999_999, 1.0, 61_234.0, 4_012_000.0, None, 1234.5, 999_999_999, 1e-7, "wide", SEEN, True),
        (None, 9411, 0.127, 400.0, 1010.0, None, 61.1, None, None, None, SEEN, None),
        (None, 42715, 0.022, 410.0, 1010.0, 3000.0, 61.1, 3_870_000, 23.1, None, SEEN, None),
    )
    marks = {
        (0, "tax_usd"): Mark(prefix="≥ "),
        (0, "tax_tokens"): Mark(suffix=" + 3 calls open"),
        (6, "tax_tokens"): Mark(instead="≤ 3.2 M"),
    }
    groups = Table("by_tenant", (Column("tenant"), *FIGURES), rows, ("tenant",), 7, 41, marks=marks)
    total: Row = (97_000, 0.057, 402.0, 1430.0, 2600.0, 52.0, 12_211_551, 64.3, None, SEEN, None)
    return Report(
        title="cancellation tax by tenant",
        interval=WEEK,
        tables=(
            groups,
            Table("total", FIGURES, (total,)),
            Table("by_outcome", (Column("outcome"), Column("calls", "calls")), (), ("outcome",)),
            _histogram("histogram", [("acme", 300), ("zero", 12), (None, 40)]),
        ),
        by=("tenant",),
        filters={"where": "model = 'gpt-5' AND cost_usd > 1"},
        notes=(
            Note("usage_unknown", "12 cancelled calls carry no usage", 12),
            Note("no_ttft", "streamed calls without a time to first token", 6387),
            Note("zone", "times are shown in UTC"),
        ),
        verdict="fail",
        generated_at=GENERATED,
        headline="5.7 % of calls were cancelled; at least 64.30 USD went to output nobody saw.",
    )


@pytest.fixture
def empty_report() -> Report:
    """A report on a window without a call."""
    columns = (Column("tenant"), *FIGURES)
    histogram = _histogram("histogram", [])
    return Report("report", WEEK, (Table("by_tenant", columns, (), ("tenant",)), histogram), generated_at=GENERATED)


def _histogram(name: str, groups: list[tuple[Value, int]]) -> Table:
    columns = (
        Column("tenant"), Column("bucket_low_ms", "ms"), Column("bucket_high_ms", "ms"), Column("calls", "calls"),
    )  # fmt: skip
    rows = tuple((group, low, low * 10**0.5, calls) for group, calls in groups for low in (100.0, 1000.0))
    return Table(name, columns, rows, ("tenant",), shape="histogram", markers_from="by_tenant")

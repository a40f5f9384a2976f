"""``report --reconcile``: our cost beside an invoice, worked by hand; and what an invoice may look like."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from streamaudit.audits.reconcile.bill import Bill, Billed, read_bill
from streamaudit.audits.reconcile.providers import ALIASES, provider_name
from streamaudit.audits.reconcile.report import run
from streamaudit.audits.scope.scope import Scope
from streamaudit.errors import InputError
from streamaudit.report.model import Report
from streamaudit.store.store import Store
from tests.cli.running import Cli
from tests.support import Record, ingest, raw_call, write_lines

CALLS = (
    raw_call("1", provider="openai", cost_usd=1.5, input_tokens=10, output_tokens=5),
    raw_call("2", provider="OpenAI", cost_usd=2.5, input_tokens=20, output_tokens=5),
    raw_call("3", provider="azure_openai", cost_usd=4.0, input_tokens=30, output_tokens=10),
    raw_call("4", provider="my-gateway", cost_usd=8.0),
    raw_call("5", provider="openai", cost_usd=16.0, start_time="2026-10-31T23:30:00Z"),
    raw_call("6", model="our-alias", cost_usd=32.0),
    raw_call("7", provider="anthropic", model="a-model-without-a-price"),
    raw_call("8", provider="openai", cost_usd=0.25, operation="embedding", output_tokens=None),
)


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Store:
    """A store with these calls."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", CALLS))
    return store


def invoice(**dollars: str) -> Bill:
    """``m11_openai="4.5"`` as one line of the invoice of November 2026."""
    lines = {(f"2026-{name[1:3]}", name[4:]): Billed(Decimal(amount), None, 1) for name, amount in dollars.items()}
    return Bill(lines, "plain")


def tables(report: Report) -> tuple[dict[tuple[Any, Any], Record], Record]:
    """The rows by month and provider, and the total."""
    by_place, total, _ = report.tables
    assert (by_place.name, total.name, by_place.by) == ("by_month_provider", "total", ("month", "provider"))
    return {(row["month"], row["provider"]): row for row in by_place.records()}, next(total.records())


def test_cost_gap_and_traced_share_by_month_and_provider(filled: Store) -> None:
    """Two spellings of one provider are one row; embeddings are billed and so they count."""
    rows, total = tables(run(filled, Scope(), invoice(m11_openai="5", m11_azure="3", m11_xai="10")))
    openai = rows["2026-11", "openai"]
    assert (openai["calls"], openai["cost_usd"], openai["invoice_usd"]) == (3, 4.25, 5.0)
    assert (openai["gap_usd"], openai["gap_ratio"], openai["traced_ratio"]) == (0.75, 0.15, 0.85)
    azure = rows["2026-11", "azure"]  # we know of more than was billed: all of the invoice is accounted for, no more
    assert (azure["gap_usd"], azure["gap_ratio"], azure["traced_ratio"]) == (-1.0, -1 / 3, 1.0)
    xai = rows["2026-11", "xai"]
    assert (xai["calls"], xai["cost_usd"], xai["gap_usd"], xai["traced_ratio"]) == (0, None, 10.0, 0.0)
    assert (total["invoice_usd"], total["gap_usd"]) == (18.0, 5.0 - 4.25 + 3 - 4 + 10)
    assert total["traced_ratio"] == pytest.approx((4.25 + 3) / 18)
    assert total["cost_usd"] == 1.5 + 2.5 + 4 + 8 + 16 + 32 + 0.25
    assert total["uninvoiced_usd"] == 8 + 16 + 32


def test_what_one_side_lacks_is_null_and_keeps_its_row(filled: Store) -> None:
    """A provider without a line, a month without one, calls without a provider, and a line without calls."""
    report = run(filled, Scope(), invoice(m11_openai="5", m09_openai="7"))
    rows, _ = tables(report)
    stray = {
        ("2026-10", "openai"),
        ("2026-11", "azure"),
        ("2026-11", "my_gateway"),
        ("2026-11", "anthropic"),
        ("2026-11", None),
    }
    assert set(rows) == {*stray, ("2026-09", "openai"), ("2026-11", "openai")}
    for place in stray:
        assert [rows[place][name] for name in ("invoice_usd", "gap_usd", "gap_ratio", "traced_ratio")] == [None] * 4
    assert rows["2026-09", "openai"]["cost_usd"] is None
    assert rows["2026-11", "anthropic"]["cost_usd"] is None
    found = {note.code: note.count for note in report.notes}
    assert (found["invoice_only"], found["calls_only"], found["no_provider"]) == (1, 5, 1)
    assert found["cost_unknown"] == 1


def test_calls_of_unknown_cost_leave_the_gap_open(filled: Store) -> None:
    """All unknown: no gap. Some unknown: cost is a lower bound, the gap an upper one, and the screen says so."""
    report = run(filled, Scope(), invoice(m11_anthropic="5"))
    row = tables(report)[0]["2026-11", "anthropic"]
    assert (row["calls"], row["cost_unknown_calls"], row["cost_usd"], row["gap_usd"]) == (1, 1, None, None)
    total = report.tables[1]
    assert {name: mark.prefix for (_, name), mark in total.marks.items()} == {"cost_usd": "≥ "}
    both = run(filled, Scope(), invoice(m11_anthropic="5", m11_openai="5")).tables[1]
    assert next(both.records())["gap_usd"] == 10 - 4.25
    assert both.marks[0, "gap_usd"].prefix == "≤ "
    assert both.marks[0, "traced_ratio"].prefix == "≥ "


def test_a_month_is_a_month_of_the_zone(filled: Store) -> None:
    """Half past eleven in the evening of 31 October in UTC is November in India."""
    rows, _ = tables(run(filled, Scope(tz="Asia/Kolkata"), invoice(m11_openai="5")))
    assert ("2026-10", "openai") not in rows
    assert rows["2026-11", "openai"]["cost_usd"] == 20.25


def test_a_window_narrows_the_calls_and_says_so(filled: Store) -> None:
    since = datetime(2026, 11, 1, tzinfo=UTC)
    report = run(filled, Scope(since=since, only=(("provider", "openai"),)), invoice(m11_openai="5"))
    assert set(tables(report)[0]) == {("2026-11", "openai")}
    assert "invoice_whole" in {note.code for note in report.notes}


def test_nothing_at_all_is_the_invoice_alone(store: Store) -> None:
    """An empty store has no cost, which is not a cost of zero."""
    report = run(store, Scope(), invoice(m11_openai="5"))
    rows, total = tables(report)
    assert list(rows) == [("2026-11", "openai")]
    assert (total["calls"], total["cost_usd"], total["gap_usd"], total["uninvoiced_usd"]) == (0, None, 5.0, 0.0)
    assert "empty" in {note.code for note in report.notes}


def test_tokens_are_compared_where_the_invoice_counts_them(filled: Store) -> None:
    """Input and output together; unknown as soon as one side does not know."""
    counted = {("2026-11", "azure"): Billed(Decimal(3), 50, 1)}
    row = tables(run(filled, Scope(), Bill(counted, "plain")))[0]["2026-11", "azure"]
    assert (row["tokens"], row["invoice_tokens"], row["gap_tokens"]) == (40, 50, 10)
    _, total = tables(run(filled, Scope(), Bill({**counted, **invoice(m11_openai="5").lines}, "plain")))
    assert (total["invoice_tokens"], total["gap_tokens"]) == (None, None)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Azure OpenAI", "azure"), ("az.ai.openai", "azure"), ("azure_openai", "azure"), ("AZUREOPENAI", "azure"),
        ("OpenAI", "openai"), ("Open-AI", "openai"), ("AWS Bedrock", "bedrock"), ("aws.bedrock", "bedrock"),
        ("Google Vertex AI", "google"), ("gcp.vertex_ai", "google"), ("Gemini", "google"), ("x.ai", "xai"),
        ("Mistral AI", "mistral"), (" My  Gateway ", "my_gateway"), ("my-gateway", "my_gateway"),
    ],
)  # fmt: skip
def test_a_provider_has_one_name(text: str, name: str) -> None:
    assert provider_name(text) == name


def test_the_documentation_names_every_provider() -> None:
    """The page's table is the one the program uses."""
    page = Path(__file__).parents[3] / "docs" / "commands" / "reconcile.md"
    if not page.exists():
        pytest.skip("there is no documentation beside these tests")
    listed = dict(re.findall(r"^\| `(\w+)` \| ([^`|]+) \|$", page.read_text().partition("## Names")[2], re.MULTILINE))
    assert listed == {name: ", ".join(others) for name, others in ALIASES.items()}


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        'month,provider,cost_usd\n2026-11,OpenAI,"1,234.50"\n',
        "\ufeffMonth;Provider;Amount USD\r\n2026-11;openai;$1234.5\r\n",
        "provider\tmonth\tusd\nopenai\t2026-11-30\t1234.50 USD\n",
        "month,vendor,amount,currency,note\n2026/11,Open AI,US$1234.5,USD,x\n\n,,,,\n",
        "month,provider,amount\n2026-11,openai,1300\n2026-11,OPENAI,(65.50)\n",
        "month,provider,amount\n2026-11,openai,1300\n2026-11,openai,-$65.50",
        '\n"month","provider","cost_usd"\n"2026-11-01","openai","$ 1,234.50"\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_invoice_in_many_shapes(tmp_path: Path, text: str, encoding: str) -> None:
    """Marks of byte order, semicolons, tabs, dollar signs, thousands, credits, dates, blank lines, several lines."""
    found = read_bill(
        written(tmp_path / "invoice.csv", text.lstrip("\ufeff").encode(encoding) if encoding == "utf-16" else text)
    )
    assert {key: billed.usd for key, billed in found.lines.items()} == {("2026-11", "openai"): Decimal("1234.5")}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("2026-11;openai;1.234,50", "line 3: amount '1.234,50': write 1234.50"),
        ("2026-11;openai;12,5", "line 3: amount '12,5': write 1234.50"),
        ("2026-11;openai;1,234", "line 3: amount '1,234': thousands or decimals?"),
        ("2026-11;openai;€5", "line 3: amount '€5': not US dollars"),
        ("2026-11;openai;nan", "line 3: amount 'nan': not US dollars"),
        ("2026-11;openai;1e5", "line 3: amount '1e5': not US dollars"),
        ("2026-11;openai;", "line 3: there is no amount"),
        ("2026-11;;5", "line 3: there is no provider"),
        ("Nov 26;openai;5", "line 3: month 'Nov 26': expected a month such as 2026-11"),
        ("2026-13;openai;5", "line 3: month '2026-13'"),
        ("Total;;5", "line 3: month 'Total'"),
        ("2026-11", "line 3: there is no provider"),
        ('2026-11;"open', "line 3: "),
    ],
)
def test_a_bad_line_is_named_with_its_fault(tmp_path: Path, line: str, fault: str) -> None:
    path = written(tmp_path / "invoice.csv", f"month;provider;cost_usd\n2026-11;openai;5\n{line}\n")
    with pytest.raises(InputError) as caught:
        read_bill(path)
    assert f"{path} {fault}" in caught.value.message


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    """A quoted cell may hold line breaks; a fault after it still names the line it begins on."""
    path = written(
        tmp_path / "invoice.csv", 'month,provider,cost_usd,note\n2026-11,openai,5,"two\nlines"\n\n2026-11,openai,x,\n'
    )
    with pytest.raises(InputError, match="line 5: amount 'x'"):
        read_bill(path)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "no column month"),
        (b"month,provider,cost_usd\n", "has no lines"),
        (b"month,provider\n2026-11,openai\n", "no column cost_usd or amount_usd or usd or amount"),
        (b"month,month,provider,usd\n", "the column month is there twice"),
        (b"month,provider,cost_usd\n2026-11,caf\xe9,5\n", "line 2: not UTF-8 text"),
        (b"month,provider,cost_usd,currency\n2026-11,openai,5,EUR\n", "line 2: currency 'EUR'"),
        (b"month,provider,cost_usd,tokens\n2026-11,openai,5,many\n", "line 2: tokens 'many'"),
        (b"PK\x03\x04\x00\x00", "no column month"),
    ],
)
def test_a_file_that_is_no_invoice_is_refused(tmp_path: Path, content: bytes, fault: str) -> None:
    with pytest.raises(InputError) as caught:
        read_bill(written(tmp_path / "invoice.csv", content))
    assert fault in caught.value.message


def test_from_the_command_line(tmp_path: Path) -> None:
    """In every format, with exit code 3 for a bad invoice and 2 for options that do not go with it."""
    cli = Cli(tmp_path)
    write_lines(tmp_path / "calls.jsonl", CALLS)
    written(tmp_path / "invoice.csv", "month,provider,cost_usd\n2026-11,OpenAI,5\n")
    written(tmp_path / "bad.csv", "month,provider,cost_usd\n2026-11,\x1b[31m,x\n")
    asked = ("report", "calls.jsonl", "--reconcile")
    shown = cli.run(*asked, "invoice.csv").out
    assert "2026-11" in shown and "15.0 %" in shown and "-  unknown, not zero" in shown
    document = json.loads(cli.run(*asked, "invoice.csv", "--json").out)
    assert [table["name"] for table in document["tables"]] == ["by_month_provider", "total", "gap_by_cause"]
    assert document["tables"][1]["rows"][0]["gap_usd"] == 0.75
    assert len(cli.run(*asked, "invoice.csv", "--format", "csv").out.splitlines()) == 7
    for name in ("bad.csv", "missing.csv", "."):
        done = cli.run(*asked, name)
        assert (done.code, done.out) == (3, ""), done.err
        assert name in done.err and "Traceback" not in done.err and "\x1b" not in done.err
    assert cli.run(*asked, "invoice.csv", "--by", "tenant").code == 2
    assert cli.run(*asked, "invoice.csv", "--since", "2030-01-01", "--fail-on-empty").code == 3

"""FOCUS files as bills: versions, files, providers, charges, tokens, and the faults of a file."""

import csv
import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamaudit.audits.reconcile.bill import Bill, read_bill
from streamaudit.errors import InputError
from tests.cli.running import Cli
from tests.support import raw_call, write_lines

NOVEMBER_OPENAI = ("2026-11", "openai")


def line(billed: object = "1.00", **columns: object) -> dict[str, object]:
    """A line of usage of OpenAI in November 2026, in the columns of FOCUS 1.0."""
    return {
        "BilledCost": billed, "BillingCurrency": "USD", "ChargeCategory": "Usage",
        "ChargePeriodStart": "2026-11-05T00:00:00Z", "ChargePeriodEnd": "2026-11-06T00:00:00Z",
        "ProviderName": "OpenAI", "ServiceCategory": "AI and Machine Learning", "ServiceName": "OpenAI API", **columns,
    }  # fmt: skip


def write_csv(path: Path, *lines: dict[str, Any], delimiter: str = ",") -> Path:
    names = list(dict.fromkeys(name for each in lines for name in each))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(lines)
    return path


def read(path: Path, *lines: dict[str, Any]) -> Bill:
    return read_bill(write_csv(path / "focus.csv", *lines))


def test_a_focus_file_of_several_providers_is_summed_by_month_and_provider(tmp_path: Path) -> None:
    """FOCUS 1.0 to 1.2 name the provider in ProviderName, 1.3 in ServiceProviderName, which takes precedence."""
    bill = read(
        tmp_path,
        line("1.50"),
        line("0.50", ServiceProviderName="OpenAI", ProviderName=""),
        line("2.00", ChargePeriodStart="2026-10-31T23:00:00Z"),
        line("4.00", ProviderName="AWS", ServiceName="Amazon Bedrock"),
        line("8.00", ProviderName="Microsoft", ServiceName="Azure OpenAI"),
        line("16.00", ProviderName="Google Cloud", ServiceName="Vertex AI", SkuMeter="Gemini 2.5 Flash Text Input"),
        line("32.00", ServiceProviderName="Anthropic", ProviderName="AWS", ServiceName="Claude"),
    )
    assert {key: billed.usd for key, billed in bill.lines.items()} == {
        NOVEMBER_OPENAI: 2, ("2026-10", "openai"): 2, ("2026-11", "bedrock"): 4, ("2026-11", "azure"): 8,
        ("2026-11", "google"): 16, ("2026-11", "anthropic"): 32,
    }  # fmt: skip
    assert bill.lines[NOVEMBER_OPENAI].lines == 2
    assert bill.format == "focus"


@pytest.mark.parametrize(
    ("seller", "service", "provider"),
    [
        ("OpenAI OpCo, LLC", "API", "openai"),
        ("Anthropic, PBC", "Claude", "anthropic"),
        ("Anthropic Ireland, Limited", "Claude", "anthropic"),
        ("Microsoft Corporation", "Azure OpenAI", "azure"),
        ("Amazon Web Services, Inc.", "Claude Opus 4.6 (Amazon Bedrock Edition)", "bedrock"),
        ("Our Gateway", "Router", "our_gateway"),
    ],
)
def test_a_seller_is_known_by_its_legal_name(tmp_path: Path, seller: str, service: str, provider: str) -> None:
    assert list(read(tmp_path, line(ProviderName=seller, ServiceName=service)).lines) == [("2026-11", provider)]


def test_a_charge_period_is_one_of_utc(tmp_path: Path) -> None:
    """An offset is applied, an instant without one is UTC; without a charge period the billing period serves."""
    starts = ("2026-11-01T01:00:00+02:00", "2026-10-31 22:00:00", "2026-10-01", "")
    rows = (line(ChargePeriodStart=start, BillingPeriodStart="2026-10-01T00:00:00Z") for start in starts)
    assert {key: billed.lines for key, billed in read(tmp_path, *rows).lines.items()} == {("2026-10", "openai"): 4}


def test_charges_of_no_call_are_kept_apart(tmp_path: Path) -> None:
    """Taxes, credits, purchases and adjustments have no part in the usage; a correction of usage has."""
    billed = read(
        tmp_path,
        line("9.00", ListCost="10.00"),
        line("-1.00", ListCost="-2.00", ChargeClass="Correction"),
        line("-3.00", ListCost="0", ChargeCategory="Credit"),
        line("5.00", ListCost="5", ChargeCategory="Purchase"),
        line("-0.5", ListCost="0", ChargeCategory="Adjustment"),
        line("1.25", ListCost="0", ChargeCategory="Tax"),
    ).lines[NOVEMBER_OPENAI]
    assert billed.usd == Decimal("10.75")
    assert (billed.discount_usd, billed.other_usd, billed.tax_usd) == (Decimal(0), Decimal("1.5"), Decimal("1.25"))


def test_a_discount_is_unknown_without_the_list_price_of_all_usage(tmp_path: Path) -> None:
    """NULL and not 0; and a list cost of 0 beside a billed amount is none."""
    for cost in ("", "0"):
        bill = read(tmp_path, line("9.00", ListCost="10.00"), line("1.00", ListCost=cost))
        assert bill.lines[NOVEMBER_OPENAI].discount_usd is None
    assert read(tmp_path, line("9.00")).lines[NOVEMBER_OPENAI].discount_usd is None


@pytest.mark.parametrize(
    ("quantity", "unit", "meter", "tokens"),
    [
        ("1500", "Tokens", "gpt-5 input", 1500),
        ("1.5", "1K tokens", "USE1-Claude4.6Opus-input-tokens", 1500),
        ("0.0015", "1M Tokens", "gpt-5 input", 1500),
        ("1.5", "Thousand Tokens", "gpt-5 input", 1500),
        ("1.5", "1000 tokens", "gpt-5 input", 1500),
        ("1.5", "1K", "gpt-4o-0806-Inp-glbl Tokens", 1500),
        ("1500", "count", "Gemini 2.5 Flash GA Text Input - Predictions", 1500),
        ("1.5e3", "tokens", "gpt-5 input", 1500),
        ("3", "requests", "web search", None),
        ("3", "Hours", "Gemini Text Input Caching Storage", None),
        ("3", "1K", "images", None),
    ],
)
def test_a_quantity_is_one_of_tokens_where_its_unit_says_so(
    tmp_path: Path, quantity: str, unit: str, meter: str, tokens: int | None
) -> None:
    billed = read(tmp_path, line(ConsumedQuantity=quantity, ConsumedUnit=unit, SkuMeter=meter)).lines[NOVEMBER_OPENAI]
    assert billed.tokens == tokens
    assert {name: volume.tokens for name, volume in billed.volumes.items()} == ({"input": tokens} if tokens else {})


def test_tokens_are_told_apart_by_their_meter(tmp_path: Path) -> None:
    """Cache reads are input, reasoning is output; the pricing quantity serves where no consumed one is given."""
    meters = {"gpt-5 input": 1, "gpt-5 cached input": 2, "gpt-5 output": 4, "Gemini Thinking Text": 8}
    rows = [line(SkuMeter=meter, PricingQuantity=count, PricingUnit="tokens") for meter, count in meters.items()]
    volumes = read(tmp_path, *rows).lines[NOVEMBER_OPENAI].volumes
    assert {name: volume.tokens for name, volume in volumes.items()} == {"input": 3, "output": 12}
    assert {name: volume.usd for name, volume in volumes.items()} == {"input": 2, "output": 2}


def test_a_tier_costs_what_its_tokens_do_beyond_the_standard_meter(tmp_path: Path) -> None:
    """Batch at half the price, and priority at twice; unknown where no line has the standard price."""

    def tier(meter: str, usd: str) -> dict[str, object]:
        return line(usd, SkuMeter=meter, ConsumedQuantity="100", ConsumedUnit="tokens")

    standard = tier("gpt-5 output", "4")
    others = tier("gpt-5 output batch", "2"), tier("gpt-5 output priority", "8")
    assert read(tmp_path, standard, *others).lines[NOVEMBER_OPENAI].tier_usd == 2
    assert read(tmp_path, standard).lines[NOVEMBER_OPENAI].tier_usd == 0
    assert read(tmp_path, standard, tier("gpt-5 input flex", "2")).lines[NOVEMBER_OPENAI].tier_usd is None
    assert read(tmp_path, line()).lines[NOVEMBER_OPENAI].tier_usd is None


def test_other_services_of_a_cloud_are_left_out_and_counted(tmp_path: Path) -> None:
    """Also those of its machine learning that are no LLM calls, and its taxes."""
    bill = read(
        tmp_path,
        line("1.00", ProviderName="AWS", ServiceName="Amazon Bedrock"),
        line("100.00", ProviderName="AWS", ServiceName="Amazon EC2", ServiceCategory="Compute", BillingCurrency="EUR"),
        line("200.00", ProviderName="AWS", ServiceName="Amazon SageMaker"),
        line("30.00", ProviderName="AWS", ServiceName="", ChargeCategory="Tax"),
        line("1.00", ProviderName="AWS", ServiceName="Amazon Cognito", ServiceCategory="Identity", SkuMeter="Tokens"),
        line("7.00", ProviderName="Some Host", ServiceName="Disks", ServiceCategory="Storage"),
    )
    assert list(bill.lines) == [("2026-11", "bedrock")]
    assert (bill.left_out_lines, bill.left_out_usd) == (5, Decimal(338))


def test_the_same_file_in_every_shape(tmp_path: Path) -> None:
    """CSV with commas, semicolons or tabs, in snake case, packed, and Parquet with types of its own."""
    rows = [line("1.5", ListCost="2", ConsumedQuantity="3", ConsumedUnit="1K tokens", SkuMeter="gpt-5 input")]
    paths = [write_csv(tmp_path / f"{place}.csv", *rows, delimiter=sign) for place, sign in enumerate(",;\t")]
    snake = {"".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_"): x for name, x in rows[0].items()}
    paths.append(write_csv(tmp_path / "snake.csv", snake))
    packed = tmp_path / "packed.csv.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + paths[0].read_bytes()))
    typed = pa.Table.from_pylist(rows)
    kinds = {"BilledCost": pa.decimal128(30, 10), "ListCost": pa.float64(), "ConsumedQuantity": pa.float64()}
    for name, kind in kinds.items():
        place = typed.schema.get_field_index(name)
        typed = typed.set_column(place, name, pa.compute.cast(typed[name], kind))
    place = typed.schema.get_field_index("ChargePeriodStart")
    moment = pa.array(["2026-11-05T00:00:00"]).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    pq.write_table(typed.set_column(place, "ChargePeriodStart", moment), tmp_path / "typed.parquet")
    found = [read_bill(path) for path in (*paths, packed, tmp_path / "typed.parquet")]
    assert found == [found[0]] * 6
    billed = found[0].lines[NOVEMBER_OPENAI]
    assert (billed.usd, billed.tokens, billed.discount_usd) == (Decimal("1.5"), 3000, Decimal("-0.5"))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"BillingCurrency": "EUR"}, "row 2: mixed currencies EUR and USD: only US dollars can be compared"),
        ({"BilledCost": "1,234.50"}, "row 2: BilledCost is no number"),
        ({"BilledCost": ""}, "row 2: BilledCost is no number"),
        ({"ChargePeriodStart": "November"}, "row 2: ChargePeriodStart is no time such as 2026-11-01T00:00:00Z"),
        ({"BillingCurrency": ""}, "row 2: there is no BillingCurrency"),
        ({"ProviderName": ""}, "row 2: there is no ServiceProviderName or ProviderName"),
    ],
)
def test_a_bad_line_is_named_with_its_fault(tmp_path: Path, change: dict[str, object], fault: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, line(), line(**change))
    assert f"{tmp_path / 'focus.csv'} {fault}" in caught.value.message


def test_another_currency_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 1: currency EUR: only US dollars can be compared"):
        read(tmp_path, line(BillingCurrency="EUR"))


def test_a_file_that_is_no_bill_is_refused(tmp_path: Path) -> None:
    """Without a column, without lines, of other services only, not a table at all, cut short."""
    without = {name: value for name, value in line().items() if name != "BillingCurrency"}
    with pytest.raises(InputError, match="no column BillingCurrency"):
        read(tmp_path, without)
    with pytest.raises(InputError, match="no line of LLM calls among its 1"):
        read(tmp_path, line(ProviderName="AWS", ServiceName="Amazon EC2"))
    path = write_csv(tmp_path / "focus.csv", line())
    header, row = path.read_text().splitlines()
    path.write_text(f"{header}\n")
    with pytest.raises(InputError, match="has no lines"):
        read_bill(path)
    path.write_text(f"{header}\n{row},1,2,3\n")
    with pytest.raises(InputError, match="not a FOCUS file that can be read"):
        read_bill(path)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(InputError, match="not a FOCUS file that can be read"):
        read_bill(cut)
    pq.write_table(pa.table({"a": [1]}), cut)
    with pytest.raises(InputError, match="no column BilledCost"):
        read_bill(cut)


def test_from_the_command_line(tmp_path: Path) -> None:
    """The table by cause on the screen, the parts of every row in JSON, and what was left out."""
    cli = Cli(tmp_path)
    write_lines(tmp_path / "calls.jsonl", [raw_call("1", provider="openai", cost_usd=1.5)])
    other = line("70", ProviderName="AWS", ServiceName="Amazon EC2")
    write_csv(tmp_path / "focus.csv", line("5.00"), line("1.00", ChargeCategory="Tax"), other)
    shown = cli.run("report", "calls.jsonl", "--reconcile", "focus.csv").out
    assert "gap by cause" in shown and "calls_without_traces" in shown
    assert "1 invoice line of other services left out ($70.00)" in shown
    document = json.loads(cli.run("report", "calls.jsonl", "--reconcile", "focus.csv", "--json").out)
    row = document["tables"][0]["rows"][0]
    assert (row["invoice_usd"], row["gap_usd"], row["gap_taxes_usd"], row["gap_unknown_usd"]) == (6, 4.5, 1, 3.5)
    assert (row["gap_discounts_usd"], row["gap_calls_without_traces_usd"]) == (None, None)
    assert {cause["cause"]: cause["gap_usd"] for cause in document["tables"][2]["rows"]}["taxes"] == 1
    paris = cli.run("report", "calls.jsonl", "--reconcile", "focus.csv", "--tz", "Europe/Paris").out
    assert "months of the invoice are in UTC, months of the calls in Europe/Paris" in paris

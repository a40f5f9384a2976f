"""One data set with everything in it that has broken somebody's report: names as weapons, gaps, and too few calls."""

import random

from tests.cli.traffic import Record, call

HOSTILE = (
    "=cmd|'/C calc'!A0", "@here", "+1", "-", " padded ", "\x1b[31mred", "[bold]x[/]", "two\nlines", "tab\there",
    "<script>alert(1)</script>", "a|b `code` *star*", "x" * 80, "\u202etxt.exe", "Grüße 東京 🚀", "null", "NULL",
)  # fmt: skip
ENDS = ("completed", "completed", "completed", "completed", "cancelled", "completed", "error", "timeout")


def awkward() -> list[Record]:
    """About two hundred calls; the same ones every time."""
    dice = random.Random(7)
    tenants: list[str | None] = ["acme"] * 110 + ["few"] * 7 + [None] * 12 + [""] * 3
    for name in HOSTILE:
        tenants += [name] * 5
    return [_call(dice, number, tenant) for number, tenant in enumerate(tenants)]


def _call(dice: random.Random, number: int, tenant: str | None) -> Record:
    outcome = ENDS[number % len(ENDS)]
    output = dice.randint(20, 400)
    rendered = output - dice.randint(0, 20)
    record = call(
        number, tenant_id=tenant, model=f"model-{number % 3}", provider="acme-labs", outcome=outcome,
        start_time=f"2026-11-{16 + number % 7}T{number % 24:02d}:00:00Z", time_to_first_chunk_ms=dice.randint(80, 4000),
        duration_ms=dice.randint(4001, 20000), input_tokens=dice.randint(50, 5000), output_tokens=output,
        reasoning_output_tokens=output // 10, cost_usd=output / 50_000, output_cost_usd=output / 100_000,
        route=("/chat", "/search", None)[number % 3], service_version=f"2026.11.{16 + number % 7}",
    )  # fmt: skip
    if outcome == "cancelled":
        record["rendered_output_tokens"] = max(rendered - 30, 0)
        record["cancelled_by"] = "user"
        if number % 5 == 0:
            del record["rendered_output_tokens"]
    if number % 11 == 4:  # nobody recorded what was used
        for name in ("output_tokens", "input_tokens", "cost_usd", "output_cost_usd", "reasoning_output_tokens"):
            del record[name]
    if number % 13 == 6:  # used, but of a model that has no price
        record["model"] = "in-house-7b"
        record.pop("cost_usd", None)
        record.pop("output_cost_usd", None)
    if number % 17 == 5:
        del record["time_to_first_chunk_ms"]
    if number % 19 == 3:
        record["stream"] = False
    return record

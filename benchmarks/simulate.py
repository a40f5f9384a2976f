"""Try the statistics of ``streamaudit diff`` on made-up traffic of known truth, beside a rank test and a bootstrap.

``python benchmarks/simulate.py [--quick] [--only alarms,power,reports,cases,rates] [--page]``
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from scipy.stats import false_discovery_control, mannwhitneyu

from benchmarks import trials
from benchmarks.cases_of_diff import CASES, RATES, many_cells
from benchmarks.page import around
from benchmarks.worlds import IMPATIENT, WORLDS, World
from streamaudit.audits.metrics import PERCENTILES
from streamaudit.stats import decide

HERE = Path(__file__).parent
KEPT = HERE / "simulated.json"
PAGE = HERE.parent / "docs" / "diff-errors.md"
STATS = {name: PERCENTILES[name] for name in ("p50", "p95", "p99")}
SIZES = {200: 1000, 1000: 1000, 10_000: 400, 100_000: 60}
"""Calls a side, and how often each trial is repeated."""
LARGEST = 100_000
POWER_SIZES = (1000, 10_000)
HARD = [
    *((world, 3000, stat) for world in IMPATIENT for stat in ("p50", "p90")),
    *(
        (world, n, stat) for world in WORLDS
        for name, n, stat in (
            ("slow drift", 5000, "p50"), ("load swings", 5000, "p50"), ("dominant tenant", 1000, "p90"),
            ("longer sessions", 200, "p50"), ("gamma", 1000, "p50"), ("gamma", 1000, "p90"),
        ) if world.name == name
    ),
]  # fmt: skip
"""What a diff of before and after is most easily misled by, and independent calls beside it."""
HARD_TRIALS = 200
CELLS, REPORTS = 200, 12


@dataclass(frozen=True, slots=True)
class Found:
    """One table of the page."""

    name: str
    title: str
    columns: list[str]
    rows: list[list[str]]


def main() -> int:
    """Command line: run the chosen parts and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the repetitions, without the largest size")
    parser.add_argument("--share", type=float, default=1.0, help="of the repetitions; below 1 without the largest size")
    parser.add_argument("--only", default=",".join(PARTS), metavar="PART[,PART]", help=", ".join(PARTS))
    parser.add_argument("--page", action="store_true", help="keep these tables and show them on docs/diff-errors.md")
    options = parser.parse_args()
    found = []
    for name in options.only.split(","):
        print(f"{name} ...", file=sys.stderr, flush=True)
        found += PARTS[name](0.05 if options.quick else options.share)
    print(markdown(asdict(one) for one in found))
    if options.page:
        keep([asdict(one) for one in found])
    return 0


def keep(found: list[dict[str, Any]]) -> None:
    """Put these tables in place of those of the same name, in the file and on the page."""
    known = {one["name"]: one for one in (json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else [])}
    known |= {one["name"]: one for one in found}
    KEPT.write_text(json.dumps(list(known.values()), indent=1, ensure_ascii=False) + "\n", "utf-8")
    PAGE.write_text(with_tables(PAGE.read_text("utf-8"), list(known.values())), "utf-8")


def with_tables(text: str, found: list[dict[str, Any]]) -> str:
    """The page with each table between its marks; ValueError when one has no place."""
    for one in found:
        before, after = around(text, one["name"])
        text = f"{before}\n\n{table(one)}\n\n{after}"
    return text


def markdown(found: Iterable[dict[str, Any]]) -> str:
    """All tables, each under its title."""
    return "\n\n".join(f"**{one['title']}**\n\n{table(one)}" for one in found)


def table(one: dict[str, Any]) -> str:
    """One table in Markdown."""
    lines = [one["columns"], ["---"] * len(one["columns"]), *one["rows"]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def alarms(scale: float) -> list[Found]:
    """How often two sides that do not differ are called different."""
    sizes = {n: max(5, round(times * scale)) for n, times in SIZES.items() if scale == 1 or n < LARGEST}
    tried = [(world, n) for world in WORLDS for n in sizes if n < LARGEST or not world.name.startswith("canary 10")]
    cells = {(world.name, n): _alarms(world, n, sizes[n]) for world, n in tried}
    return [
        Found(
            f"alarms-{stat}", f"{stat}: no difference, called different",
            ["calls a side", *(f"{n:,}" for n in sizes)],
            [
                [f"{world.name}: {world.says}", *(_alarm_cell(cells.get((world.name, n)), place) for n in sizes)]
                for world in WORLDS
            ],
        )
        for place, stat in enumerate(STATS)
    ]  # fmt: skip


def _alarms(world: World, n: int, times: int) -> Any:
    """Shares of ours, of what ours cannot judge, of the bootstrap and of the rank test, by quantile."""
    found = np.zeros((4, len(STATS)))
    for repetition in range(times):
        base, head = trials.sides_of(world, n, repetition)
        made = trials.compared(base, head, STATS)
        dice = trials.dice_of(world.name + " resampled", n, repetition)
        found[0] += [trials.differs(one) for one in made]
        found[1] += [bool(one.gate) for one in made]
        found[2] += trials.bootstrap(dice, base.ms, head.ms, STATS)
        found[3] += trials.mann_whitney(base.ms, head.ms)
    return found / times


def _alarm_cell(found: Any, place: int) -> str:
    if found is None:
        return ""
    ours, cannot, rows, ranks = found[:, place]
    if cannot == 1:
        return f"gate · {_percent(rows)} · {_percent(ranks)}"
    return f"**{_percent(ours)}** ({_percent(cannot)}) · {_percent(rows)} · {_percent(ranks)}"


def hard(scale: float) -> list[Found]:
    """Users of changed patience, drifts and sessions: called different without a difference, and found with one."""
    rows = []
    for world, n, stat in HARD:
        times, quantile = max(5, round(HARD_TRIALS * scale)), {stat: PERCENTILES[stat]}
        found = np.zeros(6)
        for repetition in range(times):
            base, head = trials.sides_of(world, n, repetition)
            (one,) = trials.compared(base, head, quantile)
            dice = trials.dice_of(world.name + " resampled", n, repetition)
            found[:4] += [
                trials.differs(one), bool(one.gate), trials.bootstrap(dice, base.seen_ms, head.seen_ms, quantile)[0],
                trials.mann_whitney(base.seen_ms, head.seen_ms),
            ]  # fmt: skip
            for place, factor in ((4, 1.15), (5, 1.4)):
                (slower,) = trials.compared(*trials.sides_of(world, n, repetition, factor), quantile)
                found[place] += trials.differs(slower)
        ours, cannot, resampled, ranks, *power_ = (_percent(share) for share in found / times)
        name = f"{world.name}: {world.says}"
        rows.append([name, f"{n:,}", stat, f"**{ours}** ({cannot}) · {resampled} · {ranks}", *power_])
    columns = ["world", "calls a side", "stat", "no difference", "15 % slower", "40 % slower"]
    return [Found("hard", "patience, drifts and sessions", columns, rows)]


def power(scale: float) -> list[Found]:
    """How often a head that takes a tenth longer is a regression, and how often the interval has that tenth in it."""
    times = {n: max(5, round(SIZES[n] * scale / 2)) for n in POWER_SIZES}
    rows = []
    for world in WORLDS:
        rows.append([world.name])
        for above, place in ((0.0, 0), (0.9, 1)):
            unknown = above and world.name == "mix shift"  # at the base's mix it is not a tenth
            rows[-1] += ["-" if unknown else _power_cell(world, n, times[n], above, place) for n in POWER_SIZES]
    sizes = [f"{n:,}" for n in POWER_SIZES]
    columns = ["calls a side", *(f"p50, {n}" for n in sizes), *(f"p95, slowest tenth only, {n}" for n in sizes)]
    return [Found("power", "a tenth slower, called a regression", columns, rows)]


def _power_cell(world: World, n: int, times: int, above: float, place: int) -> str:
    stat = list(STATS)[place]
    quantile = {stat: STATS[stat]}
    ours = held = tested = 0
    for repetition in range(times):
        made = trials.compared(*trials.sides_of(world, n, repetition, 1.1, above), quantile)
        decide(made)
        (one,) = made
        ours += one.verdict == "regression"
        tested += not one.gate
        low, high = one.ci_low_ratio, one.ci_high_ratio
        held += not one.gate and (low is None or low <= 0.1) and (high is None or high >= 0.1)
    return f"**{_percent(ours / times)}** ({_percent(held / tested) if tested else '-'})"


def reports(scale: float) -> list[Found]:
    """Whole reports of many groups, most of which do not differ."""
    rows = []
    for world in ("nothing changed", "one load for all groups", "30 groups changed"):
        times = max(1, round(REPORTS * scale))
        figures = np.mean([_report(world, repetition) for repetition in range(times)], axis=0)
        rows.append([world, str(times), *(f"{figure:.1f}" for figure in figures)])
    columns = [
        "world", "reports", "comparisons judged", "verdicts", "false verdicts", "groups found", "groups falsely named",
        "the same by Mann-Whitney with BH: found", "falsely named",
    ]  # fmt: skip
    return [Found("reports", f"{CELLS} groups x p50, p95, p99", columns, rows)]


def _report(world: str, repetition: int) -> list[float]:
    made, ranks, truth = [], [], []
    for base, head, factor in many_cells(world, trials.dice_of(world, CELLS, repetition), CELLS):
        made.append(trials.compared(base, head, STATS))
        ranks.append(float(mannwhitneyu(base.ms, head.ms).pvalue))
        truth.append(factor)
    decide([one for cell in made for one in cell])
    judged = verdicts = false = 0
    found: set[int] = set()
    wrong: set[int] = set()
    for cell, (factor, of_cell) in enumerate(zip(truth, made, strict=True)):
        for one in of_cell:
            judged += one.p_adjusted is not None
            if one.verdict in ("regression", "improvement"):
                right = (one.verdict == "regression" and factor > 1) or (one.verdict == "improvement" and factor < 1)
                verdicts += 1
                false += not right
                (found if right else wrong).add(cell)
    named = set(np.flatnonzero(false_discovery_control(ranks) <= trials.ALPHA).tolist())
    changed = {cell for cell, factor in enumerate(truth) if factor != 1}
    return [judged, verdicts, false, len(found), len(wrong), len(named & changed), len(named - changed)]


def cases(scale: float) -> list[Found]:
    """Traffic that fools a comparison of plain percentiles."""
    rows = []
    for case in CASES:
        times = max(3, round(300 * scale))
        p = PERCENTILES[case.stat]
        verdicts = dict.fromkeys(("regression", "improvement", "no change", "too little data"), 0)
        plain = [0, 0]
        for repetition in range(times):
            dice = trials.dice_of(case.name, case.n, repetition)
            base, head = case.draw(dice, case.n)
            made = trials.compared(base, head, {case.stat: p})
            decide(made)
            verdicts[made[0].verdict] += 1
            before, after = base.seen_ms, head.seen_ms
            slower = np.quantile(after, p) > np.quantile(before, p)
            plain[int(slower)] += trials.bootstrap(dice, before, after, {case.stat: p})[0]
        rows.append([
            case.says, case.stat, case.truth, *(_percent(count / times) for count in verdicts.values()),
            *(_percent(count / times) for count in reversed(plain)),
        ])  # fmt: skip
    columns = [
        "what happened", "stat", "the truth", "regression", "improvement", "no change", "too little data",
        "plain percentile, bootstrap: slower", "faster",
    ]  # fmt: skip
    return [Found("cases", "what fools a plain percentile", columns, rows)]


def rates(scale: float) -> list[Found]:
    """Cancel rates and a tax: no difference, and half as much again."""
    rows = []
    for rate in RATES:
        row = [rate.says]
        for n in (1000, 10_000):
            times = max(5, round((600 if n == 1000 else 300) * scale))
            found = np.zeros(5)
            for repetition in range(times):
                for part, factor in ((0, 1.0), (3, 1.5)):
                    dice = trials.dice_of(f"{rate.name} {factor}", n, repetition)
                    base, head = rate.draw(dice, n, 0, 1.0), rate.draw(dice, n, 1, factor)
                    one = trials.rate_compared(base, head)
                    found[part] += trials.differs(one)
                    if part == 0:
                        found[1] += bool(one.gate)
                    found[part + 2 - part // 3] += trials.z_test(base[1], head[1])
            ours, cannot, theirs, power_, their_power = (_percent(share) for share in found / times)
            row += [f"**{ours}** ({cannot}) · {theirs}", f"**{power_}** · {their_power}"]
        rows.append(row)
    asked = [f"{n} calls: {what}" for n in ("1,000", "10,000") for what in ("no difference", "half as much again")]
    return [Found("rates", "rates called different", ["rate", *asked], rows)]


def _percent(share: float) -> str:
    value = 100 * share
    return f"{value:.1f}" if 0 < value < 10 else f"{value:.0f}"


PARTS: dict[str, Callable[[float], list[Found]]] = {
    "alarms": alarms, "hard": hard, "power": power, "reports": reports, "cases": cases, "rates": rates,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())

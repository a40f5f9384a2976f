"""streamaudit against the truth: a world of real streams whose every token was counted where it was generated and where
it was painted. What streamaudit is given is what a gateway, an SDK, clients and providers log of it.

No figure here has a tolerance: a value said to be exact is the truth, an interval contains it.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest

from streamaudit.store.store import Store
from tests.cli.running import Cli
from tests.support import Record, calls, store_of
from tests.truth.tightest import Ends, habits, tightest
from tests.truth.world import WHOLE, Call, Logs, share, write_logs

FIGURES = ("outcome", "tax_class", "tax_rule", "tax_low", "tax_best", "tax_high")
NO_LIMIT = float("inf")


@dataclass(frozen=True)
class Judged:
    """What streamaudit says of each call, by request id, from either form of the gateway's log."""

    raw: dict[str, Record]
    langfuse: dict[str, Record]


@pytest.fixture(scope="session")
def logs(world: list[Call], tmp_path_factory: pytest.TempPathFactory) -> Logs:
    """The files of the world."""
    return write_logs(tmp_path_factory.mktemp("world"), world)


@pytest.fixture(scope="session")
def judged(logs: Logs) -> Judged:
    """Both forms, each in a store of its own."""
    with store_of(logs.raw) as raw, store_of(logs.langfuse) as langfuse:
        return Judged(calls(raw), calls(langfuse))


@pytest.fixture(params=["raw", "langfuse"])
def figures(judged: Judged, request: pytest.FixtureRequest) -> dict[str, Record]:
    """What streamaudit says from one of the forms."""
    found: dict[str, Record] = getattr(judged, request.param)
    return found


@pytest.fixture(scope="session")
def early(world: list[Call]) -> list[Call]:
    """The calls that have a tax."""
    return [call for call in world if call.ended_early]


def wrong(early: list[Call], figures: dict[str, Record], holds: Callable[[Call, Record], bool]) -> str:
    """The calls of which something does not hold: how many by rule, and of each rule one with the truth, the figures
    and the line that it came from. Empty when it holds of all."""
    found: dict[str, list[Call]] = defaultdict(list)
    for call in early:
        if not holds(call, figures[call.request_id]):
            found[figures[call.request_id]["tax_rule"]].append(call)
    return "\n".join(
        f"\n{len(these)} calls by the rule {rule}, such as {these[0].request_id}: {these[0].tax} of "
        f"{these[0].billed} billed, {these[0].screen.painted} painted, provider "
        f"{'stops' if these[0].account.stops else 'runs on'};\n  said "
        f"{ {name: figures[these[0].request_id][name] for name in FIGURES} }\n  from {json.dumps(these[0].line)[:1200]}"
        for rule, these in sorted(found.items())
    )


def contains(call: Call, said: Record) -> bool:
    """Whether an interval contains the truth; an open end contains everything above the low one."""
    return bool(said["tax_low"] <= call.tax <= _limit(said["tax_high"]))


def test_every_call_is_there_and_its_outcome_is_what_happened(world: list[Call], figures: dict[str, Record]) -> None:
    """Left, broken off or completed; only the first two have a tax."""
    assert len(figures) == len(world)
    for call in world:
        left, failed = call.seen.left_ms is not None, call.seen.error_type is not None
        said = figures[call.request_id]
        assert said["outcome"] == ("cancelled" if left else "error" if failed else "completed"), call.line
        assert (said["tax_class"] is None) == (not call.ended_early)


def test_what_is_exact_is_the_truth(world: list[Call], early: list[Call], figures: dict[str, Record]) -> None:
    """Low, value and high alike."""
    exact = [call for call in early if figures[call.request_id]["tax_class"] == "exact"]
    assert len(exact) >= share(world, 20)
    found = wrong(
        exact, figures, lambda call, said: [said[f"tax_{end}"] for end in ("low", "best", "high")] == [call.tax] * 3
    )
    assert not found, found


def test_every_interval_contains_the_truth(early: list[Call], figures: dict[str, Record]) -> None:
    """Also those of estimates, and of calls of which next to nothing is known."""
    found = wrong(early, figures, contains)
    assert not found, found


def test_a_false_zero_is_never_taken_for_a_measurement(
    world: list[Call], early: list[Call], figures: dict[str, Record]
) -> None:
    """Usage that a tokenizer, a placeholder or an abort filled in: no value, and no interval that is a point unless
    nothing at all can have been billed beyond what was seen."""
    false = [
        call for call in early
        if call.plan.level.usage in ("tokenizer", "zeros", "placeholder") and call.seen.final_usage is None
    ]  # fmt: skip
    assert len(false) >= share(world, 60)
    found = wrong(
        false, figures, lambda call, said: said["tax_best"] is None and (said["tax_low"], said["tax_high"]) != (0, 0)
    )
    assert not found, found


@pytest.fixture(scope="session")
def possible(world: list[Call]) -> dict[str, Ends]:
    """The narrowest interval that the line of each taxed call allows."""
    learned = habits(call.line for call in world)
    return {call.request_id: tightest(call.line, learned[call.plan.house.model]) for call in world if call.ended_early}


def test_the_narrowest_intervals_contain_the_truth(early: list[Call], possible: dict[str, Ends]) -> None:
    """Or they would be no measure of others."""
    missed = {
        call.request_id: (possible[call.request_id], call.tax) for call in early
        if not possible[call.request_id][0] <= call.tax <= _limit(possible[call.request_id][1])
    }  # fmt: skip
    assert not missed


def test_the_intervals_are_about_as_narrow_as_the_evidence_allows(
    world: list[Call], early: list[Call], judged: Judged, possible: dict[str, Ends]
) -> None:
    """The median of their widths over the narrowest possible ones (``tightest``) is at most 1.1, over all calls that
    have an upper end and are not certain. An interval without its upper end counts as infinitely wide."""
    ratios: dict[str, list[float]] = defaultdict(list)
    for call in early:
        said, narrowest = judged.raw[call.request_id], _width(possible[call.request_id])
        if 0 < narrowest < NO_LIMIT:
            ratios[call.plan.level.shown].append(_width((said["tax_low"], said["tax_high"])) / narrowest)
    for shown, found in sorted(ratios.items()):
        print(f"{shown:>16} {len(found):4} intervals, width {median(found):.3f} of the narrowest possible (median)")
    everything = [ratio for found in ratios.values() for ratio in found]
    assert len(everything) >= share(world, 200)
    assert median(everything) <= 1.1


def test_what_the_evidence_makes_certain_is_exact(
    world: list[Call], early: list[Call], judged: Judged, possible: dict[str, Ends]
) -> None:
    """And where it sets an upper end there is one."""
    found = wrong(
        early, judged.raw, lambda call, said: said["tax_high"] is not None or possible[call.request_id][1] is None
    )
    assert not found, found
    certain = [call for call in early if _width(possible[call.request_id]) == 0]
    assert len(certain) >= share(world, 20)
    found = wrong(certain, judged.raw, lambda call, said: said["tax_low"] == said["tax_high"])
    assert not found, found


def _limit(high: int | None) -> float:
    return NO_LIMIT if high is None else high


def _width(ends: Ends) -> float:
    return _limit(ends[1]) - ends[0]


def test_the_error_of_every_estimate_is_known(world: list[Call], early: list[Call], figures: dict[str, Record]) -> None:
    """By rule, in tokens and as a share of what was billed. What counts as rendered because it was delivered can only
    make the tax too small."""
    errors: dict[str, list[tuple[int, Call]]] = defaultdict(list)
    for call in early:
        said = figures[call.request_id]
        if said["tax_class"] == "estimated":
            errors[said["tax_rule"]].append((said["tax_best"] - call.tax, call))
    print(f"{'rule':>30} calls  mean error  mean |error|  bias as a share of billed")
    for rule, found in sorted(errors.items()):
        bias = sum(error for error, _ in found) / sum(call.billed for _, call in found)
        off = mean(abs(error) for error, _ in found)
        print(f"{rule:>30} {len(found):5} {mean(error for error, _ in found):11.1f} {off:13.1f} {bias:+10.1%}")
        if rule in ("delivered_counts_as_rendered", "chunks_until_cancel"):
            assert max(error for error, _ in found) <= 0, rule
        if rule == "rendered_text":
            assert off <= 0.1 * mean(call.billed for _, call in found)
        assert abs(bias) <= (0.5 if len(found) >= 8 else 1.0), rule
    assert len(errors) >= (4 if len(world) >= WHOLE else 3)


@pytest.mark.parametrize("form", ["raw", pytest.param("langfuse", marks=pytest.mark.proof)])
def test_the_totals_enclose_the_truth(early: list[Call], judged: Judged, logs: Logs, tmp_path: Path, form: str) -> None:
    """As ``tax`` prints them: the low ends together are at most the truth, the high ends together are at least that of
    the calls that have one, and how many have none is said."""
    done = Cli(tmp_path).run("tax", getattr(logs, form), "--by", "tenant", "--format", "json")
    assert done.code == 0, done.err
    tables = {table["name"]: table["rows"] for table in json.loads(done.out)["tables"]}
    figures: dict[str, Record] = getattr(judged, form)
    for row in (*tables["by_tenant"], *tables["total"]):
        mine = [
            call for call in early if call.seen.left_ms is not None and row.get("tenant") in (None, call.plan.tenant)
        ]
        closed = [call for call in mine if figures[call.request_id]["tax_high"] is not None]
        assert row["cancelled_calls"] == len(mine) > 0
        assert 0 < row["tax_low_tokens"] <= sum(call.tax for call in mine)
        assert sum(call.tax for call in closed) <= row["tax_high_known_tokens"]
        assert row["tax_high_tokens"] is None
        assert row["tax_open_calls"] == len(mine) - len(closed) > 0


def test_both_forms_give_the_same_figures(world: list[Call], early: list[Call], judged: Judged) -> None:
    """Wherever a Langfuse row can hold what the line holds: it has no lists of chunks, and nobody sends it a count
    before the last."""
    same = [
        call for call in early
        if "chunk_offsets_ms" not in call.line and call.line.get("usage_source") != "provider_partial"
    ]  # fmt: skip
    assert len(same) >= share(world, 200)
    found = wrong(same, judged.langfuse, lambda call, said: _figures(said) == _figures(judged.raw[call.request_id]))
    assert not found, found


def _figures(said: Record) -> dict[str, Any]:
    return {name: said[name] for name in FIGURES if name != "tax_rule"}


# Evidence ------------------------------------------------------------------------------------------------------------


def _ingest(cli: Cli, logs: Logs, form: str, steps: str) -> dict[str, Record]:
    """What streamaudit says of each call once it has read ``c`` the calls, ``p`` what clients painted and ``b`` what
    providers billed, in the order of ``steps``."""
    store = cli.folder / "store.duckdb"
    arguments: dict[str, tuple[str | Path, ...]] = {
        "c": (getattr(logs, form),),
        "p": (logs.clients, "--evidence", "--on", "request_id"),
        "b": (logs.invoice, "--evidence", "--on", "response_id"),
    }
    for done in cli.run_each([["ingest", *map(str, arguments[step]), "--db", str(store)] for step in steps]):
        assert done.code == 0, done.err
    with Store.open(store, write=False) as opened:
        return calls(opened)


@pytest.mark.parametrize("form", ["raw", pytest.param("langfuse", marks=pytest.mark.proof)])
def test_evidence_only_narrows_and_always_contains_the_truth(
    world: list[Call], logs: Logs, tmp_path: Path, form: str
) -> None:
    """Clients' logs and invoice lines, each on top of what was known; at the end a call of which both are known is
    exact."""
    cli = Cli(tmp_path)
    said = [_ingest(cli, logs, form, step) for step in "cpb"]
    taxed = [call for call in world if said[0][call.request_id]["tax_class"] is not None]
    for before, after in pairwise(said):
        found = wrong(taxed, after, contains)
        assert not found, found
        found = wrong(taxed, after, _narrower_than(before))
        assert not found, found
    reporting, invoiced = _keys(logs.clients), _keys(logs.invoice)
    both = [
        call for call in taxed
        if call.request_id in reporting and call.account.response_id in invoiced and call.seen.response_id is not None
    ]  # fmt: skip
    assert len(both) >= share(world, 50)
    found = wrong(both, said[-1], lambda call, now: now["tax_class"] == "exact" and now["tax_best"] == call.tax)
    assert not found, found


def _narrower_than(before: dict[str, Record]) -> Callable[[Call, Record], bool]:
    def holds(call: Call, now: Record) -> bool:
        was = before[call.request_id]
        return bool(now["tax_low"] >= was["tax_low"] and _limit(now["tax_high"]) <= _limit(was["tax_high"]))

    return holds


def _keys(path: Path) -> set[str]:
    return {line.partition(",")[0] for line in path.read_text().splitlines()[1:]}


def test_the_order_of_evidence_and_repeating_it_change_nothing(logs: Logs, tmp_path: Path) -> None:
    """Before the calls or after them, once or twice."""
    finals = []
    for steps in ("cpb", "pbc", "cbpbp"):
        folder = tmp_path / steps
        folder.mkdir()
        said = _ingest(Cli(folder), logs, "raw", steps)
        finals.append({request_id: {name: call[name] for name in FIGURES} for request_id, call in said.items()})
    assert finals[0] == finals[1] == finals[2]

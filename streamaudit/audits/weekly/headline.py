"""The answer of a summary: the tax and its change, what became worse since which deploy and where, and what broke."""

from collections.abc import Iterable, Sequence

from streamaudit.audits.diff.compare import Compared
from streamaudit.audits.diff.headline import describe_change, largest, name_metric
from streamaudit.audits.headline import describe_tax
from streamaudit.audits.weekly.figures import relative
from streamaudit.audits.weekly.movers import CAUSES, Deployed
from streamaudit.report.model import Report, Value
from streamaudit.report.numbers import ratio

Names = list[tuple[str, Value]]


def describe(
    head: Report, base: Report, totals: Sequence[Compared], deployed: Sequence[Deployed], rest: Iterable[str]
) -> tuple[str, tuple[tuple[str, Value], ...]]:
    """Return the headline with places for names, and the dimension and value of each place."""
    if any(note.code == "empty" for note in head.notes):
        return "No calls in this period.", ()
    (now,), (then,) = head.tables[-1].records(), base.tables[-1].records()
    low, before = now["tax_low_usd"], then["tax_low_usd"]
    change = relative(low, before) if isinstance(low, float) and isinstance(before, float) else None
    tax = describe_tax(now)
    if change is not None and now["cancelled_calls"] and abs(change) >= 0.005:
        is_whole = all(one["tax_low_usd"] == one["tax_usd"] == one["tax_high_usd"] for one in (now, then))
        what = ", " if is_whole else "; the lower bound is "
        direction = "up" if change > 0 else "down"
        tax = f"{tax.removesuffix('.')}{what}{direction} {ratio(abs(change))} from the period before."
    names: Names = []
    moved = [_describe_deploy(one, names) for one in deployed] + [_describe_totals(totals, deployed)]
    sentences = [tax, *(filter(None, moved) if any(moved) else ["Nothing is clearly better or worse."]), *rest]
    return " ".join(sentences), tuple(names)


def _describe_deploy(deployed: Deployed, names: Names) -> str:
    """Return the largest regression since a deploy, and where it is; first one that can be placed."""
    worse = [row for row in deployed.rows if row.found.verdict == "regression"]
    if not worse:
        return ""
    placed = [(row, cause) for row in worse if (cause := _find_cause(row, deployed))]
    row = largest([row for row, _ in placed] or worse)
    place = len(names)
    names.append(("deploy", deployed.name))
    text = f"{_capitalise(describe_change(row))} since {{{place}}}"
    for name, parts in (cause for one, cause in placed if one is row):
        part = largest(parts)
        names.append((name, part.group[0] if part.group else None))
        text += f", {'on' if len(parts) == 1 else 'most on'} {{{place + 1}}} {_describe_certainty(part)}"
    others = sorted({name_metric(one.metric) for one in worse if one.metric != row.metric})
    return f"{text}; also worse: {', '.join(others)}." if others else f"{text}."


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]


def _find_cause(row: Compared, deployed: Deployed) -> tuple[str, list[Compared]] | None:
    """Return the first dimension in which the same figure is clearly worse for some of several values, and these."""
    for name in CAUSES:
        same = [part for of, part in deployed.parts
                if of == name and (part.metric, part.found.stat) == (row.metric, row.found.stat)]  # fmt: skip
        parts = [part for part in same if part.found.verdict == "regression"]
        if parts and len(same) > 1:
            return name, parts
    return None


def _describe_certainty(row: Compared) -> str:
    one = row.found
    signs = [f"{'+' if (value or 0) > 0 else ''}{ratio(value)}" if value is not None else "?" for value in
             (one.change_ratio, one.ci_low_ratio, one.ci_high_ratio)]  # fmt: skip
    p = "" if one.p_adjusted is None else ", p < 0.0001" if one.p_adjusted < 0.0001 else f", p = {one.p_adjusted:.2g}"
    return f"{signs[0]} (95 % interval {signs[1]} to {signs[2]}{p})"


def _describe_totals(totals: Sequence[Compared], deployed: Sequence[Deployed]) -> str:
    """Return what changed from period to period, without what a deploy already accounts for."""
    known = {row.metric for one in deployed for row in one.rows if row.found.verdict == "regression"}
    sentences = []
    for verdict, word in (("regression", "worse"), ("improvement", "better")):
        rows = [row for row in totals if row.found.verdict == verdict and row.metric not in known]
        figures = {row.metric: row for row in sorted(rows, key=lambda row: abs(row.found.change_ratio or 0.0))}
        if figures:
            sentences.append(f"{word.capitalize()}: {', '.join(map(describe_change, figures.values()))}.")
    return " ".join(sentences)

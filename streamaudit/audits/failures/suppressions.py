"""Suppressions: findings that are known and accepted, as the configuration lists them under ``[[suppress]]``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from streamaudit.audits.failures.base import Examination, codes
from streamaudit.audits.holds import KEYS as HOLD_KEYS
from streamaudit.audits.holds import Hold, Wrong, check_name, find_hold, parse_hold
from streamaudit.report.finding import Finding
from streamaudit.report.model import Note

KEYS = ("finding", *HOLD_KEYS)
_EXAMPLE = 'finding = "burst", where = "route=/chat", reason = "ticket 812", until = 2026-12-31'


@dataclass(frozen=True, slots=True)
class Suppression:
    """An entry of the configuration: the finding codes it accepts, and the hold; ``origin`` is its FILE:LINE."""

    findings: tuple[str, ...]
    hold: Hold
    origin: str = ""

    def describe(self) -> str:
        """Return the entry in one line, as the list of settings shows it."""
        where = " ".join(f"{name}={values}" for name, values in self.hold.where)
        return f"{', '.join(self.findings)}{f' where {where}' if where else ''}, held until {self.hold.until}"


def parse_suppression(entry: Mapping[str, Any], origin: str = "") -> Suppression:
    """Parse an entry of the configuration. Raises Wrong with the key at fault."""
    for key in entry:
        check_name(key, key, KEYS, "setting")
    if "finding" not in entry:
        raise Wrong("", "it has no finding", _EXAMPLE)
    listed = entry["finding"]
    found = listed if isinstance(listed, list) else [listed]
    if not found:
        raise Wrong("finding", "it is empty", _EXAMPLE)
    for code in found:
        check_name("finding", code, codes(), "finding")
    return Suppression(tuple(found), parse_hold(entry, _EXAMPLE), origin)


def suppress(
    done: Sequence[Examination], suppressions: Sequence[Suppression], today: date
) -> tuple[list[Examination], tuple[Note, ...]]:
    """Return the examinations with accepted findings marked as such, and notes on entries that did not apply.

    An accepted finding stays in the list. One whose suppression has expired is open again and mentions it.
    """
    marked = [
        replace(one, findings=tuple(accept(finding, suppressions, today) for finding in one.findings)) for one in done
    ]
    return marked, tuple(_unused(done, suppressions, today))


def accept(finding: Finding, suppressions: Sequence[Suppression], today: date | None) -> Finding:
    """Return the finding, accepted where a suppression holds it, with the words of one that has expired otherwise."""
    mine = [one.hold for one in suppressions if finding.code in one.findings]
    held = find_hold(mine, finding.group, today or date.today()) if mine else None
    return replace(finding, status="accepted" if held.valid else "open", hold=held.words) if held else finding


def _unused(done: Sequence[Examination], suppressions: Sequence[Suppression], today: date) -> Iterator[Note]:
    """Yield a note for each entry that fits no finding, although an audit that could find it had an answer."""
    answered = {code for one in done if one.status != "cannot_answer" for code in one.audit.KINDS}
    for one in suppressions:
        fitting = (
            finding for audit in done for finding in audit.findings
            if finding.code in one.findings and find_hold([one.hold], finding.group, today)
        )  # fmt: skip
        if answered & {*one.findings} and next(fitting, None) is None:
            listed = ", ".join(one.findings)
            yield Note("suppression_unused", f"{one.origin}: the suppression of {listed} fits no finding")

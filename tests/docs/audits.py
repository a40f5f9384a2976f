"""The pages of the audits from the audits themselves: ``python -m tests.docs.audits > docs/audits.md``.

This prints the index and writes a page for each audit that there is, under ``docs/audits``. The part of a page between
its marks comes from the audit: its docstring, what it needs, its findings, its thresholds, and what it found where
nothing is known to be wrong (``false_alarms.py``). The rest of a page is written by hand; an audit without a page gets
one to start from. Symptoms are written here.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from streamaudit.audits.failures.base import LEAST_EXAMINED, Audit, discover
from tests.docs import false_alarms
from tests.docs.pages import ROOT

PAGES = ROOT / "docs" / "audits"
BEGIN, END = "<!-- audit: begin -->", "<!-- audit: end -->"

_HEAD = """# Audits of streaming failures

Start from what you or your users see and find the audit that explains it. `streamaudit audit` runs every audit that
your data allows and ranks the findings by severity, money and affected users.

```console
$ streamaudit audit failures.jsonl
```

Each audit has a page with a picture of the stream, its thresholds and their sources, what it cannot see, and the
remedy. The options are those of [the command](commands/audit.md).

## From the symptom to the audit

| you see | look at | how to distinguish them |
|---|---|---|
"""
_TAIL = """
## The audits

| audit | finds | findings | false alarms |
|---|---|---|---|
{audits}

False alarms are critical findings and warnings over {demo_calls:,} calls of the demo's fleets without a planted
failure and {public_calls:,} calls in {public_files} public files of other projects (AIPerf, LLMPerf, Langfuse,
OpenTelemetry, LangSmith, LiteLLM, agents' sessions and others). `python -m tests.docs.false_alarms` measures them, and
a test repeats it. `-`: no file has what the audit needs.

An audit without findings is `clean` only if it examined enough calls (`least_examined`, {least:g} by default). If the
calls do not record what it needs, its status is `cannot_answer`, which does not mean that all is well.
[Proofs](proof.md) runs the audits against real proxies, with and without the remedy.
"""
SYMPTOMS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("nothing for a while, then everything at once", ("buffering", "pace"),
        "buffering: what follows the first token takes no time; pace: a long wait before a stream of usual speed"),
    ("text that comes in jerks", ("buffering", "pace", "stalls"),
        "buffering: clumps at a beat or of one size; pace: fits without either; stalls: gaps of seconds"),
    ("it hangs in the middle", ("stalls", "silence"),
        "stalls: one call stands still; silence: each call is fine and the steps between them show nothing"),
    ("streams that die after 30, 60 or 100 seconds", ("stalls",),
        "`idle_cut`: so long after the last chunk; `deadline_cut`: so long after the start"),
    ("the bill doubled", ("retries", "growth", "cache", "billing-drift", "orphans"),
        "retries: more calls than requests; growth: more input a call; cache: the same input at full price; "
        "billing-drift: more output for the same text; orphans: output after the user left"),
    ("status 200 and no answer", ("false-ok",),
        "`empty_output`: billed without text; `reasoning_starved`: the cap went into reasoning; `filtered`"),
    ("answers that break off", ("false-ok", "stalls"),
        "false-ok: one by one, `cut_by_length` or without a last event; stalls: all at one limit"),
    ("users left and the work went on", ("orphans",),
        "`orphan`: generation or tools; `drained`: the gateway reads on for the usage"),
    ("the page was reloaded and the answer was gone", ("orphans",),
        "`lost_task`: the same input again within a minute"),
    ("the same action twice", ("retries",), "`double_send`, `double_tool`"),
    ("it got slow or expensive with a deploy", ("cache", "buffering"),
        "cache: `cache_lost_on_deploy`; buffering: run it with `--by deploy`; else [diff](commands/diff.md)"),
    ("agents that seem dead", ("silence",),
        "`silent_task`: work without a sign; `tool_silence`: a failure without one"),
    ("users give up", ("silence", "pace", "retractions"),
        "silence: how long they had waited; pace: how far the text was ahead of them"),
    ("answers that take themselves back", ("retractions",), "how late the correction came, and who left after it"),
    ("a voice assistant that answers late", ("voice",), "the slowest stage is named"),
    ("WebSockets that break more often than event streams", ("transport", "stalls"),
        "transport: one breaks more than the other; stalls: the limit that cuts both"),
)  # fmt: skip
_START = """# {name}

{finds}.

## How it is recognised

{begin}
{end}

## What it cannot see

Calls without what it needs: {needs}.
"""


def index() -> str:
    """Return the page that leads to the audits, with those symptoms that an audit explains."""
    known, kept = discover(), false_alarms.kept()
    lines = [
        f"| {seen} | {', '.join(_link(name) for name in names if name in known)} | {apart} |"
        for seen, names, apart in SYMPTOMS
        if any(name in known for name in names)
    ]
    tail = _TAIL.format(
        audits="\n".join(map(_row, known.values())), least=LEAST_EXAMINED.default, demo_calls=kept["demo"]["calls"],
        public_calls=kept["public"]["calls"], public_files=kept["public"]["files"],
    )  # fmt: skip
    return _HEAD + "\n".join(lines) + "\n" + tail


def page(audit: Audit) -> str:
    """Return the page of an audit: what is written by hand, with the part between the marks as the audit has it."""
    path = page_of(audit)
    text = path.read_text("utf-8") if path.is_file() else _START.format(
        name=audit.NAME, finds=_upper(audit.FINDS), needs=audit.NEEDS, begin=BEGIN, end=END,
    )  # fmt: skip
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path.name} has no place for what the audit says: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{_section(audit)}\n\n{END}{after}"


def page_of(audit: Audit) -> Path:
    """Return where the page of an audit is."""
    return PAGES / f"{audit.NAME}.md"


def _link(name: str) -> str:
    return f"[{name}](audits/{name}.md)"


def _row(audit: Audit) -> str:
    codes = ", ".join(f"`{code}`" for code in audit.KINDS)
    return f"| {_link(audit.NAME)} | {audit.FINDS} | {codes} | {_alarms(audit.NAME)} |"


def _alarms(name: str) -> str:
    """Return how many alarms there were in all that the audit could examine."""
    found = [one["audits"][name] for one in false_alarms.kept().values() if name in one["audits"]]
    examined = sum(one["examined"] for one in found)
    return f"{sum(len(one['alarms']) for one in found)} in {examined:,}" if examined else "-"


def _section(audit: Audit) -> str:
    about = inspect.cleandoc(cast(str, audit.__doc__)).partition(": ")
    lines = [
        _upper((about[2] or about[0]).replace("``", "`")), "", f"Needs {_cell(audit.NEEDS)}.", "",
        f"Groups by {' and '.join(audit.BY)} by default (`--by`).", "",
        "| finding | severity | remedy |", "|---|---|---|",
        *(f"| `{code}` | {kind.severity} | {_cell(kind.remedy)} |" for code, kind in audit.KINDS.items()), "",
        f"`--threshold {audit.NAME}.NAME=VALUE` changes a limit:", "",
        "| threshold | default | meaning | source of the default |", "|---|---|---|---|", *_thresholds(audit), "",
        "On data without a known failure it found:", "",
        "| data | calls | examined | critical or warning | info |", "|---|---:|---:|---|---|", *_measured(audit.NAME),
    ]  # fmt: skip
    return "\n".join(lines)


def _thresholds(audit: Audit) -> Iterator[str]:
    for one in audit.THRESHOLDS:
        yield f"| `{one.name}` | {one.default:g} | {_cell(one.help)} | {_cell(one.source) or 'our choice'} |"


def _measured(name: str) -> Iterator[str]:
    for data, about in (("demo", "the demo's fleets"), ("public", "public files")):
        found = false_alarms.kept()[data]
        if one := found["audits"].get(name):
            said = [", ".join(f"`{code}`" for code in codes) or "none" for codes in (one["alarms"], one["info"])]
            said = ["cannot answer", "-"] if one["status"] == "cannot_answer" else said
            yield f"| {about} | {found['calls']:,} | {one['examined']:,} | {said[0]} | {said[1]} |"
        else:
            yield f"| {about} | {found['calls']:,} | - | not measured | - |"


def _cell(text: str) -> str:
    return text.replace("|", "/")


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def main() -> None:
    """Write the page of each audit and print the index."""
    PAGES.mkdir(exist_ok=True)
    for audit in discover().values():
        page_of(audit).write_text(page(audit), "utf-8")
    print(index(), end="")


if __name__ == "__main__":
    main()

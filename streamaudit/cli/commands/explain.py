"""``streamaudit explain``."""

from typing import Annotated, Optional

import typer

from streamaudit.cli.options import Inputs, Writing


def command(
    call_id: Annotated[
        str, typer.Argument(metavar="CALL_ID", help="Id of a call, the beginning of it, or of its response or trace.")
    ],
    *,
    source: Annotated[
        Optional[str],
        typer.Option("--source", metavar="NAME", help="Name the calls are stored under. Default: the format."),
    ] = None,
    writing: Writing,
    inputs: Inputs,
) -> int:
    """One call: its timeline, every figure with its rule and the field it came from, and the steps around it.

    Example: streamaudit explain r-1002 traces.jsonl
    """
    from streamaudit.audits.explain.report import run
    from streamaudit.cli.output import tops
    from streamaudit.cli.runner import opened, written
    from streamaudit.ingest.sources.registry import discover
    from streamaudit.report.redact import redacted

    formats = discover()
    links = inputs.settings.links

    def link(form: str, trace_id: str, found_id: str) -> str | None:
        known = form in links and form in formats
        return formats[form].link(links[form], trace_id, found_id) if known else None

    output = writing.checked()
    hide = writing.redacted()
    with opened(inputs) as store:
        reads = {name: one.reads for name, one in formats.items()}
        report = run(store, call_id, source, reads=reads, link=link)
        if hide:
            report = redacted(report, hide, store.secret())
    return written(dict.fromkeys(tops(output), report), output, writing)

"""``streamaudit coverage``."""

from streamaudit.cli.options import Grouping, Inputs, Window, Writing


def command(grouping: Grouping, window: Window, writing: Writing, inputs: Inputs) -> int:
    """What your calls say and what they leave out, which figures rest on it, and what to record to get the rest.

    Example: streamaudit coverage --last 7d
    """
    from streamaudit.audits import coverage
    from streamaudit.cli.runner import run_audit
    from streamaudit.ingest.sources.registry import discover

    remedies = {source.name: source.remedies for source in discover().values()}
    return run_audit(
        lambda store, scope: coverage.run(store, scope, remedies),
        window.scope(grouping.by), inputs, writing, grouping.top,
    )  # fmt: skip

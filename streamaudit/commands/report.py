"""``streamaudit report``."""

from streamaudit.options import Grouping, Inputs, Window, Writing


def command(grouping: Grouping, window: Window, writing: Writing, inputs: Inputs) -> int:
    """How long users wait, how often they leave, and what was paid for tokens nobody saw.

    Example: streamaudit report --by tenant --last 7d
    """
    from streamaudit.audits import report
    from streamaudit.reporting import run_audit

    return run_audit(report.run, window.scope(grouping.by), inputs, writing, grouping.top)

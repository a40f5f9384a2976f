"""``streamaudit history``."""

from streamaudit.cli.options import By, Inputs, Window, Writing


def command(
    *,
    by: By = "deploy",
    window: Window,
    writing: Writing,
    inputs: Inputs,
) -> int:
    """The figures deploy by deploy or week by week, with the points where they changed for good.

    --by is deploy, day, week or month.

    Example: streamaudit history --by day
    """
    from streamaudit.audits import history
    from streamaudit.cli.runner import run_audit

    return run_audit(history.run, window.scope(by), inputs, writing)

"""``streamaudit history``."""

from streamaudit.options import By, Inputs, Window, Writing


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
    from streamaudit import history
    from streamaudit.reporting import run_audit

    return run_audit(history.run, window.scope(by), inputs, writing)

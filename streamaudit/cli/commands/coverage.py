"""``streamaudit coverage``."""

from streamaudit.cli.inputs import Inputs
from streamaudit.cli.options import Grouping, Window, Writing


def command(grouping: Grouping, window: Window, writing: Writing, inputs: Inputs) -> int:
    """What your calls say and what they leave out, which figures rest on it, and what to record to get the rest.

    Example: streamaudit coverage --last 7d
    """
    output, filters = writing.parse(grouping.top), window.filters(writing.redact)
    with inputs.session() as session:
        results = {top: session.coverage(by=grouping.by, top=top, **filters) for top in output.tops}
    return output.write(results)

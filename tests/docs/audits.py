"""``docs/audits.md`` from the audits themselves: ``python -m tests.docs.audits > docs/audits.md``.

Every audit is described by its own docstring, its findings, its thresholds and what it needs; the symptoms are written
here.
"""

import inspect
import re
from collections.abc import Iterator
from typing import cast

from streamaudit.audits.failures.base import LEAST_EXAMINED, Audit, discover

_HEAD = """# Audits of streaming failures

`streamaudit audit` looks for failures that no dashboard shows and ranks them by severity, money and the users they
hurt. [The command](commands/audit.md) has its options; this page has the reference. Start from what you see:

| you see | look at |
|---|---|
| nothing for a while, then everything at once | [buffering](#buffering) |
| text that comes in jerks | [buffering](#buffering), [pace](#pace) |
| it hangs in the middle | [stalls](#stalls) |
| streams that die after 30, 60 or 100 seconds | [stalls](#stalls) |
| the bill doubled | [retries](#retries), [growth](#growth), [cache](#cache), [billing-drift](#billing-drift) |
| status 200 and no answer | [false-ok](#false-ok) |
| answers that break off | [false-ok](#false-ok), [stalls](#stalls) |
| users left and the work went on | [orphans](#orphans) |
| agents that seem dead | [silence](#silence) |
| a voice assistant that answers late | [voice](#voice) |
| WebSockets that break more often than event streams | [transport](#transport) |

An audit that finds nothing is `clean` only where it examined enough calls (`least_examined`, {least:g} by default), and
the number is shown with it. Where the calls do not carry what it needs, its status is `cannot_answer`: a missing answer
is not a clean bill.
"""


def page() -> str:
    """The whole page."""
    return _HEAD.format(least=LEAST_EXAMINED.default) + "".join(map(_section, discover().values()))


def _section(audit: Audit) -> str:
    about = inspect.cleandoc(cast(str, audit.__doc__)).partition(": ")
    text = (about[2] or about[0]).replace("``", "`")
    lines = [
        "", f"## {audit.NAME}", "", text[0].upper() + text[1:], "", f"Needs {audit.NEEDS.replace('|', '/')}.", "",
        f"Groups by {' and '.join(audit.BY)} unless `--by` says otherwise.", "",
        "| finding | severity | remedy |", "|---|---|---|",
        *(f"| `{code}` | {kind.severity} | {kind.remedy} |" for code, kind in audit.KINDS.items()), "",
        "| threshold | default | meaning |", "|---|---|---|", *_thresholds(audit), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _thresholds(audit: Audit) -> Iterator[str]:
    for one in audit.THRESHOLDS:
        source = f" ({one.source})" if one.source else ""
        yield f"| `{one.name}` | {one.default:g} | {re.sub(r'[|]', '/', one.help)}{source} |"


if __name__ == "__main__":
    print(page(), end="")

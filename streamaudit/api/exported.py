"""Questions to an exported folder instead of a store: open it, and refuse what it does not answer."""

from collections.abc import Mapping

from streamaudit.audits.scope.filters import Filters
from streamaudit.audits.scope.portable import refuse_other_zones
from streamaudit.audits.scope.scope import Scope
from streamaudit.errors import UsageError
from streamaudit.store.engines.connect import connect
from streamaudit.store.engines.protocol import OnTasks
from streamaudit.store.exported import ExportedStore

_HINT = "it needs the store: leave out --data, or name the store with --db"


def open_export(
    uri: str, engine: str, *, memory_limit: str | None = None, wait_s: float = 0.0, on_tasks: OnTasks | None = None
) -> ExportedStore:
    """Open an exported folder by an engine, as ``store.exported`` and ``store.engines.connect`` describe."""
    connected = connect(engine, uri, memory_limit=memory_limit, wait_s=wait_s, on_tasks=on_tasks)
    try:
        return ExportedStore(connected, uri, memory_limit=memory_limit)
    except BaseException:
        connected.close()
        raise


def refuse_unanswered(scope: Scope, filters: Filters, given: Mapping[str, object] | None) -> None:
    """Raise UsageError for a question, or an option of it, that an export does not answer.

    ``given`` holds such options of a question by name with their values, None for a question that needs a store.
    """
    if given is None:
        raise UsageError("--data: an export does not answer this question", _HINT)
    unanswered = {**given, "--where": scope.where, "--redact": filters.get("redact")}
    for name, value in unanswered.items():
        if value:
            raise UsageError(f"--data: {name} is not answered from an export", _HINT)
    refuse_other_zones(scope.tz)

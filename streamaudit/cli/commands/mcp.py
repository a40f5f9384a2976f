"""``streamaudit mcp``."""

from streamaudit.cli.inputs import Access
from streamaudit.cli.options import Redact
from streamaudit.errors import UsageError


def command(*, access: Access, redact: Redact = None) -> int:
    """Answer an assistant's questions about the store over MCP, on standard input and output; read-only.

    Example: streamaudit mcp
    """
    from streamaudit.api import Session
    from streamaudit.audits.scope.filters import redacted_names
    from streamaudit.cli import console
    from streamaudit.config.units import parse_memory, parse_seconds

    try:
        from streamaudit.cli import mcp_server
    except ModuleNotFoundError:
        raise UsageError("mcp needs more packages", "pip install 'streamaudit[mcp]'") from None

    access.speak()
    redacted_names({"redact": redact})
    wait_s, limit = parse_seconds("--wait", access.wait), parse_memory("--memory-limit", access.memory_limit)

    def session() -> Session:
        return Session(access.settings, db=access.db, wait_s=wait_s, memory_limit=limit)

    console.note(f"answering an assistant on standard input and output, store {access.path()}; end of input stops it")
    mcp_server.build(session, redact).run()
    return 0

"""Lines of coding agents' session files, synthetic, with marked texts that must be found nowhere."""

from typing import Any

Record = dict[str, Any]

SESSION = "7a1f0c9e-0000-4000-8000-000000000001"


def claude_code(name: str, second: int, output_tokens: int, **fields: Any) -> Record:
    """One line of an answer of Claude Code: a content block, with the usage as far as it had come."""
    usage = {
        "input_tokens": 10, "cache_creation_input_tokens": 200, "cache_read_input_tokens": 3000,
        "output_tokens": output_tokens, "cache_creation": {"ephemeral_1h_input_tokens": 150},
        "service_tier": "standard",
    }  # fmt: skip
    message = {
        "id": name, "role": "assistant", "model": "claude-sonnet-4-5-20250929", "stop_reason": None, "usage": usage,
        "content": [{"type": "text", "text": "CONFIDENTIAL-ANSWER"}],
    }  # fmt: skip
    return {**_claude_line("assistant", second), "requestId": f"req-{name}", "message": message, **fields}


def claude_code_user(second: int, text: str = "CONFIDENTIAL-PROMPT") -> Record:
    """One line of the user, or of the program in his place."""
    return {
        **_claude_line("user", second), "message": {"role": "user", "content": [{"type": "text", "text": text}]},
    }  # fmt: skip


def _claude_line(kind: str, second: int) -> Record:
    return {
        "type": kind, "timestamp": f"2026-11-16T08:00:{second:02}.000Z", "sessionId": SESSION, "parentUuid": None,
        "isSidechain": False, "version": "2.0.1", "cwd": "/home/someone/shop", "uuid": f"line-{second}",
    }  # fmt: skip


def codex(second: int, kind: str, **payload: Any) -> Record:
    """One event of a Codex rollout."""
    return {"timestamp": f"2026-11-16T08:00:{second:02}.000Z", "type": kind, "payload": payload}


def codex_count(second: int, total: int, last: int | None) -> Record:
    """One token count: ``last`` tokens in and a tenth of them out since the one before, ``total`` in the session."""

    def usage(tokens: int) -> Record:
        return {
            "input_tokens": tokens, "cached_input_tokens": tokens // 2, "output_tokens": tokens // 10,
            "reasoning_output_tokens": tokens // 20, "total_tokens": tokens + tokens // 10,
        }  # fmt: skip

    info = {"total_token_usage": usage(total), "last_token_usage": usage(last) if last else None}
    return codex(second, "event_msg", type="token_count", info=info, rate_limits={"primary": {"used_percent": 3}})


def codex_session() -> list[Record]:
    """The start of a rollout: who wrote it, and the model of its turn."""
    return [
        codex(0, "session_meta", id=SESSION, originator="codex_cli", cli_version="0.50.0", cwd="/home/someone/shop"),
        codex(1, "turn_context", turn_id="turn-1", model="gpt-5-codex", cwd="/home/someone/shop"),
        codex(2, "response_item", type="message", role="user", content=[{"text": "CONFIDENTIAL-PROMPT"}]),
    ]  # fmt: skip

"""Explain what is wrong with one record, without quoting it. The database's verdict stands; this only explains it."""

from streamaudit.ingest.json_text import decode


def diagnose(text: bytes) -> str:
    """Return why a record that is alone in its container is unreadable."""
    try:
        value = decode(text)
    except UnicodeDecodeError:
        return "invalid UTF-8"
    except ValueError:
        return "malformed JSON" if text.endswith(b"\n") else "malformed JSON (the last line is cut off)"
    if not isinstance(value, dict):
        return "not a JSON object"
    return "no known field" if value else "empty object"


def name_reason(reason: str) -> str:
    """Return the reason of a reject as far as it is known without reading the record again."""
    return "not a JSON object" if reason == "unreadable" else reason

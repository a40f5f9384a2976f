"""Amounts as people type them: spans of time and sizes of memory. Raises UsageError that names where it was typed."""

import re

from streamaudit.errors import UsageError


def seconds(where: str, text: str) -> float:
    """``60s``, ``5m`` or ``1h`` in seconds; a bare number is seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|h)?", text.strip())
    if not match:
        raise UsageError(f"{where} {text}: expected a duration such as 60s or 5m")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[match[2]]


def memory(where: str, text: str) -> str:
    """``2GB`` or ``512MB`` in the database's spelling; at least 256 MB, below which ingest fails."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MG])i?B?", text.strip(), re.IGNORECASE)
    if not match or float(match[1]) * {"m": 1, "g": 1000}[match[2].lower()] < 256:
        raise UsageError(f"{where} {text}: expected a size from 256MB, such as 512MB or 2GB")
    return f"{match[1]}{match[2].upper()}B"

"""Parse durations and memory sizes as people type them.

Errors are UsageError and name where the value was given.
"""

import re

from streamaudit.errors import UsageError


def parse_seconds(where: str, text: str) -> float:
    """Parse ``60s``, ``5m`` or ``1h`` into seconds; a bare number is seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|h)?", text.strip())
    if not match:
        raise UsageError(f"{where} {text}: expected a duration such as 60s or 5m")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[match[2]]


def parse_memory(where: str, text: str) -> str:
    """Return ``2GB`` or ``512MB`` as the database spells it; at least 256 MB, because ingest fails below."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MG])i?B?", text.strip(), re.IGNORECASE)
    if not match or float(match[1]) * {"m": 1, "g": 1000}[match[2].lower()] < 256:
        raise UsageError(f"{where} {text}: expected a size from 256MB, such as 512MB or 2GB")
    return f"{match[1]}{match[2].upper()}B"

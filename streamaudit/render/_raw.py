"""Records as machines read them: raw values, ISO 8601 in UTC, null for every number that is none."""

import json
from datetime import datetime
from typing import Any

from streamaudit.render._humanise import iso, known


class RecordEncoder:
    """Writes records as JSON objects, ``between`` standing between two fields."""

    def __init__(self, between: str = ", ") -> None:
        self._encode = json.JSONEncoder(
            ensure_ascii=False, allow_nan=False, separators=(between, ": "), default=moment
        ).encode

    def encode(self, record: dict[str, Any]) -> str:
        """One record as JSON."""
        try:
            return self._encode(record)
        except ValueError:  # NaN or an infinity; too rare to look at every value for it
            return self._encode({name: value if known(value) else None for name, value in record.items()})


def moment(value: object) -> str:
    """What the JSON encoder does with a value it does not know: only moments are expected."""
    if isinstance(value, datetime):
        return iso(value)
    raise TypeError(f"a report holds no {type(value).__name__}")

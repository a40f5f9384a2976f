"""Encode records for machines: raw values, ISO 8601 in UTC, null for NaN and infinity."""

import json
from datetime import datetime
from typing import Any

from streamaudit.report.model import Json
from streamaudit.report.numbers import is_known, iso


class RecordEncoder:
    """Encodes records as JSON objects, with ``between`` as the separator of fields."""

    def __init__(self, between: str = ", ") -> None:
        self._encode = json.JSONEncoder(
            ensure_ascii=False, allow_nan=False, separators=(between, ": "), default=moment
        ).encode

    def encode(self, record: dict[str, Any]) -> str:
        """Return one record as JSON."""
        if any(type(value) is Json for value in record.values()):
            record = {name: _parse(value) if type(value) is Json else value for name, value in record.items()}
        try:
            return self._encode(record)
        except ValueError:  # NaN or an infinity; too rare to look at every value for it
            return self._encode({name: value if is_known(value) else None for name, value in record.items()})


def _parse(document: str) -> Any:
    try:
        return json.loads(document)
    except ValueError:
        return str(document)


def moment(value: object) -> str:
    """Encode a value that the JSON encoder does not support: only times are expected."""
    if isinstance(value, datetime):
        return iso(value)
    raise TypeError(f"a report holds no {type(value).__name__}")

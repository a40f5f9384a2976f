"""Records as machines read them: raw values, ISO 8601 in UTC, NULL for every number that is none."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from streamaudit.render._humanise import utc
from streamaudit.report import Table

_encoder = msgspec.json.Encoder()  # writes NaN and infinities as null


def records(table: Table) -> Iterator[dict[str, Any]]:
    """The table's records with every moment in UTC."""
    for record in table.records():
        for name, value in record.items():
            if isinstance(value, datetime):
                record[name] = utc(value)
        yield record


def encode(value: object) -> str:
    """One line of JSON."""
    try:
        return _encoder.encode(value).decode()
    except UnicodeEncodeError:  # half a surrogate pair, as in the name of a file that is not UTF-8
        return _encoder.encode(_encodable(value)).decode()


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list | tuple) else value

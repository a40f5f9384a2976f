"""Datadog's LLM Observability export API (``POST /api/v2/llm-obs/v1/spans/events/search``).

It has no choice of fields, so that texts are removed here; without ``include_attachments`` the long ones do not come.
A search that its own time limit ends is marked ``timeout`` and is partial: its window is split and read again.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from streamaudit.errors import InputError, UsageError
from streamaudit.ingest.pull._http import Answer, Client, parse_base
from streamaudit.ingest.pull._paging import Circle, PagedServer, refuse_too_much
from streamaudit.ingest.pull._windows import instant_text
from streamaudit.ingest.pull.registry import Page, TooMuch, Vendor
from streamaudit.ingest.pull.settings import Credentials, PullSettings
from streamaudit.store.pulls import Interval

_API, _APP, _SITE = "DD_API_KEY", "DD_APP_KEY", "DD_SITE"
_DEFAULT_SITE = "datadoghq.com"
_PATH = "/api/v2/llm-obs/v1/spans/events/search"
_LARGEST = 500
_TEXTS = ("input", "output", "tool_definitions", "evaluation", "intent")
_NO_DATA = "No valid indexes specified"
"""Text of the answer for an organisation without LLM Observability; its status is 500."""


class _Datadog(PagedServer):
    step = timedelta(days=1)

    def __init__(self, client: Client, base: str) -> None:
        super().__init__(client, _LARGEST)
        self.address = base + _PATH.removesuffix("/search")
        self._is_empty = False
        # Checks the keys before anything is stored, and takes the server's clock.
        now = client.now()
        with suppress(TooMuch):
            self._search((now - timedelta(minutes=1), now), None, 1)

    def describe(self) -> Iterator[str]:
        yield f"spans of all kinds from {self._client.host}, by the export API of LLM Observability"
        yield (
            "this API sends prompts and answers with every span: they are removed on arrival and kept nowhere; what "
            "rests on their lengths is unknown"
        )
        if self._is_empty:
            yield "this organisation has no LLM Observability data"

    def pages(self, window: Interval) -> Iterator[Page]:
        cursor: str | None = None
        circle = Circle()
        while True:
            data = self._search(window, cursor, self._size)
            meta = data.get("meta")
            meta = meta if isinstance(meta, dict) else {}
            if meta.get("status") == "timeout":
                raise TooMuch("the search reached the server's time limit")
            records = [_without_texts(one) for one in data["data"]]
            yield Page(records)
            page = meta.get("page")
            cursor = page.get("after") if isinstance(page, dict) else None
            if not records or not isinstance(cursor, str) or not cursor:
                return
            circle.check(cursor, records)

    def _search(self, window: Interval, cursor: str | None, size: int) -> dict[str, Any]:
        page = {"limit": size, **({"cursor": cursor} if cursor else {})}
        attributes = {
            # Absolute times, as text: a number is refused, and relative ones would move between two pages.
            "filter": {"from": instant_text(window[0]), "to": instant_text(window[1])},
            "page": page, "options": {"include_attachments": False}, "sort": "timestamp",
        }  # fmt: skip
        body = {"data": {"type": "spans", "attributes": attributes}}
        answer = self._client.ask("POST", _PATH, body=body, is_final=_has_no_data)
        if _has_no_data(answer.status, answer.text):
            self._is_empty = True
            return {"data": []}
        self._refuse(answer)
        data = answer.data if isinstance(answer.data, dict) else {}
        if not isinstance(data.get("data"), list):
            raise InputError(f"{self._client.host} answers {_PATH} with {answer.describe()}")
        return data

    def _refuse(self, answer: Answer) -> None:
        host = self._client.host
        if answer.status in (401, 403):
            raise InputError(
                f"{host} refused the keys ({answer.status})",
                f"check ${_API}, ${_APP} (with the scope to read LLM Observability) and ${_SITE}: every site has keys "
                "of its own",
            )
        if answer.status == 404:
            raise InputError(f"{host} has no LLM Observability API (404)", f"check ${_SITE}")
        refuse_too_much(answer)


def _has_no_data(status: int, text: str) -> bool:
    return status == 500 and _NO_DATA in text


def _without_texts(record: Any) -> Any:
    """Remove texts from a span, which is flat or as a tracer sends it."""
    inside = record.get("attributes") if isinstance(record, dict) else None
    for fields in (record, inside, inside.get("meta") if isinstance(inside, dict) else None):
        if isinstance(fields, dict):
            for name in _TEXTS:
                fields.pop(name, None)
    return record


def _connect(credentials: Credentials, settings: PullSettings, expanded: Sequence[str]) -> _Datadog:
    site = credentials.get(_SITE) or _DEFAULT_SITE
    if "://" in site:
        base = parse_base(site, _SITE)  # a gateway in front of the API
    elif re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", site):
        base = f"https://api.{site}"
    else:
        raise UsageError(f"{_SITE}: expected a site such as {_DEFAULT_SITE} or datadoghq.eu")
    keys = {"DD-API-KEY": credentials.need(_API), "DD-APPLICATION-KEY": credentials.need(_APP)}
    headers = {**keys, "Content-Type": "application/vnd.api+json"}
    return _Datadog(Client(base, _SITE, settings, headers=headers), base)


VENDOR = Vendor("datadog", "Datadog", (_SITE, _API, _APP), _connect, timedelta(days=15))

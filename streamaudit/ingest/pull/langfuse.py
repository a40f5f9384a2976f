"""Langfuse's public API, in the cloud and self-hosted (public API reference, ``observations`` of both versions).

Version 2 lists observations from the last to the first behind a cursor and leaves texts out unless the field group
``io`` is asked for. Version 1 counts pages and has neither that choice nor a trace's user, session and release, so that
texts are removed here and traces are fetched too. Which of them a server has depends on its version and settings.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from streamaudit.errors import InputError
from streamaudit.ingest.pull._http import Answer, Client, parse_base
from streamaudit.ingest.pull._paging import Circle, PagedServer, refuse_too_much
from streamaudit.ingest.pull._windows import instant_text, parse_instant
from streamaudit.ingest.pull.registry import Page, Vendor
from streamaudit.ingest.pull.settings import Credentials, PullSettings
from streamaudit.store.pulls import Interval

_PUBLIC, _SECRET = "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"
_BASE, _HOST = "LANGFUSE_BASE_URL", "LANGFUSE_HOST"
_CLOUD = "https://cloud.langfuse.com"
_V1, _V2 = "v1", "v2"
_FIELDS = "core,basic,time,metadata,model,usage,metrics,trace_context"
"""Every field group with a figure or a name in it; without ``io`` and ``tools``, which hold texts."""
_TEXTS = ("input", "output", "toolDefinitions", "toolCalls", "tool_definitions", "tool_calls")
_SIZES = {_V2: 1000, _V1: 100}
_STEPS = {_V2: timedelta(days=1), _V1: timedelta(hours=6)}
_OFF = (404, 405, 410, 501)
"""Statuses for a version of the API that a server does not have or that is switched off."""
_REREADS = 2
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class _Langfuse(PagedServer):
    def __init__(self, client: Client, base: str, expanded: Sequence[str]) -> None:
        super().__init__(client, _SIZES[_V2])
        self._expanded = expanded
        version = self._health()
        project = self._project()
        self._version = version
        # Observations of an old server are the same behind version 1; later ones know version 2 at least.
        is_old = version is not None and version < 4
        self._route, self._other = (_V1, _V2) if is_old else (_V2, _V1)
        self._size = _SIZES[self._route]
        self.address = base + (f"/project/{project}" if project else "") + "/observations"
        self._find_route()

    @property
    def step(self) -> timedelta:
        return _STEPS[self._route]

    def describe(self) -> Iterator[str]:
        version = f", Langfuse {self._version}" if self._version is not None else ""
        yield f"observations of all types from {self._client.host}{version}, by version {self._route[1]} of its API"
        if self._route == _V2:
            yield "prompts and answers are not asked for (no field group io): what rests on their lengths is unknown"
        else:
            yield (
                "version 1 sends prompts and answers with every observation: they are removed on arrival and kept "
                "nowhere; what rests on their lengths is unknown"
            )

    def pages(self, window: Interval) -> Iterator[Page]:
        return self._pages_2(window) if self._route == _V2 else self._pages_1(window)

    def _health(self) -> int | None:
        """Return the major version of the server; None when it does not say."""
        answer = self._get("/api/public/health")
        version = answer.data.get("version") if isinstance(answer.data, dict) else None
        found = re.match(r"v?(\d{1,3})\.", version) if isinstance(version, str) else None
        return int(found[1]) if found else None

    def _project(self) -> str | None:
        """Return the id of the project that the keys are for. Raises InputError when they are refused."""
        answer = self._get("/api/public/projects")
        self._refuse(answer)
        listed = answer.data.get("data") if isinstance(answer.data, dict) else None
        first = listed[0] if isinstance(listed, list) and listed else None
        found = first.get("id") if isinstance(first, dict) else None
        return found if isinstance(found, str) and _ID.fullmatch(found) else None

    def _refuse(self, answer: Answer) -> None:
        host = self._client.host
        if answer.status == 401:
            raise InputError(
                f"{host} refused the keys (401)",
                f"check ${_PUBLIC} and ${_SECRET}, and ${_BASE}: every region has keys of its own",
            )
        if answer.status == 403:
            raise InputError(
                f"{host}: the keys may not read traces (403)",
                "use the keys of a project, not of an organisation, with read access to traces",
            )

    def _find_route(self) -> None:
        """Ask the version that the server's own version suggests, and the other where that is switched off."""
        now = self.now()
        last_minute = {"fromStartTime": instant_text(now - timedelta(minutes=1)), "toStartTime": instant_text(now)}
        for route in (self._route, self._other):
            more = {"page": "1"} if route == _V1 else {"fields": "core"}
            answer = self._get(_PATHS[route], limit=1, **last_minute, **more)
            self._refuse(answer)
            if answer.status not in _OFF:
                self._route, self._size = route, _SIZES[route]
                return
        raise InputError(
            f"{self._client.host} has neither version of the observations API ({answer.status})",
            f"check ${_BASE}; a self-hosted server needs Langfuse 2 or later",
        )

    def _get(self, path: str, **params: str | int) -> Answer:
        return self._client.ask("GET", path, params=params)

    def _data(self, path: str, **params: str | int) -> tuple[list[Any], dict[str, Any]]:
        """Return the records and the ``meta`` of a page. Raises TooMuch, or InputError when it is none."""
        answer = self._get(path, **params)
        self._refuse(answer)
        refuse_too_much(answer)
        data = answer.data if isinstance(answer.data, dict) else {}
        if not isinstance(data.get("data"), list):
            raise InputError(f"{self._client.host} answers {path} with {answer.describe()}")
        meta = data.get("meta")
        return [_without_texts(one) for one in data["data"]], meta if isinstance(meta, dict) else {}

    def _pages_2(self, window: Interval) -> Iterator[Page]:
        asked: dict[str, str | int] = {
            "fields": _FIELDS, "fromStartTime": instant_text(window[0]), "toStartTime": instant_text(window[1]),
        }  # fmt: skip
        if self._expanded:
            # Without it values of metadata are cut after 200 characters; with it the server searches longer.
            asked["expandMetadata"] = ",".join(self._expanded)
        circle = Circle()
        while True:
            records, meta = self._data(_PATHS[_V2], limit=self._size, **asked)
            cursor = meta.get("cursor")
            yield Page(records, _start(records, window))
            if not isinstance(cursor, str) or not cursor:
                return
            circle.check(cursor, records)
            asked["cursor"] = cursor

    def _pages_1(self, window: Interval) -> Iterator[Page]:
        """Yield the observations of a window, then its traces. Pages shift while records arrive: where the number read
        is not the one announced, the window is read again."""
        asked = {"fromStartTime": instant_text(window[0]), "toStartTime": instant_text(window[1])}
        for _ in range(1 + _REREADS):
            announced = None
            ids: set[str] = set()
            for records, meta in self._numbered(_PATHS[_V1], asked):
                ids.update(str(one.get("id")) for one in records if isinstance(one, dict))
                announced = meta.get("totalItems", announced)
                yield Page(records)
            if not isinstance(announced, int) or len(ids) >= announced:
                break
        if ids:
            about = {"fromTimestamp": instant_text(window[0] - timedelta(hours=1)),
                     "toTimestamp": asked["toStartTime"], "fields": "core"}  # fmt: skip
            for records, _meta in self._numbered("/api/public/traces", about):
                # The core fields may lack the one by which a trace is recognised.
                yield Page([{"htmlPath": "", **one} if isinstance(one, dict) else one for one in records])

    def _numbered(self, path: str, asked: dict[str, str]) -> Iterator[tuple[list[Any], dict[str, Any]]]:
        number, circle = 1, Circle()
        while True:
            records, meta = self._data(path, page=number, limit=self._size, **asked)
            yield records, meta
            pages = meta.get("totalPages")
            circle.check(number, records)
            if not records or not isinstance(pages, int) or number >= pages:
                return
            number += 1


_PATHS = {_V1: "/api/public/observations", _V2: "/api/public/v2/observations"}


def _without_texts(record: Any) -> Any:
    if isinstance(record, dict):
        for name in _TEXTS:
            record.pop(name, None)
    return record


def _start(records: list[Any], window: Interval) -> datetime | None:
    """Return the start of the earliest record, which is the last; None where they are not in that order."""
    starts = [parse_instant(one.get("startTime")) if isinstance(one, dict) else None for one in records]
    known = [one for one in starts if one is not None]
    is_sorted = len(known) == len(starts) and all(a >= b for a, b in pairwise(known))
    return known[-1] if known and is_sorted and window[0] <= known[-1] < window[1] else None


def _connect(credentials: Credentials, settings: PullSettings, expanded: Sequence[str]) -> _Langfuse:
    variable = _BASE if credentials.get(_BASE) or not credentials.get(_HOST) else _HOST
    base = parse_base(credentials.get(_BASE, _HOST) or _CLOUD, variable)
    auth = (credentials.need(_PUBLIC), credentials.need(_SECRET))
    return _Langfuse(Client(base, variable, settings, auth=auth), base, expanded)


VENDOR = Vendor("langfuse", "Langfuse", (_BASE, _HOST, _PUBLIC, _SECRET), _connect)

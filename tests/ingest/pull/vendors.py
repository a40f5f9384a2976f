"""Langfuse's and Datadog's APIs on loopback: real servers over records in memory, with the documented shapes, paging,
windows and sorting, and with faults, each of which one test asks for.

Every request for records consumes one of ``faults``, if there are any; all requests are kept.
"""

import base64
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Record = dict[str, Any]
PUBLIC, SECRET = "pk-lf-canary-public-7f3a", "sk-lf-canary-secret-91bc"
API, APP = "dd-api-canary-5d21", "dd-app-canary-e8f0"
CANARIES = (PUBLIC, SECRET, API, APP, base64.b64encode(f"{PUBLIC}:{SECRET}".encode()).decode())
PROMPT = "CONFIDENTIAL-prompt-of-a-user"
PROJECT = "cm3x7p1q2"


@dataclass(frozen=True)
class Fault:
    """How a request for records fails, in place of or in addition to its answer."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    """Send only so many bytes of the body that was announced."""
    late_s: float = 0.0
    drip_s: float = 0.0
    """Wait so long after each byte."""
    reset: bool = False
    data: Callable[[Record], Record] | None = None
    """Changes the page."""


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class Loopback:
    """A web server on loopback; ``answer`` is the API. Pages have at most ``most`` records."""

    most: int

    def __init__(self, records: list[Record]) -> None:
        self.records = records
        self.requests: list[Seen] = []
        self.faults: list[Fault | None] = []
        self.clock = timedelta()
        """Ahead of this machine's."""
        self.on_page: Callable[[], None] = lambda: None
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # a second small packet would wait for the first one's receipt

            def do_GET(self) -> None:
                length = int(self.headers["Content-Length"] or 0)
                parts = urlsplit(self.path)
                query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
                text = self.rfile.read(length)
                seen = Seen(parts.path, query, dict(self.headers), json.loads(text) if text else None)
                loopback.requests.append(seen)
                status, page = loopback.answer(seen)
                fault = None
                if loopback.is_for_records(seen):
                    loopback.on_page()
                    fault = loopback.faults.pop(0) if loopback.faults else None
                with suppress(BrokenPipeError, ConnectionResetError):
                    self._send(fault or Fault(), status, page)

            do_POST = do_GET

            def _send(self, fault: Fault, status: int, page: Record) -> None:
                time.sleep(fault.late_s)
                if fault.reset:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    return
                page = fault.data(page) if fault.data else page
                body = json.dumps(page).encode() if fault.body is None else fault.body
                self.send_response(fault.status if fault.status != 200 else status)
                for name, value in {"Content-Length": str(len(body)), **fault.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if fault.drip_s:
                    for byte in body:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        time.sleep(fault.drip_s)
                self.wfile.write(b"" if fault.drip_s else body[: fault.cut])
                if fault.cut is not None or fault.headers:
                    self.close_connection = True

            def date_time_string(self, timestamp: float | None = None) -> str:
                return format_datetime(datetime.now(UTC) + loopback.clock, usegmt=True)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.host}"

    def answer(self, seen: Seen) -> tuple[int, Record]:
        """The status and the body of an answer."""
        raise NotImplementedError

    def is_for_records(self, seen: Seen) -> bool:
        """Whether a request is for a page of records, and none of those that come before."""
        raise NotImplementedError

    def pages(self) -> list[Seen]:
        """The requests for records."""
        return [one for one in self.requests if self.is_for_records(one)]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Langfuse(Loopback):
    """Both versions of the observations API. ``off`` maps a version that is switched off to the status it answers."""

    def __init__(
        self, records: list[Record], *, version: str = "4.16.0", off: dict[str, int] | None = None,
        traces: list[Record] | None = None,
    ) -> None:  # fmt: skip
        self.version, self.off, self.traces = version, off or {}, traces or []
        self.most = 1000
        self.sends_texts = False
        self.project = PROJECT
        self.denied: int | None = None
        """Status for keys that are refused."""
        self.most_rows: int | None = None
        """A window with more rows is too large for the server."""
        super().__init__(records)

    def is_for_records(self, seen: Seen) -> bool:
        return "fromStartTime" in seen.query and seen.query.get("limit") != "1"

    def answer(self, seen: Seen) -> tuple[int, Record]:
        if seen.path.endswith("/health"):
            return 200, {"status": "OK", "version": self.version}
        sent = f"Basic {base64.b64encode(f'{PUBLIC}:{SECRET}'.encode()).decode()}"
        if seen.headers.get("Authorization") != sent or self.denied:
            return self.denied or 401, {"message": "Invalid credentials."}
        if seen.path.endswith("/projects"):
            return 200, {"data": [{"id": self.project, "name": self.project}]}
        if seen.path.endswith("/traces"):
            return self._numbered(seen, self.traces)
        route = "v2" if "/v2/" in seen.path else "v1"
        if route in self.off:
            return self.off[route], {"message": "This endpoint is not available"}
        found = self._in_window(seen)
        if self.most_rows is not None and len(found) > self.most_rows:
            return 422, {"message": "Please narrow your request", "error": "Request timed out"}
        return self._cursor(seen, found) if route == "v2" else self._numbered(seen, found)

    def _in_window(self, seen: Seen) -> list[Record]:
        since, until = seen.query.get("fromStartTime", ""), seen.query.get("toStartTime", "9")
        found = [one for one in self.records if since <= one["startTime"] < until]
        return sorted(found, key=lambda one: (one["startTime"], one["traceId"], one["id"]), reverse=True)

    def _cursor(self, seen: Seen, found: list[Record]) -> tuple[int, Record]:
        cursor = seen.query.get("cursor")
        if cursor:
            last = json.loads(base64.b64decode(cursor))
            found = [one for one in found if [one["startTime"], one["traceId"], one["id"]] < last]
        page = found[: min(int(seen.query.get("limit", 50)), self.most)]
        meta = {}
        if len(found) > len(page):
            last = [page[-1][name] for name in ("startTime", "traceId", "id")]
            meta = {"cursor": base64.b64encode(json.dumps(last).encode()).decode()}
        shown = [one if self.sends_texts else _without(one) for one in page]
        return 200, {"data": shown, "meta": meta}

    def _numbered(self, seen: Seen, found: list[Record]) -> tuple[int, Record]:
        size, number = min(int(seen.query.get("limit", 50)), 100, self.most), int(seen.query.get("page", 1))
        pages = -(-len(found) // size)
        meta = {"page": number, "limit": size, "totalItems": len(found), "totalPages": pages}
        return 200, {"data": found[(number - 1) * size : number * size], "meta": meta}


class Datadog(Loopback):
    """The search of the export API: sorted by time, pages behind a cursor."""

    def __init__(self, records: list[Record]) -> None:
        self.most = 5000
        self.most_rows: int | None = None
        """A window with more rows reaches the time limit of the search."""
        super().__init__(records)

    def is_for_records(self, seen: Seen) -> bool:
        return bool(seen.body) and seen.body["data"]["attributes"]["page"]["limit"] != 1

    def answer(self, seen: Seen) -> tuple[int, Record]:
        if (seen.headers.get("DD-API-KEY"), seen.headers.get("DD-APPLICATION-KEY")) != (API, APP):
            return 403, {"errors": ["Forbidden"]}
        asked = seen.body["data"]["attributes"]
        since, until = (datetime.fromisoformat(asked["filter"][name]).timestamp() for name in ("from", "to"))
        found = [one for one in self.records if since <= one["attributes"]["start_ns"] / 1e9 < until]
        found.sort(key=lambda one: (one["attributes"]["start_ns"], one["id"]))
        start = int(asked["page"].get("cursor", "after-0").removeprefix("after-"))
        size = min(asked["page"]["limit"], self.most)
        page = found[start : start + size]
        more = {"after": f"after-{start + size}"} if start + size < len(found) else None
        is_slow = self.most_rows is not None and len(found) > self.most_rows
        return 200, {"data": page, "meta": {"status": "timeout" if is_slow else "done", "page": more}}


def _without(record: Record) -> Record:
    return {name: value for name, value in record.items() if name not in ("input", "output")}


def observation(number: int, start: datetime, **changes: Any) -> Record:
    """One call as either version of the API lists it, with its texts."""
    start = start.replace(microsecond=start.microsecond // 1000 * 1000)
    moments = {
        name: (start + timedelta(seconds=after)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for name, after in (("startTime", 0), ("completionStartTime", 0.4), ("endTime", 3), ("updatedAt", 9))
    }
    return {
        "id": f"o{number:06}", "traceId": f"t{number:06}", "type": "GENERATION", "name": "answer", "level": "DEFAULT",
        **moments, "projectId": PROJECT, "parentObservationId": None, "isRootObservation": True, "traceName": "/chat",
        "model": "gpt-4o-mini", "internalModelId": "m", "latency": 3.0, "timeToFirstToken": 0.4,
        "usageDetails": {"input": 100, "output": 50, "total": 150}, "costDetails": {"total": 0.01},
        "metadata": {"tenant": "acme" if number % 2 else "globex"},
        "input": [{"role": "user", "content": PROMPT}], "output": PROMPT, **changes,
    }  # fmt: skip


def span(number: int, start: datetime, **changes: Any) -> Record:
    """One call as Datadog's search lists it, with its texts."""
    return {"id": f"e{number:06}", "type": "span", "attributes": {
        "span_id": str(9000 + number), "trace_id": f"{number:032x}", "parent_id": "undefined", "span_kind": "llm",
        "name": "OpenAI.createChatCompletion", "status": "ok", "start_ns": round(start.timestamp() * 1e6) * 1000,
        "duration": 3e9, "ml_app": "shop", "model_name": "gpt-4o-mini", "model_provider": "openai",
        "metrics": {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150, "time_to_first_token": 0.4},
        "metadata": {"stream": True}, "tags": [f"tenant:{'acme' if number % 2 else 'globex'}", "env:prod"],
        "input": {"messages": [{"role": "user", "content": PROMPT}]}, "output": {"value": PROMPT}, **changes,
    }}  # fmt: skip


@contextmanager
def serve(server: Loopback) -> Iterator[Loopback]:
    """Close a server after the block."""
    try:
        yield server
    finally:
        server.close()

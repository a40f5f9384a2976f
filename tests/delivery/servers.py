"""Real servers on loopback that a delivery is sent to: HTTP, HTTPS and SMTP. They keep what they got, and answer as
they are told to, which is how another service fails."""

import email
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class Answer:
    """What the next request gets: a status, headers, a body; after ``late_s`` seconds."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    late_s: float = 0.0


@dataclass(frozen=True)
class Request:
    """What arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Hook:
    """A web server that takes everything with 200, or answers as ``script`` says, one request after the other."""

    def __init__(self, *, secure: bool = False) -> None:
        self.requests: list[Request] = []
        self.script: list[Answer] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                answer = hook.script.pop(0) if hook.script else Answer()
                hook.requests.append(Request(self.path, dict(self.headers), body))
                time.sleep(answer.late_s)
                with suppress(BrokenPipeError, ConnectionResetError):
                    self.send_response(answer.status)
                    for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(answer.body)

            do_GET = do_POST

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # A client may not like the certificate.
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Mailbox:
    """A mail server that takes everything, or answers recipients or data as ``script`` says."""

    def __init__(self) -> None:
        self.messages: list[tuple[list[str], EmailMessage]] = []
        self.script: list[str] = []
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())
        self._controller.start()
        self.port = self._controller.port

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """One message."""
        if self.script:
            return self.script.pop(0)
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.messages.append((envelope.rcpt_tos, message))
        return "250 OK"

    def close(self) -> None:
        """Stop listening."""
        self._controller.stop()


@contextmanager
def hook(*, secure: bool = False) -> Iterator[Hook]:
    """A web server for as long as the block lasts."""
    server = Hook(secure=secure)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A mail server for as long as the block lasts."""
    server = Mailbox()
    try:
        yield server
    finally:
        server.close()


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])

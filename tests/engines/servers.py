"""Real servers on loopback that a client of Spark Connect may meet: Sail, TLS in front of it, a guard of tokens, S3."""

import importlib.util
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.engines.cluster import free_port, spark_home, wait_for

HAS_CLIENT = importlib.util.find_spec("grpc") is not None and importlib.util.find_spec("pyspark") is not None
needs_client = pytest.mark.skipif(not HAS_CLIENT, reason="pyspark-client is not installed: pip install '.[spark]'")
needs_sail = pytest.mark.skipif(
    not HAS_CLIENT or importlib.util.find_spec("pysail") is None, reason="pysail is not installed: make test-sail"
)
needs_spark = pytest.mark.skipif(not HAS_CLIENT or spark_home() is None, reason="there is no Spark or no Java")
_SAIL = "from pysail.spark import SparkConnectServer as S; S('127.0.0.1', {port}).start(background=False)"


@contextmanager
def sail_server(env: Mapping[str, str] | None = None) -> Iterator[int]:
    """Sail; yields its port."""
    port = free_port()
    command = [sys.executable, "-c", _SAIL.format(port=port)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, **(env or {})})
    try:
        wait_for(port)
        yield port
    finally:
        server.kill()
        server.wait()


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port whose connections are each served in a thread of their own, which closes them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


@dataclass(frozen=True)
class Secure:
    """A port that speaks TLS, and the certificate of the authority to trust for it."""

    port: int
    authority: Path


@contextmanager
def tls_proxy(port: int, folder: Path, name: str = "127.0.0.1") -> Iterator[Secure]:
    """TLS in front of a plain port, with a certificate for a host of this name."""
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    context.set_alpn_protocols(["h2"])

    def serve(plain: socket.socket) -> None:
        try:
            client = context.wrap_socket(plain, server_side=True)
        except OSError:
            plain.close()
            return
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            _pump(server, client)

    with listening(serve) as secure:
        yield Secure(secure, folder / "ca.pem")


def stay_silent(one: socket.socket) -> None:
    """Take what comes, and answer nothing."""
    with one, suppress(OSError):
        while one.recv(1 << 16):
            pass


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextmanager
def token_guard(port: int, token: str) -> Iterator[int]:
    """A server that passes calls on to a port if they bear the token, as a managed service does."""
    import grpc

    channel = grpc.insecure_channel(f"127.0.0.1:{port}")

    class Guard(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            given = dict(details.invocation_metadata).get("authorization")
            kept = [pair for pair in details.invocation_metadata if pair[0].startswith("x-")]

            def pass_on(requests: Any, context: Any) -> Any:
                if given != f"Bearer {token}":
                    context.abort(grpc.StatusCode.UNAUTHENTICATED, "Invalid authentication token")
                try:
                    yield from channel.stream_stream(details.method)(requests, metadata=kept)
                except grpc.RpcError as error:
                    context.set_trailing_metadata(error.trailing_metadata() or ())
                    context.abort(error.code(), error.details())

            return grpc.stream_stream_rpc_method_handler(pass_on)

    server = grpc.server(ThreadPoolExecutor(8), handlers=[Guard()])
    guarded = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield guarded
    finally:
        server.stop(None)
        channel.close()


@contextmanager
def s3_server() -> Iterator[str]:
    """An S3 server that knows no keys; yields its address."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    env = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "0"}
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()

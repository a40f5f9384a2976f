"""Real proxies between client and upstream: nginx and HAProxy as Debian packages them, each with a configuration of a
few lines, on free ports of loopback, and an access log of its own that streamaudit reads as evidence."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

HOST = "127.0.0.1"
_PATIENCE_S = 20.0

_NGINX = """
daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log error.log warn; {user}
events {{ worker_connections 512; }}
http {{
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  log_format evidence escape=json '{{"request_id":"$http_x_request_id","status":"$status","completion":'
    '"$request_completion","body_bytes_sent":"$body_bytes_sent","request_time":"$request_time","upstream_header_time":'
    '"$upstream_header_time","upstream_response_time":"$upstream_response_time","content_type":'
    '"$sent_http_content_type","content_encoding":"$sent_http_content_encoding"}}';
  access_log access.jsonl evidence;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
  server {{ listen {host}:{plain}; {locations} }}
  server {{ listen {host}:{tls} ssl; ssl_certificate chain.pem; ssl_certificate_key key.pem; {locations} }}
}}
"""
_LOCATION = "location /{name}/ {{ {settings} proxy_pass http://{host}:{upstream}; }}"

_HAPROXY = """
global
  log stdout format raw local0
defaults
  mode http
  log global
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  log-format '{"request_id":"%[capture.req.hdr(0)]","term":"%ts","bytes_to_client":"%B","Tr":"%Tr","Ta":"%Ta"}'
"""
_SECTION = """
frontend {name}_in
  bind {host}:{port}
  {settings}
  capture request header X-Request-Id len 64
  default_backend {name}_out
backend {name}_out
  {settings}
  {server_settings}
  server upstream {host}:{upstream}
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy: ``urls`` by the name of the way through it, and its log."""

    urls: dict[str, str]
    log: Path


def find(program: str) -> str:
    """Return the path of a server's program, which Debian installs outside the path of users. Skips the test where it
    is not installed; fails where the tests are those of the public workflow."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        reason = f"no {program}: apt-get install {'nginx-light' if program == 'nginx' else program}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def nginx(folder: Path, upstream: int, ways: dict[str, str]) -> Iterator[Proxy]:
    """Run nginx with a location for each way, by its settings. A way whose name begins with ``tls`` is asked over TLS,
    one that begins with ``ws`` as a WebSocket."""
    program, plain, tls = find("nginx"), free_port(), free_port()
    folder.mkdir()
    _write_certificate(folder)
    locations = " ".join(
        _LOCATION.format(name=name, settings=settings, host=HOST, upstream=upstream) for name, settings in ways.items()
    )
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_NGINX.format(host=HOST, plain=plain, tls=tls, locations=locations, user=user))
    schemes = {"tls": f"https://{HOST}:{tls}", "ws": f"ws://{HOST}:{plain}"}
    urls = {
        name: f"{next((url for scheme, url in schemes.items() if name.startswith(scheme)), f'http://{HOST}:{plain}')}"
        f"/{name}/chat"
        for name in ways
    }
    with running([program, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"], folder, (plain, tls)):
        yield Proxy(urls, folder / "access.jsonl")


@contextmanager
def haproxy(folder: Path, upstream: int, ways: dict[str, tuple[str, str]]) -> Iterator[Proxy]:
    """Run HAProxy with a port for each way; its settings are those of both sides, and those of the server's alone."""
    program, ports = find("haproxy"), {name: free_port() for name in ways}
    folder.mkdir()
    sections = [
        _SECTION.format(name=name, host=HOST, port=ports[name], settings=both, server_settings=server,
            upstream=upstream)
        for name, (both, server) in ways.items()
    ]  # fmt: skip
    (folder / "haproxy.cfg").write_text(_HAPROXY + "".join(sections))
    with running([program, "-db", "-f", "haproxy.cfg"], folder, tuple(ports.values())):
        yield Proxy({name: f"http://{HOST}:{port}/chat" for name, port in ports.items()}, folder / "output.log")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return int(taken.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], folder: Path, ports: Sequence[int], env: dict[str, str] | None = None
) -> Iterator[None]:  # fmt: skip
    """Run a server until it is no longer needed; it ends gently, so that its log is whole."""
    with (
        (folder / "output.log").open("wb") as output,
        (folder / "stderr.log").open("wb") as errors,
        subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=errors
        ) as server,
    ):
        try:
            for port in ports:
                _await_port(server, port, folder)
            yield
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(_PATIENCE_S)


def _await_port(server: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with socket.create_connection((HOST, port), timeout=1):
                return
        except OSError:
            time.sleep(0.02)
    pytest.fail(f"the server did not start: {(folder / 'stderr.log').read_text()}")


def _write_certificate(folder: Path) -> None:
    certificate = trustme.CA().issue_cert(HOST)
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for part in certificate.cert_chain_pems:
        part.write_to_path(folder / "chain.pem", append=True)

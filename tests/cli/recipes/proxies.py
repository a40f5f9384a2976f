"""Real servers that run the printed recipes: each in the smallest configuration that a team would paste it into."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

from tests.edge.servers import HOST, Proxy, find, free_port, running

_NGINX = """
daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log error.log warn; {user}
events {{ worker_connections 2048; }}
http {{
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi; access_log off; keepalive_requests 100000;
  include recipe.conf;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
  server {{
    listen {host}:{port} backlog=1024;
    location / {{
      proxy_pass http://{host}:{upstream};
      access_log access.jsonl streamaudit if=$streamaudit_logs;
      proxy_set_header X-Request-Id $streamaudit_id;
      proxy_set_header x-litellm-call-id $streamaudit_id;
    }}
    location = /streamaudit/rendered {{ access_log rendered.jsonl streamaudit_rendered; return 204; }}
  }}
}}
"""
_HAPROXY = """
global
  log stdout format raw local0
defaults
  mode http
  log global
  option http-no-delay
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend in
  bind {host}:{port}
{recipe}
  http-request set-header x-litellm-call-id %[var(txn.streamaudit_id)]
  default_backend out
backend out
  server upstream {host}:{upstream}
"""
_ENVOY = """
static_resources:
  listeners:
  - name: in
    address: {{socket_address: {{address: {host}, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          preserve_external_request_id: true
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: "/"}}
                route: {{cluster: out, timeout: 0s}}
                request_headers_to_add:
                - header: {{key: x-litellm-call-id, value: "%REQ(X-REQUEST-ID)%"}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
{recipe}
  clusters:
  - name: out
    connect_timeout: 2s
    type: STATIC
    load_assignment:
      cluster_name: out
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: {host}, port_value: {upstream}}}}}}}
"""
_APACHE = """
ServerRoot {modules}
{loaded}
Listen {host}:{port}
ServerName x
User www-data
Group www-data
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
{recipe}
RequestHeader set x-litellm-call-id "expr=%{{req:X-Request-Id}}"
ProxyPass / http://{host}:{upstream}/ flushpackets=on
"""
_APACHE_MODULES = ("mpm_event", "proxy", "proxy_http", "headers", "authz_core", "unique_id")
"""Of those that Debian has not built in."""
_CADDY = """
{{
  admin off
  auto_https off
}}
http://{host}:{port} {{
  bind {host}
{recipe}
  reverse_proxy {host}:{upstream}
}}
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a server listens, and where its upstream does."""

    own: int
    upstream: int


def _write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return name


def _nginx(folder: Path, recipe: str, ports: Ports) -> tuple[list[str], str]:
    _write(folder, "recipe.conf", recipe)
    user = "user root;" if os.geteuid() == 0 else ""
    text = _NGINX.format(host=HOST, port=ports.own, upstream=ports.upstream, user=user)
    name = _write(folder, "nginx.conf", text)
    return [find("nginx"), "-p", str(folder), "-c", name, "-e", "error.log"], "access.jsonl"


def _haproxy(folder: Path, recipe: str, ports: Ports) -> tuple[list[str], str]:
    text = _HAPROXY.format(host=HOST, port=ports.own, upstream=ports.upstream, recipe=recipe)
    return [find("haproxy"), "-db", "-f", _write(folder, "haproxy.cfg", text)], "output.log"


def _envoy(folder: Path, recipe: str, ports: Ports) -> tuple[list[str], str]:
    recipe = indent(recipe.replace("/var/log/envoy/", f"{folder}/"), " " * 10)
    text = _ENVOY.format(host=HOST, port=ports.own, upstream=ports.upstream, recipe=recipe)
    name = _write(folder, "envoy.yaml", text)
    return [find("envoy"), "-c", name, "--disable-hot-restart", "--concurrency", "1", "-l", "warn"], "streamaudit.jsonl"


def _apache(folder: Path, recipe: str, ports: Ports) -> tuple[list[str], str]:
    program = Path(find("apache2"))
    modules = program.parents[1] / "lib" / "apache2"
    loaded = "\n".join(f"LoadModule {one}_module modules/mod_{one}.so" for one in _APACHE_MODULES)
    text = _APACHE.format(
        host=HOST, port=ports.own, upstream=ports.upstream, folder=folder, modules=modules, loaded=loaded,
        recipe=recipe.replace("/var/log/apache2/", f"{folder}/"),
    )  # fmt: skip
    _write(folder, "apache.conf", text)
    return [str(program), "-D", "FOREGROUND", "-f", str(folder / "apache.conf")], "streamaudit.jsonl"


def _caddy(folder: Path, recipe: str, ports: Ports) -> tuple[list[str], str]:
    recipe = recipe.replace("/var/log/caddy/", f"{folder}/")
    text = _CADDY.format(host=HOST, port=ports.own, upstream=ports.upstream, recipe=recipe)
    name = _write(folder, "Caddyfile", text)
    return [find("caddy"), "run", "--config", name, "--adapter", "caddyfile"], "streamaudit.jsonl"


_PREPARE: dict[str, Callable[[Path, str, Ports], tuple[list[str], str]]] = {
    "nginx": _nginx, "haproxy": _haproxy, "envoy": _envoy, "apache": _apache, "caddy": _caddy,
}  # fmt: skip
SERVERS = tuple(_PREPARE)


@contextmanager
def serve(name: str, recipe: str, folder: Path, upstream: int) -> Iterator[Proxy]:
    """Run a server with a recipe in front of an upstream, in a new folder; its log is whole once it has ended."""
    folder.mkdir()
    ports = Ports(free_port(), upstream)
    command, log = _PREPARE[name](folder, recipe, ports)
    with running(command, folder, (ports.own,)):
        yield Proxy({name: f"http://{HOST}:{ports.own}/chat"}, folder / log)

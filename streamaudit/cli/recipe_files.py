"""The files in ``recipes``, which ``instrument NAME`` prints and a team copies into its application or its server's
configuration.

Each is complete in itself: it needs nothing of this package and none of the others but where its head says so, holds
counts and no text, is bounded in memory, and never breaks the stream that it records. Its head says where to paste it,
what it costs, how to check it and how its log is read. They are printed, never imported.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

Bound = Literal["upper", "lower"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A file: the figures that it records, and which end of what users saw they are."""

    file: str
    bound: Bound
    """A server's counts are an upper end: a reader that stays connected and stops reading looks complete there. Only
    what a page painted is a lower end."""
    records: str
    goes_into: str
    log: str | None = "recorder"
    """The name of the log that it writes, as ingest knows it; None where it writes into traces."""


RECIPES = {
    "nginx": Recipe("nginx.conf", "upper", "bytes, first byte, cut, when", "nginx", "nginx"),
    "envoy": Recipe("envoy.yaml", "upper", "exact bytes, first byte, cut, when", "Envoy, Istio", "envoy"),
    "haproxy": Recipe("haproxy.cfg", "upper", "bytes, first byte, cut, when", "HAProxy", "haproxy"),
    "apache": Recipe("apache.conf", "upper", "bytes, first byte, cut, when", "Apache httpd", "apache"),
    "caddy": Recipe("Caddyfile", "upper", "exact bytes; not whether cut", "Caddy", "caddy"),
    "asgi": Recipe("asgi.py", "upper", "events, bytes, first byte, cut, when", "FastAPI, Starlette, Django"),
    "node": Recipe("node.mjs", "upper", "events, bytes, first byte, cut, when", "Express, Fastify, Next, Hono"),
    "litellm": Recipe("litellm.py", "upper", "chunks, characters, cut, when", "LiteLLM proxy"),
    "otel": Recipe("otel.py", "upper", "tokens, cut, when", "Python with OpenTelemetry", None),
    "browser": Recipe("browser.js", "lower", "characters painted, left, when", "any page"),
    "ai-sdk": Recipe("ai-sdk.js", "lower", "characters painted, left, when", "Vercel AI SDK 5 and later"),
}  # fmt: skip
"""Every recipe by name, in the order in which they are listed."""


def read_recipe(name: str) -> str:
    """Return the text of a recipe."""
    return files(__package__).joinpath("recipes", RECIPES[name].file).read_text(encoding="utf-8")

"""Formats: one file each. A source says how to recognise its files, which fields to read, and the SQL that turns its
records into calls; it knows nothing of files, stores or reports.

The SQL selects from ``records`` (the declared fields as text or JSON, ``line``: the record's ordinal, ``record``: the
whole object, only when the user mapped a path) and names its output after the columns of ``staging.sql``; what it
does not name stays NULL. ``kind`` is llm, embedding, span or other (not a call and not kept). A list is unnested as a
column of its own: DuckDB recomputes an expression for every 2,048 rows that it yields.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from streamaudit.ingest.mapping import MAPPABLE, Mapping, is_about_errors, json_pointers

Record = dict[str, Any]
Occurs = Callable[[str], bool]
"""Whether a name occurs anywhere in a file: where it does not, no record has a field of that name. A name that ends in
``*`` stands for all that begin so."""

NO_MAPPING = Mapping()

# Where a candidate key was found, as the base of its rank: the lower rank fills the column.
MAPPED, TOP_LEVEL, METADATA, METRICS, TAGS, OWN = 0, 1, 100, 150, 200, 300

# Keys an application may set wherever it can put its own: metadata, attributes, metrics, key:value tags.
APP_KEYS: dict[str, tuple[str, ...]] = {
    "tenant": (
        "tenant", "tenant_id", "tenant.id", "organization_id", "organizationId", "org_id", "customer_id", "account_id",
        "team_id",
    ),
    "route": ("route", "endpoint", "http.route", "feature"),
    "deploy": ("release", "version", "app_version", "deployment", "git.commit.sha"),
    "rendered_tokens": ("rendered_tokens", "rendered_output_tokens", "tokens_rendered"),
    "delivered_tokens": ("streamed_output_tokens", "delivered_tokens"),
    "rendered_chars": ("rendered_chars",),
    "usage_source": ("usage_source", "usage_basis"),
    "rendered_chunks": ("rendered_chunks",),
    "cancelled": ("cancelled", "canceled", "aborted", "client_disconnected"),
    "outcome": ("outcome", "stream_status"),
    "finish_reason": ("finish_reason", "stop_reason"),
    "http_status": ("http_status", "http_status_code", "status_code", "http.response.status_code"),
    "cancelled_at_ms": ("cancelled_at_ms",),
    "cancelled_by": ("cancelled_by",),
    "upstream_cancelled": ("upstream_cancelled",),
    "upstream_end_ms": ("upstream_end_ms",),
    "stream": ("stream", "streamed", "is_streamed_request"),
    "cache_hit": ("cache_hit",),
    "transport": (
        "transport", "url.scheme", "url.full", "http.url", "http.scheme", "rpc.system", "rpc.system.name",
        "network.protocol.name",
    ),
    "region": ("region",),
    "attempt_number": ("attempt_number", "attempt"),
    "logical_request_id": ("logical_request_id", "idempotency_key"),
    "response_id": ("response_id",),
    "ttvt_ms": ("time_to_first_output_token_ms", "ttvt_ms"),
    "max_tokens": ("max_tokens", "max_output_tokens", "max_completion_tokens"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Match:
    """A source claims a file: which shape of its format it is, and the fields by which it was recognised."""

    variant: str
    because: str
    reading: "Source | None" = None
    """The source that reads this file, where its format is read in more than one way; None for the source itself."""
    notes: tuple[str, ...] = ()
    """Assumptions about this file that its owner may know better: one sentence each."""
    unread: dict[str, str] = field(default_factory=dict)
    """By column that nothing else fills, what this file has for it and why it is not read: one sentence each."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A source knows the file and cannot use it: what it is and what to export instead."""

    what: str
    instead: str


@dataclass(frozen=True, slots=True)
class Source:
    """A format. ``version`` grows whenever the same file would give other calls."""

    name: str
    version: int
    recognise: Callable[[Sequence[Record]], Match | Refusal | None]
    fields: dict[str, str]
    """VARCHAR or JSON by name, so that no odd value costs a record; a nested type of such where records are deep."""
    sql: str
    own_keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names for the format's own candidates of a keyed column, in rank order from OWN; ``ancestor`` marks the name of
    the enclosing step as the last resort for a route."""
    top_keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names for top-level candidates, in rank order from TOP_LEVEL."""
    nested_rule: Literal["same_model", "repeats_usage"] = "same_model"
    """When an outer LLM step is the same call as a nested one: equal model and overlapping time, or usage at least
    that of the steps inside."""
    id_field: str | None = None
    """Name of the field that identifies a record; None when the format defines none."""
    id_names: Literal["attempt", "request"] = "attempt"
    """Whether the id names an attempt or a request. Records of one request may be attempts of their own; of one
    attempt, they are versions."""
    whole: bool = False
    """The SQL reads the ``record`` itself in addition to its fields."""
    is_record_a_row: bool = False
    """Each record comes out as one row, whatever its fields hold: a field that no record has may be left out."""
    has_total: bool = False
    """The SQL gives ``total_tokens``, which decides whether a record's output includes its reasoning."""
    fallback: bool = False
    """The source claims a file only where no other does."""
    read_mapped: "Callable[[Sequence[Record]], Match] | None" = None
    """Claims records of which the source knows no field, to be read with the user's paths alone."""
    implied: Mapping = field(default_factory=Mapping)
    """Paths that this file's own spelling of usual names implies; the user's take precedence."""
    time_field: str | None = None
    """Name of the field with the start; None when the format defines none."""
    record_keys: tuple[str, ...] = ("data",)
    """Keys under which pages of this format hold their records."""
    needs: tuple[tuple[str, ...], ...] = ()
    """The fields that make a record one of this format: of each group one, dotted inside objects."""
    reads: dict[str, str] = field(default_factory=dict)
    """In words, the fields that a column is read from, for those whose own name does not show it."""
    remedies: dict[str, str] = field(default_factory=dict)
    """Advice on what to record to get a capability of the coverage report that is missing: one sentence each."""
    trace_url: str = ""
    """Address of a call's trace in the vendor's own pages, after the base that the configuration knows; with the fields
    ``trace_id`` and ``call_id``. Empty where the vendor has none."""

    fit: "Callable[[Source, Occurs], Source] | None" = None
    """Returns a source that is planned in less time and gives the same rows for a file in which only some names occur;
    None where there is none."""
    window_end: Callable[[str], datetime | None] = lambda path: None
    """Instant before which every record of a file began, by the file's path; None where the path does not show it."""
    supersedes: Callable[[str], str | None] = lambda path: None
    """Folder, with its trailing slash, that holds the calls of a file's own folder too and less of each; None where
    there is no such folder."""

    def link(self, base: str, trace_id: str, call_id: str) -> str | None:
        """Return the address at which the vendor shows a call; None when it has no pages for calls."""
        if not self.trace_url:
            return None
        return base.rstrip("/") + self.trace_url.format(
            trace_id=quote(trace_id, safe=""), call_id=quote(call_id, safe="")
        )

    def key_name(self, column: str, rank: int, mapping: Mapping) -> str:
        """Return the candidate key that a rank of a keyed column stands for, as a user would write it."""
        if rank < TOP_LEVEL:
            return " or ".join(mapping.paths.get(column, ()))
        bands = (
            (OWN, self.own_keys.get(column, ()), ""),
            (TAGS, APP_KEYS[column], "tags."),
            (METRICS, app_pointers(column), "metrics"),
            (METADATA, app_pointers(column), "metadata"),
            (TOP_LEVEL, self.top_keys.get(column, ()), ""),
        )
        base, names, prefix = next(band for band in bands if rank >= band[0])
        return (prefix + names[rank - base]).replace("/", ".")

    def mapping(self, mapping: Mapping) -> Mapping:
        """Return the user's paths, which take precedence, together with the implied ones."""
        return Mapping({**self.implied.paths, **mapping.paths})

    def fitted(self, occurs: Occurs | None) -> "Source":
        """Return the source that reads a file in which only some names occur; itself where that is not known."""
        return self.fit(self, occurs) if self.fit and occurs else self

    def has_guessed(self, column: str, mapping: Mapping) -> bool:
        """Whether a column's path is one that the source implied, not the user's, were it the same path."""
        return column in self.implied.paths and mapping.paths.get(column) is self.implied.paths[column]

    def digest(self, mapping: Mapping) -> str:
        """Return a digest that changes whenever the same file would give other calls."""
        weak = "/weak" if self.has_guessed("outcome", mapping) else ""
        return f"{self.name}/{self.version}/{mapping.digest()}{weak}"


@cache
def app_pointers(column: str) -> tuple[str, ...]:
    """Return the JSON pointers of an application key's candidates, literal before walk."""
    return tuple(pointer for key in APP_KEYS[column] for pointer in json_pointers(key))


def parameters(mapping: Mapping) -> dict[str, Any]:
    """Return the parameters that sources' SQL may bind: all application paths, all tag keys and the pointers to them in
    an object, and the user's own paths."""
    tag_keys = [key for keys in APP_KEYS.values() for key in keys]
    return {
        "app_paths": [pointer for column in APP_KEYS for pointer in app_pointers(column)],
        "tag_keys": tag_keys,
        "tag_pointers": [json_pointers(key)[0] for key in tag_keys],
        **{f"map_{column}": mapping.pointers(column) for column in MAPPABLE},
        **{f"scale_{column}": mapping.scales(column) for column in MAPPABLE},
        "scale_ttft_at": [None for _ in mapping.pointers("ttft_ms")],
        "outcome_is_error": any(is_about_errors(path) for path in mapping.paths.get("outcome", ())),
    }


TELLING = ("model", "response_model", "input_tokens", "output_tokens", "ttft_ms", "duration_ms", "cost_usd")
"""Columns that imply, when a user maps one, that the records are calls."""


def discover() -> dict[str, Source]:
    """Return every source in this folder by name, in alphabetical order."""
    return {name: _load(name) for name in _names()}


def fallback() -> Source:
    """Return the source that claims a file only where no other does."""
    return next(source for source in discover().values() if source.fallback)


def find(name: str) -> Source | None:
    """Return one source without loading the others; None when there is none of that name."""
    return _load(name) if name in _names() else None


@cache
def _names() -> list[str]:
    modules = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return [name for name in modules if not name.startswith("_") and name != "registry"]


def _load(name: str) -> Source:
    source: Source = importlib.import_module(f"{__package__}.{name}").SOURCE
    return source

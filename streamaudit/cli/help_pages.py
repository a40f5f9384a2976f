"""Pages of help: commands by task, options by what they are about, each on lines that are not cut.

Mixed into the program and its commands, which otherwise list both in one long list and show Python's types.
"""

import re
from typing import Any

TASKS: dict[str, dict[str, str]] = {
    "Start": {
        "demo": "See it on synthetic traces",
        "ingest": "Read exports into the store",
        "pull": "Fetch what is new from Langfuse or Datadog into the store",
        "fields": "List the paths in an export, and what to give to --map",
        "instrument": "Print a recipe that logs what users received",
    },
    "Look": {
        "report": "Show waits, cancels, cost and the cancellation tax by group",
        "ttft": "Show time to first token: percentiles and histogram",
        "tax": "Show tokens billed minus tokens rendered, and their cost",
        "explain": "Explain one call: timeline, figures, where each came from",
        "coverage": "Show what the calls record, and what to add",
        "sql": "Query the store in SQL, read-only",
        "mcp": "Answer an assistant's questions (MCP)",
    },
    "Compare": {
        "diff": "Show what a deploy made worse",
        "history": "Show figures by deploy, day or week, and lasting changes",
        "weekly": "Summarise the last complete week, and post it",
    },
    "Act": {
        "audit": "Find streaming failures that no dashboard shows",
        "check": "Check the thresholds in streamaudit.toml",
        "providers": "List what providers do when a client disconnects",
    },
    "Keep": {
        "merge": "Make one store of many, and count each call once",
        "export": "Write the calls as Parquet or CSV",
        "reprice": "Price the stored calls again",
        "unload": "Undo one load, as if its file had never been read",
        "prune": "Delete calls that started before a date",
        "forget": "Delete the calls of one user",
        "config": "Show every setting, and where it came from",
        "spec": "Describe every command and option as JSON",
    },
}
"""Every command with one line, by what a user wants to do, in the order of the help."""

_TOPICS = {
    "Which calls": ("--since", "--until", "--last", "--week", "--tz", "--where", "--only"),
    "Groups": ("--by", "--top"),
    "Output": ("--format", "--json", "--output", "--open", "--wide", "--color", "--redact", "--fail-on-empty",
               "--quiet", "--verbose", "--log-format"),
    "Store and files": ("--db", "--map", "--wait", "--memory-limit", "--data", "--engine"),
}  # fmt: skip
_BRACKETED = re.compile(r"^\[(\[.*\]\.\.\.)\]\.\.\.$")
_TYPE = re.compile(r" <[^<>]*>$")
_DEFAULT = re.compile(r"  \[default: [^\]]*\]$")
"""Shown once: where the help says ``Default: …`` itself, and for counts that begin at 0, it is left out."""


class TopicalOptions:
    """A command whose options are listed by topic, its own ones first."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line; one with brackets of its own gets no second pair."""
        pieces: list[str] = super().collect_usage_pieces(ctx)  # type: ignore[misc]
        return [_BRACKETED.sub(r"\1", piece) for piece in pieces]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options."""
        arguments: list[tuple[str, str]] = []
        topics: dict[str, list[tuple[str, str]]] = {"Options": [], **{name: [] for name in _TOPICS}}
        for param in self.get_params(ctx):  # type: ignore[attr-defined]
            record = param.get_help_record(ctx)
            if record is None:
                continue
            name, text = _TYPE.sub("", record[0]), record[1]
            if "Default: " in text or text.endswith("[default: 0]"):
                text = _DEFAULT.sub("", text)
            if param.param_type_name == "argument":
                arguments.append((name, text))
                continue
            topic = next((topic for topic, names in _TOPICS.items() if set(names) & set(param.opts)), "Options")
            topics[topic].append((name, text))
        for title, rows in (("Arguments", arguments), *topics.items()):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class CommandsByTask:
    """The program, whose commands are listed by task."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands."""
        width = max(len(name) for names in TASKS.values() for name in names)
        for title, names in TASKS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in names.items()])

"""Build the command line: the program's own options and the commands, each of which is a file in ``commands``."""

import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Optional

import typer

import streamaudit
from streamaudit.cli.help_pages import TASKS
from streamaudit.cli.option_groups import expand_groups
from streamaudit.cli.plain_values import Command, Program

COMMANDS = tuple(name for names in TASKS.values() for name in names)
"""Every file of the folder ``commands``, in the order of the help."""

_EXAMPLES = """Audits streamed LLM traffic: time to first token, the cancellation tax, by tenant.

\b
  streamaudit demo                                  see it on synthetic traces
  streamaudit report traces.jsonl --by tenant       straight from a file, nothing is stored
  streamaudit ingest traces.jsonl                   keep the calls in a store, then:
  streamaudit tax --by tenant --last 7d

Nothing leaves this machine unless you post a summary, and no prompt or answer text is stored.
"""

_OF_ALL = "spec"
"""The command that describes all others."""


def program(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the program with all its commands or, to start faster, only the one that the arguments begin with."""
    app = typer.Typer(
        name="streamaudit",
        cls=Program,
        help=_EXAMPLES,
        invoke_without_command=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    first = arguments[0] if arguments else ""
    for name in (first,) if first in COMMANDS and first != _OF_ALL else COMMANDS:
        module = import_module(f"streamaudit.cli.commands.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name, cls=Command)(expand_groups(module.command))
    return app


def _version(value: bool) -> None:
    if value:
        print(f"streamaudit {streamaudit.__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    config_file: Annotated[
        Optional[Path],
        typer.Option("--config", metavar="FILE", help="Configuration file. Default: the nearest streamaudit.toml."),
    ] = None,
    no_config: Annotated[bool, typer.Option("--no-config", help="Read no configuration file.")] = False,
) -> None:
    """Options of the program itself."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        return
    if {"-h", "--help"} & set(takewhile(lambda word: word != "--", sys.argv[1:])):
        return  # help must work with a broken configuration too
    from streamaudit.config import loader

    context.obj = loader.load(None if no_config else loader.find(config_file))
    defaults = {name: str(value) for name, value in context.obj.options.items()}
    context.default_map = {**dict.fromkeys(COMMANDS, defaults), "config": {"show": defaults}}

"""``streamaudit instrument``."""

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from streamaudit.cli import completion
from streamaudit.cli.options import Writing
from streamaudit.errors import EXIT_OK, UsageError, nearest

if TYPE_CHECKING:
    from streamaudit.report.frames import Result

Name = Annotated[
    Optional[str],
    typer.Argument(
        metavar="NAME", help="What to instrument; without it, all are listed.", autocompletion=completion.recipes
    ),
]


Check = Annotated[
    Optional[str],
    typer.Option("--check", metavar="LOG", help="Read a sample of such a log, and show which figures it gives."),
]


def command(name: Name = None, *, check: Check = None, writing: Writing) -> int:
    """Print a recipe: a few lines for a server, or one file for an application or page, that log what users received.

    Example: streamaudit instrument nginx
    """
    import sys

    from streamaudit.cli import console
    from streamaudit.cli.recipe_files import RECIPES, read_recipe

    output = writing.parse()
    if name is not None and name not in RECIPES:
        raise _unknown(name)
    if check is not None:
        from streamaudit.api import check_log

        return output.write_one(check_log(check, RECIPES[name].log if name else None))
    if name is None:
        return output.write_one(_list_recipes())
    sys.stdout.write(read_recipe(name))
    sys.stdout.flush()
    if sys.stdout.isatty():
        console.note(f"save it: streamaudit instrument {name} > {RECIPES[name].file}")
    return EXIT_OK


def _unknown(name: str) -> UsageError:
    from streamaudit.cli.recipe_files import RECIPES

    close = nearest(name, list(RECIPES))
    return UsageError(f"no recipe for {name}", f"did you mean {close}?" if close else "recipes: " + ", ".join(RECIPES))


def _list_recipes() -> "Result":
    from streamaudit.cli.recipe_files import RECIPES
    from streamaudit.report.frames import Result
    from streamaudit.report.model import NO_WINDOW, Column, Note, Report, Table

    columns = (
        Column("recipe"),
        Column("bound", None, "which end of what users saw it gives"),
        Column("records", None, "figures of each stream"),
        Column("goes_into", None, "where it is pasted"),
    )
    rows = tuple((name, one.bound, one.records, one.goes_into) for name, one in RECIPES.items())
    notes = (
        Note("bounds", "a server's counts are the upper end of what users saw, a page's the lower end"),
        Note("print", "streamaudit instrument NAME > FILE prints one; its first lines say where it goes"),
    )
    return Result(Report("recipes", NO_WINDOW, (Table("recipes", columns, rows),), notes=notes))

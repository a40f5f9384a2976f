"""``streamaudit instrument``."""

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from streamaudit.cli import completion
from streamaudit.cli.options import Writing
from streamaudit.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from streamaudit.report.frames import Result

Name = Annotated[
    Optional[str],
    typer.Argument(
        metavar="NAME", help="What to instrument; without it, all are listed.", autocompletion=completion.recipes
    ),
]


def command(name: Name = None, *, writing: Writing) -> int:
    """Print a recipe: a few lines for a server, or one file for an application or page, that log what users received.

    Example: streamaudit instrument nginx
    """
    import sys

    from streamaudit.cli import console
    from streamaudit.cli.recipe_files import RECIPES, read_recipe

    output = writing.parse()
    if name is None:
        return output.write_one(_list_recipes())
    if name not in RECIPES:
        raise _unknown(name)
    sys.stdout.write(read_recipe(name))
    sys.stdout.flush()
    if sys.stdout.isatty():
        console.note(f"save it: streamaudit instrument {name} > {RECIPES[name].file}")
    return EXIT_OK


def _unknown(name: str) -> UsageError:
    from difflib import get_close_matches

    from streamaudit.cli.recipe_files import RECIPES

    close = get_close_matches(name, RECIPES, 1)
    known = f"did you mean {close[0]}?" if close else "recipes: " + ", ".join(RECIPES)
    return UsageError(f"no recipe for {name}", known)


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

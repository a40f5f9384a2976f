"""The rooms of the package are those that the documentation and the import contracts name."""

import ast
import re
import tomllib

from tests.structure import CHECKOUT, PACKAGE, boxes, imports, rooms

BESIDE_THE_ROOMS = {"__init__", "__main__", "api", "errors"}
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = PROJECT["tool"]["importlinter"]["contracts"]


def test_the_rooms_are_those_of_the_documentation() -> None:
    """A room that is not in the table has no purpose that anyone can look up."""
    text = (CHECKOUT / "docs" / "index.md").read_text(encoding="utf-8")
    table = text.partition("| room | what lives there |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| `(\w+)/` \|", table, re.MULTILINE)) == rooms()


def test_beside_the_rooms_there_are_only_the_api_and_the_errors() -> None:
    """No module lies at the root for want of a room."""
    assert set(boxes()) - set(rooms()) <= BESIDE_THE_ROOMS


def test_every_room_says_what_comes_in_and_what_goes_out() -> None:
    """Its docstring is the contract that a newcomer reads first."""
    for room in rooms():
        text = (CHECKOUT / PACKAGE / room / "__init__.py").read_text(encoding="utf-8")
        stated = ast.get_docstring(ast.parse(text)) or ""
        assert len(stated.splitlines()) >= 3, room


def test_the_layers_name_every_room_once() -> None:
    """``exhaustive`` then makes a module at the root without a room fail."""
    (layers,) = [contract for contract in CONTRACTS if contract["type"] == "layers"]
    named = [name for layer in layers["layers"] for name in re.split(r"\W+", layer)]
    assert layers["exhaustive"] is True and len(named) == len(set(named))
    assert set(named) == set(boxes()) - {"__init__"}


def test_the_house_has_few_arrows() -> None:
    """At most 12 boxes and 45 arrows between them; 63 and 275 before there were rooms."""
    _, arrows = imports()
    assert len(boxes()) <= 12 and len(arrows) <= 45

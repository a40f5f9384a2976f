"""Groups of options that a command takes as one parameter.

A parameter annotated with a dataclass of ``cli.inputs`` or ``cli.options`` becomes that class's options. A parameter or
a field annotated with ``Settings`` is not an option: it is filled with the configuration in force.
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

import typer

from streamaudit.config.settings import Settings

if TYPE_CHECKING:
    from dataclasses import Field


def expand_groups(command: Callable[..., int]) -> Callable[..., int]:
    """Return the command with every group of options expanded, and the configuration passed where annotated."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {}
    configured: list[str] = []
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if kind is Settings:
            configured.append(name)
        elif is_dataclass(kind):
            groups[name] = kind
            options = get_type_hints(kind, include_extras=True)
            parameters += [
                parameter.replace(
                    name=one.name, annotation=options[one.name], kind=inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty if one.default is MISSING else one.default,
                )
                for one in _options_of(kind)
            ]  # fmt: skip
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))

    # A command that takes the context itself names the parameter.
    own = next((one.name for one in parameters if one.annotation is typer.Context), None)
    if own is None:
        parameters.append(
            inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        )  # fmt: skip

    def run(**values: Any) -> int:
        settings = (values[own] if own else values.pop("context")).obj
        made: dict[str, Any] = dict.fromkeys(configured, settings)
        for name, kind in groups.items():
            given = {one.name: values.pop(one.name) for one in _options_of(kind)}
            if any(one.name == "settings" for one in fields(kind)):
                given["settings"] = settings
            made[name] = kind(**given)
        return command(**made, **values)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _options_of(group: Any) -> "list[Field[Any]]":
    return [one for one in fields(group) if one.init and one.name != "settings"]

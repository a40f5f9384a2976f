"""``streamaudit spec``."""

from typing import Annotated, Any

import typer

from streamaudit.errors import EXIT_OK


def command(
    context: typer.Context,
    man: Annotated[bool, typer.Option("--man", help="As a manual page, for man -l -.")] = False,
) -> int:
    """Every command, option and dimension as one JSON object, for programs that call streamaudit.

    Example: streamaudit spec
    """
    import json

    from streamaudit import __version__
    from streamaudit.store.dimensions import DIMENSIONS

    root = context.find_root()
    commands = {name: _describe(command) for name, command in root.command.commands.items()}  # type: ignore[attr-defined]
    if man:
        print(_manual(str(root.command.help), commands, __version__))
        return EXIT_OK
    described = {
        "schema": "streamaudit.spec/1",
        "version": __version__,
        "options": _options(root.command),
        "commands": commands,
        "dimensions": list(DIMENSIONS),
        "exit_codes": _EXIT_CODES,
    }
    print(json.dumps(described, indent=2))
    return EXIT_OK


_EXIT_CODES = {
    "0": "done",
    "1": "a gate failed, and only where a gate was asked for",
    "2": "the command line or the configuration is wrong",
    "3": "the input cannot be used, or the window is empty with --fail-on-empty",
    "4": "the store is busy, damaged, or written by a newer version",
    "5": "computed, but not delivered",
    "70": "a bug",
    "130": "interrupted",
    "141": "the reader of standard output went away",
    "143": "terminated",
}


def _describe(command: Any) -> dict[str, Any]:
    text = command.help or ""
    summary, _, example = text.partition("Example: ")
    about: dict[str, Any] = {"help": " ".join(summary.split()), "example": example.strip() or None}
    if hasattr(command, "commands"):
        about["commands"] = {name: _describe(inner) for name, inner in command.commands.items()}
    else:
        about["arguments"] = [
            {"name": one.metavar or one.name, "help": one.help, "required": one.required}
            for one in command.params
            if one.param_type_name == "argument"
        ]
        about["options"] = _options(command)
    return about


def _options(command: Any) -> list[dict[str, Any]]:
    return [
        {
            "names": [*one.opts, *one.secondary_opts], "metavar": None if one.is_flag else one.metavar,
            "repeatable": bool(one.multiple), "help": one.help,
            "default": one.default if isinstance(one.default, (str, int, float)) and not one.is_flag else None,
        }
        for one in command.params
        if one.param_type_name == "option"
    ]  # fmt: skip


def _manual(intro: str, commands: dict[str, Any], version: str) -> str:
    lines = [f'.TH STREAMAUDIT 1 "" "streamaudit {version}"', ".SH NAME", "streamaudit \\- audits streamed LLM traffic"]
    lines += [".SH SYNOPSIS", ".B streamaudit", "COMMAND [OPTIONS] [ARGUMENTS]", ".SH DESCRIPTION"]
    lines += [".nf", *(_roff(line) for line in intro.splitlines() if line.strip() != "\b"), ".fi", ".SH COMMANDS"]
    for name, about in commands.items():
        lines += [f'.SS "{_roff(name)}"', _roff(about["help"])]
        for inner, text in about.get("commands", {}).items():
            lines += [".TP", f".B {_roff(name)} {_roff(inner)}", _roff(text["help"])]
        for option in about.get("options", ()):
            spelled = ", ".join(option["names"]) + (f" {option['metavar']}" if option["metavar"] else "")
            lines += [".TP", f".B {_roff(spelled)}", _roff(option["help"] or "")]
        if about["example"]:
            lines += [".P", "Example:", f".B {_roff(about['example'])}"]
    lines += [".SH EXIT STATUS"]
    for code, meaning in _EXIT_CODES.items():
        lines += [".TP", f".B {code}", meaning]
    return "\n".join(lines)


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped

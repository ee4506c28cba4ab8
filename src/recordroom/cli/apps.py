"""What the groups of commands have in common: how they are made, their lines of usage, and rows as a table or as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cyclopts import App, Parameter

from .output import print_json, print_table

__all__ = ["EPILOGUE", "flag", "group_of_commands", "print_rows", "repeated", "switch", "usage"]

EPILOGUE = "Exit codes and more: recordroom --help"


def group_of_commands(name: str, about: str) -> App:
    """A command that has commands: `recordroom NAME COMMAND`."""
    return App(name=name, help=about, help_format="plaintext", help_epilogue=EPILOGUE)


def usage(command: str, words: str = "", room: str = "[ROOM]") -> str:
    """The first line of a command's help."""
    return " ".join(f"Usage: recordroom {command} {room} {words} [OPTIONS]".split())


def flag(name: str, text: str) -> Any:
    """An option of that name."""
    return Parameter(name=name, help=text)


def switch(name: str, text: str) -> Any:
    """An option without a value, which nothing turns off."""
    return Parameter(name=name, negative=(), show_default=False, help=text)


def repeated(name: str, text: str) -> Any:
    """An option that may be given more than once."""
    return Parameter(name=name, negative=(), show_default=False, help=text)


def print_rows(names: Sequence[str], rows: Sequence[Sequence[Any]], *, numbers: Iterable[str] = (), json: bool) -> None:
    """A table, or one JSON document with an object for each row."""
    if json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    shown = [[", ".join(cell) if isinstance(cell, list) else cell for cell in row] for row in rows]
    print_table(names, shown, numbers=numbers)

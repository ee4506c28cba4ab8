"""`discover`: find plugins below paths and let them register themselves.

A plugin is a Python file with a function `register(session, **arguments)`. One that cannot be imported, or has no `register`, is
told of in the log and left out; what `register` itself raises goes through. Nothing is ever loaded from a room.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import inspect
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["discover", "load_source"]

_ROOM = "room.sqlite"  # what a folder that is a room has
_log = logging.getLogger(f"{__name__}.discover")


def load_source(modname: str, filename: str | Path) -> ModuleType:
    """The module of a file, under a name of its own."""
    loader = importlib.machinery.SourceFileLoader(modname, str(filename))
    spec = importlib.util.spec_from_file_location(modname, str(filename), loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def discover(
    paths: Iterable[str | Path],
    positional_arguments: Sequence[Any] | None = None,
    keyword_arguments: Mapping[str, Any] | None = None,
) -> None:
    """Call `register` of every plugin below paths, with as many of the arguments as it takes."""
    for path in paths:
        # An empty one would be the folder that one happens to be in.
        if str(path).strip():
            for file in _files(Path(str(path).strip())):
                register = _register_of(file)
                if register is not None:
                    _register(register, file, list(positional_arguments or ()), dict(keyword_arguments or {}))


def _files(path: Path) -> Iterator[Path]:
    for file in sorted(path.rglob("*.py")):
        if any((folder / _ROOM).exists() for folder in file.resolve().parents):
            _log.warning("%s is not loaded: it lies in a room, and nothing is ever loaded from a room", file)
        elif file.is_file():
            yield file


def _register_of(file: Path) -> Callable[..., Any] | None:
    try:
        module = load_source(uuid.uuid4().hex, file)
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
        _log.warning("the plugin %s cannot be imported: %s: %s", file, type(error).__name__, error)
        _log.debug("where it failed", exc_info=True)
        return None
    register: Callable[..., Any] | None = getattr(module, "register", None)
    if register is None:
        _log.warning("%s is no plugin: it has no function `register`", file)
    return register


def _register(register: Callable[..., Any], file: Path, given: list[Any], named: dict[str, Any]) -> None:
    """Call it with what it takes."""
    parameters = list(inspect.signature(register).parameters.values())
    places = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if not any(each.kind is each.VAR_POSITIONAL for each in parameters) and len(given) > len(places):
        _log.warning("register of %s takes %d of %d arguments", file, len(places), len(given))
        given = given[: len(places)]
    if not any(each.kind is each.VAR_KEYWORD for each in parameters):
        free = places[len(given) :] + [each for each in parameters if each.kind is each.KEYWORD_ONLY]
        takes = {each.name for each in free if each.kind is not each.POSITIONAL_ONLY}
        left = [name for name in named if name not in takes]
        if left:
            _log.warning("register of %s does not take %s", file, ", ".join(left))
        named = {name: value for name, value in named.items() if name in takes}
    register(*given, **named)

"""Plugins: Python files and installed packages that extend a session when it begins. See docs/plugins.md.

A plugin has a function `register(session, **arguments)`. Files are found in folders, walked recursively, and packages by
the entry points `recordroom.plugins`. Nothing is ever loaded from a room: whoever may write there must not run code
here. What goes wrong with one plugin is told by its name and harms no other; `SessionRefused` stops the session.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import inspect
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..errors import InvalidValue, SessionRefused
from .hooks import name_of, plugin_now, registering, report

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from .session import Session

__all__ = ["GROUP", "PATIENCE", "VARIABLE", "Plugin", "load_plugins"]

VARIABLE = "RECORDROOM_PLUGINS"
GROUP = "recordroom.plugins"
_ROOM = "room.sqlite"  # what a folder that is a room has
PATIENCE = 10.0  # seconds after which a plugin that has not come back is told of

_log = logging.getLogger("recordroom.plugins")
_loading: dict[str, threading.RLock] = {}  # file → for who imports it
_loaded: dict[str, tuple[tuple[int, int], ModuleType]] = {}  # file → its state when it was imported, and the module


class Plugin(msgspec.Struct, kw_only=True):
    """A plugin that was found: its name, where (a file, or the entry point), and what was wrong with it.

    `ignored` are arguments that it does not take; `problem` says why it was not registered, `error` with what exception.
    `late`: it took longer than a plugin should.
    """

    name: str
    where: str
    ignored: tuple[str, ...] = ()
    problem: str = ""
    error: BaseException | None = None
    late: bool = False

    @property
    def registered(self) -> bool:
        """Whether its `register` came back."""
        return not self.problem


Find = Callable[[], Any]  # gives the function `register`


def load_plugins(
    session: Session, paths: Sequence[str | Path] | Literal[False] | None, arguments: Mapping[str, Any] | None
) -> list[Plugin]:
    """Register the plugins below `paths` with a session; without, those of RECORDROOM_PLUGINS and of installed packages."""
    given = _checked(paths, arguments)
    if paths is False or plugin_now():
        # A plugin that connects would otherwise register itself, and so on without end.
        return []
    found: list[Plugin] = []
    known: set[Any] = set()
    for plugin, find in _candidates(given):
        register = _find(plugin, find, known)
        if register is not None:
            _register(plugin, register, session, dict(arguments or {}))
        if register is not None or plugin.problem:
            found.append(plugin)
    return found


def _checked(paths: Any, arguments: Any) -> Sequence[str | Path] | None:
    if paths is False:
        paths = ()
    if isinstance(paths, str | Path) or not (paths is None or isinstance(paths, Iterable)):
        raise InvalidValue(type="connect", attribute="plugins", value=paths, expected="a list of folders, or False")
    if arguments is not None and not (isinstance(arguments, Mapping) and all(isinstance(n, str) for n in arguments)):
        expected = "a mapping from names of arguments to values"
        raise InvalidValue(type="connect", attribute="plugin_arguments", value=arguments, expected=expected)
    return None if paths is None else list(paths)


# --- what there is --------------------------------------------------------------------------------


def _candidates(paths: Sequence[str | Path] | None) -> Iterator[tuple[Plugin, Find]]:
    named = paths if paths is not None else os.environ.get(VARIABLE, "").split(os.pathsep)
    seen: dict[str, str] = {}
    for path in named:
        # An empty entry would be the folder that one happens to be in.
        if str(path).strip():
            for plugin, file in _files(Path(str(path).strip()).expanduser(), seen):
                yield plugin, partial(_register_of, file)
    if paths is None:
        for point in _entry_points(tuple(sys.path)):
            yield Plugin(name=point.name, where=f"{point.group}: {point.value}"), point.load


def _files(path: Path, seen: dict[str, str]) -> Iterator[tuple[Plugin, Path]]:
    """The Python files at a path, in order; each real file once."""
    if not path.exists():
        yield Plugin(name=path.stem, where=str(path), problem="there is no such file or folder"), path
    for file in _python_files(path):
        plugin = Plugin(name=_name(path, file), where=str(file))
        real = Path(os.path.realpath(file))
        if any((folder / _ROOM).exists() for folder in real.parents):
            plugin.problem = "it lies in a room, and nothing is ever loaded from a room"
        elif str(real) in seen:
            plugin.problem = f"it is the same file as the plugin {seen[str(real)]}, which is registered once"
        seen.setdefault(str(real), plugin.name)
        yield plugin, file


def _python_files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for base, folders, names in os.walk(path):
        folders[:] = sorted(each for each in folders if each != "__pycache__" and not each.startswith("."))
        for name in sorted(names):
            if name.endswith(".py") and not name.startswith("."):
                yield Path(base) / name


def _name(path: Path, file: Path) -> str:
    """What a file is called in messages: its place below the path, with dots."""
    if path == file:
        return file.stem
    return ".".join(file.relative_to(path).with_suffix("").parts)


@lru_cache(maxsize=8)
def _entry_points(places: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The entry points of installed packages; looked for once for each sys.path, as it takes a while."""
    from importlib.metadata import entry_points

    return tuple(sorted(entry_points(group=GROUP), key=lambda each: (each.name, each.value)))


# --- import ---------------------------------------------------------------------------------------


def _register_of(file: Path) -> Any:
    return getattr(_module(file), "register", None)


def _module(file: Path) -> ModuleType:
    """The module of a file, under a name that nobody else has; imported again when the file has changed."""
    real = os.path.realpath(file)
    facts = file.stat()
    state = (facts.st_mtime_ns, facts.st_size)
    with _loading.setdefault(real, threading.RLock()):
        known = _loaded.get(real)
        if known is not None and known[0] == state:
            return known[1]
        name = (
            f"recordroom_plugin_{hashlib.sha256(real.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}_{file.stem}"
        )
        loader = importlib.machinery.SourceFileLoader(name, str(file))
        spec = importlib.util.spec_from_file_location(name, file, loader=loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        before = sys.modules.get(name)
        # Data classes and pickles look their module up by its name.
        sys.modules[name] = module
        try:
            loader.exec_module(module)
        except BaseException:
            _restore(name, before)
            raise
        _loaded[real] = (state, module)
        return module


def _restore(name: str, before: ModuleType | None) -> None:
    if before is None:
        del sys.modules[name]
    else:
        sys.modules[name] = before


def _find(plugin: Plugin, find: Find, known: set[Any]) -> Callable[..., Any] | None:
    """The plugin's `register`, unless something is wrong with it; None and no problem for a helper file."""
    if plugin.problem:
        _tell(plugin)
        return None
    try:
        with _watched(plugin, "import"), registering(plugin.name):
            register = find()
    except SessionRefused:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the session goes on without it
        _fail(plugin, f"it cannot be imported: {type(error).__name__}: {error}", error)
        return None
    if register is None and Path(plugin.where).name.startswith("_"):
        return None
    if not callable(register):
        _fail(plugin, "it has no function `register(session)`")
    elif register in known:
        _fail(plugin, f"its function {name_of(register)} was registered by another plugin already")
    else:
        known.add(register)
        found: Callable[..., Any] = register
        return found
    return None


# --- register -------------------------------------------------------------------------------------


def _register(plugin: Plugin, register: Callable[..., Any], session: Session, arguments: dict[str, Any]) -> None:
    try:
        accepted = _accepted(register, arguments)
        plugin.ignored = tuple(name for name in arguments if name not in accepted)
        if plugin.ignored:
            _log.warning("the plugin %s does not take %s", plugin.name, ", ".join(plugin.ignored))
        with _watched(plugin, "register"), registering(plugin.name):
            register(session, **accepted)
    except SessionRefused:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the session goes on without it
        _fail(plugin, f"its register failed: {type(error).__name__}: {error}", error)
    else:
        _log.debug("registered the plugin %s of %s", plugin.name, plugin.where)


def _accepted(register: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """What of the arguments a function takes beside the session."""
    parameters = inspect.signature(register).parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return arguments
    named = [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    # The session goes where the first argument is.
    takes = set(named) - {each.name for each in positional[:1]}
    return {name: value for name, value in arguments.items() if name in takes}


@contextmanager
def _watched(plugin: Plugin, what: str) -> Iterator[None]:
    """Tell of a plugin that does not come back. It is not ended: nobody can end a function in the middle."""
    thread = threading.get_ident()

    def tell() -> None:
        plugin.late = True
        _log.warning(
            "the plugin %s of %s has not come back from its %s for %g seconds; it is %s",
            plugin.name, plugin.where, what, PATIENCE, _place_of(thread),
        )  # fmt: skip

    timer = threading.Timer(PATIENCE, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _place_of(thread: int) -> str:
    frame = sys._current_frames().get(thread)
    return "gone" if frame is None else f"at line {frame.f_lineno} of {frame.f_code.co_filename}"


def _fail(plugin: Plugin, problem: str, error: BaseException | None = None) -> None:
    plugin.problem, plugin.error = problem, error
    _tell(plugin)


def _tell(plugin: Plugin) -> None:
    report(f"The plugin {plugin.name} ({plugin.where}) is not registered: {plugin.problem}.", plugin.error)

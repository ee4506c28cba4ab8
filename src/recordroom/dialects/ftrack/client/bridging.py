"""What scripts make for locations, as recordroom's own parts have it, and back.

Accessors, structures and transformers of scripts are written for one thread: what is bridged is used by one at a time.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ....client.room_location import RoomAccessor
from ....errors import Error as NativeError
from ....errors import FileExists, InvalidPath, LocationUnavailable, NoSuchFile, NotSupported
from ....files import accessor as native
from ....files import structures
from ....files.disk import DiskAccessor as NativeDisk
from . import exception
from .accessor.base import Accessor
from .accessor.disk import DiskAccessor
from .accessor.server import _ServerAccessor
from .structure.base import Structure
from .structure.entity_id import EntityIdStructure
from .structure.origin import OriginStructure
from .structure.standard import StandardStructure
from .symbol import CHUNK_SIZE, NOT_SET

__all__ = ["FROM_NATIVE", "TO_NATIVE"]

# Entered again by the thread that has it: data of one bridged accessor may go to another.
_turn = threading.RLock()


# --- accessors ---------------------------------------------------------------------------------------------


class BridgedAccessor(native.Accessor):
    """An accessor of a script as a native one."""

    def __init__(self, accessor: Any) -> None:
        self.bridged = accessor

    @property
    def where(self) -> str:
        return type(self.bridged).__name__

    def write(self, path: str, chunks: Iterable[bytes], *, size: int | None = None, overwrite: bool = False) -> int:
        with self._named(path):
            self._make_room(path)
            if self.bridged.exists(path) and self.bridged.is_container(path):
                raise InvalidPath(where=self.where, path=path, reason="it is a container")
            if not overwrite and self.bridged.exists(path):
                raise FileExists(where=self.where, path=path)
            data = self.bridged.open(path, "wb")
        written = 0
        try:
            for chunk in chunks:
                with self._named(path):
                    data.write(chunk)
                written += len(chunk)
            with self._named(path):
                data.close()
        except BaseException:
            self._abandon(data, path)
            raise
        return written

    def read(self, path: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        with self._named(path):
            data = self.bridged.open(path, "rb")
        return self._chunks(data, path, start, length)

    def size(self, path: str) -> int:
        with self._named(path), contextlib.closing(self.bridged.open(path, "rb")) as data:
            try:
                data.seek(0, 2)
                return int(data.tell())
            except NotImplementedError:
                return sum(len(each) for each in iter(lambda: data.read(CHUNK_SIZE), b""))

    def is_file(self, path: str) -> bool:
        with self._named(path):
            return bool(self.bridged.is_file(path))

    def is_container(self, path: str) -> bool:
        with self._named(path):
            return bool(self.bridged.is_container(path))

    def list(self, path: str = "") -> list[str]:
        with self._named(path):
            return sorted(self.bridged.list(path))

    def remove(self, path: str) -> None:
        with self._named(path):
            self.bridged.remove(path)

    def make_container(self, path: str) -> None:
        with self._named(path):
            self.bridged.make_container(path)

    def rename(self, path: str, to: str) -> None:
        raise NotSupported(where=self.where, what="another name to a file")

    def url(self, path: str) -> str:
        with self._named(path):
            return str(self.bridged.get_url(path))

    def local_path(self, path: str) -> Path:
        with self._named(path):
            return Path(self.bridged.get_filesystem_path(path))

    def _make_room(self, path: str) -> None:
        with contextlib.suppress(exception.AccessorParentResourceNotFoundError):
            container = self.bridged.get_container(path)
            if container:
                self.bridged.make_container(container)

    def _chunks(self, data: Any, path: str, start: int, length: int | None) -> Iterator[bytes]:
        with contextlib.closing(data):
            left = length
            self._skip(data, path, start)
            while left is None or left > 0:
                with self._named(path):
                    chunk = data.read(CHUNK_SIZE if left is None else min(CHUNK_SIZE, left))
                if not chunk:
                    return
                left = None if left is None else left - len(chunk)
                yield chunk

    def _skip(self, data: Any, path: str, start: int) -> None:
        with self._named(path):
            try:
                if start:
                    data.seek(start)
            except NotImplementedError:
                data.read(start)

    def _abandon(self, data: Any, path: str) -> None:
        """Leave nothing half written, as far as the accessor lets one."""
        for undo in (data.close, lambda: self.bridged.remove(path)):
            with contextlib.suppress(Exception):
                undo()

    @contextlib.contextmanager
    def _named(self, path: str) -> Iterator[None]:
        """Alone, and with what it raises as an error of ours."""
        try:
            with _turn:
                yield
        except NativeError:
            raise
        except exception.AccessorResourceNotFoundError as error:
            raise NoSuchFile(where=self.where, path=path) from error
        except (exception.AccessorResourceIdentifierError, exception.AccessorResourceError) as error:
            raise InvalidPath(where=self.where, path=path, reason=str(error)) from error
        except exception.AccessorUnsupportedOperationError as error:
            raise NotSupported(where=self.where, what=str(error)) from error
        except Exception as error:
            raise LocationUnavailable(where=self.where, reason=str(error)) from error


def _native_accessor(session: Any, accessor: Any) -> Any:
    if accessor is None or accessor is NOT_SET:
        return None
    if isinstance(accessor, native.Accessor):
        return accessor
    # A class derived from one of these may do anything else.
    if type(accessor) in (DiskAccessor, _ServerAccessor):
        return accessor.native
    return BridgedAccessor(accessor)


def _shown_accessor(session: Any, accessor: Any) -> Any:
    if accessor is None:
        return NOT_SET
    if isinstance(accessor, BridgedAccessor):
        return accessor.bridged
    if type(accessor) is NativeDisk:
        shown = DiskAccessor(accessor.prefix or "")
        shown.native = accessor
        return shown
    return _ServerAccessor(session) if isinstance(accessor, RoomAccessor) else _OfNative(accessor)


class _OfNative(Accessor):
    """A native accessor, such as that of an object store, for scripts."""

    def __init__(self, accessor: native.Accessor) -> None:
        self.native = accessor
        super().__init__()

    def list(self, resource_identifier: str) -> Any:
        with exception.translated():
            return self.native.list(resource_identifier)

    def exists(self, resource_identifier: str) -> bool:
        with exception.translated():
            return self.native.exists(resource_identifier)

    def is_file(self, resource_identifier: str) -> bool:
        with exception.translated():
            return self.native.is_file(resource_identifier)

    def is_container(self, resource_identifier: str) -> bool:
        with exception.translated():
            return self.native.is_container(resource_identifier)

    def is_sequence(self, resource_identifier: str) -> bool:
        with exception.translated():
            return self.native.is_sequence(resource_identifier)

    def open(self, resource_identifier: str, mode: str = "rb") -> Any:
        if "r" not in mode:
            raise exception.AccessorUnsupportedOperationError("open to write", resource_identifier)
        try:
            return self.native.open(resource_identifier)
        except NoSuchFile as error:
            raise exception.AccessorResourceNotFoundError("open", resource_identifier, error) from error

    def remove(self, resource_identifier: str) -> None:
        with exception.translated():
            self.native.remove(resource_identifier)

    def make_container(self, resource_identifier: str, recursive: bool = True) -> None:
        with exception.translated():
            self.native.make_container(resource_identifier)

    def get_container(self, resource_identifier: str) -> str:
        return resource_identifier.rpartition("/")[0]

    def get_filesystem_path(self, resource_identifier: str) -> str:
        try:
            return str(self.native.local_path(resource_identifier))
        except NotSupported as error:
            raise exception.AccessorUnsupportedOperationError("get_filesystem_path", resource_identifier) from error

    def get_url(self, resource_identifier: str) -> str:
        try:
            return self.native.url(resource_identifier)
        except NotSupported as error:
            raise exception.AccessorUnsupportedOperationError("get_url", resource_identifier) from error


# --- structures and transformers ---------------------------------------------------------------------------


class BridgedStructure:
    """A structure of a script as a native one."""

    def __init__(self, session: Any, structure: Any) -> None:
        self.session = session
        self.bridged = structure

    def resource_identifier(self, component: Any, source: str | None = None) -> str:
        """The path for a component."""
        context = {} if source is None else {"source_resource_identifier": source}
        return str(self.bridged.get_resource_identifier(self.session.wrap(component), context))


class _OfNativeStructure(Structure):
    """A native structure for scripts."""

    def __init__(self, structure: Any) -> None:
        self.native = structure
        super().__init__()

    def get_resource_identifier(self, entity: Any, context: Any = None) -> str:
        """The path for a component."""
        source = (context or {}).get("source_resource_identifier")
        return str(self.native.resource_identifier(entity._native, source))


def _native_structure(session: Any, structure: Any) -> Any:
    if structure is None or structure is NOT_SET:
        return None
    if isinstance(structure, _OfNativeStructure):
        return structure.native
    return BridgedStructure(session, structure) if hasattr(structure, "get_resource_identifier") else structure


def _shown_structure(session: Any, structure: Any) -> Any:
    match structure:
        case None:
            return NOT_SET
        case BridgedStructure():
            return structure.bridged
        case structures.Origin():
            return OriginStructure()
        case structures.ById():
            return EntityIdStructure()
        case structures.ProjectTree():
            return StandardStructure(structure.prefix_of_project_versions, structure.substitute)
    return _OfNativeStructure(structure)


class BridgedTransformer:
    """A transformer of a script as a native one."""

    def __init__(self, session: Any, transformer: Any) -> None:
        self.session = session
        self.bridged = transformer

    def encode(self, identifier: str, component: Any = None) -> str:
        """What the room keeps for an identifier."""
        return str(self.bridged.encode(identifier, context={"component": self.session.wrap(component)}))

    def decode(self, identifier: str, component: Any = None) -> str:
        """The identifier for what the room keeps."""
        return str(self.bridged.decode(identifier, context={"component": self.session.wrap(component)}))


def _native_transformer(session: Any, transformer: Any) -> Any:
    return None if transformer is None or transformer is NOT_SET else BridgedTransformer(session, transformer)


def _shown_transformer(session: Any, transformer: Any) -> Any:
    return NOT_SET if transformer is None else getattr(transformer, "bridged", transformer)


_Turn = Callable[[Any, Any], Any]
# By the name of a part of a place: (session, part) -> part.
TO_NATIVE: dict[str, _Turn] = {
    "accessor": _native_accessor,
    "structure": _native_structure,
    "transformer": _native_transformer,
}
FROM_NATIVE: dict[str, _Turn] = {
    "accessor": _shown_accessor,
    "structure": _shown_structure,
    "transformer": _shown_transformer,
}

"""What the room keeps itself, as an accessor: its resource identifiers are ids of components."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from .....client.room_location import RoomAccessor
from .....errors import Error, NoSuchFile, NotSupported
from ..data import Data, String
from ..exception import (
    AccessorOperationFailedError,
    AccessorResourceNotFoundError,
    AccessorUnsupportedOperationError,
)
from ..symbol import CHUNK_SIZE
from .base import Accessor

__all__ = ["ServerFile"]


class ServerFile(String):
    """Data of a component: what is written goes to the room when it is flushed or closed, and is verified there."""

    def __init__(self, resource_identifier: str, session: Any, mode: str = "rb") -> None:
        self.mode = mode
        self.resource_identifier = resource_identifier
        self._native = _native(session)
        self._pending = False
        super().__init__()
        if "r" in mode:
            self.wrapped_file.close()
            with _named("open", resource_identifier):
                self.wrapped_file = self._native.open(resource_identifier)

    def write(self, content: str | bytes) -> None:
        """Put something here."""
        self._pending = True
        super().write(content)

    def flush(self) -> None:
        """Send what was written."""
        super().flush()
        if not self._pending:
            return
        place = self.tell()
        self.seek(0)
        with _named("write", self.resource_identifier):
            self._native.write(self.resource_identifier, iter(lambda: self.wrapped_file.read(CHUNK_SIZE), b""))
        self._pending = False
        self.seek(place)


class _ServerAccessor(Accessor):
    """The room's own location, of one session."""

    def __init__(self, session: Any, **kw: Any) -> None:
        self._session = session
        self.native = _native(session)
        super().__init__(**kw)

    def open(self, resource_identifier: str, mode: str = "rb") -> Data:
        """The bytes of a component: to read from with `rb`, otherwise to write."""
        return ServerFile(resource_identifier, self._session, mode)

    def remove(self, resource_identifier: str) -> None:
        """Remove the bytes of a component."""
        with _named("remove", resource_identifier):
            self.native.remove(resource_identifier)

    def exists(self, resource_identifier: str) -> bool:
        """Whether the room has them."""
        with _named("exists", resource_identifier):
            return self.native.is_file(resource_identifier)

    def is_file(self, resource_identifier: str) -> bool:
        """Whether the room has them."""
        return self.exists(resource_identifier)

    def is_container(self, resource_identifier: str) -> bool:
        """False: there are no containers."""
        return False

    def is_sequence(self, resource_identifier: str) -> bool:
        """False: each file of a sequence is a component of its own."""
        return False

    def list(self, resource_identifier: str) -> Any:
        """NotImplementedError: ask for components instead."""
        raise NotImplementedError("The room's own location has no list of its files; query components instead.")

    def make_container(self, resource_identifier: str, recursive: bool = True) -> None:
        """Nothing: there are no containers."""

    def get_container(self, resource_identifier: str) -> None:
        """None: there are no containers."""

    def get_url(self, resource_identifier: str) -> str:
        """A signed address that is good for a short time. AccessorUnsupportedOperationError without a server."""
        with _named("get_url", resource_identifier):
            return self.native.url(resource_identifier)

    def get_thumbnail_url(self, resource_identifier: str, size: int | None = None) -> str:
        """An address of a small picture, `size` × `size` at most, of a server with this dialect.

        It holds no key: it is signed, and good for a short time.
        """
        token = self.get_url(resource_identifier).partition("token=")[2]
        found = f"{self._session.server_url}/component/thumbnail?id={quote(resource_identifier)}&token={token}"
        return f"{found}&size={size}" if size else found


def _native(session: Any) -> RoomAccessor:
    return RoomAccessor(session.native.transport, session.native.database)


@contextlib.contextmanager
def _named(operation: str, resource_identifier: str) -> Iterator[None]:
    """What the room says, as an error that scripts know."""
    try:
        yield
    except NoSuchFile as error:
        raise AccessorResourceNotFoundError(operation, resource_identifier, error) from error
    except NotSupported as error:
        raise AccessorUnsupportedOperationError(operation, resource_identifier, error) from error
    except Error as error:
        raise AccessorOperationFailedError(operation, resource_identifier, error) from error

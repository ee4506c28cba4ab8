"""What a room knows of files, asked in the calling thread: the plans of `file_records`, run as one actor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import InvalidSettings, RoomReadOnly
from . import file_records as records
from .access import now
from .catalog import Catalogs
from .file_records import FileRow, Who
from .opened import FollowersBehind
from .plans import Plan

if TYPE_CHECKING:
    from .requests import Requests

__all__ = ["FOLDER", "RoomFiles", "files_place"]

T = TypeVar("T")
FOLDER = "files"  # in a room that is a folder
_HOUR = 60 * 60 * 1_000_000


def files_place(where: str, setting: str | None) -> str:
    """Where the bytes of a room's components lie. `where` is the room, `setting` what its settings say."""
    if setting:
        return setting
    if "://" in where:
        reason = (
            "files: a room in a database has to be told where the bytes of its components lie (settings --set files=…)"
        )
        raise InvalidSettings(where="the room's settings", reason=reason)
    return str(Path(where) / FOLDER)


class RoomFiles:
    """The records of files of one room, for one actor. `read` and `write` run requests."""

    def __init__(self, requests: Requests, read: Callable[[Any], Any], write: Callable[[Any], Any]) -> None:
        self._requests = requests
        self._read = read
        self._write = write
        self._opened = requests.opened
        self._dialect = self._opened.driver.dialect

    @property
    def place(self) -> str:
        """Where the bytes lie: a folder, or the address of an object store."""
        return files_place(self._opened.driver.where, self._opened.settings.files)

    @property
    def room(self) -> bytes:
        """The id of the room."""
        return self._opened.id

    @property
    def orphans_before(self) -> int:
        """Bytes from before this moment whose component is not committed are given up."""
        return now() - self._opened.settings.orphans * _HOUR

    def _asked(self, make: Callable[[Catalogs], Plan[T]]) -> T:
        found: T = self._read(self._requests.read(make))
        return found

    def _done(self, make: Callable[[Catalogs], Plan[T]]) -> T:
        if self._opened.driver.read_only:
            raise RoomReadOnly(path=self._opened.driver.where)
        found: T = self._write(self._requests.write(make))
        return found

    def _who(self, catalogs: Catalogs) -> Who:
        return Who(self._opened, self._requests.actor, catalogs)

    # --- of one component ---

    def check_writable(self, database: str, component: bytes) -> None:
        """PermissionDenied unless the actor may give the component bytes."""
        self._asked(lambda catalogs: records.check_writable(self._who(catalogs), database, component))

    def keep_bytes(self, database: str, component: bytes, known: tuple[str, int, str]) -> None:
        """Say which bytes a component has from now on, as the actor; `known` is digest, size and name."""
        digest, size, name = known
        self.keep(FileRow(component, database, digest, size, "", name, "", 0))

    def keep(self, found: FileRow) -> None:
        """Say which bytes a component has from now on, as the actor."""
        found = found._replace(owner=records.owner_of(self._requests.actor), time=now())

        def plan(catalogs: Catalogs) -> Plan[None]:
            yield from records.check_writable(self._who(catalogs), found.database, found.component)
            yield from records.keep_file(self._dialect, found)

        self._done(plan)

    def find(self, database: str, component: bytes) -> FileRow:
        """The bytes of a component that the actor may read; NoSuchFile."""
        return self._asked(lambda catalogs: records.readable_file(self._who(catalogs), database, component))

    def forget(self, database: str, component: bytes) -> None:
        """Say that a component, which the actor may change, has no bytes any more; NoSuchFile."""

        def plan(catalogs: Catalogs) -> Plan[None]:
            yield from records.readable_file(self._who(catalogs), database, component, "update")
            yield from records.forget_file(self._dialect, component)

        self._done(plan)

    # --- of all ---

    def all(self) -> Iterator[FileRow]:
        """Every file that the room knows."""
        some = self._asked(lambda catalogs: records.files_after(self._dialect))
        while some:
            yield from some
            some = self._asked(partial(self._after, some[-1].component))

    def _after(self, last: bytes, catalogs: Catalogs) -> Plan[list[FileRow]]:
        return records.files_after(self._dialect, last)

    def known(self, digests: Sequence[str]) -> set[str]:
        """Those of `digests` that components have."""
        return self._asked(lambda catalogs: records.known_digests(self._dialect, digests))

    def forget_orphans(self, before: int) -> int:
        """Forget files from before a moment whose component there is not; how many that were."""
        count, last = 0, b""
        for key in self._opened.driver.run(self._opened.current()).by_key:
            # Batch by batch; what is written meanwhile is little.
            self._opened.catch_up(FollowersBehind(key, ("history",)))
        while True:
            gone, last = self._done(partial(self._orphans, before, last))
            count += gone
            if not last:
                return count

    def _orphans(self, before: int, last: bytes, catalogs: Catalogs) -> Plan[tuple[int, bytes]]:
        return records.orphans(catalogs.by_key, self._dialect, before, last)

    def ended_uploads(self) -> list[bytes]:
        """Some uploads that have expired."""
        return self._asked(lambda catalogs: records.ended_uploads(self._dialect, now()))

    def forget_upload(self, upload: bytes) -> None:
        """Forget an upload."""
        self._done(lambda catalogs: records.forget_upload(self._dialect, upload))

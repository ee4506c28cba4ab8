"""A cache of entities on disk, for sessions with a server: never stale, and never another account's.

Rows that were loaded by id are kept and, after one small question of what has changed since (`Transport.fresh`), given again.
Only rows of types that the actor may read whole are kept; what changed, was deleted or may not be read any more is
forgotten before anything is given. There is a file for each room, address, database and actor.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..model.schema import Schema
from ..query.request import Fresh, FreshRequest, Page, QueryRequest
from ..query.syntax import In, Parameter
from ..query.syntax import Path as NamePath

if TYPE_CHECKING:
    from .remote import RemoteRoom

__all__ = ["CachedRoom", "cache_folder"]

_FORMAT = 1
_MOST_ROWS = 200_000
_ID = NamePath(("id",))


class _View(msgspec.Struct):
    """Rows of one type with the same attributes: id → type, then values in the order of `columns`."""

    columns: tuple[str, ...]
    typed: bool
    rows: dict[bytes, list[Any]] = {}


class _Kept(msgspec.Struct, kw_only=True):
    """What a file has."""

    format: int = _FORMAT
    room: bytes = b""
    revision: int = 0
    commit: bytes = b""
    access_revision: int = 0
    schema_revision: int = 0
    types: list[str] = []
    views: dict[str, _View] = {}


def cache_folder() -> Path:
    """Where caches are: RECORDROOM_CACHE, or `recordroom` in the user's folder of caches."""
    given = os.environ.get("RECORDROOM_CACHE")
    if given:
        return Path(given)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "recordroom"


class CachedRoom:
    """A remote room whose entities, once loaded by id, need not travel again.

    `max_age` is for how many seconds an answer of what has changed is relied on; with 0 nothing is ever stale.
    """

    def __init__(self, room: RemoteRoom, folder: Path, *, max_age: float = 0.0) -> None:
        self._room = room
        self._folder = folder
        self._max_age = max_age
        self._lock = threading.RLock()
        self._kept: dict[str, _Kept] = {}
        self._looked: dict[str, float] = {}
        self._dirty: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._room, name)

    def __repr__(self) -> str:
        return f"<CachedRoom {self._room.where}>"

    def query(self, request: QueryRequest) -> Page:
        """One page; rows by id from the cache as far as they are in it."""
        ids = _ids_of(request)
        if ids is None or not self._keeps(request):
            return self._room.query(request)
        with self._lock:
            kept = self._fresh(request.database)
            view = kept.views.get(_key(request)) if request.query.type in kept.types else None
            known = {} if view is None else {each: view.rows[each] for each in ids if each in view.rows}
            revision = kept.revision
        missing = [each for each in ids if each not in known]
        if view is not None and not missing:
            return _page(request, view, known, revision)
        found = self._room.query(_of(request, missing))
        with self._lock:
            now = self._remember(request, found)
        if view is None or not known:
            return found
        # A view that was begun anew meanwhile has other columns than the rows that are known.
        return (
            self._room.query(request) if now is not view else _page(request, now, known | _rows(found), found.revision)
        )

    def close(self) -> None:
        """Write down what is to be kept, and close the room."""
        with self._lock:
            for database in self._dirty:
                # A cache that cannot be written is no reason to fail.
                with contextlib.suppress(OSError):
                    _write(self._file(database), self._kept[database])
            self._dirty.clear()
        self._room.close()

    # --- what is kept ---

    def _keeps(self, request: QueryRequest) -> bool:
        """Whether every selected thing is stored with the row itself, so that its journal tells of every change."""
        schema: Schema = self._room.known_schema(request.database)
        if request.query.type not in schema:
            return False
        attributes = schema.attributes(request.query.type)
        names = [each.value.names for each in request.query.select if isinstance(each.value, NamePath)]
        return len(names) == len(request.query.select) and all(
            len(name) == 1 and name[0] in attributes and attributes[name[0]].stored for name in names
        )

    def _fresh(self, database: str) -> _Kept:
        """What is kept of a database, without what changed since."""
        kept = self._kept.get(database)
        if kept is None:
            kept = self._kept[database] = _read(self._file(database))
        elif time.monotonic() - self._looked[database] < self._max_age:
            return kept
        asked = time.monotonic()
        fresh = self._room.fresh(FreshRequest(database=database, after=kept.revision, commit=kept.commit))
        self._looked[database] = asked
        self._take(kept, fresh)
        return kept

    def _take(self, kept: _Kept, fresh: Fresh) -> None:
        same = (kept.room, kept.access_revision, kept.schema_revision) == (
            fresh.room, fresh.access_revision, fresh.schema_revision,
        )  # fmt: skip
        if fresh.reset or not same:
            kept.views.clear()
        for view in kept.views.values():
            for each in fresh.changed:
                view.rows.pop(each, None)
        kept.room, kept.revision, kept.commit = fresh.room, fresh.revision, fresh.commit
        kept.access_revision, kept.schema_revision, kept.types = (
            fresh.access_revision, fresh.schema_revision, fresh.types,
        )  # fmt: skip

    def _remember(self, request: QueryRequest, page: Page) -> _View | None:
        kept = self._kept[request.database]
        if request.query.type not in kept.types or any("." in name for name in page.columns):
            return None
        columns = tuple(page.columns)
        key = _key(request)
        view = kept.views.get(key)
        if view is None or view.columns != columns:
            view = kept.views[key] = _View(columns, bool(page.types))
        view.typed = view.typed or bool(page.types)
        view.rows.update(_rows(page))
        _trim(kept)
        self._dirty.add(request.database)
        return view

    def _file(self, database: str) -> Path:
        who = "\0".join((self._room.where, database, self._room.user))
        return self._folder / f"{hashlib.sha256(who.encode()).hexdigest()[:32]}.cache"


# --- requests -------------------------------------------------------------------------------------


def _ids_of(request: QueryRequest) -> list[bytes] | None:
    """The ids that a request asks for, where it asks for nothing else."""
    query = request.query
    where = query.where
    plain = not (query.group_by or query.order_by or query.limit is not None or query.offset or request.after)
    if not plain or request.at is not None or type(where) is not In or where.negated or where.value != _ID:
        return None
    if len(where.items) != 1 or type(where.items[0]) is not Parameter or not query.select:
        return None
    ids = request.parameters.get(where.items[0].name)
    if type(ids) is not list or not all(type(each) is bytes for each in ids) or request.size < len(ids):
        return None
    return sorted(set(ids))


def _of(request: QueryRequest, ids: list[bytes]) -> QueryRequest:
    where = request.query.where
    assert isinstance(where, In)
    assert isinstance(where.items[0], Parameter)
    return msgspec.structs.replace(request, parameters={**request.parameters, where.items[0].name: ids})


def _key(request: QueryRequest) -> str:
    names = [".".join(each.value.names) for each in request.query.select if isinstance(each.value, NamePath)]
    return " ".join([request.query.type, *names])


def _rows(page: Page) -> dict[bytes, list[Any]]:
    values = (
        [list(each) for each in zip(*page.columns.values(), strict=True)] if page.columns else [[] for _ in page.ids]
    )
    types = page.types or [page.type] * page.count
    return {each: [name, *row] for each, name, row in zip(page.ids, types, values, strict=True)}


def _page(request: QueryRequest, view: _View, rows: dict[bytes, list[Any]], revision: int) -> Page:
    """A page as the server would give it: in the order of ids."""
    ids = sorted(rows)
    columns = list(zip(*(rows[each] for each in ids), strict=True)) or [()] * (len(view.columns) + 1)
    return Page(
        type=request.query.type,
        ids=ids,
        types=list(columns[0]) if view.typed else [],
        columns={name: list(column) for name, column in zip(view.columns, columns[1:], strict=True)},
        revision=revision,
        count=len(ids),
    )


def _trim(kept: _Kept) -> None:
    """Forget the oldest rows where there are too many."""
    total = sum(len(view.rows) for view in kept.views.values())
    for view in kept.views.values():
        while total > _MOST_ROWS and view.rows:
            del view.rows[next(iter(view.rows))]
            total -= 1


# --- files ----------------------------------------------------------------------------------------


def _read(file: Path) -> _Kept:
    """What a file has; nothing where there is none, or one that is not right."""
    try:
        kept = msgspec.msgpack.decode(file.read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return _Kept()
    return kept if kept.format == _FORMAT else _Kept()


def _write(file: Path, kept: _Kept) -> None:
    """Write a file as a whole, for its owner's eyes only."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(msgspec.msgpack.encode(kept))
        made.replace(file)
    except OSError:
        made.unlink(missing_ok=True)
        raise

"""Entities in a cache that people bring: rows that were loaded by id, never stale and never another actor's.

What is kept is a text for each entity: its raw values, and for which room, database, actor, rules, schema and commit they
held. Before any is used, one request asks what changed since that commit (`fresh`); whatever does not match is asked
for again. So the cache is trusted to give back what was put in, as is whoever can write to it, and for nothing else.
"""

from __future__ import annotations

import base64
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..errors import Error, InvalidValue
from ..model.ids import show_id
from ..query.request import Fresh, FreshRequest
from ..query.request import Page as WirePage
from .keys import StringKeyMaker
from .loading import with_revisions

if TYPE_CHECKING:
    from .facts import TypeFacts
    from .session import Session

__all__ = ["EntityCache", "entity_cache", "is_cache"]

_log = logging.getLogger("recordroom.cache")


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A text in the cache. `row` is base64 of the values by name, in msgpack."""

    recordroom: int = 1
    type: str
    id: str
    room: str
    database: str
    actor: str
    access: int
    schema: int
    revision: int
    commit: str
    row: str


class _Moment(NamedTuple):
    """A commit that a row is known to have been so after."""

    revision: int
    commit: bytes


_NEVER = _Moment(0, b"")


def is_cache(given: Any) -> bool:
    """Whether something has the methods of a cache."""
    methods = [getattr(given, name, None) for name in ("get", "set", "delete")]
    return not isinstance(given, type) and all(map(callable, methods))


def entity_cache(session: Session, given: Any, key_maker: Any) -> EntityCache | None:
    """The cache of a session: an instance, or something that gives one for the session, or None."""
    made = given if is_cache(given) or not callable(given) else given(session)
    if made is None:
        return None
    if not is_cache(made):
        expected = "a cache (get, set, delete), or a function that gives one for a session, or None"
        raise InvalidValue(type="connect", attribute="cache", value=made, expected=expected)
    maker = StringKeyMaker() if key_maker is None else key_maker
    if not callable(getattr(maker, "key", None)):
        raise InvalidValue(type="connect", attribute="cache_key_maker", value=maker, expected="a key maker")
    return EntityCache(session, made, maker)


class EntityCache:
    """What stands between a session's `get` and its room. Where the cache fails, it is told once and left alone."""

    def __init__(self, session: Session, cache: Any, keys: Any) -> None:
        self.cache = cache
        self.keys = keys
        self._session = session
        self._failed = False

    def pages(
        self, facts: TypeFacts, ids: Sequence[bytes], fetch: Callable[[Sequence[bytes]], WirePage]
    ) -> list[WirePage]:
        """Pages with the rows of these ids, as far as there are any: from the cache, and from `fetch` what it lacks."""
        if self._failed:
            return [fetch(ids)]
        kept = self._read(facts, ids)
        moment = _newest_common(kept.values())
        fresh: Fresh = self._session.transport.fresh(  # type: ignore[attr-defined]
            FreshRequest(database=self._session.database, after=moment.revision, commit=moment.commit)
        )
        if facts.name not in fresh.types:
            return [fetch(ids)]
        rows = self._unchanged(facts, kept, moment, fresh)
        missing = [each for each in ids if each not in rows]
        pages = [_page(facts, rows)] if rows else []
        if missing:
            found = fetch(missing)
            pages.append(found)
            self._write(facts, dict(_rows(found)), fresh)
        if missing and any(_moment(each) != moment for each in kept.values()):
            # So that those of several moments are of one again.
            self._write(facts, rows, fresh)
        return pages

    def _unchanged(
        self, facts: TypeFacts, kept: dict[bytes, _Kept], moment: _Moment, fresh: Fresh
    ) -> dict[bytes, tuple[str, dict[str, Any]]]:
        """The rows in the cache that are as the room would give them now."""
        if fresh.reset:
            return {}
        expected = (fresh.room.hex(), fresh.access_revision, fresh.schema_revision)
        changed = set(fresh.changed)
        rows = {}
        for each, found in kept.items():
            holds = (found.room, found.access, found.schema) == expected and _moment(found) == moment
            if holds and each not in changed:
                values = _values(found.row)
                if values.keys() == _names(facts).keys():
                    rows[each] = (found.type, values)
        return rows

    # --- the cache -------------------------------------------------------------------------------

    def _read(self, facts: TypeFacts, ids: Iterable[bytes]) -> dict[bytes, _Kept]:
        """What the cache says of ids, as far as it is about them."""
        found = {}
        actor, fitting = self._actor(), set(facts.schema.subtypes(facts.name))
        for each in ids:
            try:
                text = self.cache.get(self._key(facts, each, actor))
            except KeyError:
                continue
            except Exception as error:  # noqa: BLE001 - it is somebody else's
                self._fail(error)
                return {}
            kept = _kept(text)
            about = None if kept is None else (kept.id, kept.database, kept.actor)
            if kept is not None and about == (show_id(each), self._session.database, actor) and kept.type in fitting:
                found[each] = kept
        return found

    def _write(self, facts: TypeFacts, rows: dict[bytes, tuple[str, dict[str, Any]]], fresh: Fresh) -> None:
        actor = self._actor()
        for each, (type_name, values) in rows.items():
            kept = _Kept(
                type=type_name, id=show_id(each), room=fresh.room.hex(), database=self._session.database, actor=actor,
                access=fresh.access_revision, schema=fresh.schema_revision, revision=fresh.revision,
                commit=fresh.commit.hex(), row=base64.b64encode(msgspec.msgpack.encode(values)).decode(),
            )  # fmt: skip
            try:
                self.cache.set(self._key(facts, each, actor), msgspec.json.encode(kept).decode())
            except Exception as error:  # noqa: BLE001 - it is somebody else's
                self._fail(error)
                return

    def _key(self, facts: TypeFacts, each: bytes, actor: str) -> Any:
        return self.keys.key(self._session.transport.where, self._session.database, actor, facts.name, show_id(each))

    def _actor(self) -> str:
        """Who asks, as it stays when they are renamed."""
        transport = self._session.transport
        user: str = getattr(transport, "user", "")
        return user or transport.actor

    def _fail(self, error: Exception) -> None:
        if isinstance(error, Error) and error.code == "session_closed":
            raise error
        self._failed = True
        _log.warning("the cache %r fails (%s: %s); it is not used any more", self.cache, type(error).__name__, error)


def _newest_common(kept: Iterable[_Kept]) -> _Moment:
    """The moment that most of the texts are of."""
    found = Counter(map(_moment, kept))
    return max(found, key=lambda each: (found[each], each.revision), default=_NEVER)


def _moment(kept: _Kept) -> _Moment:
    return _Moment(kept.revision, bytes.fromhex(kept.commit))


def _kept(text: Any) -> _Kept | None:
    """What a text of the cache says; None where it is not one of ours."""
    try:
        found = msgspec.json.decode(text, type=_Kept)
        bytes.fromhex(found.commit)
        _values(found.row)
    except (msgspec.MsgspecError, TypeError, ValueError):
        return None
    return found if found.recordroom == 1 else None


def _values(row: str) -> dict[str, Any]:
    return msgspec.msgpack.decode(base64.b64decode(row, validate=True), type=dict[str, Any])


def _rows(page: WirePage) -> Iterable[tuple[bytes, tuple[str, dict[str, Any]]]]:
    """Id → type and values, without what is said of other entities by dotted names."""
    types = page.types or [page.type] * page.count
    columns = {name: column for name, column in page.columns.items() if "." not in name and name != "id"}
    for row, (each, type_name) in enumerate(zip(page.ids, types, strict=True)):
        yield each, (type_name, {name: column[row] for name, column in columns.items()})


def _names(facts: TypeFacts) -> dict[str, None]:
    """The columns of a page of whole entities."""
    return dict.fromkeys(with_revisions(facts.default_names))


def _page(facts: TypeFacts, rows: dict[bytes, tuple[str, dict[str, Any]]]) -> WirePage:
    """A page of rows as the room would give it: in the order of ids."""
    ids = sorted(rows)
    return WirePage(
        type=facts.name,
        ids=ids,
        types=[rows[each][0] for each in ids] if facts.schema.in_hierarchy(facts.name) else [],
        columns={name: [rows[each][1][name] for each in ids] for name in _names(facts)},
        count=len(ids),
    )

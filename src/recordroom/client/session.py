"""Session: one conversation with one database of a room, as one actor.

A session records changes and sends them with `commit()` in one transaction; entities that it has met are one object
each, and load what is touched for whole pages at once. Its verbs are short; its parts hold the state. Working with entities
and committing stand here, what else there is by topic in `verbs`. A session is safe to use from several threads. Making
one opens nothing.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, TypeVar, cast, overload

from ..errors import InvalidQuery, InvalidValue, SessionClosed, UnknownAttribute, UnknownType
from ..model.ids import show_id
from ..model.schema import Attribute, Schema
from ..query.syntax import Query
from . import bulk, encoding, ensuring
from .committing import Committed, Committer, OnConflict, OnError, event
from .databases import Databases
from .editing import Editor, entities_in, type_name
from .entity import Entity
from .extending import configure
from .facts import TypeFacts
from .history import Recorded, recorded
from .hooks import Hooks
from .identity import Identity, outdated
from .loading import Loader
from .meter import Metered
from .questions import check_used, query_of, value_of_parameter
from .relations import Relations
from .results import QueryResult, Shape, shape_of
from .searching import SearchHit, search
from .switches import POPULATING, RECORDING, switched
from .transport import Transport
from .types import Types
from .verbs.exchange import ExchangeVerbs
from .verbs.files import FileVerbs
from .verbs.past import PastVerbs
from .verbs.people import PeopleVerbs
from .verbs.schemas import SchemaVerbs
from .work import Work

if TYPE_CHECKING:
    from .entity_cache import EntityCache
    from .events import Events
    from .jobs import Jobs
    from .locations import Locations
    from .plugins import Plugin

__all__ = ["Session"]

_log = logging.getLogger("recordroom.session")

E = TypeVar("E", bound=Entity)
State = Literal["created", "modified", "deleted", "clean"]

_MOST_SHAPES = 512


class Session(SchemaVerbs, PastVerbs, PeopleVerbs, FileVerbs, ExchangeVerbs):
    """A conversation with one database of a room. `recordroom.connect` makes one.

    Used with `with`, it is closed at the end of the block; what was not committed is discarded then, as by `rollback`.
    `auto_populate` says whether touching what is not loaded loads it, here and in every thread. `project` is the one that
    `connect`, RECORDROOM_PROJECT or a profile names, for scripts to use. `hooks` are the moments at which others may join in,
    `plugins` those that were found when it began.
    """

    def __init__(
        self, transport: Transport, *, database: str = "main", page_size: int = 1000, at: int | None = None
    ) -> None:
        if type(page_size) is not int or page_size < 1:
            raise InvalidValue(type="Session", attribute="page_size", value=page_size, expected="a number from 1")
        self._meter = transport if isinstance(transport, Metered) else Metered(transport)
        self.transport = cast(Transport, self._meter)
        self.database = database
        self.page_size = page_size
        self.project: str | None = None
        self.auto_populate = True
        self._at = at
        self._is_closed = False
        self._lock = threading.RLock()
        self._shapes: dict[tuple[Query, frozenset[str]], Shape] = {}
        self._base: type[Entity] = Entity  # what classes of entity types are made of
        self._work = Work()
        self._editor = Editor(self)
        self._loader = Loader(self)
        self._relations = Relations(self)
        self._committer = Committer(self)
        self._known: Identity | None = None
        self._hub: Events | None = None
        self._locations: Locations | None = None
        self._jobs: Jobs | None = None
        self.hooks = Hooks(self)
        self.plugins: tuple[Plugin, ...] = ()
        self._cache: EntityCache | None = None

    def __repr__(self) -> str:
        state = " (closed)" if self._is_closed else f" at revision {self._at}" if self._at is not None else ""
        return f"<Session {self.transport.where} {self.database}{state}>"

    # --- create, find, change --------------------------------------------------------------------

    @overload
    def create(self, type: type[E], data: Mapping[str, Any] | None = None) -> E: ...
    @overload
    def create(self, type: str, data: Mapping[str, Any] | None = None) -> Entity: ...
    def create(self, type: str | type[Entity], data: Mapping[str, Any] | None = None) -> Entity:
        """A new entity of a type, local until `commit()`. InvalidValue, UnknownAttribute … for what is wrong."""
        return self._editor.create(type, data)

    def create_many(self, type: str | type[Entity], data: Any) -> bulk.NewEntities:
        """Many new entities from columns (`{"name": [...], …}`), a frame or a list of mappings, in the order of the rows.

        Faster than `create` for each: objects are made only for those that you touch.
        """
        return bulk.create_many(self, type_name(type), data)

    @overload
    def ensure(self, type: type[E], data: Mapping[str, Any], keys: Iterable[str] | None = None) -> E: ...
    @overload
    def ensure(self, type: str, data: Mapping[str, Any], keys: Iterable[str] | None = None) -> Entity: ...
    def ensure(self, type: str | type[Entity], data: Mapping[str, Any], keys: Iterable[str] | None = None) -> Entity:
        """The entity with these values, created if there is none, updated if it differs in what is not a key.

        `keys` names the attributes that find it; all scalars and references of `data` otherwise. Nothing is
        committed. MultipleResults where several fit.
        """
        return ensuring.ensure(self, type_name(type), data, None if keys is None else tuple(keys))

    @overload
    def get(self, type: type[E], key: Any) -> E | None: ...
    @overload
    def get(self, type: str, key: Any) -> Entity | None: ...
    def get(self, type: str | type[Entity], key: Any) -> Entity | None:
        """The entity with an id, or with the values of a mapping; None if there is none.

        An entity that the session has loaded is not asked for again.
        """
        if isinstance(key, Mapping):
            return ensuring.find(self, type_name(type), key)
        return self.get_many(type, [key])[0]

    def get_many(self, type: str | type[Entity], ids: Iterable[Any]) -> list[Entity | None]:
        """The entities with these ids, in their order; None for those that there are not. One request per page."""
        return self._loader.get_many(self._facts(type_name(type)), ids)

    @overload
    def query(self, question: type[E], **parameters: Any) -> QueryResult[E]: ...
    @overload
    def query(self, question: Any, **parameters: Any) -> QueryResult[Any]: ...
    def query(self, question: Any, **parameters: Any) -> QueryResult[Any]:
        """A lazy result: of a text such as `"Task where bid > 5"`, a type, a condition `Task.bid > 5` or a query tree.

        Keyword arguments are values for `$name` in the text. Only committed changes are seen; entities that come
        keep their local edits.
        """
        self._check_open()
        given = {name: value_of_parameter(value) for name, value in parameters.items()}
        result: QueryResult[Any] = QueryResult(self, query_of(question), given)
        self._shape(result.query, given)
        check_used(result.query, given)
        return result

    def search(
        self, text: str, types: str | Iterable[str] = (), *, limit: int = 50, offset: int = 0
    ) -> list[SearchHit]:
        """Entities whose texts hold every word of `text` (`word*` for beginnings), best first."""
        return search(self, text, types, limit, offset)

    def populate(self, entities: Entity | Iterable[Entity], paths: str | Iterable[str]) -> None:
        """Load paths such as `"name, project.name, assignees.email"` of entities, in one request per type and page.

        Local values stay, and new entities have nothing to load.
        """
        self._check_open()
        names = paths.split(",") if isinstance(paths, str) else paths
        self._loader.populate(entities_in(entities), [name.strip() for name in names if name.strip()])

    def merge(self, value: Any) -> Any:
        """This session's entities for entities of other sessions, with what the room said of them there.

        Lists and mappings are merged through. Local edits are not taken over.
        """
        self._check_open()
        return encoding.merge(self, value)

    def delete(self, entities: Entity | Iterable[Entity]) -> None:
        """Record that entities go. Deleting twice is deleting once."""
        for entity in entities_in(entities):
            self._own(entity)
            self._editor.delete(entity)

    # --- commit ----------------------------------------------------------------------------------

    def commit(
        self, notes: str | None = None, *, on_conflict: OnConflict = "merge", on_error: OnError = "stop"
    ) -> Committed:
        """Send everything recorded, all of it or nothing, once; its revision and time.

        What others changed meanwhile is merged where it is another attribute; else `Conflict` is raised
        ("merge"), any change by others raises it ("fail"), or yours win ("mine"). A function gets each `Clash` and gives
        the value to keep. With on_error="continue" entities at fault are left out and named in `refused`.
        """
        return self._committer.commit(notes, on_conflict, on_error)

    def rollback(self) -> None:
        """Forget everything that is not committed. Entities that were created are no longer part of the session."""
        self._check_open()
        self._committer.rollback()

    def reset(self) -> None:
        """Forget everything: what is not committed, and every entity. Do not use entities from before any more."""
        self.rollback()
        with self._lock:
            self._identity.clear()
            self._editor.learn()
        if self._locations is not None:
            self._locations.forget()
        self._learn_schema()
        configure(self, "reset")

    def refresh(self, entities: Entity | Iterable[Entity]) -> None:
        """Load entities again. Local edits stay, and count as based on what was loaded now.

        Entities that are gone are in state "deleted" afterwards.
        """
        self._check_open()
        self._loader.refresh(entities_in(entities))

    def publish(self, topic: str, data: Any = None, *, target: str = "") -> None:
        """Record an event of your own; it goes out with the commit, in order with its changes."""
        self._editor.allow()
        if not topic:
            raise InvalidValue(type="Publish", attribute="topic", value=topic, expected="a topic")
        with self._lock:
            self._work.now.published.append(event(topic, data, target))

    # --- what is recorded ------------------------------------------------------------------------

    @property
    def created(self) -> list[Entity]:
        """New entities that are not committed, in order."""
        with self._lock:
            return [
                self._identity.at(page, row)
                for batch in self._work.batches()
                for page in batch.new
                for row in range(len(page.ids))
                if row not in page.gone
            ]

    @property
    def modified(self) -> list[Entity]:
        """Entities with changes that are not committed: edits, links and entries of mappings."""
        with self._lock:
            found: dict[Entity, None] = {}
            for batch in self._work.batches():
                found.update((entity, None) for entity in batch.modified if entity._edits)
                for pairs in batch.links.values():
                    found.update(dict.fromkeys(pairs.forward))
                for entries in batch.keys.values():
                    found.update((owner, None) for owner, values in entries.items() if values)
            return [entity for entity in found if not entity._page.new and not self._work.is_deleted(entity)]

    @property
    def deleted(self) -> list[Entity]:
        """Entities whose deletion is not committed."""
        with self._lock:
            return list(dict.fromkeys(entity for batch in self._work.batches() for entity in batch.deleted))

    @property
    def operations(self) -> list[Recorded]:
        """The changes that `commit()` would send, as readable records."""
        with self._lock:
            return list(recorded(self, self._work.now))

    def state(self, entity: Entity) -> State:
        """Whether an entity is created, modified or deleted and not committed, or clean."""
        self._own(entity)
        with self._lock:
            if self._work.is_deleted(entity):
                return "deleted"
            if entity._page.new:
                return "created"
            return "modified" if self._work.is_modified(entity) else "clean"

    @contextlib.contextmanager
    def recording(self, on: bool) -> Iterator[None]:
        """Switch recording on or off for a block: what is set meanwhile shows here and is never sent."""
        with switched(RECORDING, id(self), on):
            yield

    @contextlib.contextmanager
    def auto_populating(self, on: bool) -> Iterator[None]:
        """Switch loading on touch on or off for a block; where it is off, what is not loaded shows as NOT_SET."""
        with switched(POPULATING, id(self), on):
            yield

    def _records(self) -> bool:
        switches = RECORDING.get()
        return not switches or switches.get(id(self), True)

    def _populates(self) -> bool:
        return POPULATING.get().get(id(self), self.auto_populate)

    # --- events and jobs -------------------------------------------------------------------------

    @property
    def events(self) -> Events:
        """Hear of commits and of what others publish, in order, each once; publish at once and answer."""
        from .events import Events

        self._check_open()
        with self._lock:
            if self._hub is None:
                self._hub = Events(self)
            return self._hub

    @property
    def jobs(self) -> Jobs:
        """Work that is done later: `submit`, `cancel`, `retry`, `wait`; `register` handlers and `run_pending` or `work` to do it."""
        from .jobs import Jobs

        self._check_open()
        with self._lock:
            if self._jobs is None:
                self._jobs = Jobs(self)
            return self._jobs

    # --- schema ----------------------------------------------------------------------------------

    @property
    def schema(self) -> Schema:
        """The entity types of the database."""
        return self._identity.schema

    @property
    def types(self) -> Types:
        """The classes of entity types by name, for expressions (`Task.bid > 5`) and `isinstance`."""
        return Types(self)

    @property
    def databases(self) -> Databases:
        """The databases of the room by key; `create` and `drop` change them."""
        return Databases(self.transport)

    # --- end -------------------------------------------------------------------------------------

    @property
    def round_trips(self) -> int:
        """How many calls this session has made to its room."""
        return self._meter.calls.total()

    @property
    def statistics(self) -> dict[str, int]:
        """The calls of this session to its room, by name: query, members, commit …"""
        return dict(self._meter.calls)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._is_closed

    def close(self) -> None:
        """Discard what is not committed and let go of the room. Again does nothing; other verbs raise SessionClosed.

        Where something was not committed the logger "recordroom.session" warns of it; `rollback` before says that it is meant.
        """
        if self._known is not None and self._work.now and not self._is_closed:
            _log.warning("%r is closed with changes that were not committed: they are lost. commit() keeps them.", self)
        self._end()

    def _end(self) -> None:
        if self._is_closed:
            return
        if self._known is not None:
            self._committer.rollback()
        self._is_closed = True
        if self._hub is not None:
            self._hub.close()
        if self._at is None:
            self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._end()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            "a session cannot be pickled: give the other process session.serialize(), and call Session.deserialize(text) there"
        )

    # --- for the parts ---------------------------------------------------------------------------

    @property
    def _identity(self) -> Identity:
        known = self._known
        return self._meet_room() if known is None else known

    def _meet_room(self) -> Identity:
        """Ask for the schema, which everything else needs; the first use of a session does."""
        self._check_open()
        with self._lock:
            if self._known is None:
                self._known = Identity(self, self.transport.schema(self.database))
            return self._known

    def _learn_schema(self) -> bool:
        """Ask for the schema; whether it changed."""
        known = self._identity.schema
        schema = self.transport.schema(self.database, known.revision)
        if schema is known or schema.hash == known.hash:
            return False
        with self._lock:
            self._identity.learn(schema)
            self._editor.learn()
            self._shapes.clear()
        return True

    def _facts(self, name: str) -> TypeFacts:
        """The facts of a type; a type that is not known may be new in the room."""
        self._check_open()
        try:
            return self._identity.facts(name)
        except UnknownType:
            if not self._learn_schema():
                raise
            return self._identity.facts(name)

    def _facts_having(self, facts: TypeFacts, names: Iterable[str]) -> TypeFacts:
        """The facts of a type, anew where a name is not in them: the attribute may be new in the room. UnknownAttribute."""
        for name in names:
            if name not in facts.attributes:
                self._attribute_of(facts, name)
                return self._identity.facts(facts.name)
        return facts

    def _attribute(self, entity: Entity, name: str) -> Attribute:
        found = self._attribute_of(entity._facts, name)
        if entity._facts.schema is not self._identity.schema:
            raise outdated(entity._type)
        return found

    def _attribute_of(self, facts: TypeFacts, name: str) -> Attribute:
        """The attribute of a type; one that is not known may be new in the room."""
        try:
            return facts.attribute(name)
        except UnknownAttribute:
            known = self._identity.schema
            if not self._learn_schema() and facts.schema is known:
                raise
            return self._identity.facts(facts.name).attribute(name)

    def _shape(self, query: Query, parameters: Mapping[str, Any]) -> Shape:
        """How a query is asked; found once for each query."""
        key = (query, frozenset(parameters))
        try:
            found = self._shapes.get(key)
        except TypeError:
            raise InvalidQuery(reason="a query tree holds plain literals only") from None
        if found is None:
            try:
                found = shape_of(self, query, parameters)
            except (UnknownType, UnknownAttribute):
                if not self._learn_schema():
                    raise
                found = shape_of(self, query, parameters)
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            self._shapes[key] = found
        return found

    def _open(self) -> Session:
        self._check_open()
        return self

    def _check_open(self) -> None:
        if self._is_closed:
            raise SessionClosed

    def _own(self, entity: Any) -> None:
        self._check_open()
        if not isinstance(entity, Entity):
            raise InvalidValue(type="Session", attribute="entity", value=entity, expected="an entity")
        if entity._session is not self:
            raise InvalidValue(
                f"{entity!r} belongs to another session; session.merge(entity) gives it here",
                type=entity._type, attribute="id", value=show_id(entity._id), expected="an entity of this session",
            )  # fmt: skip

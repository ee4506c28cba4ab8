"""Session: one conversation with one database of a room, as one actor.

A session records changes and sends them with `commit()` in one transaction; entities that it has met are one object
each, and load what is touched for whole pages at once. Its verbs are short; its parts hold the state. A session is
safe to use from several threads. Making one opens nothing.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path as FilePath
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, TypeVar, cast, overload

from ..errors import InvalidQuery, InvalidValue, SessionClosed, UnknownAttribute, UnknownType
from ..model.ids import show_id
from ..model.schema import Attribute, Schema
from ..query.syntax import Query
from . import bulk, encoding, ensuring, past, people, schemas
from .access import AccessReason, explain_access
from .committing import Committed, Committer, OnConflict, OnError, event
from .databases import Databases
from .editing import Editor, entities_in, type_name
from .entity import Entity
from .extending import configure
from .facts import TypeFacts
from .history import ChangeRecord, Recorded, history, recorded
from .hooks import Hooks
from .identity import Identity
from .loading import Loader
from .meter import Metered
from .relations import Relations
from .results import QueryResult, Shape, shape_of
from .searching import SearchHit, search
from .transport import Transport
from .types import Types
from .work import Work

if TYPE_CHECKING:
    from ..model.files import FileUrl
    from ..model.schema_diff import SchemaPlan
    from ..model.schema_file import SchemaDocument
    from ..model.template import Template
    from .carrying import Progress
    from .entity_cache import EntityCache
    from .events import Events
    from .files import Files
    from .jobs import Jobs
    from .locations import Locations
    from .plugins import Plugin
    from .production import Production
    from .rows import ExportReport, ImportReport

__all__ = ["Session"]

E = TypeVar("E", bound=Entity)
State = Literal["created", "modified", "deleted", "clean"]

_NOTHING: Mapping[int, bool] = MappingProxyType({})
# Session → switched on; kept by context, so that neither threads nor tasks see each other's settings.
_populating: ContextVar[Mapping[int, bool]] = ContextVar("recordroom_populating", default=_NOTHING)
_recording: ContextVar[Mapping[int, bool]] = ContextVar("recordroom_recording", default=_NOTHING)

_MOST_SHAPES = 512


class Session:
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
        given = {name: _parameter(value) for name, value in parameters.items()}
        result: QueryResult[Any] = QueryResult(self, _query_of(question), given)
        self._shape(result.query, given)
        return result

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

    @property
    def events(self) -> Events:
        """Hear of commits and of what others publish, in order, each once; publish at once and answer."""
        from .events import Events

        self._check_open()
        with self._lock:
            if self._hub is None:
                self._hub = Events(self)
            return self._hub

    def publish(self, topic: str, data: Any = None, *, target: str = "") -> None:
        """Record an event of your own; it goes out with the commit, in order with its changes."""
        self._editor.allow()
        if not topic:
            raise InvalidValue(type="Publish", attribute="topic", value=topic, expected="a topic")
        with self._lock:
            self._work.now.published.append(event(topic, data, target))

    # --- people ----------------------------------------------------------------------------------

    def widget_url(self, name: people.PageName, entity: Entity | None = None, theme: str | None = None) -> str:
        """The address of a page for a person in a browser, who needs no other credential for six minutes.

        `name`: "info" about an entity, "tasks" of oneself or of a user, group or context, "tasks_browser" of projects.
        `theme` is "dark" (also for one that there is not) or "light". NotSupported in an embedded room.
        """
        self._check_open()
        return people.widget_url(self, name, entity, theme)

    def send_user_invites(self, users: Entity | str | Iterable[Entity | str]) -> list[str]:
        """Invite users (entities, names or ids) by mail; the names of those who were written to.

        Who has no password yet gets a one-time code to choose one. Needs the right to change those users, and settings for
        mail on the server. MailFailed says whom it reached.
        """
        self._check_open()
        return people.send_invitations(self, users)

    def reset_remote(self, kind: Literal["api_key"] = "api_key", user: Entity | str | None = None) -> str:
        """A new API key for oneself or another user, in place of the one that this gave before.

        Keys that were made under names of their own (`recordroom token create`) stay.
        """
        if kind != "api_key":
            raise InvalidValue(type="Session", attribute="reset_remote", value=kind, expected="'api_key'")
        self._check_open()
        return people.new_api_key(self, user)

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
        with _switched(_recording, id(self), on):
            yield

    @contextlib.contextmanager
    def auto_populating(self, on: bool) -> Iterator[None]:
        """Switch loading on touch on or off for a block; where it is off, what is not loaded shows as NOT_SET."""
        with _switched(_populating, id(self), on):
            yield

    def _records(self) -> bool:
        switched = _recording.get()
        return not switched or switched.get(id(self), True)

    def _populates(self) -> bool:
        return _populating.get().get(id(self), self.auto_populate)

    # --- schema ----------------------------------------------------------------------------------

    @property
    def schema(self) -> Schema:
        """The entity types of the database."""
        return self._identity.schema

    @property
    def types(self) -> Types:
        """The classes of entity types by name, for expressions (`Task.bid > 5`) and `isinstance`."""
        return Types(self)

    def plan_schema(self, source: str | FilePath | SchemaDocument, *, allow_drop: bool = False) -> SchemaPlan:
        """What `apply_schema` would do, to types and to the entities there are.

        `source` is TOML text, the path of a TOML file, or a document. InvalidSchema for what is wrong in it.
        """
        self._check_open()
        return schemas.with_effects(self, schemas.plan_of(self, schemas.document_of(source), allow_drop=allow_drop))

    def apply_schema(
        self, source: str | FilePath | SchemaDocument, *, allow_drop: bool = False, notes: str | None = None
    ) -> SchemaPlan:
        """Make the database's types those of a document, in one commit; what was done. Again does nothing.

        What the document lacks stays, unless `allow_drop`. SchemaChangeRefused where existing entities contradict.
        """
        self._editor.allow()
        plan = schemas.plan_of(self, schemas.document_of(source), allow_drop=allow_drop)
        if not plan.empty:
            self._committer.send_operations(plan.operations, notes)
            self._learn_schema()
        return plan

    def plan_template(self, source: str | FilePath | Template) -> SchemaPlan:
        """What `apply_template` would do, to types and to the entities there are."""
        from .templates import plan_with_effects, template

        self._check_open()
        return plan_with_effects(self, template(source))

    def apply_template(self, source: str | FilePath | Template, *, notes: str | None = None) -> SchemaPlan:
        """Give the database what it lacks of a template, types and rows, in one commit; what was done. Again does nothing.

        `source` is the name of a template (`recordroom.templates()`) or the path of a file of your own. What is there
        stays as people have made it. InvalidSchema where a type of the same name is another thing.
        """
        from .templates import applied, template

        self._editor.allow()
        return applied(self, template(source), notes)

    @property
    def production(self) -> Production:
        """For rooms with the template "production": statuses and types of projects, notes, timers."""
        from .production import Production

        self._check_open()
        return Production(self)

    @property
    def databases(self) -> Databases:
        """The databases of the room by key; `create` and `drop` change them."""
        return Databases(self.transport)

    # --- the past --------------------------------------------------------------------------------

    def history(self, entity: Entity, attribute: str | None = None, *, limit: int | None = None) -> list[ChangeRecord]:
        """Who changed what of an entity and when, newest first; of one attribute where it is named.

        With `limit`, the commits that have the latest so many changes; a commit is never cut in two.
        """
        self._own(entity)
        return history(self, entity, attribute, limit)

    def explain_access(self, entity: Entity, user: Entity | str | None = None) -> list[AccessReason]:
        """For each verb whether a user (an entity, an id or a name; None: oneself) may do it with an entity, and why.

        PermissionDenied where it is about another user and one may not change the schema.
        """
        self._own(entity)
        return explain_access(self, entity, user)

    def at(self, moment: int | dt.datetime | Committed) -> Session:
        """A session that reads the past as it was at a revision, a commit or a moment, and refuses changes.

        PastPruned where that is no longer kept.
        """
        self._check_open()
        return past.session_at(self, moment)

    def revert(self, commit: int | str | Committed, *, notes: str | None = None) -> Committed:
        """Undo a commit, given by its revision, its id or what `commit()` gave, with a commit of its own.

        Conflict where others have changed the same attributes since.
        """
        self._check_open()
        return self._committer.revert(past.revision_of(self, commit), notes)

    def search(
        self, text: str, types: str | Iterable[str] = (), *, limit: int = 50, offset: int = 0
    ) -> list[SearchHit]:
        """Entities whose texts hold every word of `text` (`word*` for beginnings), best first."""
        return search(self, text, types, limit, offset)

    # --- components and locations ----------------------------------------------------------------

    @property
    def locations(self) -> Locations:
        """How this session reaches locations: `session.locations.configure("studio", accessor="/mnt/studio")`."""
        from .locations import Locations

        self._check_open()
        with self._lock:
            if self._locations is None:
                self._locations = Locations(self)
            return self._locations

    @property
    def files(self) -> Files:
        """The bytes of components: `add_components`, `transfer`, `remove_components`, `open`, `download`, `filesystem_path`, `url`."""
        from .files import Files

        self._check_open()
        return Files(self)

    def create_component(
        self,
        path: str | FilePath,
        data: Mapping[str, Any] | None = None,
        location: Entity | str | None = "auto",
        *,
        commit: bool = True,
        progress: Progress = None,
    ) -> Entity:
        """A new component of a file, a sequence `head.%04d.ext [1-5, 8]`, or a folder, brought to a location.

        "auto" picks the location as `pick_location()` does, None leaves the file where it is for now. Data is copied first; one
        commit follows, with all that the session has recorded: leave that to yours with `commit=False`. `progress` is as
        for `files.add_components`. NoSuchFile, InvalidSequence, TransferFailed where something is wrong; nothing is created then.
        """
        from .components import create_component

        self._check_open()
        return create_component(self, path, data, location, commit=commit, progress=progress)

    def pick_location(self, component: Entity | None = None) -> Entity | None:
        """The best location within reach, or the best that has some of a component; None where there is none."""
        if component is not None:
            return self.pick_locations([component])[0]
        return next((place.location for place in self.locations), None)

    def pick_locations(self, components: Iterable[Entity]) -> list[Entity | None]:
        """For each component the best location within reach that has some of it, or None."""
        from .components import pick_locations

        return pick_locations(self, components)

    def component_availability(self, component: Entity, locations: Iterable[Entity] | None = None) -> dict[str, float]:
        """How much of a component is in each location (or in these), in percent by the location's id."""
        return self.component_availabilities([component], locations)[0]

    def component_availabilities(
        self, components: Iterable[Entity], locations: Iterable[Entity] | None = None
    ) -> list[dict[str, float]]:
        """As `component_availability`, for several at once, in their order."""
        from .components import availabilities

        self._check_open()
        return availabilities(self, components, locations)

    # --- jobs and media --------------------------------------------------------------------------

    @property
    def jobs(self) -> Jobs:
        """Work that is done later: `submit`, `cancel`, `retry`, `wait`; `register` handlers and `run_pending` or `work` to do it."""
        from .jobs import Jobs

        self._check_open()
        with self._lock:
            if self._jobs is None:
                self._jobs = Jobs(self)
            return self._jobs

    def upload_metadata(
        self, component_id: Entity | str, file_name: str, file_size: int, checksum: str | None = None
    ) -> FileUrl:
        """Where to PUT the bytes of a component, whether it is committed or not: `url`, the `headers` to send, when it `expires`.

        Whoever has it needs no other credential. What is sent must have that size and, where `checksum` says so (in
        hexadecimal or base64), that MD5. NotSupported in an embedded room.
        """
        from .transfers import room_files

        self._check_open()
        key = component_id["id"] if isinstance(component_id, Entity) else component_id
        return room_files(self.transport, self.database).upload_url(key, file_name, file_size, checksum or "")

    def encode_media(
        self,
        media: str | FilePath | Entity,
        version: Entity | str | None = None,
        keep_original: bool | Literal["auto"] = "auto",
    ) -> Entity:
        """A new job that makes what browsers play of a file or a FileComponent in the room's own location, and a picture of it.

        A file becomes a component there first, and all that the session has recorded is committed. The outputs are related to the
        job by `job_components`, and belong to `version` if one is given. The original is kept if it is a component and deleted
        if it is a file, unless `keep_original` says otherwise. NoSuchFile, InvalidValue.
        """
        from .media import encode_media

        self._check_open()
        return encode_media(self, media, version, keep_original)

    def create_thumbnail(self, entity: Entity, source: str | FilePath | Entity, size: int = 300) -> Entity:
        """A small picture of a file or FileComponent, fitted into `size` × `size`, as the thumbnail of an entity; its component.

        Committed with all that the session has recorded. InvalidMedia, MediaLimit.
        """
        from .media import create_thumbnail

        self._check_open()
        return create_thumbnail(self, entity, source, size)

    # --- files of rows ---------------------------------------------------------------------------

    def import_rows(self, type: str | type[Entity], source: Any, **options: Any) -> ImportReport:
        """Create or, with `key`, update entities from a CSV, JSON lines, Parquet or Arrow file; what was done.

        As `recordroom.client.rows.import_rows`, which describes the options: key, mapping, references, on_error …
        """
        from .rows import import_rows

        self._check_open()
        return import_rows(self, type_name(type), source, **options)

    def export_rows(self, question: Any, target: Any, **options: Any) -> ExportReport:
        """Write the rows of a query or result to a CSV, JSON lines, Parquet or Arrow file, in bounded memory.

        As `recordroom.client.rows.export_rows`, which describes the options: format, options, progress.
        """
        from .rows import export_rows

        self._check_open()
        return export_rows(question if isinstance(question, QueryResult) else self.query(question), target, **options)

    # --- JSON ------------------------------------------------------------------------------------

    def reference(self, entity: Entity) -> dict[str, str]:
        """What identifies an entity in JSON: its type and its id."""
        return encoding.reference(entity)

    def encode(self, data: Any, strategy: encoding.Strategy = "set_only") -> str:
        """JSON text of entities, or of lists and dicts with entities in them.

        "all" loads every attribute, "set_only" takes what is loaded or set, "modified_only" local edits,
        "persisted_only" what the room said.
        """
        self._check_open()
        return encoding.encode(self, data, strategy)

    def decode(self, text: str) -> Any:
        """What `encode` made, with entities of this session."""
        self._check_open()
        return encoding.decode(self, text)

    # --- other processes -------------------------------------------------------------------------

    def serialize(self, *, api_key: bool = False) -> str:
        """A text from which `Session.deserialize` makes another session, in another process too.

        It holds the access token of who logged in, which lasts for minutes, and never their refresh token. An API key goes
        with it only with `api_key=True`; else the other process finds it in its environment or a profile. What is not
        committed stays here.
        """
        from .serializing import serialize

        self._check_open()
        if self._at is not None:
            expected = f"the session that this one was made of, and .at({self._at}) there"
            raise InvalidValue(type="Session", attribute="serialize", value=self._at, expected=expected)
        return serialize(self, api_key=api_key)

    @staticmethod
    def deserialize(text: str, **settings: Any) -> Session:
        """A session from the text of `serialize`. `settings` are those of `connect`: api_key, mode, ca_certs …"""
        from .serializing import deserialize

        return deserialize(text, settings)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            "a session cannot be pickled: give the other process session.serialize(), and call Session.deserialize(text) there"
        )

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
        """Discard what is not committed and let go of the room. Again does nothing; other verbs raise SessionClosed."""
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
        self.close()

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

    def _attribute(self, entity: Entity, name: str) -> Attribute:
        return self._attribute_of(entity._facts, name)

    def _attribute_of(self, facts: TypeFacts, name: str) -> Attribute:
        """The attribute of a type; one that is not known may be new in the room."""
        try:
            return facts.attribute(name)
        except UnknownAttribute:
            if not self._learn_schema():
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


@contextlib.contextmanager
def _switched(variable: ContextVar[Mapping[int, bool]], key: int, on: bool) -> Iterator[None]:
    token = variable.set({**variable.get(), key: on})
    try:
        yield
    finally:
        variable.reset(token)


def _query_of(question: Any) -> Query:
    if isinstance(question, str):
        from ..query.grammar import parse

        return parse(question)
    tree = question if isinstance(question, Query) else getattr(question, "tree", None)
    if isinstance(tree, Query):
        return tree
    roots = getattr(question, "roots", ())
    if len(roots) == 1:
        from ..query.expressions import condition_of

        return Query(type=next(iter(roots)), where=condition_of(question))
    return Query(type=type_name(question))


def _parameter(value: Any) -> Any:
    """A value for `$name` as the literal it stands for."""
    from ..query.expressions import value_of

    if isinstance(value, Entity):
        return value._id
    if isinstance(value, list | tuple | set | frozenset):
        return [_parameter(each) for each in value]
    return getattr(value_of(value), "value", value)

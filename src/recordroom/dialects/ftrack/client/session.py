"""Session: a conversation with a room under the names that ftrack's scripts use.

It keeps no entities and no changes of its own: the session behind does, `native`. What is here turns names and values, and
keeps a list of what scripts did for those who look at it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from ....client.entity import Entity as Native
from ....client.session import Session as NativeSession
from ....client.switches import POPULATING, RECORDING
from ....model.ids import as_id, show_id
from ....query.syntax import And, Compare, Literal, Path, Query
from ..asking import Question
from ..casts import steps
from ..configurations import Configuration
from ..definitions import CONFIGURATION
from ..names import Names, Type, names_of
from . import calling, connecting, plugin, projecting
from .cache import LayeredCache, MemoryCache
from .connecting import SessionAuthentication
from .defining import defined, dropped
from .encoding import OperationPayload
from .ensuring import ensure
from .entity.base import Entity
from .entity.location import configure_locations
from .event.base import Event
from .event.hub import EventHub
from .exception import (
    ConnectionClosedError,
    UnrecognisedEntityTypeError,
    translated,
)
from .meeting import met
from .operation import Operations
from .query import QueryResult
from .reaching import load_configurations
from .switching import AutoPopulatingContext, OperationRecordingContext
from .symbol import NOT_SET
from .types import Types
from .verbs import ComponentVerbs, ExchangeVerbs, PeopleVerbs
from .virtual import Virtuals

__all__ = [
    "AutoPopulatingContext",
    "OperationPayload",
    "OperationRecordingContext",
    "Session",
    "SessionAuthentication",
]


class Session(ComponentVerbs, PeopleVerbs, ExchangeVerbs):
    """A conversation with a room at a server (https://…), or of one in this process (a path, postgresql://…).

    Without `server_url`, `api_key` and `api_user` the environment says them: FTRACK_SERVER, FTRACK_API_KEY, FTRACK_API_USER.
    Used with `with`, it is closed at the end of the block. TypeError where something is missing; ServerError where the
    room cannot be reached.
    """

    def __init__(  # noqa: PLR0913 - as scripts call it
        self,
        server_url: str | None = None,
        api_key: str | None = None,
        api_user: str | None = None,
        auto_populate: bool = True,
        plugin_paths: Sequence[str] | None = None,
        cache: Any = None,
        cache_key_maker: Any = None,
        auto_connect_event_hub: bool = False,
        schema_cache_path: Any = None,
        plugin_arguments: Mapping[str, Any] | None = None,
        timeout: float | None = 60,
        cookies: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        strict_api: bool = False,
    ) -> None:
        self.logger = logging.getLogger(f"{__name__}.{type(self).__name__}")
        self._lock = threading.RLock()
        self._closed = False
        self._plugin_paths = plugin_paths
        self.cache = LayeredCache([MemoryCache()])
        self.cache_key_maker = cache_key_maker

        def own_cache() -> Any:
            made = cache(self) if callable(cache) else cache
            if made is not None:
                self.cache.caches.append(made)
            return made

        self._wanted = wanted = connecting.wanted(
            server_url, api_key, api_user, schema_cache_path, timeout, cookies, headers, strict_api, own_cache, cache_key_maker
        )  # fmt: skip
        self.native: NativeSession = connecting.connected(wanted)
        self.native.auto_populate = bool(auto_populate)
        self._begin(plugin_arguments, auto_connect_event_hub)

    def _begin(self, plugin_arguments: Mapping[str, Any] | None, connect_hub: bool) -> None:
        """What follows once the session behind stands: types, hub, plugins, locations."""
        self._names = connecting.names_in(self.native)
        self._configurations: list[Configuration] | None = None
        self._custom: dict[str, list[Configuration]] = {}
        self._unfinished: list[Any] = []  # new entities that a commit completes
        self._pairs = Virtuals(self)
        self.recorded_operations = Operations(self)
        self._classes: dict[type[Native], type[Entity]] = {}
        self.types: Types = Types(self)
        wanted = self._wanted
        try:
            self._event_hub = EventHub(
                wanted.server_url,
                wanted.api_user or "",
                wanted.api_key or "",
                headers=wanted.headers,
                cookies=wanted.cookies,
                session=self,
            )
            self.native.hooks.subscribe("file-type", self._file_type)
            if connect_hub:
                self._event_hub.connect_soon()
            self._discover_plugins(plugin_arguments)
            self.types.make_all()
            configure_locations(self)
            self._publish("ftrack.api.session.ready")
        except BaseException:
            self.close()
            raise

    def _discover_plugins(self, arguments: Mapping[str, Any] | None) -> None:
        paths = self._plugin_paths
        if paths is None:
            paths = os.environ.get("FTRACK_EVENT_PLUGIN_PATH", "").split(os.pathsep)
        plugin.discover(paths, [self], dict(arguments or {}))

    def _publish(self, topic: str, **data: Any) -> Any:
        return self._event_hub.publish(Event(topic=topic, data={"session": self, **data}), synchronous=True)

    def _file_type(self, hook: Any) -> Any:
        """What plugins say that the file type of a path is."""
        topic = "ftrack.api.session.get-file-type-from-string"
        if not self._event_hub.has_subscribers(topic):
            return None
        event = Event(topic=topic, data={"file_path": str(hook.data["path"])})
        return next((each for each in self._event_hub.publish(event, synchronous=True) if each), None)

    def __repr__(self) -> str:
        return f"<Session {self.server_url}{' (closed)' if self._closed else ''}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- what it is ------------------------------------------------------------------------------

    @property
    def auto_populate(self) -> bool:
        """Whether touching what is not loaded loads it, in this thread."""
        return self.native._populates()

    @auto_populate.setter
    def auto_populate(self, value: bool) -> None:
        POPULATING.set({**POPULATING.get(), id(self.native): bool(value)})

    @property
    def record_operations(self) -> bool:
        """Whether what is done is recorded to be committed, in this thread."""
        return self.native._records()

    @record_operations.setter
    def record_operations(self, value: bool) -> None:
        RECORDING.set({**RECORDING.get(), id(self.native): bool(value)})

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def server_information(self) -> dict[str, Any]:
        """What the room says of itself."""
        return calling.server_information(self)

    @property
    def server_url(self) -> str:
        """Where the room is."""
        return self._wanted.server_url

    @property
    def api_user(self) -> str | None:
        """The name of the user."""
        return self._wanted.api_user

    @property
    def api_key(self) -> str | None:
        """The API key."""
        return self._wanted.api_key

    @property
    def schemas(self) -> list[dict[str, Any]]:
        """Every type as ftrack's schemas tell it."""
        return self.types.schemas

    @property
    def event_hub(self) -> EventHub:
        """The event hub: local events, and with `connect()` those of the room."""
        return self._event_hub

    @property
    def names(self) -> Names:
        """The types of the room under the dialect's names."""
        if self._names.schema is not self.native.schema:
            with self._lock:
                self._names = names_of(self.native.schema)
        return self._names

    @property
    def configurations(self) -> list[Configuration]:
        """The custom attributes of the room, as they were when first asked for."""
        if self._configurations is None:
            with translated():
                self._configurations = load_configurations(self.native, self.names)
        return self._configurations

    def _custom_of(self, native: str) -> list[Configuration]:
        """The custom attributes that entities of a native type have."""
        found = self._custom.get(native)
        if found is None:
            schema = self.names.schema
            found = [
                each
                for each in self.configurations
                if native in schema and any(schema.is_a(native, owner) for owner in each.natives(schema))
            ]
            self._custom[native] = found
        return found

    def check_server_compatibility(self) -> None:
        """Nothing: a room without the types that are needed was refused already."""

    # --- switches --------------------------------------------------------------------------------

    def auto_populating(self, auto_populate: bool) -> AutoPopulatingContext:
        """Switch loading on touch on or off for a block."""
        return AutoPopulatingContext(self, auto_populate)

    def operation_recording(self, record_operations: bool) -> OperationRecordingContext:
        """Switch recording on or off for a block: what is set meanwhile shows here and is never sent."""
        return OperationRecordingContext(self, record_operations)

    # --- faces of native entities ----------------------------------------------------------------

    def wrap(self, native: Any) -> Any:
        """The entity that scripts see for a native one; None and NOT_SET as they are."""
        if native is None or native is NOT_SET:
            return native
        face = native._face
        return self._faced(native) if face is None else face

    def wrap_all(self, natives: Iterable[Any]) -> list[Any]:
        """As `wrap`, for many entities."""
        faced = self._faced
        return [faced(each) if each._face is None else each._face for each in natives]

    def _faced(self, native: Any) -> Entity:
        cls = self._classes.get(type(native))
        if cls is None:
            cls = self._classes[type(native)] = self.types[self.names.of(native._type).name]
        face = cls.__new__(cls)
        face._native = native
        # Another thread may have been quicker: there is one.
        if native._face is None:
            native._face = face
        found: Entity = native._face
        return found

    # --- create, find, change --------------------------------------------------------------------

    def create(self, entity_type: str, data: Mapping[str, Any] | None = None, reconstructing: bool = False) -> Any:
        """A new entity, local until `commit()`. With `reconstructing`, one that the room has, with these values."""
        try:
            cls = self.types[entity_type]
        except KeyError:
            self._check_open()
            raise UnrecognisedEntityTypeError(entity_type) from None
        if reconstructing and cls._type.natives:
            return met(self, cls, data or {})
        return cls(self, data, reconstructing)

    def ensure(self, entity_type: str, data: Mapping[str, Any], identifying_keys: Iterable[str] | None = None) -> Any:
        """The entity with these values, created or updated where needed; commits where anything changed.

        `identifying_keys` names what finds it; all of `data` otherwise. KeyError where one is missing in `data`,
        ValueError where there is none, MultipleResultsFoundError where several fit.
        """
        return ensure(self, entity_type, data, identifying_keys)

    def delete(self, entity: Entity) -> None:
        """Record that an entity goes."""
        if entity._type.natives:
            with translated():
                self.native.delete(entity._native)
        else:
            self._pairs.delete(entity)  # type: ignore[arg-type]
        self._note((entity,))

    def get(self, entity_type: str, entity_key: Any) -> Any:
        """The entity with a key, a text or the values of its parts in order; None if there is none.

        One that the session has loaded is not asked for again.
        """
        try:
            type = self.names.types[entity_type]
        except KeyError:
            raise UnrecognisedEntityTypeError(entity_type) from None
        key = _parts(entity_key)
        if len(key) != len(type.key):
            raise ValueError(f"{entity_type} has a key of {len(type.key)} parts ({', '.join(type.key)}), got {key!r}")
        if type.pair is not None:
            return self._pairs.pairs.get(type, key[0])
        if type.key != ("id",):
            parts = zip(type.key, key, strict=True)
            where = And(tuple(Compare("is", Path((name,)), Literal(str(value))) for name, value in parts))
            return QueryResult(self, Query(entity_type, where=where)).first()
        return self._by_id(type, key[0])

    def _by_id(self, type: Type, key: Any) -> Any:
        try:
            each = as_id(key)
        except ValueError:
            return None
        with translated():
            for native in type.natives:
                found = self.native.get(native, each)
                if found is not None:
                    return self.wrap(found)
        return None

    def query(self, expression: str, page_size: int = 500) -> QueryResult:
        """A lazy result. Only what is committed is found; entities that come keep their local changes."""
        self._check_open()
        return QueryResult(self, expression, page_size)

    def _question(self, tree: Query) -> Question:
        # Without custom attributes in it, it needs none of them.
        configurations = self.configurations if "custom" in repr(tree).lower() else []
        return Question(self.names, configurations, tree)

    def merge(self, value: Any, merged: dict[Any, Any] | None = None) -> Any:
        """This session's entities for entities of other sessions, in lists and mappings too."""
        if isinstance(value, Entity):
            if value.session is self:
                return value
            if not value._type.natives:
                return self._pairs.met(self.names[value.entity_type], value._values)  # type: ignore[attr-defined]
            with translated():
                return self.wrap(self.native.merge(value._native))
        if isinstance(value, Mapping):
            return {self.merge(key, merged): self.merge(each, merged) for key, each in value.items()}
        if isinstance(value, list | tuple | set):
            return type(value)(self.merge(each, merged) for each in value)
        return value

    def populate(self, entities: Any, projections: str | Iterable[str]) -> None:
        """Load projections such as `"name, project.full_name"` of entities. Local values stay."""
        found = [entities] if isinstance(entities, Entity) else list(entities)
        names = projections.split(",") if isinstance(projections, str) else list(projections)
        paths = [steps(each) for each in names if each.strip()]
        natives = [each._native for each in found if each._type.natives and not each._native._page.new]
        with translated():
            projecting.load(self, natives, paths)

    # --- commit ----------------------------------------------------------------------------------

    def commit(self) -> None:
        """Send everything recorded, all of it or nothing. ServerError where the room refuses; all stays recorded then."""
        with translated(), self._committing():
            self.native.commit(on_conflict="mine")

    @contextlib.contextmanager
    def _committing(self) -> Iterator[None]:
        """What is done here ends with a commit of everything recorded, completed by what follows from it."""
        self._check_open()
        gone = self._gone_configurations()
        made = [each for each in self._unfinished if each._state() == "created"]
        definitions = [each for each in made if each.entity_type == CONFIGURATION]
        for each in made:
            each._complete()
        if definitions:
            defined(self, definitions)
        count = len(self.recorded_operations)
        yield
        with self._lock:
            del self.recorded_operations._records[:count]
            self._unfinished = [each for each in self._unfinished if each not in made]
        if definitions or gone:
            self._forget_configurations()
        if gone:
            dropped(self, gone)
            self._forget_configurations()

    def _gone_configurations(self) -> list[Configuration]:
        """The custom attributes whose end is not committed."""
        ids = {show_id(each._id) for each in self.native.deleted if each._type == CONFIGURATION}
        return [each for each in self.configurations if each.id in ids] if ids else []

    def _forget_configurations(self) -> None:
        """Ask for the custom attributes again when they are needed."""
        self._configurations = None
        self._custom.clear()

    @cached_property
    def _me(self) -> Any:
        """The native User of this session; None where the room's owner works, who is none."""
        with self.native.auto_populating(True):
            return self.native.get("User", {"name": self.native.transport.actor})

    def rollback(self) -> None:
        """Forget everything recorded and every local value. Entities that were created are not part of the session any more."""
        with translated():
            self.native.rollback()
        self.recorded_operations._records.clear()
        self._pairs.clear()
        self._unfinished.clear()

    def reset(self) -> None:
        """Forget everything recorded and every entity; locations are configured again."""
        with translated():
            self.native.reset()
        self.recorded_operations._records.clear()
        self._pairs.clear()
        self._unfinished.clear()
        self.__dict__.pop("_me", None)
        self._forget_configurations()
        self.cache.caches[0].clear()
        configure_locations(self)
        self._publish("ftrack.api.session.reset")

    def close(self) -> None:
        """Forget what is not committed and let go of the room. Again does nothing."""
        if self._closed:
            return
        self._closed = True
        self.recorded_operations._records.clear()
        hub = getattr(self, "_event_hub", None)
        if hub is not None:
            hub.close()
        self.native.close()

    def _whole(self) -> Session:
        return self

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectionClosedError

    # --- what is recorded ------------------------------------------------------------------------

    @property
    def created(self) -> list[Any]:
        """New entities that are not committed."""
        return self.wrap_all(self.native.created)

    @property
    def modified(self) -> list[Any]:
        """Entities with changes that are not committed."""
        return self.wrap_all(self.native.modified)

    @property
    def deleted(self) -> list[Any]:
        """Entities whose deletion is not committed."""
        return self.wrap_all(self.native.deleted)

    def _note(self, record: tuple[Any, ...]) -> None:
        if self.native._records():
            self.recorded_operations._note(record)

    def _note_create(self, entity: Entity, data: Mapping[str, Any]) -> None:
        if self.native._records():
            self.recorded_operations._records.append((entity, data))

    def _note_update(self, entity: Entity, name: str, old: Any, new: Any) -> None:
        self._note((entity, name, old, new))

    def _unnote(self, entity: Entity) -> None:
        """Forget the last record, of an update that was refused."""
        records = self.recorded_operations._records
        if records and records[-1][0] is entity and self.native._records():
            records.pop()


def _parts(key: Any) -> list[Any]:
    """A key as its parts."""
    if isinstance(key, str | bytes) or not isinstance(key, Iterable):
        return [key]
    return list(key.values()) if isinstance(key, Mapping) else list(key)

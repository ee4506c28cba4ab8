"""`session.locations`: how this session reaches locations.

A location is an entity that all share; what reaches it (an accessor, a structure, a transformer, a priority) is each
session's own. The fixed locations have theirs, a location with `storage` says its own, and `configure` says it for others.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Error, InvalidValue, LocationNotConfigured, NotFound, UnknownType
from ..files.accessor import Accessor
from ..files.disk import DiskAccessor
from ..files.fixed import DEFAULT_PRIORITY, ORIGIN, PRIORITIES, REVIEW, SERVER, UNMANAGED
from ..files.opening import open_location
from ..files.structures import ById, Origin, ProjectTree, Structure, structure_named
from ..files.transformers import Transformer
from .entity import Entity
from .symbols import NOT_SET

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Locations", "Place"]

_log = logging.getLogger("recordroom.locations")
# What the keys of mount points stand for.
_PLATFORM = {"darwin": "osx", "win32": "windows"}.get(sys.platform, "linux")
_SCENARIO = "ftrack.centralized-storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A location as this session reaches it. `manages`: data is copied there; otherwise it stays where it is."""

    location: Entity
    accessor: Accessor | None = None
    structure: Structure | None = None
    transformer: Transformer | None = None
    priority: int = DEFAULT_PRIORITY
    manages: bool = True

    @property
    def id(self) -> str:
        """The location's id."""
        return str(self.location["id"])

    @property
    def name(self) -> str:
        """The location's name."""
        return str(self.location["name"])

    def reached(self) -> Accessor:
        """The accessor; LocationNotConfigured where there is none."""
        if self.accessor is None:
            raise LocationNotConfigured(location=self.name, part="accessor")
        return self.accessor

    def structured(self) -> Structure:
        """The structure; LocationNotConfigured where there is none."""
        if self.structure is None:
            raise LocationNotConfigured(location=self.name, part="structure")
        return self.structure

    def encoded(self, identifier: str, component: Entity) -> str:
        """What the room keeps for a path."""
        return identifier if self.transformer is None else self.transformer.encode(identifier, component)

    def decoded(self, identifier: str, component: Entity) -> str:
        """The path for what the room keeps."""
        return identifier if self.transformer is None else self.transformer.decode(identifier, component)


class Locations:
    """The locations of a session. `session.locations["name"]` is a `Place`; iterating gives those within reach, best first.

    Rows are read once, and again after `reset()` of the session or when a name is not known.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.RLock()
        self._given: dict[str, dict[str, Any]] = {}
        self._known: dict[str, Place] | None = None
        # Component → path, of files that are at hand in this session only.
        self.origins: dict[Entity, str] = {}

    def __repr__(self) -> str:
        return f"<Locations {', '.join(place.name for place in self)}>"

    def configure(  # noqa: PLR0913 - each is one thing that the user may say
        self,
        location: Entity | str,
        *,
        accessor: Accessor | str | Path | Any | None = NOT_SET,
        structure: Structure | str | Any | None = NOT_SET,
        transformer: Transformer | Any | None = NOT_SET,
        priority: int | Any = NOT_SET,
        manages: bool | Any = NOT_SET,
    ) -> Place:
        """Say how this session reaches a location (an entity, an id or a name); what is not said stays.

        An accessor may be given as an address (`open_location`), a structure by name: `origin`, `id`, `chunked_id`, `standard`.
        Of locations within reach those with a lower `priority` (95 where none is said) are picked first. `manages=False`: the
        room learns where files are, and they stay there.
        """
        place = self[location]
        given: dict[str, Any] = {"accessor": accessor, "structure": structure}
        given |= {"transformer": transformer, "priority": priority, "manages": manages}
        said = {name: value for name, value in given.items() if value is not NOT_SET}
        if isinstance(said.get("accessor"), str | Path):
            said["accessor"] = open_location(said["accessor"])
        if isinstance(said.get("structure"), str):
            said["structure"] = _structure(said["structure"])
        with self._lock:
            self._given.setdefault(place.id, {}).update(said)
            made = replace(place, **said)
            if self._known is not None:
                self._known[made.id] = made
        return made

    def __getitem__(self, location: Entity | str) -> Place:
        found = self._find(location)
        if found is None:
            self.forget()
            found = self._find(location)
        if found is None:
            raise NotFound(type="Location", entity=location["id"] if isinstance(location, Entity) else location)
        return found

    def __iter__(self) -> Any:
        return iter(sorted((each for each in self.all() if each.accessor is not None), key=_order))

    def all(self) -> list[Place]:
        """Every location, within reach or not."""
        return list(self._rows().values())

    @property
    def origin(self) -> Place:
        """Where files lie when their components are made. Only this session knows."""
        return self[ORIGIN]

    @property
    def unmanaged(self) -> Place:
        """Files that stay where they are."""
        return self[UNMANAGED]

    @property
    def review(self) -> Place:
        """As unmanaged, for what is made for review."""
        return self[REVIEW]

    @property
    def server(self) -> Place:
        """The room's own location."""
        return self[SERVER]

    def forget(self) -> None:
        """Read the rows again when they are next needed; what was configured stays."""
        with self._lock:
            self._known = None

    def _find(self, location: Entity | str) -> Place | None:
        rows = self._rows()
        if isinstance(location, Entity):
            return rows.get(str(location["id"]))
        return rows.get(location) or next((each for each in rows.values() if each.name == location), None)

    def _rows(self) -> dict[str, Place]:
        with self._lock:
            known = self._known
            if known is None:
                if "Location" not in self._session.schema:
                    text = (
                        'This database has no locations: session.apply_template("files") gives it the types of files.'
                    )
                    raise UnknownType(text, name="Location")
                rows = self._session.query("select name, storage from Location").all()
                scenario = self._scenario()
                made = [self._made(each, scenario) for each in rows]
                known = self._known = {each.id: each for each in made}
                for each in self._session.created:
                    if each._type == "Location":
                        known[str(each["id"])] = self._made(each, scenario)
            return known

    def _made(self, location: Entity, scenario: Mapping[str, Any]) -> Place:
        identity = str(location["id"])
        place = Place(location=location, priority=PRIORITIES.get(identity, DEFAULT_PRIORITY))
        if identity == SERVER:
            from .room_location import RoomAccessor

            accessor = RoomAccessor(self._session.transport, self._session.database)
            place = replace(place, accessor=accessor, structure=ById())
        elif identity in (ORIGIN, UNMANAGED, REVIEW):
            place = replace(place, accessor=DiskAccessor(), structure=Origin(), manages=False)
        storage = scenario.get(identity) or location["storage"]
        if storage is not None:
            place = replace(place, **_stored(place.name, storage))
        return replace(place, **self._given.get(identity, {}))

    def _scenario(self) -> dict[str, Any]:
        """The location that the room's setting for storage configures: centralised, with mount points of each platform."""
        if "Setting" not in self._session.schema:
            return {}
        text = 'Setting where name is "storage_scenario" and group is "STORAGE"'
        row = self._session.query(f"select value from {text}").first()
        if row is None or not row["value"]:
            return {}
        try:
            found = json.loads(row["value"])
            if found["scenario"] != _SCENARIO:
                return {}
            data = found["data"]
            points = {"mount_points": dict(data["accessor"]["mount_points"])}
            return {str(data["location_id"]): points | {"structure": "standard", "priority": 1}}
        except (ValueError, TypeError, KeyError) as error:
            _log.warning("The setting storage_scenario cannot be used: %r", error)
            return {}


def _stored(name: str, storage: Any) -> dict[str, Any]:
    """What `Location.storage` says; what is wrong in it is told in the log, and the location is out of reach."""
    try:
        return _reading(storage)
    except (Error, TypeError, ValueError, AttributeError) as error:
        _log.warning("How to reach the location %s is not said right: %s", name, error)
        return {}


def _reading(storage: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"structure": ProjectTree(), "manages": True}
    points = storage.get("mount_points")
    if points is not None:
        mount = points.get(_PLATFORM)
        # A location that this platform does not mount is simply out of reach.
        said["accessor"] = DiskAccessor(mount) if mount else None
    elif storage.get("url"):
        said["accessor"] = open_location(str(storage["url"]))
    if storage.get("structure") is not None:
        said["structure"] = _structure(str(storage["structure"]))
    if storage.get("priority") is not None:
        said["priority"] = int(storage["priority"])
    return said


def _structure(name: str) -> Structure:
    found = structure_named(name)
    if found is None:
        expected = "origin, id, chunked_id or standard"
        raise InvalidValue(type="Location", attribute="structure", value=name, expected=expected)
    return found


def _order(place: Place) -> tuple[int, str]:
    return place.priority, place.name

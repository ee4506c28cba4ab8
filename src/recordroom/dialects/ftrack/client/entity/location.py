"""Locations: where components are. What reaches one is set on it, and is the session's own.

Data is copied, counted and summed by recordroom's own `session.files`; one commit says where it lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from .....client.locations import Place
from .....errors import ComponentInLocation, ComponentNotInLocation, TransferFailed
from .....errors import Error as NativeError
from .....files import fixed
from ..bridging import FROM_NATIVE, TO_NATIVE
from ..event.base import Event
from ..exception import (
    AccessorUnsupportedOperationError,
    ComponentInLocationError,
    ComponentNotInLocationError,
    LocationError,
    translation,
)
from .base import Entity

__all__ = [
    "Location",
    "MemoryLocationMixin",
    "OriginLocationMixin",
    "ServerLocationMixin",
    "UnmanagedLocationMixin",
    "configure_locations",
]


def _part(name: str, doc: str) -> Any:
    """An attribute of a location that is a part of how the native session reaches it."""

    def get(self: Location) -> Any:
        found = getattr(self._place, name)
        known: dict[str, tuple[Any, Any]] = self.__dict__.setdefault("_parts", {})
        if name not in known or known[name][0] is not found:
            known[name] = found, FROM_NATIVE[name](self.session, found)
        return known[name][1]

    def put(self: Location, value: Any) -> None:
        made = TO_NATIVE[name](self.session, value)
        self.session.native.locations.configure(self._native, **{name: made})
        if made is not None and made is not value:
            self.__dict__.setdefault("_parts", {})[name] = made, value

    return property(get, put, doc=doc)


class Location(Entity):
    """Storage for components. Without an accessor and a structure this session does not reach it."""

    accessor = _part("accessor", "What reaches the data; NOT_SET where nothing does.")
    structure = _part("structure", "What names the place of a component; NOT_SET where nothing does.")
    resource_identifier_transformer = _part("transformer", "What turns resource identifiers for the room, or NOT_SET.")

    @property
    def priority(self) -> int:
        """Of locations within reach the one of the lowest is picked."""
        return self._place.priority

    @priority.setter
    def priority(self, value: int) -> None:
        self.session.native.locations.configure(self._native, priority=value)

    @property
    def _place(self) -> Place:
        found: Place = self.session.native.locations[self._native]
        return found

    def __str__(self) -> str:
        with self.session.auto_populating(False):
            name = self["name"]
        return super().__str__().replace("(", f'("{name}", ', 1) if name else super().__str__()

    # --- bring and take away ---------------------------------------------------------------------------------

    def add_component(self, component: Any, source: Any, recursive: bool = True) -> None:
        """Copy a component here from another location, and commit that. See `add_components`."""
        self.add_components([component], sources=source, recursive=recursive)

    def add_components(self, components: Iterable[Any], sources: Any, recursive: bool = True, _depth: int = 0) -> None:
        """Copy components, and with `recursive` their members, here from other locations, and commit that.

        `sources` is a location, or a list with one for each. ComponentInLocationError where one is here already, before anything
        is copied; LocationError where something cannot be copied or registered, `details["transferred"]` saying what was.
        """
        found = list(components)
        places = list(sources) if isinstance(sources, Sequence) and not isinstance(sources, str) else [sources]
        if len(places) not in (1, len(found)):
            raise ValueError("sources is one location, or a list with one for each component")
        if not self.structure:
            raise LocationError("{location} has no structure.", {"location": self})
        present = [each for each in found if self._has(each)]
        if present:
            raise ComponentInLocationError(present, self)
        places = places * len(found) if len(places) == 1 else places
        for _, group in groupby(zip(found, places, strict=True), key=lambda pair: id(pair[1])):
            pairs = list(group)
            self._bring([each for each, _ in pairs], pairs[0][1], recursive)

    def remove_component(self, component: Any, recursive: bool = True) -> None:
        """Take a component out of the location and remove its data there; commits."""
        self.remove_components([component], recursive=recursive)

    def remove_components(self, components: Iterable[Any], recursive: bool = True) -> None:
        """Take components out of the location and remove their data there; commits. ComponentNotInLocationError."""
        found = list(components)
        with _Told(self, found):
            self._settle()
            natives = [each._native for each in found]
            self.session.native.files.remove_components(natives, self._native, recursive=recursive)
        self.session.commit()

    def _bring(self, components: list[Any], source: Any, recursive: bool) -> None:
        if self._native_id == fixed.ORIGIN and isinstance(source, str):
            self.session.native.locations.origins.update((each._native, source) for each in components)
            return
        self._settle()
        natives = [each._native for each in components]
        with _Told(self, components), _Source(source, components) as place:
            self.session.native.files.add_components(natives, self._native, place, recursive=recursive)
        self.session.commit()

    def _settle(self) -> None:
        """Tell the native session what the class of this location says."""
        place = self._place
        if place.manages and isinstance(self, UnmanagedLocationMixin):
            self.session.native.locations.configure(self._native, manages=False)
        if self._place.accessor is None:
            raise LocationError("{location} has no accessor.", {"location": self})

    @property
    def _native_id(self) -> str:
        return str(self._native["id"])

    def _has(self, component: Any) -> bool:
        try:
            self.get_resource_identifier(component)
        except ComponentNotInLocationError:
            return False
        return True

    # --- ask -------------------------------------------------------------------------------------------------

    def get_component_availability(self, component: Any) -> float:
        """How much of a component is here, in percent."""
        return self.get_component_availabilities([component])[0]

    def get_component_availabilities(self, components: Iterable[Any]) -> list[float]:
        """How much of each component is here, in percent."""
        found = self.session.get_component_availabilities(list(components), locations=[self])
        return [each[self["id"]] for each in found]

    def get_resource_identifier(self, component: Any) -> str:
        """What a component is called here; ComponentNotInLocationError."""
        return self.get_resource_identifiers([component])[0]

    def get_resource_identifiers(self, components: Iterable[Any]) -> list[str]:
        """What components are called here; ComponentNotInLocationError names those that are not here."""
        found = list(components)
        with _Told(self, found):
            return self.session.native.files.resource_identifiers([each._native for each in found], self._native)

    def get_filesystem_path(self, component: Any) -> str:
        """Where a component is on this machine."""
        return self.get_filesystem_paths([component])[0]

    def get_filesystem_paths(self, components: Iterable[Any]) -> list[str]:
        """Where components are on this machine."""
        return [self.accessor.get_filesystem_path(each) for each in self.get_resource_identifiers(components)]

    def get_url(self, component: Any) -> str:
        """An address to read a component from. AccessorUnsupportedOperationError where there is none."""
        found: str = self.accessor.get_url(self.get_resource_identifier(component))
        return found

    def get_thumbnail_url(self, component: Any, size: int | None = None) -> str:
        """An address of a small picture of a component, of the room's own location."""
        give = getattr(self.accessor, "get_thumbnail_url", None)
        if give is None:
            raise AccessorUnsupportedOperationError("get_thumbnail_url")
        found: str = give(self.get_resource_identifier(component), size)
        return found


class MemoryLocationMixin:
    """For a location whose components only this session knows."""

    def _bring(self, components: list[Any], source: Any, recursive: bool) -> None:
        for each in components:
            if recursive and each.entity_type != "FileComponent":
                self._bring(list(each["members"]), source, recursive)
            self._remembered[each["id"]] = self._placed(each, source)

    def _placed(self, component: Any, source: Any) -> str:
        """Copy one component, where the location has its own data; what it is called here."""
        here: Any = self
        if isinstance(source, str):
            context = {"source_resource_identifier": source}
        else:
            context = {"source_resource_identifier": source.get_resource_identifier(component)}
        identifier: str = here.structure.get_resource_identifier(component, context)
        if isinstance(self, UnmanagedLocationMixin) or component.entity_type != "FileComponent":
            return identifier
        read = source._place.reached().read(context["source_resource_identifier"])
        here._place.reached().write(identifier, read)
        return identifier

    def remove_components(self, components: Iterable[Any], recursive: bool = True) -> None:
        """Forget components, and remove their data where the location has its own."""
        here: Any = self
        for each in components:
            identifier = here.get_resource_identifier(each)
            if recursive and each.entity_type != "FileComponent":
                here.remove_components([member for member in each["members"] if here._has(member)])
            if not isinstance(self, UnmanagedLocationMixin) and each.entity_type == "FileComponent":
                here.accessor.remove(identifier)
            del self._remembered[each["id"]]

    def get_resource_identifiers(self, components: Iterable[Any]) -> list[str]:
        """What components are called here; ComponentNotInLocationError names those that are not here."""
        found, known = list(components), self._remembered
        missing = [each for each in found if each["id"] not in known]
        if missing:
            raise ComponentNotInLocationError(missing, self)
        return [known[each["id"]] for each in found]

    @property
    def _remembered(self) -> dict[str, str]:
        found: dict[str, str] = self.__dict__.setdefault("_remembered_identifiers", {})
        return found


class UnmanagedLocationMixin:
    """For a location that learns where data is, and leaves it there."""


class OriginLocationMixin(MemoryLocationMixin, UnmanagedLocationMixin):
    """For a location whose sources are paths."""


class ServerLocationMixin:
    """For the room's own location. Every location has what it has, as far as its accessor does."""

    def get_thumbnail_url(self, component: Any, size: int | None = None) -> str:
        """An address of a small picture of a component."""
        here: Any = self
        return Location.get_thumbnail_url(here, component, size)


class _Told:
    """Turns native errors of a location into those that scripts know."""

    def __init__(self, location: Location, components: list[Any]) -> None:
        self._location = location
        self._components = components

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ComponentNotInLocation):
            raise ComponentNotInLocationError(self._named(error), self._location) from error
        if isinstance(error, ComponentInLocation):
            raise ComponentInLocationError(self._named(error), self._location) from error
        if isinstance(error, NativeError) and error.status == 401:
            raise translation(error) from error
        if isinstance(error, Exception) and not isinstance(error, LocationError):
            raise LocationError("{location}: {error}", self._details(error)) from error

    def _named(self, error: NativeError) -> list[Any]:
        ids = set(error.facts["components"])
        return [each for each in self._components if each["id"] in ids] or self._components

    def _details(self, error: Exception) -> dict[str, Any]:
        found: dict[str, Any] = {"location": self._location, "error": error, "transferred": []}
        if isinstance(error, TransferFailed):
            session = self._location.session
            found["component"] = session.get("Component", error.facts["component"])
            found["transferred"] = [(session.get("Component", each), path) for each, path in error.facts["transferred"]]
        return found


class _Source:
    """The native source of components. What a location in memory has is known as an origin meanwhile."""

    def __init__(self, source: Any, components: list[Any]) -> None:
        self._source = source
        self._components = components
        self._lent: list[Any] = []

    def __enter__(self) -> Any:
        source = self._source
        if source is None or not isinstance(source, MemoryLocationMixin):
            return None if source is None else source._native
        origins = source.session.native.locations.origins  # type: ignore[attr-defined]
        for each in _with_members(self._components):
            if source._has(each) and each._native not in origins:  # type: ignore[attr-defined]
                origins[each._native] = source.get_filesystem_path(each)  # type: ignore[attr-defined]
                self._lent.append(each._native)
        return fixed.ORIGIN

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        for each in self._lent:
            del self._source.session.native.locations.origins[each]


def _with_members(components: Iterable[Any]) -> Iterator[Any]:
    for each in components:
        yield each
        if each.entity_type != "FileComponent":
            yield from _with_members(each["members"])


def configure_locations(session: Any) -> None:
    """Let plugins say how locations are reached. The fixed ones, and that of a storage scenario, are from the beginning."""
    hub = session.event_hub
    activate = "ftrack.storage-scenario.activate"
    if hub.has_subscribers(activate):
        scenario = session.server_information.get("storage_scenario")
        if scenario and scenario.get("scenario"):
            hub.publish(Event(activate, data={"storage_scenario": scenario}), synchronous=True)
    hub.publish(Event("ftrack.api.session.configure-location", data={"session": session}), synchronous=True)

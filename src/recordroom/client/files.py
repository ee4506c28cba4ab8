"""`session.files`: bringing components to locations, taking them away, and reading them.

Data comes first: it is copied, counted and summed. Then one commit says where it lies, together with everything else that the
session has recorded, and with it go the events. Taking away is the other way round, so that nothing ever points at nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from ..errors import (
    ComponentInLocation,
    ComponentNotInLocation,
    Error,
    FileExists,
    InvalidValue,
    LocationNotConfigured,
    NoSuchFile,
    NotSupported,
    StoreUnavailable,
    TransferFailed,
)
from ..files.disk import DiskAccessor
from ..files.fixed import ORIGIN
from ..files.transfer import verified
from ..model.operations import Publish
from .carrying import Carried, Move, Progress, carry, told
from .committing import event
from .components import availabilities, is_container, registrations, tree_of
from .entity import Entity
from .file_names import name_inside
from .locations import Place

if TYPE_CHECKING:
    from .session import Session

__all__ = ["ADDED", "REMOVED", "Files"]

# Published with the commit that says so; data: component_id, location_id.
ADDED, REMOVED = "location.component-added", "location.component-removed"
# How much of a transfer is registered in one commit.
_FILES_TOGETHER, _BYTES_TOGETHER = 500, 1 << 30

Where = Entity | str


class Files:
    """The bytes of a session's components. Locations are given as entities, ids or names."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __repr__(self) -> str:
        return f"<Files of {self._session!r}>"

    # --- bring ---------------------------------------------------------------------------------------

    def add_component(self, component: Entity, location: Where, source: Where | None = None, **options: Any) -> None:
        """As `add_components`, of one."""
        self.add_components([component], location, source, **options)

    def add_components(  # noqa: PLR0913 - each is one thing that the user may say
        self,
        components: Iterable[Entity],
        location: Where,
        source: Where | None = None,
        *,
        recursive: bool = True,
        commit: bool = True,
        progress: Progress = None,
    ) -> None:
        """Copy components and their members to a location from `source`, and register them there in one commit.

        Without `source` they come from the best location that has them, or from where this session made them. With
        `commit=False` the registration is recorded for your own commit. `progress(done, total)` is told of bytes; True
        shows a bar on a terminal. ComponentInLocation where one is there already, before anything is copied;
        TransferFailed where something cannot be copied or registered, with what was `transferred` by then.
        """
        components = list(components)
        place = self._session.locations[location]
        place.structured()
        place.reached()
        wanted = tree_of(components) if recursive else list(dict.fromkeys(components))
        self._check_absent(wanted, place)
        moves = self._moves(wanted, place, source)
        found = self._carry(moves, place, progress)
        self._register(moves, found, place, commit=commit)

    def transfer(
        self,
        components: Iterable[Entity],
        source: Where | None,
        target: Where,
        *,
        progress: Progress = None,
    ) -> list[Entity]:
        """Copy components from a location to another, and register them there as they come; those that were copied.

        What is in the target already is left alone, and data that lies there unregistered is taken where it is the same, so
        that a transfer that broke off goes on where it was. `source` None: the best location that has each.
        """
        place, components = self._session.locations[target], list(components)
        shares = self._shares(components, place)
        missing = [each for each, there in zip(components, shares, strict=True) if there < 100]
        with told(progress, sum(each["size"] or 0 for each in missing)) as tell:
            for group in _groups(missing):
                moves = self._moves(self._absent(tree_of(group), place), place, source)
                self._register(moves, self._carry(moves, place, tell, adopt=True), place, commit=True)
        return missing

    # --- take away -----------------------------------------------------------------------------------

    def remove_component(self, component: Entity, location: Where, *, recursive: bool = True) -> None:
        """As `remove_components`, of one."""
        self.remove_components([component], location, recursive=recursive)

    def remove_components(self, components: Iterable[Entity], location: Where, *, recursive: bool = True) -> None:
        """Take components and their members out of a location, in one commit, and then remove their data.

        ComponentNotInLocation where one is not there: nothing is changed then. Data that is gone already is no error.
        """
        components = list(components)
        place = self._session.locations[location]
        wanted = tree_of(components) if recursive else list(dict.fromkeys(components))
        if place.id == ORIGIN:
            self._forget_origins(wanted, place)
            return
        rows = {row["component"]: row for row in registrations(self._session, wanted, place.location)}
        self._refuse_missing([each for each in components if each not in rows], place)
        found = [each for each in wanted if each in rows]
        paths = {each: place.decoded(rows[each]["resource_identifier"], each) for each in found}
        accessor = place.reached() if place.manages else None
        for each in found:
            self._session.delete(rows[each])
            self._publish(REMOVED, each, place)
        self._session.commit()
        if accessor is not None:
            for each in found:
                self._remove_data(each, paths[each], place)

    # --- read ----------------------------------------------------------------------------------------

    def resource_identifier(self, component: Entity, location: Where) -> str:
        """What a component is called in a location; ComponentNotInLocation where it is not there."""
        return self.resource_identifiers([component], location)[0]

    def resource_identifiers(self, components: Iterable[Entity], location: Where) -> list[str]:
        """What components are called in a location; ComponentNotInLocation names those that are not there."""
        components = list(components)
        place = self._session.locations[location]
        found = self._paths(components, place)
        self._refuse_missing([each for each in components if each not in found], place)
        return [found[each] for each in components]

    def filesystem_path(self, component: Entity, location: Where | None = None) -> str:
        """Where a component lies on this machine; of a sequence the pattern, `head.%04d.ext`. NotSupported where it does not."""
        place, path = self._found(component, location)
        return str(place.reached().local_path(path))

    def url(self, component: Entity, location: Where | None = None) -> str:
        """An address to read a component from; it may end soon. NotSupported where a location has none."""
        place, path = self._found(component, location)
        return place.reached().url(path)

    def open(self, component: Entity, location: Where | None = None) -> BinaryIO:
        """A file component to read from, that can seek. What is read is not verified; `download` does."""
        place, path = self._found(self._one_file(component), location)
        return place.reached().open(path)

    def read(self, component: Entity, location: Where | None = None) -> Iterator[bytes]:
        """The bytes of a file component in pieces; ChecksumMismatch at the end where they are not what was registered."""
        place, path = self._found(self._one_file(component), location)
        return verified(place.reached().read(path), path, component["checksum"])

    def download(
        self, component: Entity, path: str | Path, location: Where | None = None, *, progress: Progress = None
    ) -> list[Path]:
        """Write a component to this machine and verify it; the files. A sequence or container goes into a folder.

        A file is there whole or not at all; FileExists where there is one.
        """
        target = Path(path).absolute()
        files = [component] if not is_container(component) else _files_of(component)
        places = [self._found(each, location) for each in files]
        names = [target] if not is_container(component) else [target / name_inside(each, component) for each in files]
        anywhere = DiskAccessor(target if is_container(component) else target.parent)
        moves = [
            Move(component=each, target=str(name), source=place.reached(), path=found, checksum=each["checksum"])
            for each, name, (place, found) in zip(files, names, places, strict=True)
        ]
        with told(progress, sum(each["size"] or 0 for each in files)) as tell:
            for done in carry(moves, anywhere, tell):
                done.raised()
        return names

    # --- parts ---------------------------------------------------------------------------------------

    def _shares(self, components: list[Entity], place: Place) -> list[float]:
        return [each[place.id] for each in availabilities(self._session, components, [place.location])]

    def _paths(self, components: Iterable[Entity], place: Place) -> dict[Entity, str]:
        if place.id == ORIGIN:
            known = self._session.locations.origins
            return {each: known[each] for each in components if each in known}
        rows = registrations(self._session, components, place.location)
        return {row["component"]: place.decoded(row["resource_identifier"], row["component"]) for row in rows}

    def _absent(self, components: list[Entity], place: Place) -> list[Entity]:
        there = self._paths(components, place)
        return [each for each in components if each not in there]

    def _check_absent(self, components: list[Entity], place: Place) -> None:
        there = self._paths(components, place)
        if there:
            ids = [str(each["id"]) for each in there]
            raise ComponentInLocation(location=place.name, components=ids, count=len(ids))

    def _refuse_missing(self, components: list[Entity], place: Place) -> None:
        if components:
            ids = [str(each["id"]) for each in components]
            raise ComponentNotInLocation(location=place.name, components=ids, count=len(ids))

    def _found(self, component: Entity, location: Where | None) -> tuple[Place, str]:
        """The place to read a component from and its path there."""
        given = None if location is None else self._session.locations[location]
        found = self._sources([component], given).get(component)
        return self._nowhere(component, given) if found is None else found

    def _sources(self, components: list[Entity], given: Place | None) -> dict[Entity, tuple[Place, str]]:
        """For each component that is within reach, the place to read it from and its path there."""
        if given is not None:
            return {each: (given, path) for each, path in self._paths(components, given).items()}
        locations = self._session.locations
        known = locations.origins
        # What is registered was verified; a file where it once was may be gone or another by now.
        found = {each: (locations.origin, known[each]) for each in components if each in known}
        rows = list(registrations(self._session, components))
        # The best comes last, and stays.
        for place in reversed(list(locations)):
            for row in rows:
                if row["location"] == place.location:
                    component = row["component"]
                    found[component] = place, place.decoded(row["resource_identifier"], component)
        return found

    def _nowhere(self, component: Entity, given: Place | None) -> NoReturn:
        """Say why a component cannot be read: it is nowhere, or where this session does not reach."""
        rows = [] if given is not None else list(registrations(self._session, [component]))
        names = sorted(str(row["location"]["name"]) for row in rows)
        if names:
            raise LocationNotConfigured(location=" and ".join(names), part="accessor")
        where = given.name if given is not None else "any location"
        raise ComponentNotInLocation(location=where, components=[str(component["id"])], count=1)

    def _moves(self, components: list[Entity], place: Place, source: Where | None) -> list[Move]:
        """Where each component comes from and goes to; FileExists where two would go to one path."""
        given = None if source is None else self._session.locations[source]
        sources = self._sources(components, given)
        moves, taken = [], set()
        for each in components:
            found = sources.get(each)
            carried = place.manages and not is_container(each)
            if found is None and (carried or not is_container(each)):
                self._nowhere(each, given)
            origin, path = found or (None, None)
            target = place.structured().resource_identifier(each, path)
            if carried and target in taken:
                raise FileExists(where=place.name, path=target)
            taken.add(target)
            made = origin.reached() if carried and origin is not None else None
            moves.append(Move(component=each, target=target, source=made, path=path or "", checksum=each["checksum"]))
        return moves

    def _carry(self, moves: list[Move], place: Place, progress: Progress, *, adopt: bool = False) -> list[Carried]:
        """Copy the data; what is known of it afterwards."""
        if not place.manages:
            return []
        accessor = place.reached()
        done: list[Carried] = []
        files = [each for each in moves if each.source is not None]
        with told(progress, sum(each.component["size"] or 0 for each in files)) as tell:
            for each in moves:
                if each.component._type == "ContainerComponent":
                    accessor.make_container(each.target)
            for carried in carry(files, accessor, tell, adopt=adopt):
                if carried.error is not None:
                    raise self._failed(carried.move.component, place, carried.error, done)
                done.append(carried)
        return done

    def _register(self, moves: list[Move], carried: list[Carried], place: Place, *, commit: bool) -> None:
        session = self._session
        if place.id == ORIGIN:
            session.locations.origins.update((each.component, each.target) for each in moves)
            return
        noted = [(each.move.component, name) for each in carried for name in _noted(each)]
        rows = []
        for each in moves:
            identifier = place.encoded(each.target, each.component)
            values = {"component": each.component, "location": place.location, "resource_identifier": identifier}
            rows.append(session.create("ComponentLocation", values))
        told_of = [self._publish(ADDED, each.component, place) for each in moves]
        if not commit:
            return
        try:
            session.commit()
        except StoreUnavailable:
            # Whether it was done is not known; the next commit finds out, and does it once.
            raise
        except Error as error:
            session.delete(rows)
            self._take_back(told_of)
            for component, name in noted:
                del component[name]
            raise self._failed(moves[-1].component, place, error, carried) from error

    def _take_back(self, events: list[Publish]) -> None:
        mine = set(map(id, events))
        with self._session._lock:
            recorded = self._session._work.now.published
            recorded[:] = [each for each in recorded if id(each) not in mine]

    def _failed(self, component: Entity, place: Place, error: Error, done: list[Carried]) -> TransferFailed:
        transferred = [(str(each.move.component["id"]), each.move.target) for each in done]
        left = f" Transferred and not registered: {len(transferred)} files." if transferred else ""
        identity = str(component["id"])
        failed = TransferFailed(
            f"{place.name} did not take component {identity}: {error.message}{left}",
            location=place.name, component=identity, reason=error.message, transferred=transferred,
        )  # fmt: skip
        failed.__cause__ = error
        return failed

    def _publish(self, topic: str, component: Entity, place: Place) -> Publish:
        """Record an event for the commit."""
        made = event(topic, {"component_id": str(component["id"]), "location_id": place.id}, "")
        with self._session._lock:
            self._session._work.now.published.append(made)
        return made

    def _remove_data(self, component: Entity, path: str, place: Place) -> None:
        accessor = place.reached()
        try:
            if component._type != "SequenceComponent" and (not is_container(component) or accessor.is_container(path)):
                accessor.remove(path)
        except (NoSuchFile, NotSupported):
            pass

    def _forget_origins(self, components: list[Entity], place: Place) -> None:
        known = self._session.locations.origins
        self._refuse_missing([each for each in components if each not in known], place)
        for each in components:
            del known[each]

    def _one_file(self, component: Entity) -> Entity:
        if is_container(component):
            expected = "a file component; of a sequence or a container read the members"
            raise InvalidValue(type=component._type, attribute="component", value=component, expected=expected)
        return component


def _groups(components: Iterable[Entity]) -> Iterator[list[Entity]]:
    """Components that are registered together: few commits for many small ones, one for each that is large."""
    group: list[Entity] = []
    count = size = 0
    for each in components:
        group.append(each)
        count += len(tree_of([each]))
        size += each["size"] or 0
        if count >= _FILES_TOGETHER or size >= _BYTES_TOGETHER:
            yield group
            group, count, size = [], 0, 0
    if group:
        yield group


def _noted(carried: Carried) -> list[str]:
    """Set what is known of a file now and was not before; the names of what was set."""
    component = carried.move.component
    known = {"size": carried.size, "checksum": carried.checksum}
    missing = [name for name in known if component[name] is None]
    for name in missing:
        component[name] = known[name]
    return missing


def _files_of(component: Entity) -> list[Entity]:
    return [each for each in tree_of([component]) if not is_container(each)]

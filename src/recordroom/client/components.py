"""Components: making them from files, and asking where they are.

A component is an entity; its bytes lie in locations. `Session` has these as verbs.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidSequence, InvalidValue, NoSuchFile
from ..files.fixed import REVIEW, REVIEW_NAMES
from ..files.sequences import Sequence
from .entity import Entity

if TYPE_CHECKING:
    from .locations import Place
    from .session import Session

__all__ = ["availabilities", "create_component", "pick_locations", "tree_of"]

_MANY = 500
_SHOWN = 10


# --- make ---------------------------------------------------------------------------------------------


def create_component(
    session: Session, path: str | Path, data: Mapping[str, Any] | None, location: Entity | str | None, **options: Any
) -> Entity:
    """A component of a file, of a sequence, or of a folder with what is in it; see `Session.create_component`."""
    given = dict(data or {})
    place = _place_for(session, given, location)
    draft = _Draft(session)
    try:
        made = draft.of(os.fspath(path), given)
        if place is not None:
            session.files.add_components([made], place.location, **options)
    except BaseException:
        draft.forget()
        raise
    return made


def _place_for(session: Session, data: Mapping[str, Any], location: Entity | str | None) -> Place | None:
    if location is None:
        return None
    if location != "auto":
        return session.locations[location]
    if data.get("name") in REVIEW_NAMES and any(each.id == REVIEW for each in session.locations.all()):
        return session.locations.review
    return next(iter(session.locations), None)


class _Draft:
    """The components that one call makes; where it fails, they were never made."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._made: list[Entity] = []

    def of(self, path: str, data: dict[str, Any]) -> Entity:
        """The component of a path."""
        if path and Path(path).is_dir():
            return self._container(Path(path), data)
        if not Path(path).is_file() and Sequence.is_one(path):
            return self._sequence(_listed(path), data)
        return self._file(path, data)

    def forget(self) -> None:
        """Take all back that is not committed."""
        new = [each for each in self._made if self._session.state(each) == "created"]
        for each in new:
            self._session.locations.origins.pop(each, None)
        self._session.delete(new)

    def _file(self, path: str, data: dict[str, Any]) -> Entity:
        size = _size(path)
        data.setdefault("size", size)
        data.setdefault("file_type", file_type(self._session, path))
        data.setdefault("name", _stem(Path(path).name, data["file_type"]))
        return self._create("FileComponent", data, path)

    def _sequence(self, found: Sequence, data: dict[str, Any]) -> Entity:
        sizes = _sizes(found, data.get("size"))
        data.setdefault("size", sum(sizes))
        data.setdefault("padding", found.padding)
        data.setdefault("file_type", file_type(self._session, found.pattern))
        data.setdefault("name", posixpath.basename(found.head).rstrip("._- ") or posixpath.basename(found.pattern))
        made = self._create("SequenceComponent", data, found.pattern)
        for index, size in zip(found.indexes, sizes, strict=True):
            member = {"name": found.number(index), "container": made, "size": size, "file_type": made["file_type"]}
            self._create("FileComponent", member, found.file(index))
        return made

    def _container(self, folder: Path, data: dict[str, Any]) -> Entity:
        data.setdefault("name", Path(os.path.abspath(folder)).name)  # noqa: PTH100 - links keep their names
        made = self._create("ContainerComponent", data, str(folder))
        total = 0
        for each in sorted(folder.iterdir()):
            # What a link points to may lie anywhere, above the folder too.
            if each.is_symlink():
                raise InvalidValue(
                    type="ContainerComponent", attribute="path", value=str(each),
                    expected="files and folders; a symbolic link is neither",
                )  # fmt: skip
            inside = {"container": made}
            member = self._container(each, inside) if each.is_dir() else self._file(str(each), inside)
            total += member["size"]
        if "size" not in data:
            made["size"] = total
        return made

    def _create(self, type_name: str, data: dict[str, Any], path: str) -> Entity:
        made = self._session.create(type_name, data)
        self._made.append(made)
        self._session.locations.origins[made] = os.path.abspath(path)  # noqa: PTH100 - links keep their names
        return made


def file_type(session: Session, path: str) -> str:
    """The type of a file by its name: what a hook says, or its ending with the dot."""
    return str(session.hooks.ask("file-type", path=path) or posixpath.splitext(path)[1])


def _stem(name: str, ending: str) -> str:
    return name.removesuffix(ending) if ending and name != ending else name


def _size(text: str) -> int:
    try:
        found = Path(text).stat()
    except (OSError, ValueError) as error:
        raise NoSuchFile(where="this machine", path=text) from error
    # Devices and pipes never end.
    if not text or not stat.S_ISREG(found.st_mode):
        raise NoSuchFile(f"{text!r} is no file.", where="this machine", path=text)
    return found.st_size


def _sizes(found: Sequence, total: int | None) -> list[int]:
    """The size of each file; a total that is given is shared by all. InvalidSequence where files are missing."""
    if total is not None:
        return [round(total / len(found))] * len(found)
    sizes, missing = [], []
    for path in found.files():
        try:
            sizes.append(_size(path))
        except NoSuchFile:
            missing.append(path)
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        reason = f"{len(missing)} of its {len(found)} files are missing: {', '.join(missing[:_SHOWN])}{more}"
        raise InvalidSequence(path=found.pattern, reason=reason, missing=missing[:_SHOWN])
    return sizes


def _listed(text: str) -> Sequence:
    """The sequence; without ranges, of the files that there are."""
    found = Sequence.parse(text)
    if found.indexes:
        return found
    folder = Path(posixpath.dirname(found.pattern) or ".")
    form = re.compile(re.escape(posixpath.basename(found.head)) + r"(\d+)" + re.escape(found.tail), re.DOTALL)
    names = [form.fullmatch(each.name) for each in folder.iterdir()] if folder.is_dir() else []
    numbers = [each[1] for each in names if each is not None]
    indexes = sorted({int(each) for each in numbers if each == str(int(each)).zfill(found.padding)})
    if not indexes:
        raise InvalidSequence(path=text, reason="there is no file of it", missing=[])
    return Sequence(head=found.head, tail=found.tail, padding=found.padding, indexes=tuple(indexes))


# --- where they are -----------------------------------------------------------------------------------


def is_container(component: Entity) -> bool:
    """Whether a component has members: a sequence or a container."""
    return not component._schema.is_a(component._type, "FileComponent")


def tree_of(components: Iterable[Entity]) -> list[Entity]:
    """Components and the members of them, and of those, members first."""
    found: dict[Entity, None] = {}
    for each in components:
        if not each._schema.is_a(each._type, "Component"):
            raise InvalidValue(type="Session", attribute="component", value=each, expected="a component")
        if is_container(each):
            found.update(dict.fromkeys(tree_of(each["members"])))
        found[each] = None
    return list(found)


def pick_locations(session: Session, components: Iterable[Entity]) -> list[Entity | None]:
    """For each component the best location within reach that has some of it."""
    components = list(components)
    places = list(session.locations)
    found = availabilities(session, components, [place.location for place in places])
    return [next((place.location for place in places if each[place.id] > 0), None) for each in found]


def availabilities(
    session: Session, components: Iterable[Entity], locations: Iterable[Entity] | None
) -> list[dict[str, float]]:
    """For each component how much of it is in each location, in percent by the location's id."""
    components = list(components)
    ids = (
        [each.id for each in session.locations.all()] if locations is None else [str(each["id"]) for each in locations]
    )
    there: dict[Entity, set[str]] = {}
    for row in registrations(session, tree_of(components)):
        there.setdefault(row["component"], set()).add(str(row["location"]["id"]))
    return [{each: _percent(component, each, there) for each in ids} for component in components]


def _percent(component: Entity, location: str, there: Mapping[Entity, set[str]]) -> float:
    members = list(component["members"]) if is_container(component) else []
    if not members:
        return 100.0 if location in there.get(component, ()) else 0.0
    parts = sum(_percent(each, location, there) for each in members)
    # Whole where each member is, whatever the division makes of it.
    return min(100.0, round(parts / len(members), 9))


def registrations(session: Session, components: Iterable[Entity], location: Entity | None = None) -> Iterator[Entity]:
    """The rows that say that components are in locations, or in one; those that are not committed too."""
    components = list(components)
    wanted = set(components)
    for row in _recorded(session):
        if row["component"] in wanted and location in (None, row["location"]):
            yield row
    committed = [each for each in components if not each._page.new]
    text = "select component, location, resource_identifier from ComponentLocation where component in $components"
    for start in range(0, len(committed), _MANY):
        some = committed[start : start + _MANY]
        extra = {} if location is None else {"location": location}
        where = "" if location is None else " and location is $location"
        for row in session.query(text + where, components=some, **extra):
            if session.state(row) != "deleted":
                yield row


def _recorded(session: Session) -> list[Entity]:
    """Registrations that are not committed yet."""
    with session._lock:
        return [
            session._identity.at(page, row)
            for batch in session._work.batches()
            for page in batch.new
            if page.type == "ComponentLocation"
            for row in range(len(page.ids))
            if row not in page.gone
        ]

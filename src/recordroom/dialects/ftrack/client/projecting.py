"""Projections: which native paths bring what a script asks for, so that it comes with the first request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ....client.entity import Entity as Native
from ..casts import without_casts
from ..names import Field, Names
from .natives import follow

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Split", "load", "split"]

Steps = tuple[str, ...]


class Split(NamedTuple):
    """Native paths, and what can be asked only of entities that are known: (native path to them, steps from there)."""

    direct: list[str]
    later: list[tuple[str, Steps]]

    def behind(self, native: str) -> Split:
        """The same, seen from an entity in front."""
        direct = [native, *(f"{native}.{each}" for each in self.direct)]
        return Split(direct, [(f"{native}.{path}" if path else native, steps) for path, steps in self.later])

    def and_(self, other: Split) -> Split:
        """Both."""
        return Split(self.direct + other.direct, self.later + other.later)


_NOTHING = Split([], [])
_LEVELS = 8  # above an entity: what is further up is asked for when it is needed
# What is worked out needs these.
_NEEDED = {
    "link": ("name", "parent", "asset"),
    "ancestors": ("parent",),
    "created_by": ("created_by",),
    "created_by_id": ("created_by",),
    "is_latest_version": ("version", "asset", "asset.versions", "asset.versions.version"),
    "latest_version": ("versions", "versions.version"),
    "thumbnail_url": ("thumbnail",),
    "parent_type": ("context", "version", "user", "list", "in_reply_to"),
}


def split(session: Session, native: str, paths: Iterable[Steps]) -> Split:
    """What to ask for of a native type. UnknownAttribute where neither it nor a subtype has something of that name."""
    found = _NOTHING
    for steps in paths:
        found = found.and_(_of(session, native, without_casts(session.names, session.names.of(native), steps)))
    return Split(list(dict.fromkeys(found.direct)), list(dict.fromkeys(found.later)))


def _of(session: Session, native: str, steps: Steps) -> Split:
    names = session.names
    type = names.of(native)
    field = type.fields.get(steps[0])
    if field is None:
        names.having(type, steps[0])
        return Split([], [("", steps)])
    if field.form in ("reference", "collection"):
        return _through(session, native, field, steps[1:])
    if field.form == "pairs":
        return _pairs(session, native, field, steps[1:])
    if field.form == "custom":
        return Split(_of_custom(session, native), [])
    if field.form == "worked":
        known = names.schema.attributes(native)
        return Split([each for each in _NEEDED.get(steps[0], ()) if each.partition(".")[0] in known], [])
    return Split([each for each in field.natives if each != "id"], [])


def _of_custom(session: Session, native: str) -> list[str]:
    """The attributes behind custom attributes, and those above that hand their values down."""
    schema = session.names.schema
    found = [each.native for each in session._custom_of(native)]
    handed = [each.native for each in session._custom_of(native) if each.is_hierarchical]
    steps: list[str] = []
    at = native
    while handed and len(steps) < _LEVELS:
        steps.append("asset" if schema.is_a(at, "AssetVersion") else "parent")
        at = schema.attribute(at, steps[-1]).target
        found += [".".join((*steps, name)) for name in handed if name in schema.attributes(at)]
    return found


def _through(session: Session, native: str, field: Field, rest: Steps) -> Split:
    names = session.names
    found = _NOTHING
    for each in field.natives:
        target = names.schema.attribute(native, each).target
        fits = rest and (len(field.natives) == 1 or names.has(names.of(target), rest[0]))
        found = found.and_((_of(session, target, rest) if fits else _NOTHING).behind(each))
    if field.only is not None:
        found.direct.append(f"{field.natives[0]}.{field.only[0]}")
    return found


def _pairs(session: Session, native: str, field: Field, rest: Steps) -> Split:
    attribute = field.natives[0]
    pair = session.names[field.target].pair
    assert pair is not None, "a collection of pairs"
    if len(rest) < 2 or rest[0] not in (pair.owner, pair.member):
        return _NOTHING.behind(attribute)
    target = session.names.schema.attribute(native, attribute).target
    return _of(session, target, rest[1:]).behind(attribute)


def load(session: Session, natives: Sequence[Native], paths: Sequence[Steps]) -> None:
    """Load paths of entities, of each type what it has: a few requests, however many entities there are."""
    groups: dict[str, list[Native]] = {}
    for each in natives:
        groups.setdefault(each._type, []).append(each)
    for native, group in groups.items():
        load_split(session, group, split(session, native, paths))


def load_split(session: Session, natives: Sequence[Native], found: Split, *, loaded: bool = False) -> None:
    """Load what a split says of entities; `loaded` says that only the rest is missing."""
    if found.direct and not loaded:
        session.native.populate(natives, found.direct)
    behind: dict[str, list[Steps]] = {}
    for path, steps in found.later:
        behind.setdefault(path, []).append(steps)
    for path, some in behind.items():
        _load_behind(session, follow(natives, path), some)


def _load_behind(session: Session, natives: Iterable[Native], paths: Sequence[Steps]) -> None:
    names: Names = session.names
    groups: dict[str, list[Native]] = {}
    for each in natives:
        groups.setdefault(each._type, []).append(each)
    for native, group in groups.items():
        fitting = [steps for steps in paths if steps[0] in names.of(native).fields]
        if fitting:
            load(session, group, fitting)

"""What a session does with components: make them from files, and ask where they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ....client.components import file_type
from ....errors import InvalidSequence
from ....files.sequences import Sequence
from .exception import translated
from .symbol import ORIGIN_LOCATION_ID, REVIEW_LOCATION_ID

__all__ = ["component_availabilities", "create_component", "get_locations", "pick_location", "pick_locations"]

_REVIEW = ("ftrackreview-mp4", "ftrackreview-webm", "ftrackreview-image")


def get_locations(session: Any, filter_inaccessible: bool = True) -> list[Any]:
    """The locations, the best first; without `filter_inaccessible` those out of reach too."""
    places = session.native.locations.all()
    found = [each for each in places if each.accessor is not None or not filter_inaccessible]
    return [session.wrap(each.location) for each in sorted(found, key=lambda each: (each.priority, each.name))]


def pick_location(session: Any, component: Any = None) -> Any:
    """The best location within reach, or of those that have a component; None where there is none."""
    if component is not None:
        return pick_locations(session, [component])[0]
    return next(iter(get_locations(session)), None)


def pick_locations(session: Any, components: Iterable[Any]) -> list[Any]:
    """For each component the best location within reach that has some of it, or None."""
    with translated():
        found = session.native.pick_locations([each._native for each in components])
    return [session.wrap(each) for each in found]


def component_availabilities(
    session: Any, components: Iterable[Any], among: Iterable[Any] | None = None
) -> list[dict[str, float]]:
    """For each component how much of it is in each location, in percent by the location's id."""
    places = None if among is None else [each._native for each in among]
    with translated():
        found: list[dict[str, float]] = session.native.component_availabilities(
            [each._native for each in components], places
        )
    return found


def create_component(session: Any, path: str | Path, data: Mapping[str, Any] | None, location: Any) -> Any:
    """A component of a file or of a sequence (`head.%04d.exr [1-5, 8]`), in a location unless that is None.

    "auto": the best within reach. Adding it to a location commits.
    """
    text, given = os.fspath(path), dict(data or {})
    place = _picked(session, given) if location == "auto" else location
    made: list[Any] = []
    try:
        sequence = _sequence(text)
        if sequence is None:
            component = _file(session, text, given, made)
        else:
            component = _of_sequence(session, sequence, given, made)
        if place:
            place.add_component(component, session.get("Location", ORIGIN_LOCATION_ID), recursive=True)
    except BaseException:
        _forget(session, made)
        raise
    return component


def _picked(session: Any, data: Mapping[str, Any]) -> Any:
    if data.get("name") in _REVIEW:
        return session.get("Location", REVIEW_LOCATION_ID)
    return session.pick_location()


def _sequence(text: str) -> Sequence | None:
    """The sequence that a text names, with its ranges; None for a plain path."""
    if not Sequence.is_one(text):
        return None
    try:
        found = Sequence.parse(text)
    except InvalidSequence:
        return None
    return found if found.indexes else None


def _file(session: Any, path: str, data: dict[str, Any], made: list[Any]) -> Any:
    data.setdefault("size", _size(path))
    data.setdefault("file_type", _type_of(session, path))
    return _created(session, "FileComponent", path, data, made)


def _of_sequence(session: Any, sequence: Sequence, data: dict[str, Any], made: list[Any]) -> Any:
    total = data.get("size")
    sizes = (
        [_size(each) for each in sequence.files()] if total is None else [round(total / len(sequence))] * len(sequence)
    )
    kind = _type_of(session, sequence.pattern)
    known = {"padding": sequence.padding, "file_type": kind, "size": sum(sizes)}
    container = _created(session, "SequenceComponent", sequence.pattern, {**known, **data}, made)
    for index, size in zip(sequence.indexes, sizes, strict=True):
        member = {"name": sequence.number(index), "container": container, "size": size, "file_type": kind}
        _created(session, "FileComponent", sequence.file(index), member, made)
    return container


def _created(session: Any, kind: str, path: str, data: dict[str, Any], made: list[Any]) -> Any:
    component = session.create(kind, data)
    made.append(component)
    session.native.locations.origins[component._native] = os.path.abspath(path)  # noqa: PTH100 - links keep their names
    return component


def _forget(session: Any, made: list[Any]) -> None:
    """Take back what is not committed: it was never made."""
    for each in reversed(made):
        if session.native.state(each._native) == "created":
            session.native.locations.origins.pop(each._native, None)
            session.delete(each)


def _type_of(session: Any, path: str) -> str:
    # The session's hook asks the subscribers of the hub.
    return file_type(session.native, path)


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except (OSError, ValueError):
        # A path of another machine may be registered where nothing is copied.
        return 0

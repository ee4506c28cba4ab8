"""Attributes that are worked out from several entities, which are loaded for whole pages at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ....client.entity import Entity as Native
from ....client.symbols import NOT_SET
from ....model.ids import show_id
from .. import tables
from ..pictures import NO_PICTURE, picture, picture_url
from .accessor.server import _ServerAccessor
from .natives import attribute_of, raw_reference

if TYPE_CHECKING:
    from .entity.base import Entity

__all__ = ["WORKERS"]

_DEEPEST = 64


def _above(native: Any) -> list[Native]:
    """A context and those above it, from the top down."""
    found: list[Native] = []
    while native and native not in found:
        found.append(native)
        native = attribute_of(native, "parent")
    return found[::-1]


def _link(entity: Entity) -> list[dict[str, Any]]:
    native = entity._native
    with native._session.auto_populating(True):
        if native._type != "AssetVersion":
            return [_part(each) for each in _above(native)]
        asset = attribute_of(native, "asset")
        if not asset:
            return []
        name = f"{attribute_of(asset, 'name')} - v{attribute_of(native, 'version') or 0}"
        parts = [_part(each) for each in _above(attribute_of(asset, "parent"))]
        return [*parts, {"type": "AssetVersion", "id": show_id(native._id), "name": name}]


def _part(native: Native) -> dict[str, Any]:
    kind = "Project" if native._type == "Project" else "TypedContext"
    return {"type": kind, "id": show_id(native._id), "name": attribute_of(native, "name")}


def _ancestors(entity: Entity) -> list[Any]:
    with entity._native._session.auto_populating(True):
        return entity.session.wrap_all(_above(entity._native)[:-1])


def _descendants(entity: Entity) -> list[Any]:
    with entity._native._session.auto_populating(True):
        found: dict[Native, None] = {}
        level = [entity._native]
        for _ in range(_DEEPEST):
            level = [each for above in level for each in above["children"] if each not in found]
            if not level:
                break
            found.update(dict.fromkeys(level))
        return entity.session.wrap_all(found)


def _parent_type(entity: Entity) -> str | None:
    native = entity._native
    for name, said in tables.PARENT_TYPES.items():
        if raw_reference(native, name):
            return "show" if name == "context" and native[name]._type == "Project" else said
    return None


def _category(entity: Entity) -> Any:
    links = entity._native["note_label_links"]
    labels = [each["label"] for each in links or () if each["label"] is not None]
    return entity.session.wrap(labels[0]) if labels else None


def _category_id(entity: Entity) -> Any:
    found = _category(entity)
    return None if found is None else found["id"]


def _created_by(entity: Entity) -> Any:
    name = attribute_of(entity._native, "created_by")
    if name is None or name is NOT_SET:
        return name
    return entity.session.wrap(entity._native._session.get("User", {"name": name}))


def _created_by_id(entity: Entity) -> Any:
    found = _created_by(entity)
    return found["id"] if found else found


def _is_latest(entity: Entity) -> bool:
    native = entity._native
    with native._session.auto_populating(True):
        asset = attribute_of(native, "asset")
        return bool(asset) and _latest_of(asset) is native


def _latest_version(entity: Entity) -> Any:
    with entity._native._session.auto_populating(True):
        found = _latest_of(entity._native)
        return None if found is None else entity.session.wrap(found)


def _latest_of(asset: Native) -> Native | None:
    numbered = {each: attribute_of(each, "version") for each in asset["versions"]}
    # A new version has no number until it is committed.
    known = [each for each, number in numbered.items() if number]
    return max(known, key=numbered.__getitem__, default=None)


def _thumbnail_url(entity: Entity) -> dict[str, str | None]:
    session = entity.session
    thumbnail = raw_reference(entity._native, "thumbnail") if "thumbnail" in entity._native._facts.attributes else None
    if not str(session.server_url).startswith(("http://", "https://")):
        return picture(None)
    if not thumbnail:
        return picture(f"{session.server_url}{NO_PICTURE}")
    id = show_id(thumbnail)
    return picture(picture_url(str(session.server_url), id, _ServerAccessor(session).get_url(id)))


WORKERS: dict[str, Callable[[Entity], Any]] = {
    "link": _link,
    "ancestors": _ancestors,
    "descendants": _descendants,
    "parent_type": _parent_type,
    "created_by": _created_by,
    "created_by_id": _created_by_id,
    "category": _category,
    "category_id": _category_id,
    "is_latest_version": _is_latest,
    "latest_version": _latest_version,
    "thumbnail_url": _thumbnail_url,
}

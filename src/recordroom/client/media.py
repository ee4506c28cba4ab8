"""Media of a session: `encode_media` hands in a job that makes what browsers play; `create_thumbnail` makes a small picture.

The data of the job is JSON: `{"output": [{"format", "component_id"}, …], "source_component_id", "keep_original"}`, and `version_id`
where a version was given. It names the outputs before they are there; the job's result names those that came of it.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID, uuid4

from ..errors import InvalidValue, NotFound
from ..files.fixed import SERVER
from ..model.encoding import encoding_data
from .access import explain_access
from .entity import Entity

if TYPE_CHECKING:
    from ..media import Encoded, Output
    from .job_worker import Running
    from .session import Session

__all__ = ["Keep", "create_thumbnail", "encode", "encode_media"]

Keep = bool | Literal["auto"]

THUMBNAIL = "thumbnail"
_ENDING = re.compile(r"(\.\w{1,20}){0,3}")


# --- hand in --------------------------------------------------------------------------------------


def encode_media(
    session: Session, media: str | Path | Entity, version: Entity | str | None, keep_original: Keep
) -> Entity:
    """The job that encodes a file or a component; see `Session.encode_media`."""
    if keep_original not in (True, False, "auto"):
        _wrong("keep_original", keep_original, 'True, False or "auto"')
    given = isinstance(media, Entity)
    belongs = _version(session, version)
    source = _component(media) if isinstance(media, Entity) else _brought(session, Path(media))
    keep = given if keep_original == "auto" else keep_original
    data = encoding_data(
        source._id, source["file_type"] or "", None if belongs is None else belongs._id, keep_original=keep
    )
    return session.jobs.submit("encode_media", data)


def _version(session: Session, version: Entity | str | None) -> Entity | None:
    if version is None or isinstance(version, Entity):
        return version
    found = session.get("AssetVersion", version)
    if found is None:
        raise NotFound(type="AssetVersion", entity=version)
    return found


def _component(media: Entity) -> Entity:
    if not media._schema.is_a(media._type, "FileComponent"):
        _wrong("media", media, "a path or a FileComponent")
    return media


def _brought(session: Session, path: Path) -> Entity:
    return session.create_component(path, {}, location=SERVER, commit=False)


def _wrong(attribute: str, value: Any, expected: str) -> None:
    raise InvalidValue(type="Session", attribute=attribute, value=value, expected=expected)


def create_thumbnail(session: Session, entity: Entity, source: str | Path | Entity, size: int) -> Entity:
    """The component of a small picture, which becomes the entity's thumbnail; see `Session.create_thumbnail`."""
    from ..media import thumbnail

    if "thumbnail" not in entity._schema.attributes(entity._type):
        _wrong("entity", entity, "an entity that has a thumbnail")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = _fetched(session, source, folder) if isinstance(source, Entity) else Path(source)
        thumbnail(path, folder / f"{THUMBNAIL}.jpg", size)
        made = session.create_component(folder / f"{THUMBNAIL}.jpg", {"name": THUMBNAIL}, location=SERVER, commit=False)
        # The file that it was made of is gone in a moment.
        session.locations.origins.pop(made, None)
    entity["thumbnail"] = made
    session.commit()
    return made


def _fetched(session: Session, component: Entity, folder: Path, location: str | None = None) -> Path:
    ending = str(component["file_type"] or "")
    # It is a word of whoever made the component, and no part of a path.
    target = folder / f"source{ending if _ENDING.fullmatch(ending) else ''}"
    (path,) = session.files.download(_component(component), target, location)
    return path


# --- do it ----------------------------------------------------------------------------------------


def encode(running: Running) -> dict[str, Any]:
    """The handler of jobs of type `encode_media`: makes components, and leaves them to be committed with the job's end."""
    from .. import media

    data, session = _read(running.data), running.session
    source = session.get("FileComponent", data["source_component_id"])
    if source is None:
        raise NotFound(type="FileComponent", entity=data["source_component_id"])
    with tempfile.TemporaryDirectory(prefix="recordroom-media-") as name:
        folder = Path(name)
        # From nowhere else: other locations are places of this machine, and whoever made the component has named the file there.
        path = _fetched(session, source, folder, SERVER)
        running.log(f"Encoding {source['name']}{source['file_type'] or ''}, {source['size']} bytes.")
        made = media.encode(path, folder, progress=lambda part: running.progress(0.9 * part))
        running.check()
        outputs = [_kept(running, data, folder, made, each) for each in made.outputs]
    if not data.get("keep_original", True):
        session.delete(source)
    _picture(session, data, outputs)
    return {"output": outputs, "source": {"format": made.source.format, "codec": made.source.codec}}


def _read(data: Any) -> dict[str, Any]:
    try:
        UUID(data["source_component_id"])
        return {**data, "output": [dict(each) for each in data.get("output", ())]}
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        expected = "an object with source_component_id and output"
        raise InvalidValue(type="Job", attribute="data", value=str(data)[:100], expected=expected) from error


def _kept(running: Running, data: dict[str, Any], folder: Path, made: Encoded, output: Output) -> dict[str, Any]:
    """Bring an output to the room, as a component of the job and of its version."""
    session = running.session
    values: dict[str, Any] = {
        "id": _planned(data, output.format),
        "name": output.name,
        "metadata": {"ftr_meta": json.dumps(_facts(output))},
    }
    if "version_id" in data:
        values["version"] = data["version_id"]
    _forget_attempt(session, values["id"])
    component = session.create_component(folder / output.file, values, location=SERVER, commit=False)
    session.create("JobComponent", {"job": running.job, "component": component})
    return {"format": output.format, "component_id": str(component["id"])}


def _picture(session: Session, data: dict[str, Any], outputs: list[dict[str, Any]]) -> None:
    """The picture becomes the thumbnail of a version that has none, where whoever handed the job in may say so."""
    image = next((each["component_id"] for each in outputs if each["format"].startswith("image/")), None)
    version = session.get("AssetVersion", data["version_id"]) if image and "version_id" in data else None
    if version is None or "thumbnail" not in version._schema.attributes(version._type):
        return
    if version["thumbnail"] is None and _may_set(session, version, "thumbnail"):
        version["thumbnail"] = image


def _may_set(session: Session, entity: Entity, attribute: str) -> bool:
    """Whether the session may change an attribute; no where the rule that it goes by is about others."""
    [found] = [each for each in explain_access(session, entity, None) if each.verb == "update"]
    return found.allowed and (not found.attributes or attribute in found.attributes)


def _planned(data: dict[str, Any], format: str) -> str:
    """The id that the job's data has for an output of this sort; another where it has none."""
    sort = format.partition("/")[0]
    wanted = ("video", "audio") if sort != "image" else ("image",)
    for each in data["output"]:
        if str(each.get("format", "")).partition("/")[0] in wanted:
            return str(each["component_id"])
    return str(uuid4())


def _forget_attempt(session: Session, component: str) -> None:
    """What an attempt that did not end left under this id is taken away."""
    accessor = session.locations[SERVER].reached()
    if session.get("FileComponent", component) is None and accessor.is_file(component):
        accessor.remove(component)


def _facts(output: Output) -> dict[str, Any]:
    """What players of ftrack want to know of it."""
    if output.format.startswith("image/"):
        return {"format": "image", "width": output.width, "height": output.height}
    rate = output.rate or 0
    return {
        "frameIn": 0, "frameOut": max(output.frames - 1, 0), "frameRate": rate, "width": output.width, "height": output.height
    }  # fmt: skip

"""Components, the locations that their bytes lie in, and media made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Literal

from ..entity import Entity
from .base import Verbs

if TYPE_CHECKING:
    from ...model.files import FileUrl
    from ..carrying import Progress
    from ..files import Files
    from ..locations import Locations

__all__ = ["FileVerbs"]


class FileVerbs(Verbs):
    """Components, locations and media."""

    @property
    def locations(self) -> Locations:
        """How this session reaches locations: `session.locations.configure("studio", accessor="/mnt/studio")`."""
        from ..locations import Locations

        session = self._open()
        with session._lock:
            if session._locations is None:
                session._locations = Locations(session)
            return session._locations

    @property
    def files(self) -> Files:
        """The bytes of components: `add_components`, `transfer`, `remove_components`, `open`, `download`, `filesystem_path`, `url`."""
        from ..files import Files

        return Files(self._open())

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
        from ..components import create_component

        return create_component(self._open(), path, data, location, commit=commit, progress=progress)

    def pick_location(self, component: Entity | None = None) -> Entity | None:
        """The best location within reach, or the best that has some of a component; None where there is none."""
        if component is not None:
            return self.pick_locations([component])[0]
        return next((place.location for place in self.locations), None)

    def pick_locations(self, components: Iterable[Entity]) -> list[Entity | None]:
        """For each component the best location within reach that has some of it, or None."""
        from ..components import pick_locations

        return pick_locations(self._open(), components)

    def component_availability(self, component: Entity, locations: Iterable[Entity] | None = None) -> dict[str, float]:
        """How much of a component is in each location (or in these), in percent by the location's id."""
        return self.component_availabilities([component], locations)[0]

    def component_availabilities(
        self, components: Iterable[Entity], locations: Iterable[Entity] | None = None
    ) -> list[dict[str, float]]:
        """As `component_availability`, for several at once, in their order."""
        from ..components import availabilities

        return availabilities(self._open(), components, locations)

    def upload_metadata(
        self, component_id: Entity | str, file_name: str, file_size: int, checksum: str | None = None
    ) -> FileUrl:
        """Where to PUT the bytes of a component, whether it is committed or not: `url`, the `headers` to send, when it `expires`.

        Whoever has it needs no other credential. What is sent must have that size and, where `checksum` says so (in
        hexadecimal or base64), that MD5. NotSupported in an embedded room.
        """
        from ..transfers import room_files

        session = self._open()
        key = component_id["id"] if isinstance(component_id, Entity) else component_id
        return room_files(session.transport, session.database).upload_url(key, file_name, file_size, checksum or "")

    def encode_media(
        self,
        media: str | FilePath | Entity,
        version: Entity | str | None = None,
        keep_original: bool | Literal["auto"] = "auto",
    ) -> Entity:
        """A new job that makes what browsers play of a file or a FileComponent in the room's own location, and a picture of it.

        A file becomes a component there first, and all that the session has recorded is committed. The outputs are related to the
        job by `job_components`, and belong to `version` if one is given; the picture becomes its thumbnail where it has none and
        you may set it. The original is kept if it is a component and deleted if it is a file, unless `keep_original` says
        otherwise. NoSuchFile, InvalidValue.
        """
        from ..media import encode_media

        return encode_media(self._open(), media, version, keep_original)

    def create_thumbnail(self, entity: Entity, source: str | FilePath | Entity, size: int = 300) -> Entity:
        """A small picture of a file or FileComponent, fitted into `size` × `size`, as the thumbnail of an entity; its component.

        Committed with all that the session has recorded. InvalidMedia, MediaLimit.
        """
        from ..media import create_thumbnail

        return create_thumbnail(self._open(), entity, source, size)

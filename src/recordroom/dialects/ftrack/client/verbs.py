"""The verbs of a session by topic, besides working with entities and committing.

Each hands over to the module that does the work; `Session` is made of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import calling, components, encoding
from .entity.base import Entity
from .exception import ServerError, translated

if TYPE_CHECKING:
    from .session import Session

__all__ = ["ComponentVerbs", "ExchangeVerbs", "PeopleVerbs"]


class _Verbs:
    def _whole(self) -> Session:
        """The session itself."""
        raise NotImplementedError


class ComponentVerbs(_Verbs):
    """Components and locations."""

    def create_component(self, path: str, data: Mapping[str, Any] | None = None, location: Any = "auto") -> Any:
        """A new component of a file or a sequence `head.%04d.ext [1-5, 8]`, in a location.

        "auto" picks one; None leaves the file where it is, and commits nothing.
        """
        return components.create_component(self._whole(), path, data, location)

    def pick_location(self, component: Any = None) -> Any:
        """The best location within reach, or the best that has some of a component; None where there is none."""
        return components.pick_location(self._whole(), component)

    def pick_locations(self, components_: Iterable[Any]) -> list[Any]:
        """For each component the best location within reach that has some of it, or None."""
        return components.pick_locations(self._whole(), components_)

    def get_component_availability(self, component: Any, locations: Iterable[Any] | None = None) -> dict[str, float]:
        """How much of a component is in each location (or in these), in percent by the location's id."""
        return self.get_component_availabilities([component], locations)[0]

    def get_component_availabilities(
        self, components_: Iterable[Any], locations: Iterable[Any] | None = None
    ) -> list[dict[str, float]]:
        """As `get_component_availability`, for several, in their order."""
        return components.component_availabilities(self._whole(), components_, locations)


class PeopleVerbs(_Verbs):
    """What a server does for people, and media."""

    def reset_remote(self, reset_type: str, entity: Any = None) -> Any:
        """Reset something on the server: `"api_key"` of a user, for `{"api_key": …}`."""
        if entity is not None and entity.entity_type != "User":
            raise ServerError(f"{reset_type} of {entity.entity_type}: only users have one")
        with translated():
            user = None if entity is None else entity._native
            return {reset_type: self._whole().native.reset_remote(reset_type, user)}  # type: ignore[arg-type]

    def get_widget_url(self, name: str, entity: Any = None, theme: str | None = None) -> str:
        """The address of a page for a person, "info", "tasks" or "tasks_browser", good for six minutes."""
        with translated():
            about = None if entity is None else entity._native
            return self._whole().native.widget_url(name, about, theme)  # type: ignore[arg-type]

    def encode_media(self, media: Any, version_id: str | None = None, keep_original: Any = "auto") -> Any:
        """A new job that makes what browsers play of a file or a FileComponent in ftrack.server."""
        session = self._whole()
        with translated(), session._committing():
            return session.wrap(
                session.native.encode_media(getattr(media, "_native", media), version_id, keep_original)
            )

    def get_upload_metadata(
        self, component_id: str, file_name: str, file_size: int, checksum: str | None = None
    ) -> dict[str, Any]:
        """The `url` and `headers` with which the bytes of a component are PUT."""
        with translated():
            found = self._whole().native.upload_metadata(component_id, file_name, file_size, checksum)
        return {"url": found.url, "headers": dict(found.headers), "component_id": component_id}

    def send_user_invite(self, user: Any) -> None:
        """Invite a user by mail."""
        self.send_user_invites([user])

    def send_user_invites(self, users: Iterable[Any]) -> None:
        """Invite users by mail."""
        with translated():
            self._whole().native.send_user_invites([each._native for each in users])


class ExchangeVerbs(_Verbs):
    """JSON, and actions as ftrack's API knows them."""

    def encode(self, data: Any, entity_attribute_strategy: str = "set_only") -> str:
        """JSON text of entities, or of lists and dicts with entities in them.

        "all" loads every attribute, "set_only" takes what is loaded or set, "modified_only" local changes,
        "persisted_only" what the room said. ValueError for another.
        """
        with translated():
            return encoding.encode(self._whole(), data, entity_attribute_strategy)

    def decode(self, string: str) -> Any:
        """What `encode` made, with entities of this session."""
        return encoding.decode(self._whole(), string)

    def entity_reference(self, entity: Entity) -> dict[str, Any]:
        """What identifies an entity: `__entity_type__` and its key."""
        return encoding.reference(entity)

    def call(self, data: Any) -> list[Any]:
        """Do actions as ftrack's API knows them: query, create, update, delete, reset_remote … ServerError for one that there is not."""
        return calling.call(self._whole(), data)

    _call = call

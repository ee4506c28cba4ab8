"""Users, their timers and keys."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from .....errors import NoResult, NotUnique
from ..exception import NoResultFoundError, NotUniqueError, translated
from .base import Entity

__all__ = ["User"]


class User(Entity):
    """Somebody who works with the room."""

    def _construct(self, data: Mapping[str, Any], reconstructing: bool) -> None:
        super()._construct(data, reconstructing)
        if not reconstructing and not data.get("username"):
            self.session._unfinished.append(self)

    def _complete(self) -> None:
        """A user has a name."""
        if not self["username"]:
            self["username"] = str(uuid.uuid4())

    def start_timer(self, context: Any = None, comment: str = "", name: str | None = None, force: bool = False) -> Any:
        """A new timer, from now on; commits. NotUniqueError where one runs, unless `force` stops that first."""
        production = self.session.native.production
        about = None if context is None else context._native
        try:
            with self.session._committing():
                timer = production.start_timer(self._native, about, name=name, comment=comment, force=force)
        except NotUnique as error:
            raise NotUniqueError(f"{self['username']} has a timer that runs: stop it, or use force=True") from error
        return self.session.wrap(timer)

    def stop_timer(self) -> Any:
        """The Timelog that the timer becomes; commits. NoResultFoundError where none runs."""
        try:
            with self.session._committing():
                timelog = self.session.native.production.stop_timer(self._native)
        except NoResult as error:
            raise NoResultFoundError(str(error)) from error
        return self.session.wrap(timelog)

    def send_invite(self) -> None:
        """Invite the user by mail."""
        self.session.send_user_invite(self)

    def reset_api_key(self) -> str:
        """A new API key for the user."""
        with translated():
            return str(self.session.reset_remote("api_key", entity=self)["api_key"])

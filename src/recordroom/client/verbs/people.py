"""Accounts and people: who may do what, pages for a browser, invitations, keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ...errors import InvalidValue
from .. import people
from ..access import AccessReason, explain_access
from ..entity import Entity
from .base import Verbs

__all__ = ["PeopleVerbs"]


class PeopleVerbs(Verbs):
    """Access, pages and accounts."""

    def explain_access(self, entity: Entity, user: Entity | str | None = None) -> list[AccessReason]:
        """For each verb whether a user (an entity, an id or a name; None: oneself) may do it with an entity, and why.

        PermissionDenied where it is about another user and one may not change the schema.
        """
        session = self._open()
        session._own(entity)
        return explain_access(session, entity, user)

    def widget_url(self, name: people.PageName, entity: Entity | None = None, theme: str | None = None) -> str:
        """The address of a page for a person in a browser, who needs no other credential for six minutes.

        `name`: "info" about an entity, "tasks" of oneself or of a user, group or context, "tasks_browser" of projects.
        `theme` is "dark" (also for one that there is not) or "light". NotSupported in an embedded room.
        """
        return people.widget_url(self._open(), name, entity, theme)

    def send_user_invites(self, users: Entity | str | Iterable[Entity | str]) -> list[str]:
        """Invite users (entities, names or ids) by mail; the names of those who were written to.

        Who has no password yet gets a one-time code to choose one. Needs the right to change those users, and settings for
        mail on the server. MailFailed says whom it reached.
        """
        return people.send_invitations(self._open(), users)

    def reset_remote(self, kind: Literal["api_key"] = "api_key", user: Entity | str | None = None) -> str:
        """A new API key for oneself or another user, in place of the one that this gave before.

        Keys that were made under names of their own (`recordroom token create`) stay.
        """
        if kind != "api_key":
            raise InvalidValue(type="Session", attribute="reset_remote", value=kind, expected="'api_key'")
        return people.new_api_key(self._open(), user)

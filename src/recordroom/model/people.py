"""What sessions ask a server to do for people, and what it answers."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["GivenKey", "Invitations", "Invited", "PageAddress", "PageRequest"]


class PageRequest(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Ask for the address of a page. `type` and `id` name the entity that it is about."""

    name: Literal["info", "tasks", "tasks_browser"]
    theme: str | None = None
    type: str | None = None
    id: bytes | None = None


class PageAddress(msgspec.Struct, kw_only=True):
    """The address below the server's, which opens the page for `expires_in` seconds."""

    url: str
    expires_in: int


class Invitations(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Invite users (names or ids) by mail. `url` is the server's address as the sender knows it."""

    users: list[str]
    url: str = ""


class Invited(msgspec.Struct, kw_only=True):
    """That a user was written to."""

    user: str
    sent: bool = True


class GivenKey(msgspec.Struct, kw_only=True):
    """A key, shown this once."""

    api_key: str

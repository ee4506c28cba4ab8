"""What a session asks a server to do for people: pages for a browser, invitations by mail, keys given anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from ..errors import InvalidValue, NotSupported
from ..model.people import GivenKey, Invitations, Invited, PageAddress, PageRequest
from .calls import Caller, Request
from .entity import Entity

if TYPE_CHECKING:
    from .session import Session

__all__ = ["new_api_key", "send_invitations", "widget_url"]

PageName = Literal["info", "tasks", "tasks_browser"]
_PAGES = ("info", "tasks", "tasks_browser")


def widget_url(session: Session, name: PageName, entity: Entity | None, theme: str | None) -> str:
    """As `Session.widget_url`."""
    caller = _caller(session, "Pages are opened by a server: see `recordroom serve`.")
    if name not in _PAGES:
        expected = f"one of {', '.join(_PAGES)}"
        raise InvalidValue(type="Session", attribute="widget_url", value=name, expected=expected)
    about: dict[str, Any] = {}
    if entity is not None:
        session._own(entity)
        about = {"type": str(entity["entity_type"]), "id": entity._id}
    request = PageRequest(name=name, theme=theme, **about)
    return caller.where + caller.ask(Request(path="/v1/pages", body=request), PageAddress).url


def send_invitations(session: Session, users: Entity | str | Iterable[Entity | str]) -> list[str]:
    """As `Session.send_user_invites`."""
    caller = _caller(session, "Invitations are sent by a server: see `recordroom serve`.")
    some = [users] if isinstance(users, Entity | str) else list(users)
    request = Invitations(users=[_named(session, each) for each in some], url=caller.where)
    # Whether it was heard is not known when the connection breaks: asking again would write twice.
    found = caller.ask(Request(path="/v1/invitations", body=request, repeatable=False), list[Invited])
    return [each.user for each in found]


def new_api_key(session: Session, user: Entity | str | None) -> str:
    """As `Session.reset_remote`."""
    caller = _caller(session, "API keys of a room in this process: see `recordroom token create`.")
    whose = session.transport.actor if user is None else _named(session, user)
    request = Request(path=f"/v1/users/{quote(whose, safe='')}/api-key", repeatable=False)
    return caller.ask(request, GivenKey).api_key


def _caller(session: Session, reason: str) -> Caller:
    found = getattr(session.transport, "caller", None)
    if not isinstance(found, Caller):
        raise NotSupported(reason)
    return found


def _named(session: Session, user: Entity | str) -> str:
    if isinstance(user, str):
        return user
    session._own(user)
    return str(user["id"])
